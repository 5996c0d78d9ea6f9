//! The gradient of local response normalization.

use flowkeep_tensor::Tensor;

use super::real::Real;
use super::window::dims4;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::{no_type, with_type};

/// Attributes of the normalization.
#[derive(Clone, Copy)]
struct Lrn {
    radius: usize,
    bias: f32,
    alpha: f32,
    beta: f32,
}

/// Gives the gradient of `LRN` from that of its result, its operand and its result.
///
/// Shapes: three of `[N, H, W, C]` → the same.  Types: float and floats of 16 bits, computed as `float`.
/// Errors: `INVALID_ARGUMENT` for another rank, different shapes, or a negative radius.
/// Source: OpDef `LRNGrad`.
pub(super) fn lrn_grad(init: &KernelInit<'_>) -> Built {
    let radius = init.attr_int("depth_radius")?;
    let radius = usize::try_from(radius).map_err(|_| {
        Status::invalid_argument(format!("depth_radius = {radius} must be non-negative"))
    })?;
    let (bias, alpha) = (init.attr_float("bias")?, init.attr_float("alpha")?);
    let lrn = Lrn { radius, bias, alpha, beta: init.attr_float("beta")? };
    let dtype = init.attr_type("T")?;
    with_type!(
        dtype,
        T in [F16 => flowkeep_tensor::f16, BF16 => flowkeep_tensor::bf16, F32 => f32] =>
            kernel(move |cx| lrn.gradient::<T>(cx)),
        else Err(no_type(init, dtype))
    )
}

impl Lrn {
    fn gradient<T: Real<Wide = f32>>(self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (dy, x, y) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let Some(dims) = dims4(dy).filter(|_| dims4(x).is_some()) else {
            return Err(Status::invalid_argument("inputs must be 4-dimensional"));
        };
        if x.shape() != dy.shape() || y.shape() != dy.shape() {
            return Err(Status::invalid_argument(
                "input_grads, input_image, and out_image should have the same shape",
            ));
        }
        let (pool, channels) = (cx.pool(), dims[3]);
        let mut out = Tensor::zeros(T::DTYPE, dims)?;
        if out.n_elements() > 0 {
            let dy = T::widen_all(pool, dy.as_slice::<T>()?)?;
            let x = T::widen_all(pool, x.as_slice::<T>()?)?;
            let y = T::widen_all(pool, y.as_slice::<T>()?)?;
            let chunk_len = ((4 << 10) / channels).max(1) * channels;
            T::write(pool, out.make_mut::<T>()?, |dx| {
                pool.parallel_chunks(dx, chunk_len, |i, dx| {
                    let start = i * chunk_len;
                    for (j, dx) in dx.chunks_mut(channels).enumerate() {
                        let at = start + j * channels;
                        let part = |values: &[f32]| at..(at + channels).min(values.len());
                        self.pixel(&dy[part(&dy)], &x[part(&x)], &y[part(&y)], dx);
                    }
                });
            })?;
        }
        cx.set_output(0, out)
    }

    fn pixel(&self, dy: &[f32], x: &[f32], y: &[f32], dx: &mut [f32]) {
        let n = x.len();
        for c in 0..n {
            let end = c.saturating_add(self.radius).saturating_add(1).min(n);
            let neighbors = c.saturating_sub(self.radius)..end;
            let sum: f32 = x[neighbors.clone()].iter().map(|x| x * x).sum();
            let base = self.bias + self.alpha * sum;
            for k in neighbors {
                let mut slope = -2.0 * self.alpha * self.beta * x[k] * y[c] / base;
                if k == c {
                    slope += base.powf(-self.beta);
                }
                dx[k] += slope * dy[c];
            }
        }
    }
}
