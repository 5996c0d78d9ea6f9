//! Gradients of functions of one operand, from the function's result and the gradient of that.

use flowkeep_linalg::elementwise;
use flowkeep_tensor::Element;

use super::arithmetic::with_inexact;
use super::scalar::Scalar;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::{no_type, with_float, with_type};

/// Builders of gradients `f(y, dy)`.
///
/// Shapes: `y` and `dy` of equally many elements → as `y`.  Types: floats and complex numbers.
/// Errors: `INVALID_ARGUMENT` for another number of elements.
macro_rules! builders {
    ($($(#[$doc:meta])* $name:ident, |$y:ident, $dy:ident| $f:expr;)*) => {$(
        $(#[$doc])*
        pub(super) fn $name(init: &KernelInit<'_>) -> Built {
            let dtype = init.attr_type("T")?;
            with_inexact!(
                dtype,
                T => kernel(|cx| gradient(cx, |$y: T, $dy: T| $f)),
                else Err(no_type(init, dtype))
            )
        }
    )*};
}

builders! {
    /// `dy * (1 - y * y)`.  Source: OpDef `TanhGrad`.
    tanh_grad, |y, dy| dy.times(T::ONE.minus(y.times(y)));
    /// `dy * y * (1 - y)`.  Source: OpDef `SigmoidGrad`.
    sigmoid_grad, |y, dy| dy.times(y).times(T::ONE.minus(y));
    /// `dy / 2 / conj(y)`, and 0 where `dy` is.  Source: OpDef `SqrtGrad`.
    sqrt_grad, |y, dy| match dy == T::ZERO {
        true => T::ZERO,
        false => half::<T>().times(dy).over(y.conjugate()),
    };
    /// `-dy / 2 * conj(y)^3`.  Source: OpDef `RsqrtGrad`.
    rsqrt_grad, |y, dy| {
        let y = y.conjugate();
        half::<T>().negated().times(dy.times(y)).times(y.times(y))
    };
    /// `-dy * conj(y)^2`.  Source: OpDefs `ReciprocalGrad`, `InvGrad`.
    reciprocal_grad, |y, dy| y.conjugate().negated().times(y.conjugate()).times(dy);
}

fn half<T: Scalar>() -> T {
    T::ONE.over(T::ONE.plus(T::ONE))
}

fn gradient<T: Element>(
    cx: &mut KernelContext<'_>,
    f: impl Fn(T, T) -> T + Sync,
) -> Result<(), Status> {
    let mut y = cx.take_input(0)?;
    let (pool, dy) = (cx.pool(), cx.input(1)?);
    if y.n_elements() != dy.n_elements() {
        return Err(Status::invalid_argument(format!(
            "The two arguments to a cwise op must have same number of elements, got {} and {}",
            y.n_elements(),
            dy.n_elements()
        )));
    }
    let dy = dy.as_slice::<T>()?;
    if y.is_unique() {
        elementwise::zip_in_place(pool, y.make_mut::<T>()?, dy, f);
        return cx.set_output(0, y);
    }
    let mut out = cx.allocate(T::DTYPE, y.shape())?;
    elementwise::zip(pool, y.as_slice::<T>()?, dy, out.make_mut::<T>()?, f);
    cx.set_output(0, out)
}
