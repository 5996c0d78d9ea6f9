//! How a gamma number moves with its shape parameter.

use std::ops::{Add, Div, Mul, Sub};

use flowkeep_tensor::{Element, Tensor};

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::broadcast::{Broadcast, broadcast_shape};
use crate::ops::dispatch::{no_type, with_type};
use crate::ops::gamma::{digamma, ln_gamma};

/// The derivative of gamma numbers by their shape parameter, where their place in the distribution
/// stays.
///
/// Shapes: `alpha [A..]`, `sample [B..]` → broadcast.  Types: `T` float or double.
/// Errors: `INVALID_ARGUMENT` if the shapes do not fit together.
/// Source: OpDef `RandomGammaGrad`; Figurnov, Mohamed, Mnih: "Implicit reparameterization gradients"
/// (2018).
pub(super) fn random_gamma_grad(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_type!(
        dtype,
        T in [F32 => f32, F64 => f64] => kernel(|cx| {
            let out = gradients::<T>(cx)?;
            cx.set_output(0, out)
        }),
        else Err(no_type(init, dtype))
    )
}

fn gradients<T: Real>(cx: &KernelContext<'_>) -> Result<Tensor, Status> {
    /// Numbers per task.
    const GRAIN: usize = 256;
    let (alpha, sample) = (cx.input(0)?, cx.input(1)?);
    let shape = broadcast_shape(alpha.dims(), sample.dims()).ok_or_else(|| {
        let (alpha, sample) = (alpha.shape(), sample.shape());
        Status::invalid_argument(format!("Incompatible shapes: {alpha} vs. {sample}"))
    })?;
    let mut out = Tensor::zeros(T::DTYPE, shape.clone())?;
    if out.n_elements() == 0 {
        return Ok(out);
    }
    let walk = Broadcast::new(shape.dims(), [alpha.dims(), sample.dims()]);
    let (alphas, samples) = (alpha.as_slice::<T>()?, sample.as_slice::<T>()?);
    cx.pool().parallel_chunks(out.make_mut::<T>()?, GRAIN, |chunk, out| {
        let len = out.len();
        walk.for_each_row(chunk * GRAIN, len, |position, [alpha, sample], n| {
            let at = |from: usize, i: usize, operand| {
                if walk.repeats(operand) { from } else { from + i }
            };
            for (i, out) in out[position..][..n].iter_mut().enumerate() {
                *out = gradient(alphas[at(alpha, i, 0)], samples[at(sample, i, 1)]);
            }
        });
    });
    Ok(out)
}

/// The derivative at one number.
///
/// With P the incomplete gamma function and p the density, it is -(dP/dα) / p; x^α e^-x / Γ(α), which
/// both have, cancels out.
fn gradient<T: Real>(alpha: T, x: T) -> T {
    let zero = T::of(0.0);
    if x == zero {
        return zero;
    }
    let in_domain = x > zero && alpha > zero;
    if !in_domain {
        return T::of(f64::NAN);
    }
    if x > T::of(1.0) && x > alpha {
        return if x == T::of(f64::INFINITY) { -zero } else { from_fraction(alpha, x) };
    }
    from_series(alpha, x)
}

/// Whether x^α e^-x / Γ(α) is too small for the type, which makes the derivative 0.
fn vanishes<T: Real>(alpha: T, x: T) -> bool {
    let log = alpha * x.ln() - x - T::of(ln_gamma(alpha.wide()));
    let above = log >= -T::MAX.ln();
    !above
}

/// By the power series of P, for `x` that is not large.
fn from_series<T: Real>(alpha: T, x: T) -> T {
    if vanishes(alpha, x) {
        return T::of(0.0);
    }
    let (zero, one) = (T::of(0.0), T::of(1.0));
    let mut r = Dual { value: alpha, slope: one };
    let mut term = Dual::constant(one);
    let mut sum = term;
    for _ in 0..T::MAX_TERMS {
        r = r + Dual::constant(one);
        term = term * (Dual::constant(x) / r);
        sum = sum + term;
        if term.slope.abs() <= T::EPSILON * sum.slope.abs() {
            break;
        }
    }
    let log_slope = x.ln() - T::of(digamma((alpha + one).wide()));
    (zero - (sum.slope + sum.value * log_slope)) * x / alpha
}

/// By the continued fraction of 1 - P, for large `x`.
fn from_fraction<T: Real>(alpha: T, x: T) -> T {
    if vanishes(alpha, x) {
        return -T::of(0.0);
    }
    let (zero, one) = (T::of(0.0), T::of(1.0));
    let step = Dual::constant(one);
    let mut y = Dual { value: one - alpha, slope: -one };
    let mut z = Dual { value: x + y.value + one, slope: -one };
    let (mut p, mut q) = ([Dual::constant(one); 2], [Dual::constant(x); 2]);
    p[1] = Dual::constant(x + one);
    q[1] = z * Dual::constant(x);
    let mut ratio = p[1] / q[1];
    let mut n = zero;
    for _ in 0..T::MAX_TERMS {
        n = n + one;
        y = y + step;
        z = z + step + step;
        let yn = y * Dual::constant(n);
        let next = |[before, last]: [Dual<T>; 2]| [last, last * z - before * yn];
        (p, q) = (next(p), next(q));
        if q[1].value != zero {
            let before = ratio.slope;
            ratio = p[1] / q[1];
            if (ratio.slope - before).abs() <= T::EPSILON {
                break;
            }
        }
        if p[1].value.abs() > T::LARGE {
            let scale = Dual::constant(one / T::LARGE);
            (p, q) = (p.map(|p| p * scale), q.map(|q| q * scale));
        }
    }
    let log_slope = x.ln() - T::of(digamma(alpha.wide()));
    (ratio.slope + ratio.value * log_slope) * x
}

