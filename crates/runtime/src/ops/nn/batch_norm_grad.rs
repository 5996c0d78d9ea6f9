//! The gradient of batch normalization.

use std::marker::PhantomData;

use flowkeep_tensor::{DType, Tensor};

use super::layout::DataFormat;
use super::real::{Real, zeros};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, product};
use crate::ops::dispatch::{no_type, with_type};

/// Gives the gradients of batch normalization by its operand, its scale and its offset.
///
/// Shapes: `y_backprop` and `x` `[N, .., C]` of rank 4 or 5, or channels first, `scale`, mean and
/// variance `[C]` → `x_backprop` as `x`, `scale_backprop [C]`, `offset_backprop [C]` and two empty
/// outputs.  Types: `x` float or of 16 bits, the others float; sums are in double precision.
/// In training mean and variance depend on `x`; else they are constants.
/// Errors: `INVALID_ARGUMENT` for other ranks and lengths.
/// Source: OpDefs `FusedBatchNormGrad`, `FusedBatchNormGradV2`, `FusedBatchNormGradV3`.
struct FusedBatchNormGrad<T> {
    format: DataFormat,
    epsilon: f64,
    is_training: bool,
    dtype: PhantomData<T>,
}

pub(super) fn fused_batch_norm_grad(init: &KernelInit<'_>) -> Built {
    let (format, dtype) = (DataFormat::new(init)?, init.attr_type("T")?);
    let epsilon = f64::from(init.attr_float("epsilon")?);
    let is_training = init.attr_bool("is_training")?;
    with_type!(
        dtype,
        T in [F16 => flowkeep_tensor::f16, BF16 => flowkeep_tensor::bf16, F32 => f32] => {
            let dtype = PhantomData::<T>;
            Ok(Box::new(FusedBatchNormGrad { format, epsilon, is_training, dtype }))
        },
        else Err(no_type(init, dtype))
    )
}

/// What the gradient of one channel is made of: `dx = a * dy + b * x + c`.
#[derive(Clone, Copy, Default)]
struct Line {
    a: f64,
    b: f64,
    c: f64,
}

impl<T: Real<Wide = f32>> OpKernel for FusedBatchNormGrad<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (dy, x) = (cx.input(0)?, cx.input(1)?);
        let [outer, channels, inner] = self.sizes(dy, x)?;
        let parameters = [cx.input(2)?, cx.input(3)?, cx.input(4)?];
        check_vectors(parameters, channels)?;
        let [scale, mean, variance] = parameters.map(|tensor| tensor.as_slice::<f32>());
        let (scale, mean, variance) = (scale?, mean?, variance?);
        let pool = cx.pool();
        let (dy, x_all) =
            (T::widen_all(pool, dy.as_slice::<T>()?)?, T::widen_all(pool, x.as_slice::<T>()?)?);
        let mut lines = vec![Line::default(); channels];
        let (mut scale_gradient, mut offset_gradient) =
            (zeros::<f32>(channels)?, zeros::<f32>(channels)?);
        let n = outer.saturating_mul(inner) as f64;
        // The two sums of each channel, side by side.
        let mut sums = zeros::<f64>(channels.saturating_mul(2))?;
        if n > 0.0 {
            let planes = dy.chunks(inner).zip(x_all.chunks(inner));
            for (at, (dy, x)) in planes.enumerate() {
                let c = at % channels;
                let mean = f64::from(mean[c]);
                for (dy, x) in dy.iter().zip(x) {
                    sums[2 * c] += f64::from(*dy);
                    sums[2 * c + 1] += f64::from(*dy) * (f64::from(*x) - mean);
                }
            }
        }
        for (c, line) in lines.iter_mut().enumerate() {
            let inverse = 1.0 / (f64::from(variance[c]) + self.epsilon).sqrt();
            let (sum, weighted) = (sums[2 * c], sums[2 * c + 1] * inverse);
            (offset_gradient[c], scale_gradient[c]) = (sum as f32, weighted as f32);
            let a = f64::from(scale[c]) * inverse;
            *line = match self.is_training {
                false => Line { a, b: 0.0, c: 0.0 },
                true => {
                    let b = -a * inverse * weighted / n;
                    Line { a, b, c: -a * sum / n - b * f64::from(mean[c]) }
                }
            };
        }
        let mut out = Tensor::zeros(T::DTYPE, x.shape())?;
        if out.n_elements() > 0 {
            T::write(pool, out.make_mut::<T>()?, |dx| {
                pool.parallel_chunks(dx, channels * inner, |row, dx| {
                    let start = row * channels * inner;
                    for (i, dx) in dx.iter_mut().enumerate() {
                        let Line { a, b, c } = lines[i / inner];
                        let (dy, x) = (f64::from(dy[start + i]), f64::from(x_all[start + i]));
                        // Without training `x` may be anything and does not matter.
                        *dx = if self.is_training { a * dy + b * x + c } else { a * dy } as f32;
                    }
                });
            })?;
        }
        cx.set_output(0, out)?;
        cx.set_output(1, Tensor::from_elements(scale_gradient))?;
        cx.set_output(2, Tensor::from_elements(offset_gradient))?;
        cx.set_output(3, Tensor::zeros(DType::F32, [0])?)?;
        cx.set_output(4, Tensor::zeros(DType::F32, [0])?)
    }
}

impl<T> FusedBatchNormGrad<T> {
    /// The elements before, along and after the channels.
    fn sizes(&self, dy: &Tensor, x: &Tensor) -> Result<[usize; 3], Status> {
        for tensor in [dy, x] {
            if !matches!(tensor.shape().rank(), 4 | 5) {
                return Err(Status::invalid_argument(format!(
                    "input must be 4 or 5-dimensional{}",
                    tensor.shape()
                )));
            }
        }
        if dy.shape() != x.shape() {
            return Err(Status::invalid_argument(format!(
                "x and y_backprop must have same shape, but x has shape {} and y_backprop has shape {}",
                x.shape(),
                dy.shape()
            )));
        }
        let dims = x.dims();
        let axis = self.format.channel_axis(dims.len());
        Ok(match x.n_elements() {
            0 => [0, dims[axis], 1],
            _ => [product(&dims[..axis]), dims[axis], product(&dims[axis + 1..])],
        })
    }
}

fn check_vectors(parameters: [&Tensor; 3], channels: usize) -> Result<(), Status> {
    for (tensor, name) in
        parameters.into_iter().zip(["scale", "reserve_space_1", "reserve_space_2"])
    {
        if tensor.shape().rank() != 1 {
            let message = format!("{name} must be 1-dimensional{}", tensor.shape());
            return Err(Status::invalid_argument(message));
        }
        if tensor.n_elements() != channels {
            return Err(Status::invalid_argument(format!(
                "{name} must have the same number of elements as the channels of x, got {} and \
                 {channels}",
                tensor.n_elements()
            )));
        }
    }
    Ok(())
}
