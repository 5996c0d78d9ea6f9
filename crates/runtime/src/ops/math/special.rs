//! Functions that the standard library lacks, or has only in a form that loops cannot vectorize.
//!
//! The polynomials were fitted at Chebyshev points for this file; their errors are asserted below.

use std::f64::consts::FRAC_2_SQRT_PI;

use flowkeep_linalg::vmath;

/// The functions that are computed differently in `f32` and `f64`.
pub(super) trait Functions {
    /// e to the power of `self`.
    fn exp(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// 1 minus the error function.
    fn erfc(self) -> Self;
}

/// Without branches, so that loops are vectorized; within 3 units in the last place.
impl Functions for f32 {
    #[inline(always)]
    fn exp(self) -> f32 {
        vmath::exp(self)
    }

    #[inline(always)]
    fn tanh(self) -> f32 {
        // tanh(x) = x + x³ p(x²) near 0, and 1 - 2 / (e²ˣ + 1) elsewhere.
        const P: [f32; 5] =
            [-0.333_333_28, 0.133_327_19, -0.053_843_264, 0.020_961_33, -0.006_045_165];
        let x = self.abs();
        let square = x * x;
        let near = x + x * square * polynomial(P, square);
        let far = 1.0 - 2.0 / (vmath::exp(x + x) + 1.0);
        let value = if x < 0.63 { near } else { far };
        value.copysign(self)
    }

    #[inline(always)]
    fn erf(self) -> f32 {
        // erf(x) = x + x p(x²) near 0, and 1 - exp(-x²) q((x - 2) / (x + 2)) elsewhere.
        const P: [f32; 7] = [
            0.128_379_17,
            -0.376_126_26,
            0.112_835_94,
            -0.026_854_211,
            0.005_189_087,
            -8.016_864e-4,
            7.875_875e-5,
        ];
        const Q: [f32; 7] = [
            0.255_395_68,
            -0.427_185_98,
            0.241_658_2,
            -0.078_968_31,
            0.003_732_371_8,
            0.006_811_14,
            -8.379_754e-4,
        ];
        let x = self.abs();
        // Beyond 4 the result is 1 to the last digit; the comparison keeps NaN.
        let x = if x > 4.0 { 4.0 } else { x };
        let square = x * x;
        let near = x + x * polynomial(P, square);
        let far = 1.0 - vmath::exp(-square) * polynomial(Q, (x - 2.0) / (x + 2.0));
        let value = if x < 1.0 { near } else { far };
        value.copysign(self)
    }

    #[inline(always)]
    fn erfc(self) -> f32 {
        // erfc(x) = exp(-x²) q((x - 3) / (x + 3)) from 1 on, and 1 - erf(x) below; 2 - erfc(-x) of negatives.
        const Q: [f32; 9] = [
            0.179_001_15,
            -0.326_233_57,
            0.245_603_68,
            -0.150_115_8,
            0.071_668_565,
            -0.024_395_49,
            0.004_247_764_6,
            7.279_659e-4,
            -5.321_124_3e-4,
        ];
        let x = self.abs();
        // Beyond 10.2 the result is 0; the comparison keeps NaN.
        let x = if x > 10.2 { 10.2 } else { x };
        let far = vmath::exp(-x * x) * polynomial(Q, (x - 3.0) / (x + 3.0));
        let far = if self < 0.0 { 2.0 - far } else { far };
        if x < 1.0 { 1.0 - Functions::erf(self) } else { far }
    }
}

#[inline(always)]
fn polynomial<const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

impl Functions for f64 {
    fn exp(self) -> f64 {
        f64::exp(self)
    }

    fn tanh(self) -> f64 {
        f64::tanh(self)
    }

    fn erf(self) -> f64 {
        let x = self.abs();
        let value = if x < 2.5 {
            erf_series(x)
        } else if x < 6.0 {
            1.0 - erfc_fraction(x)
        } else if x.is_nan() {
            x
        } else {
            1.0
        };
        value.copysign(self)
    }

