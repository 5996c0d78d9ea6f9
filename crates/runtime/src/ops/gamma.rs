//! The logarithm of the gamma function and its derivative, for positive arguments.
//!
//! Both use Stirling's series from [`FAR`] on, and the recurrence of the gamma function below it
//! (Abramowitz and Stegun, 6.1.15, 6.1.40, 6.3.5 and 6.3.18).

use std::f64::consts::TAU;

/// From here on the series are exact to the last place.
const FAR: f64 = 10.0;

/// The logarithm of the gamma function of `x > 0`; its absolute error is that of `x`'s last places.
pub(crate) fn ln_gamma(x: f64) -> f64 {
    /// B₂ₙ / 2n (2n - 1), from n = 1 on.
    const SERIES: [f64; 6] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    let (mut far, mut product) = (x, 1.0);
    while far < FAR {
        product *= far;
        far += 1.0;
    }
    let inverse = far.recip();
    let tail = inverse * horner(&SERIES, inverse * inverse);
    (far - 0.5) * far.ln() - far + 0.5 * TAU.ln() + tail - product.ln()
}

/// The derivative of [`ln_gamma`] at `x > 0`.
pub(crate) fn digamma(x: f64) -> f64 {
    /// B₂ₙ / 2n, from n = 1 on.
    const SERIES: [f64; 7] = [
        1.0 / 12.0,
        -1.0 / 120.0,
        1.0 / 252.0,
        -1.0 / 240.0,
        1.0 / 132.0,
        -691.0 / 32_760.0,
        1.0 / 12.0,
    ];
    let (mut far, mut sum) = (x, 0.0);
    while far < FAR {
        sum += far.recip();
        far += 1.0;
    }
    let square = (far * far).recip();
    far.ln() - 0.5 / far - square * horner(&SERIES, square) - sum
}

fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{LN_2, PI};

    use super::*;

    #[test]
    fn gamma_of_integers_is_the_factorial() {
        let mut factorial = 1.0f64;
        for n in 1..100 {
            let got = ln_gamma(f64::from(n));
            assert!((got - factorial.ln()).abs() <= 1e-15 * (10.0 + got), "{n}: {got}");
            factorial *= f64::from(n);
        }
    }

    #[test]
    fn gamma_of_halves_and_of_tiny_numbers() {
        assert!((ln_gamma(0.5) - 0.5 * PI.ln()).abs() < 4e-15);
        assert!((ln_gamma(1e-300) - 300.0 * 10f64.ln()).abs() < 1e-12);
        assert!((ln_gamma(1e15) / (1e15 * (1e15f64.ln() - 1.0)) - 1.0).abs() < 1e-15);
    }

    /// Gauss: ψ(1) = -γ, ψ(1/2) = -γ - 2 ln 2; ψ(x + 1) = ψ(x) + 1/x.
    #[test]
    fn digamma_at_known_points() {
        const EULER: f64 = 0.577_215_664_901_532_9;
        assert!((digamma(1.0) + EULER).abs() < 2e-15);
        assert!((digamma(0.5) + EULER + 2.0 * LN_2).abs() < 2e-15);
        for x in [0.01, 0.7, 3.3, 9.99, 25.0, 1e6] {
            let step = digamma(x + 1.0) - digamma(x) - x.recip();
            assert!(step.abs() < 1e-14 * (1.0 + x.recip()), "{x}: {step}");
        }
    }
}
