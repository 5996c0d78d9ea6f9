//! Functions of one operand.
//!
//! Shapes: `x [D..]` → `[D..]`.  Source: the OpDefs of those names, values as on the reference CPU
//! kernels; floats are within a few units in the last place.

use super::arithmetic::with_inexact;
use super::scalar::{Analytic, Floating, Real, Scalar};
use super::special;
use super::unary::{costly, unary, unary_to, vectorized};
use flowkeep_tensor::DType;

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::{no_type, with_float, with_integer, with_number, with_real, with_type};

/// Builders of ops that apply one function to all types of a group; `$kind` says what it costs.
macro_rules! builders {
    ($($(#[$doc:meta])* $name:ident, $with:ident, $kind:ident, |$a:ident| $f:expr;)*) => {$(
        $(#[$doc])*
        pub(super) fn $name(init: &KernelInit<'_>) -> Built {
            let dtype = init.attr_type("T")?;
            $with!(dtype, T => Ok(Box::new($kind(#[inline(always)] |$a: T| $f))), else Err(no_type(init, dtype)))
        }
    )*};
}

builders! {
    /// The absolute value; that of the smallest integer is itself.  Types: real numbers.
    abs, with_real, unary, |a| a.magnitude();
    /// The negative.  Types: numbers.
    neg, with_number, unary, |a| a.negated();
    /// -1, 0 or 1, NaN of NaN; of complex numbers, `x / |x|`.  Types: numbers.
    sign, with_number, unary, |a| a.sign();
    /// The square.  Types: numbers.
    square, with_number, unary, |a| a.times(a);
    /// The square root.  Types: floats and complex numbers.
    sqrt, with_inexact, unary, |a| Analytic::sqrt(a);
    /// The inverse of the square root.  Types: floats and complex numbers.
    rsqrt, with_inexact, unary, |a| Analytic::rsqrt(a);
    /// `1 / x`; of integers, truncated, and 0 of 0.  Types: numbers.
    reciprocal, with_number, unary, |a| T::ONE.over(a);
    /// e to the power of `x`.  Types: floats and complex numbers.
    exp, with_inexact, vectorized, |a| Analytic::exp(a);
    /// `exp(x) - 1`, exact near 0.  Types: floats and complex numbers.
    expm1, with_inexact, costly, |a| Analytic::expm1(a);
    /// The natural logarithm.  Types: floats and complex numbers.
    log, with_inexact, costly, |a| Analytic::log(a);
    /// `log(1 + x)`, exact near 0.  Types: floats and complex numbers.
    log1p, with_inexact, costly, |a| Analytic::log1p(a);
    /// The sine.  Types: floats and complex numbers.
    sin, with_inexact, costly, |a| Analytic::sin(a);
    /// The cosine.  Types: floats and complex numbers.
    cos, with_inexact, costly, |a| Analytic::cos(a);
    /// The tangent.  Types: floats and complex numbers.
    tan, with_inexact, costly, |a| Analytic::tan(a);
    /// The hyperbolic sine.  Types: floats and complex numbers.
    sinh, with_inexact, costly, |a| Analytic::sinh(a);
    /// The hyperbolic cosine.  Types: floats and complex numbers.
    cosh, with_inexact, costly, |a| Analytic::cosh(a);
    /// The hyperbolic tangent.  Types: floats and complex numbers.
    tanh, with_inexact, vectorized, |a| Analytic::tanh(a);
    /// `1 / (1 + exp(-x))`.  Types: floats and complex numbers.
    sigmoid, with_inexact, vectorized, |a| Analytic::sigmoid(a);
    /// The inverse of the sine, NaN outside `[-1, 1]` (of floats).  Types: floats and complex numbers.
    asin, with_inexact, costly, |a| Analytic::asin(a);
    /// The inverse of the cosine, NaN outside `[-1, 1]` (of floats).  Types: floats and complex numbers.
    acos, with_inexact, costly, |a| Analytic::acos(a);
    /// The inverse of the tangent.  Types: floats and complex numbers.
    atan, with_inexact, costly, |a| Analytic::atan(a);
    /// The inverse of the hyperbolic sine.  Types: floats and complex numbers.
    asinh, with_inexact, costly, |a| Analytic::asinh(a);
    /// The inverse of the hyperbolic cosine, NaN below 1 (of floats).  Types: floats and complex numbers.
    acosh, with_inexact, costly, |a| Analytic::acosh(a);
    /// The inverse of the hyperbolic tangent, NaN outside `[-1, 1]` (of floats).  Types: floats and complex numbers.
    atanh, with_inexact, costly, |a| Analytic::atanh(a);
    /// The error function.  Types: floats.
    erf, with_float, vectorized, |a| Floating::erf(a);
    /// 1 minus the error function, exact where that is near 1.  Types: floats.
    erfc, with_float, vectorized, |a| Floating::erfc(a);
    /// Rounded down.  Types: floats.
    floor, with_float, unary, |a| Floating::floor(a);
    /// Rounded up.  Types: floats.
    ceil, with_float, unary, |a| Floating::ceil(a);
    /// Rounded to the nearest integer, halves to the even one.  Types: floats.
    rint, with_float, unary, |a| Floating::round_even(a);
    /// Whether `x` is NaN.  Types: floats.
    is_nan, with_float, unary_to, |a| Floating::is_nan(a);
    /// Whether `x` is infinite.  Types: floats.
    is_inf, with_float, unary_to, |a| Floating::is_infinite(a);
    /// Whether `x` is neither infinite nor NaN.  Types: floats.
    is_finite, with_float, unary_to, |a| !(Floating::is_infinite(a) || Floating::is_nan(a));
}

/// The inverse of the error function; NaN outside `[-1, 1]`.  Types: float and double.
pub(super) fn erfinv(init: &KernelInit<'_>) -> Built {
    inverse(init, special::erfinv)
}

/// The inverse of the normal distribution function; NaN outside `[0, 1]`.  Types: float and double.
pub(super) fn ndtri(init: &KernelInit<'_>) -> Built {
    inverse(init, special::ndtri)
}

fn inverse(init: &KernelInit<'_>, f: fn(f64) -> f64) -> Built {
    match init.attr_type("T")? {
        DType::F32 => Ok(Box::new(costly(move |x: f32| f(x.into()) as f32))),
        DType::F64 => Ok(Box::new(costly(f))),
        dtype => Err(no_type(init, dtype)),
    }
}

/// Rounded to the nearest integer, halves to the even one; integers stay.  Types: real numbers.
pub(super) fn round(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_integer!(
        dtype,
        T => Ok(Box::new(unary(|a: T| a))),
        else rint(init)
    )
}

/// Passes its input on if all its elements are finite.
///
/// Types: floats.
/// Errors: `INVALID_ARGUMENT`, with the attribute `message`, if there is a NaN or infinity; which of
/// them, and of which sign, is told by `CheckNumericsV2` only.
/// Source: OpDefs `CheckNumerics`, `CheckNumericsV2`.
pub(super) fn check_numerics(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let message = init.attr_str("message")?.to_owned();
    let signs = init.op() == "CheckNumericsV2";
    with_float!(
        dtype,
        T => kernel(move |cx| {
            let tensor = cx.take_input(0)?;
            let found = Abnormal::of(tensor.as_slice::<T>()?);
            match found.describe(signs) {
                None => cx.set_output(0, tensor),
                Some(what) => Err(Status::invalid_argument(format!("{message} : Tensor had {what} values"))),
            }
        }),
        else Err(no_type(init, dtype))
    )
}

/// Which values that are no finite numbers a tensor holds.
#[derive(Clone, Copy, Default)]
struct Abnormal {
    nan: bool,
    positive: bool,
    negative: bool,
}

impl Abnormal {
    fn of<T: Floating>(values: &[T]) -> Abnormal {
        values.iter().fold(Abnormal::default(), |found, &x| Abnormal {
            nan: found.nan | x.is_nan(),
            positive: found.positive | (x.is_infinite() & (x > T::ZERO)),
            negative: found.negative | (x.is_infinite() & (x < T::ZERO)),
        })
    }

    fn describe(self, signs: bool) -> Option<String> {
        let infinite = self.positive || self.negative;
        let kinds = [
            (signs && self.negative, "-Inf"),
            (signs && self.positive, "+Inf"),
            (!signs && infinite, "Inf"),
            (self.nan, "NaN"),
        ];
        let found: Vec<&str> = kinds.iter().filter(|kind| kind.0).map(|kind| kind.1).collect();
        match found[..] {
            [] => None,
            [one] => Some(one.to_owned()),
            [one, other] => Some(format!("{one} and {other}")),
            _ => Some(format!("{}, and NaN", found[..found.len() - 1].join(", "))),
        }
    }
}