    fn erfc(self) -> f64 {
        if self < 1.5 {
            1.0 - Functions::erf(self)
        } else {
            // NaN too.
            erfc_fraction(self)
        }
    }
}

/// The inverse of the error function.
pub(super) fn erfinv(x: f64) -> f64 {
    let size = x.abs();
    let value = if size < 0.5 {
        // Halley's steps from the start of the series.
        let start = size / FRAC_2_SQRT_PI * (1.0 + size * size * std::f64::consts::PI / 12.0);
        (0..3).fold(start, |y, _| {
            let step = (Functions::erf(y) - size) / (FRAC_2_SQRT_PI * (-y * y).exp());
            y - step / (1.0 + y * step)
        })
    } else {
        -ndtri((1.0 - size) / 2.0) * std::f64::consts::FRAC_1_SQRT_2
    };
    value.copysign(x)
}

/// The inverse of the distribution function of the normal distribution.
pub(super) fn ndtri(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let tail = p.min(1.0 - p);
    if tail == 0.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // Abramowitz and Stegun, formula 26.2.23, then Halley's steps.
    let t = (-2.0 * tail.ln()).sqrt();
    let over = 2.515517 + t * (0.802853 + t * 0.010328);
    let under = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    let value = (0..3).fold(t - over / under, |y: f64, _| {
        let above = 0.5 * Functions::erfc(y * std::f64::consts::FRAC_1_SQRT_2);
        let density = (-0.5 * y * y).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if density == 0.0 {
            return y;
        }
        let step = (above - tail) / density;
        y + step / (1.0 - 0.5 * y * step)
    });
    if p < 0.5 { -value } else { value }
}

/// erf(x) = 2/√π e^(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (1·3·...·(2n+1)), whose terms are all positive.
fn erf_series(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term > sum * 1e-17 {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// erfc(x) = e^(-x²)/√π · 1 / (x + (1/2) / (x + (2/2) / (x + (3/2) / (x + ...)))).
fn erfc_fraction(x: f64) -> f64 {
    let tail = (1..=90).rev().fold(x, |tail, n| x + f64::from(n) / 2.0 / tail);
    FRAC_2_SQRT_PI / 2.0 * (-x * x).exp() / tail
}

/// The inverse of sinh.
pub(super) fn asinh(x: f64) -> f64 {
    x.asinh()
}

/// The inverse of cosh, exact near 1 too.
pub(super) fn acosh(x: f64) -> f64 {
    if x < 1.0 {
        return f64::NAN;
    }
    if x > 1e150 {
        return x.ln() + std::f64::consts::LN_2;
    }
    let above = x - 1.0;
    (above + (above * (x + 1.0)).sqrt()).ln_1p()
}

/// The inverse of tanh.
pub(super) fn atanh(x: f64) -> f64 {
    let value = 0.5 * (2.0 * x.abs() / (1.0 - x.abs())).ln_1p();
    value.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error of `f` against `exact` over `[low, high]`, in units in the last place.
    fn worst(low: f32, high: f32, f: fn(f32) -> f32, exact: fn(f64) -> f64) -> f64 {
        let n = 200_000;
        (0..=n)
            .map(|i| {
                let x = low + (high - low) * (i as f32 / n as f32);
                let exact = exact(f64::from(x));
                let ulp = f64::from((exact.abs() as f32).next_up()) - f64::from(exact.abs() as f32);
                (f64::from(f(x)) - exact).abs() / ulp
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn narrow_functions_are_within_three_ulps() {
        assert!(worst(-10.0, 10.0, <f32 as Functions>::tanh, f64::tanh) < 3.0);
        assert!(worst(-0.01, 0.01, <f32 as Functions>::tanh, f64::tanh) < 3.0);
        assert!(worst(-4.5, 4.5, <f32 as Functions>::erf, <f64 as Functions>::erf) < 3.0);
        assert!(worst(-0.01, 0.01, <f32 as Functions>::erf, <f64 as Functions>::erf) < 3.0);
    }

    /// Values of the error function to 16 digits, from Abramowitz and Stegun, table 7.1, and from
    /// the identity erfc = 1 - erf.
    #[test]
    fn erf_has_its_tabulated_values() {
        for (x, value) in [
            (0.0, 0.0),
            (0.1, 0.112_462_916_018_284_9),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (3.0, 0.999_977_909_503_001_4),
        ] {
            let error: f64 = Functions::erf(x) - value;
            assert!(error.abs() < 3e-16, "erf({x})");
            assert_eq!(Functions::erf(-x), -Functions::erf(x));
        }
        assert!((erf_series(2.5) - (1.0 - erfc_fraction(2.5))).abs() < 1e-15);
    }

    #[test]
    fn inverse_functions_undo_their_functions() {
        for x in [-0.999, -0.5, -1e-3, 1e-9, 0.3, 0.7, 0.9999999] {
            let error: f64 = Functions::erf(erfinv(x)) - x;
            assert!(error.abs() < 4e-16, "erfinv({x})");
        }
        for p in [1e-300, 1e-20, 1e-3, 0.2, 0.5, 0.7] {
            let y = ndtri(p) * std::f64::consts::FRAC_1_SQRT_2;
            let back: f64 = 0.5 * Functions::erfc(-y);
            assert!((back / p - 1.0).abs() < 1e-12, "ndtri({p})");
        }
        assert_eq!((ndtri(0.0), ndtri(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(ndtri(f64::NAN).is_nan() && erfinv(1.5).is_nan());
    }

    #[test]
    fn narrow_erfc_is_exact_to_six_digits_in_the_tail_too() {
        for i in 0..900 {
            let x = i as f32 / 100.0;
            let exact: f64 = Functions::erfc(f64::from(x));
            let error = f64::from(Functions::erfc(x)) / exact - 1.0;
            assert!(error.abs() < 6e-6, "erfc({x}) is off by {error}");
        }
        assert_eq!(Functions::erfc(f32::NEG_INFINITY), 2.0);
        assert!(Functions::erfc(f32::NAN).is_nan());
    }

    #[test]
    fn special_values() {
        for x in [f32::NAN, -f32::NAN] {
            assert!(Functions::tanh(x).is_nan() && Functions::erf(x).is_nan());
            assert!(Functions::erf(f64::from(x)).is_nan());
        }
        assert_eq!(Functions::tanh(f32::INFINITY), 1.0);
        assert_eq!(Functions::tanh(f32::NEG_INFINITY), -1.0);
        assert_eq!(Functions::erf(f32::NEG_INFINITY), -1.0);
        assert_eq!(Functions::erf(f64::INFINITY), 1.0);
        assert!(Functions::tanh(-0.0f32).is_sign_negative());
        assert!(acosh(0.5).is_nan() && acosh(f64::NAN).is_nan());
        assert_eq!((acosh(1.0), acosh(f64::INFINITY)), (0.0, f64::INFINITY));
        assert_eq!((atanh(1.0), atanh(-1.0)), (f64::INFINITY, f64::NEG_INFINITY));
        assert!(atanh(1.5).is_nan());
    }
}
