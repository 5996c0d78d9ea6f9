//! Local response normalization and half the sum of squares.

use std::marker::PhantomData;

use flowkeep_linalg::Float;
use flowkeep_tensor::Tensor;

use super::real::Real;
use super::window::dims4;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::dispatch::{no_type, with_float, with_type};

/// Divides each element by a power of the squares of its neighbors in the channel direction:
/// `y = x / (bias + alpha * sum(x^2 over 2 * radius + 1 channels))^beta`.
///
/// Shapes: `[N, H, W, C]` → the same.  Types: float and floats of 16 bits, computed as `float`.
/// Errors: `INVALID_ARGUMENT` for another rank or a negative radius.
/// Source: OpDef `LRN`.
struct Lrn<T> {
    radius: usize,
    bias: f32,
    alpha: f32,
    beta: f32,
    dtype: PhantomData<T>,
}

pub(super) fn lrn(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let radius = init.attr_int("depth_radius")?;
    let radius = usize::try_from(radius).map_err(|_| {
        Status::invalid_argument(format!("depth_radius = {radius} must be non-negative"))
    })?;
    let (bias, alpha) = (init.attr_float("bias")?, init.attr_float("alpha")?);
    let (beta, dtype) = (init.attr_float("beta")?, init.attr_type("T")?);
    with_type!(
        dtype,
        T in [F16 => flowkeep_tensor::f16, BF16 => flowkeep_tensor::bf16, F32 => f32] =>
            Ok(Box::new(Lrn { radius, bias, alpha, beta, dtype: PhantomData::<T> })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real<Wide = f32>> OpKernel for Lrn<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let input = cx.input(0)?;
        let dims =
            dims4(input).ok_or_else(|| Status::invalid_argument("in must be 4-dimensional"))?;
        let channels = dims[3];
        let mut out = Tensor::zeros(T::DTYPE, dims)?;
        if out.n_elements() > 0 {
            let x = T::widen_all(cx.pool(), input.as_slice::<T>()?)?;
            let chunk_len = ((4 << 10) / channels).max(1) * channels;
            T::write(cx.pool(), out.make_mut::<T>()?, |y| {
                cx.pool().parallel_chunks(y, chunk_len, |i, y| {
                    let x = x[i * chunk_len..].chunks(channels);
                    x.zip(y.chunks_mut(channels)).for_each(|(x, y)| self.pixel(x, y));
                });
            })?;
        }
        cx.set_output(0, out)
    }
}

impl<T> Lrn<T> {
    fn pixel(&self, x: &[f32], y: &mut [f32]) {
        for (c, y) in y.iter_mut().enumerate() {
            let end = c.saturating_add(self.radius).saturating_add(1).min(x.len());
            let neighbors = &x[c.saturating_sub(self.radius)..end];
            let sum: f32 = neighbors.iter().map(|x| x * x).sum();
            let base = self.bias + self.alpha * sum;
            *y = x[c] * base.powf(-self.beta);
        }
    }
}

/// Half the sum of the squares of all elements.
///
/// Shapes: any → a scalar.  Types: floats; summed in double precision.
/// Source: OpDef `L2Loss`.
struct L2Loss<T>(PhantomData<T>);

pub(super) fn l2_loss(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    with_float!(
        dtype,
        T => Ok(Box::new(L2Loss::<T>(PhantomData))),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for L2Loss<T>
where
    f64: From<T>,
{
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let square = |x: &T| f64::from(*x) * f64::from(*x);
        let sum: f64 = cx.slice::<T>(0)?.iter().map(square).sum();
        cx.set_output(0, Tensor::scalar(T::narrow(T::Wide::from_f64(sum / 2.0))))
    }
}