/// A function of the shape parameter: its value and its derivative.
#[derive(Clone, Copy)]
struct Dual<T> {
    value: T,
    slope: T,
}

impl<T: Real> Dual<T> {
    fn constant(value: T) -> Dual<T> {
        Dual { value, slope: T::of(0.0) }
    }
}

impl<T: Real> Add for Dual<T> {
    type Output = Dual<T>;

    fn add(self, rhs: Dual<T>) -> Dual<T> {
        Dual { value: self.value + rhs.value, slope: self.slope + rhs.slope }
    }
}

impl<T: Real> Sub for Dual<T> {
    type Output = Dual<T>;

    fn sub(self, rhs: Dual<T>) -> Dual<T> {
        Dual { value: self.value - rhs.value, slope: self.slope - rhs.slope }
    }
}

impl<T: Real> Mul for Dual<T> {
    type Output = Dual<T>;

    fn mul(self, rhs: Dual<T>) -> Dual<T> {
        let slope = self.slope * rhs.value + self.value * rhs.slope;
        Dual { value: self.value * rhs.value, slope }
    }
}

impl<T: Real> Div for Dual<T> {
    type Output = Dual<T>;

    fn div(self, rhs: Dual<T>) -> Dual<T> {
        let value = self.value / rhs.value;
        Dual { value, slope: (self.slope - value * rhs.slope) / rhs.value }
    }
}

/// The floats of these functions.
trait Real:
    Element
    + PartialOrd
    + std::ops::Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// Half the distance from 1 to the next number.
    const EPSILON: Self;
    /// Where the terms of a fraction are scaled down.
    const LARGE: Self;
    /// The largest number.
    const MAX: Self;
    /// The terms after which the reference stops.
    const MAX_TERMS: usize;

    fn of(x: f64) -> Self;
    fn wide(self) -> f64;
    fn ln(self) -> Self;
    fn abs(self) -> Self;
}

macro_rules! reals {
    ($($t:ident, $max_terms:expr, $large:expr;)*) => {$(
        impl Real for $t {
            const EPSILON: $t = $t::EPSILON / 2.0;
            const LARGE: $t = $large;
            const MAX: $t = $t::MAX;
            const MAX_TERMS: usize = $max_terms;

            fn of(x: f64) -> $t {
                x as $t
            }

            fn wide(self) -> f64 {
                self.into()
            }

            fn ln(self) -> $t {
                self.ln()
            }

            fn abs(self) -> $t {
                self.abs()
            }
        }
    )*};
}

reals! {
    f32, 200, 2.0 / f32::EPSILON;
    f64, 500, 1.0 / f64::EPSILON;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P(1, x) = 1 - e^-x: for exponential numbers the derivative has a closed form in the exponential
    /// integral; here it is measured instead, by moving α and solving for the same P.
    #[test]
    fn a_number_moves_as_its_place_in_the_distribution_does() {
        for (alpha, x) in [(0.5, 0.3), (2.0, 1.0), (2.0, 5.0), (30.0, 25.0), (30.0, 45.0)] {
            let h = 1e-4 * alpha;
            let slope = (lower(alpha + h, x) - lower(alpha - h, x)) / (2.0 * h);
            let density = ((alpha - 1.0) * f64::ln(x) - x - ln_gamma(alpha)).exp();
            let (want, got) = (-slope / density, gradient(alpha, x));
            assert!((got / want - 1.0).abs() < 1e-5, "{alpha} {x}: {got} {want}");
        }
    }

    /// P by its power series.
    fn lower(alpha: f64, x: f64) -> f64 {
        let mut term = (alpha * x.ln() - x - ln_gamma(alpha + 1.0)).exp();
        let mut sum = term;
        for n in 1..1000 {
            term *= x / (alpha + f64::from(n));
            sum += term;
        }
        sum
    }

    #[test]
    fn outside_of_the_domain_there_is_no_derivative() {
        assert!(gradient(-1.0f32, 1.0).is_nan() && gradient(1.0f64, -1.0).is_nan());
        assert!(gradient(f64::NAN, 1.0).is_nan() && gradient(1.0f64, f64::NAN).is_nan());
        assert_eq!(gradient(2.0f32, 0.0), 0.0);
        assert_eq!(gradient(2.0f64, f64::INFINITY), 0.0);
        assert_eq!(gradient(2.0f32, 1e4), 0.0);
    }
}
