//! Softmax and the losses that are made of it.

use std::marker::PhantomData;

use flowkeep_linalg::softmax::{log_softmax, softmax};

use super::real::Real;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::dispatch::{no_type, with_float};

/// The softmax over the last dimension, or its logarithm.
///
/// Shapes: `[.., C]` → the same.  Types: floats; those of 16 bits are computed as `float`.
/// Errors: `INVALID_ARGUMENT` for a scalar.
/// Source: OpDefs `Softmax`, `LogSoftmax`.
struct Softmax<T, const LOG: bool>(PhantomData<T>);

pub(super) fn softmax_of<const LOG: bool>(
    init: &KernelInit<'_>,
) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    with_float!(
        dtype,
        T => Ok(Box::new(Softmax::<T, LOG>(PhantomData))),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real, const LOG: bool> OpKernel for Softmax<T, LOG> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let logits = cx.input(0)?;
        let Some(&cols) = logits.dims().last() else {
            return Err(Status::invalid_argument("logits must have >= 1 dimension, got []"));
        };
        let pool = cx.pool();
        let mut out = cx.allocate(T::DTYPE, logits.shape())?;
        let x = T::widen_all(pool, logits.as_slice::<T>()?)?;
        T::write(pool, out.make_mut::<T>()?, |y| match LOG {
            true => log_softmax(pool, &x, cols, y),
            false => softmax(pool, &x, cols, y),
        })?;
        drop(x);
        cx.set_output(0, out)
    }
}
