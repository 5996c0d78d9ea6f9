//! Gradients of activation functions, element by element.

use std::any::Any;

use flowkeep_linalg::{Float, Number, elementwise};
use flowkeep_tensor::Element;

use super::real::Real;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::{no_type, with_float, with_integer};

/// Multiplies gradients by the slope of the function at the second operand.
///
/// Shapes: both operands alike → the same.  Types: floats; `ReluGrad` and `Relu6Grad` also integers.
/// Errors: `INVALID_ARGUMENT` for other shapes.
/// Source: OpDefs `ReluGrad` (1 above 0), `Relu6Grad` (1 between 0 and 6), `LeakyReluGrad` (`alpha`
/// up to 0), `SoftplusGrad`, `SoftsignGrad`, of the function's operand; `EluGrad`, `SeluGrad`, of its
/// result. A slope of 0 does not hide a NaN or infinite gradient.
fn gradient<T: Element>(
    cx: &mut KernelContext<'_>,
    op: &str,
    f: impl Fn(T, T) -> T + Sync,
) -> Result<(), Status> {
    let mut dy = cx.take_input(0)?;
    let (pool, x) = (cx.pool(), cx.input(1)?);
    if x.shape() != dy.shape() {
        return Err(Status::invalid_argument(format!(
            "Inputs to operation {} of type {op} must have the same size and shape.  Input 0: {} != \
             input 1: {}",
            cx.node_name(),
            dy.shape(),
            x.shape()
        )));
    }
    let x = x.as_slice::<T>()?;
    if dy.is_unique() {
        elementwise::zip_in_place(pool, dy.make_mut::<T>()?, x, f);
        return cx.set_output(0, dy);
    }
    let mut out = cx.allocate(T::DTYPE, dy.shape())?;
    elementwise::zip(pool, dy.as_slice::<T>()?, x, out.make_mut::<T>()?, f);
    cx.set_output(0, out)
}

/// A kernel that computes `f(gradient, operand)` in the wide type.
macro_rules! floats {
    ($init:expr, $F:ident => $f:expr) => {{
        let dtype = $init.attr_type("T")?;
        with_float!(
            dtype,
            T => {
                type $F = <T as Real>::Wide;
                let (f, op) = ($f, $init.op().to_owned());
                kernel(move |cx| {
                    gradient(cx, &op, |dy: T, x: T| <T as Real>::narrow(f(Real::widen(dy), Real::widen(x))))
                })
            },
            else Err(no_type($init, dtype))
        )
    }};
}

/// As `floats!`, for integers too.
macro_rules! reals {
    ($init:expr, $F:ident => $f:expr) => {{
        let dtype = $init.attr_type("T")?;
        with_integer!(dtype, T => {
                type $F = T;
                let (f, op) = ($f, $init.op().to_owned());
                kernel(move |cx| gradient(cx, &op, f))
            },
            else floats!($init, $F => $f)
        )
    }};
}

pub(super) fn relu_grad(init: &KernelInit<'_>) -> Built {
    let built: Built = reals!(init, F => |dy: F, x: F| dy.times(one_if(x > F::ZERO)));
    Ok(Box::new(ReluGrad(built?)))
}

/// `ReluGrad`: others may do it in one with their own work.
pub(super) struct ReluGrad(Box<dyn OpKernel>);

impl OpKernel for ReluGrad {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        self.0.compute(cx)
    }

    fn facts(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

pub(super) fn relu6_grad(init: &KernelInit<'_>) -> Built {
    reals!(init, F => |dy: F, x: F| dy.times(one_if(x > F::ZERO && x < six::<F>())))
}

pub(super) fn leaky_relu_grad(init: &KernelInit<'_>) -> Built {
    let alpha = f64::from(init.attr_float("alpha")?);
    floats!(init, F => {
        let alpha = F::from_f64(alpha);
        move |dy: F, x: F| if x > F::ZERO { dy } else { dy.times(alpha) }
    })
}

pub(super) fn elu_grad(init: &KernelInit<'_>) -> Built {
    floats!(init, F => |dy: F, y: F| if y < F::ZERO { y.plus(F::ONE).times(dy) } else { dy })
}

pub(super) fn selu_grad(init: &KernelInit<'_>) -> Built {
    /// The two constants of the paper on self-normalizing networks, the second times the first.
    const SCALE: f64 = 1.050_700_987_355_480_5;
    const SCALE_ALPHA: f64 = 1.758_099_340_847_376_9;
    floats!(init, F => |dy: F, y: F| {
        let slope = if y < F::ZERO { y.plus(F::from_f64(SCALE_ALPHA)) } else { F::from_f64(SCALE) };
        dy.times(slope)
    })
}

pub(super) fn softplus_grad(init: &KernelInit<'_>) -> Built {
    floats!(init, F => |dy: F, x: F| dy.divided(F::ZERO.minus(x).exponential().plus(F::ONE)))
}

pub(super) fn softsign_grad(init: &KernelInit<'_>) -> Built {
    floats!(init, F => |dy: F, x: F| {
        let size = F::ONE.plus(if x < F::ZERO { F::ZERO.minus(x) } else { x });
        dy.divided(size.times(size))
    })
}

#[inline(always)]
fn one_if<N: Number>(condition: bool) -> N {
    if condition { N::ONE } else { N::ZERO }
}

#[inline(always)]
fn six<N: Number>() -> N {
    let three = N::ONE.plus(N::ONE).plus(N::ONE);
    three.plus(three)
}
