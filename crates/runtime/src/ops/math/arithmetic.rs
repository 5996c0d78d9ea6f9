//! Arithmetic of two operands, with broadcasting.
//!
//! Shapes: `x [A..]`, `y [B..]` → broadcast, NumPy's rules.  Errors of all: `INVALID_ARGUMENT` if the
//! shapes do not fit together; what else is said at the function.
//! Source: the OpDefs of those names, values as on the reference CPU kernels.

use flowkeep_tensor::{DType, Tensor};

use super::binary::{Check, binary, zip_strings};
use super::scalar::{Analytic, Floating, Integer, Real, Scalar};
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::{no_type, with_float, with_integer, with_number, with_real, with_type};

/// Builders of ops that apply one function to all types of a group.
macro_rules! builders {
    ($($(#[$doc:meta])* $name:ident, $with:ident, |$a:ident, $b:ident| $f:expr;)*) => {$(
        $(#[$doc])*
        pub(super) fn $name(init: &KernelInit<'_>) -> Built {
            let dtype = init.attr_type("T")?;
            $with!(dtype, T => Ok(Box::new(binary(#[inline(always)] |$a: T, $b: T| $f))), else Err(no_type(init, dtype)))
        }
    )*};
}

/// As `with_float!`, and for complex numbers.
macro_rules! with_inexact {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        with_float!(
            $dtype,
            $T => $body,
            else with_type!(
                $dtype,
                $T in [
                    Complex64 => flowkeep_tensor::Complex<f32>,
                    Complex128 => flowkeep_tensor::Complex<f64>,
                ] => $body,
                else $other
            )
        )
    };
}

pub(super) use with_inexact;

builders! {
    /// The sum; integers wrap.  Types: numbers.
    add_v2, with_number, |a, b| a.plus(b);
    /// The difference; integers wrap.  Types: numbers.
    sub, with_number, |a, b| a.minus(b);
    /// The product; integers wrap.  Types: numbers.
    mul, with_number, |a, b| a.times(b);
    /// The quotient.  Types: floats and complex numbers.
    real_div, with_inexact, |a, b| a.over(b);
    /// The square of the difference; of complex numbers, times its conjugate.  Types: numbers.
    squared_difference, with_number, |a, b| {
        let difference = a.minus(b);
        difference.times(difference.conjugate())
    };
    /// The larger one; NaN if either is.  Types: real numbers.
    maximum, with_real, |a, b| a.larger(b);
    /// The smaller one; NaN if either is.  Types: real numbers.
    minimum, with_real, |a, b| a.smaller(b);
    /// The quotient, but 0 where the divisor is 0.  Types: floats and complex numbers.
    div_no_nan, with_inexact, |a, b| if b == Scalar::ZERO { Scalar::ZERO } else { a.over(b) };
    /// The product, but 0 where `y` is 0, even for an infinite `x`.  Types: floats and complex
    /// numbers.
    mul_no_nan, with_inexact, |a, b| if b == Scalar::ZERO { Scalar::ZERO } else { a.times(b) };
    /// `x / y`, but 0 where `x` is 0.  Types: floats and complex numbers.
    xdivy, with_inexact, |a, b| if a == Scalar::ZERO { Scalar::ZERO } else { a.over(b) };
    /// `x * log(y)`, but 0 where `x` is 0.  Types: floats and complex numbers.
    xlogy, with_inexact, |a, b| if a == Scalar::ZERO { Scalar::ZERO } else { a.times(Analytic::log(b)) };
    /// `x * log(1 + y)`, but 0 where `x` is 0.  Types: floats and complex numbers.
    xlog1py, with_inexact, |a, b| if a == Scalar::ZERO { Scalar::ZERO } else { a.times(Analytic::log1p(b)) };
    /// The angle of the point `(y, x)`; `y` is the first operand.  Types: floats.
    atan2, with_float, |a, b| Floating::atan2(a, b);
}

/// The sum; of strings, one after the other.  Types: numbers and strings.
pub(super) fn add(init: &KernelInit<'_>) -> Built {
    if init.attr_type("T")? != DType::String {
        return add_v2(init);
    }
    kernel(|cx| {
        let (a, b) = (cx.input(0)?, cx.input(1)?);
        let (shape, values) = zip_strings(a, b, |a, b| [&a[..], &b[..]].concat().into())?;
        cx.set_output(0, Tensor::from_strings(shape, values)?)
    })
}

/// The power.  Types: numbers.
///
/// Errors: `INVALID_ARGUMENT` for a negative exponent of an integer.
pub(super) fn pow(init: &KernelInit<'_>) -> Built {
    fn not_negative<T: Integer>(exponents: &[T]) -> Result<(), Status> {
        if exponents.iter().any(|exponent| *exponent < T::ZERO) {
            let message = "Integers to negative integer powers are not allowed";
            return Err(Status::invalid_argument(message));
        }
        Ok(())
    }
    let dtype = init.attr_type("T")?;
    with_integer!(
        dtype,
        T => Ok(Box::new(binary(|a: T, b: T| a.power(b)).checked(not_negative::<T>))),
        else with_inexact!(
            dtype,
            T => Ok(Box::new(binary(|a: T, b: T| a.powered(b)))),
            else Err(no_type(init, dtype))
        )
    )
}

/// Refuses a divisor of 0.
fn not_zero<T: Integer>(divisors: &[T]) -> Result<(), Status> {
    if divisors.contains(&T::ZERO) {
        return Err(Status::invalid_argument("Integer division by zero"));
    }
    Ok(())
}

/// Refuses a divisor of 0, with the code that TensorFlow has for the truncating ops.
fn not_zero_internal<T: Integer>(divisors: &[T]) -> Result<(), Status> {
    if divisors.contains(&T::ZERO) {
        return Err(Status::internal(
            "Unexpected error in binary operator (only integer div and mod should have errors)",
        ));
    }
    Ok(())
}

/// Builders of divisions: `$check` refuses divisors of integers.
macro_rules! divisions {
    ($($(#[$doc:meta])* $name:ident, $check:ident, |$a:ident, $b:ident| $f:expr, else $with:ident, $g:expr;)*) => {$(
        $(#[$doc])*
        pub(super) fn $name(init: &KernelInit<'_>) -> Built {
            let dtype = init.attr_type("T")?;
            with_integer!(
                dtype,
                T => {
                    let check: Check<T> = $check::<T>;
                    Ok(Box::new(binary(#[inline(always)] |$a: T, $b: T| $f).checked(check)))
                },
                else $with!(
                    dtype,
                    T => Ok(Box::new(binary(#[inline(always)] |$a: T, $b: T| $g))),
                    else Err(no_type(init, dtype))
                )
            )
        }
    )*};
}

divisions! {
    /// The quotient; of integers, towards zero.  Types: numbers.
    ///
    /// Errors: `INVALID_ARGUMENT` for an integer division by zero.
    div, not_zero, |a, b| a.over(b), else with_inexact, a.over(b);
    /// The quotient rounded down.  Types: real numbers.
    ///
    /// Errors: `INVALID_ARGUMENT` for an integer division by zero.
    floor_div, not_zero, |a, b| a.floor_div(b), else with_float, a.floor_div(b);
    /// The remainder with the sign of the divisor.  Types: real numbers.
    ///
    /// Errors: `INVALID_ARGUMENT` for an integer division by zero.
    floor_mod, not_zero, |a, b| a.floor_mod(b), else with_float, a.floor_mod(b);
    /// The remainder with the sign of the dividend.  Types: real numbers.
    ///
    /// Errors: `INVALID_ARGUMENT` for an integer division by zero.
    modulo, not_zero, |a, b| a.trunc_mod(b), else with_float, a.trunc_mod(b);
    /// The quotient of integers, towards zero.  Types: integers (and what `RealDiv` takes).
    ///
    /// Errors: `INTERNAL` for an integer division by zero.
    truncate_div, not_zero_internal, |a, b| a.over(b), else with_inexact, a.over(b);
    /// The remainder with the sign of the dividend.  Types: real numbers.
    ///
    /// Errors: `INTERNAL` for an integer division by zero.
    truncate_mod, not_zero_internal, |a, b| a.trunc_mod(b), else with_float, a.trunc_mod(b);
}
