//! Comparisons and logic, with broadcasting.
//!
//! Shapes: `x [A..]`, `y [B..]` → broadcast, NumPy's rules; bool.  Errors of all: `INVALID_ARGUMENT` if
//! the shapes do not fit together.  Source: the OpDefs of those names.

use flowkeep_tensor::{DType, Tensor};

use super::binary::{binary, predicate, zip_strings};
use super::unary::unary;
use crate::kernel::{KernelInit, OpKernel};
use crate::ops::args::{Built, kernel};
use crate::ops::broadcast::broadcast_shape;
use crate::ops::dispatch::{no_type, with_number, with_real, with_type};

/// Builders of comparisons of real numbers.
macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident, |$a:ident, $b:ident| $f:expr;)*) => {$(
        $(#[$doc])*
        pub(super) fn $name(init: &KernelInit<'_>) -> Built {
            let dtype = init.attr_type("T")?;
            with_real!(
                dtype,
                T => Ok(Box::new(predicate(|$a: T, $b: T| $f))),
                else Err(no_type(init, dtype))
            )
        }
    )*};
}

comparisons! {
    /// Whether `x < y`.  Types: real numbers.
    less, |a, b| a < b;
    /// Whether `x <= y`.  Types: real numbers.
    less_equal, |a, b| a <= b;
    /// Whether `x > y`.  Types: real numbers.
    greater, |a, b| a > b;
    /// Whether `x >= y`.  Types: real numbers.
    greater_equal, |a, b| a >= b;
}

/// Whether `x == y`; NaN equals nothing.  Types: numbers, bool and strings.
///
/// With `incompatible_shape_error` false, operands that do not fit together give one `false`.
pub(super) fn equal(init: &KernelInit<'_>) -> Built {
    equality(init, true)
}

/// Whether `x != y`.  Types: numbers, bool and strings.
///
/// With `incompatible_shape_error` false, operands that do not fit together give one `true`.
pub(super) fn not_equal(init: &KernelInit<'_>) -> Built {
    equality(init, false)
}

fn equality(init: &KernelInit<'_>, wanted: bool) -> Built {
    let dtype = init.attr_type("T")?;
    let strict = init.attr_bool("incompatible_shape_error").unwrap_or(true);
    if dtype == DType::String {
        return kernel(move |cx| {
            let (a, b) = (cx.input(0)?, cx.input(1)?);
            if !strict && broadcast_shape(a.dims(), b.dims()).is_none() {
                return cx.set_output(0, Tensor::scalar(!wanted));
            }
            let (shape, values) = zip_strings(a, b, |a, b| (a == b) == wanted)?;
            cx.set_output(0, Tensor::from_vec(shape, values)?)
        });
    }
    macro_rules! build {
        ($T:ty) => {{
            let equal = move |a: $T, b: $T| (a == b) == wanted;
            let kernel = predicate(equal);
            let kernel: Box<dyn OpKernel> =
                if strict { Box::new(kernel) } else { Box::new(kernel.unfit(!wanted)) };
            Ok(kernel)
        }};
    }
    with_number!(
        dtype,
        T => build!(T),
        else with_type!(dtype, T in [Bool => bool] => build!(T), else Err(no_type(init, dtype)))
    )
}

/// Whether both are true.
pub(super) fn logical_and(_: &KernelInit<'_>) -> Built {
    Ok(Box::new(binary(|a: bool, b: bool| a & b)))
}

/// Whether either is true.
pub(super) fn logical_or(_: &KernelInit<'_>) -> Built {
    Ok(Box::new(binary(|a: bool, b: bool| a | b)))
}

/// Whether `x` is false.  Shapes: `x [D..]` → `[D..]`.
pub(super) fn logical_not(_: &KernelInit<'_>) -> Built {
    Ok(Box::new(unary(|a: bool| !a)))
}
