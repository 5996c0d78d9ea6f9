//! The gradient of batch normalization.

use std::marker::PhantomData;

use flowkeep_linalg::Pool;
use flowkeep_tensor::{DType, Tensor};

use super::layout::DataFormat;
use super::real::{Real, zeros};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, product};
use crate::ops::dispatch::{no_type, with_type};

/// Elements of one task.
const TASK_ELEMENTS: usize = 32 << 10;

/// More blocks than this are not summed for themselves.
const MAX_BLOCKS: usize = 64;

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
        let sums = sums(pool, [outer, channels, inner], &dy, &x_all, mean)?;
        for (c, line) in lines.iter_mut().enumerate() {
            let inverse = 1.0 / (f64::from(variance[c]) + self.epsilon).sqrt();
            let (sum, weighted) = (sums[c], sums[channels + c] * inverse);
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
        let mut out = cx.allocate(T::DTYPE, x.shape())?;
        if out.n_elements() > 0 {
            T::write(pool, out.make_mut::<T>()?, |dx| {
                let row_len = channels * inner;
                let len = (TASK_ELEMENTS / row_len).max(1) * row_len;
                pool.parallel_chunks(dx, len, |idx, dx| {
                    let (dy, x) = (&dy[idx * len..], &x_all[idx * len..]);
                    let rows = dy.chunks(row_len).zip(x.chunks(row_len));
                    for (dx, (dy, x)) in dx.chunks_mut(row_len).zip(rows) {
                        self.line(inner, &lines, (dy, x), dx);
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

/// The sums of the gradients of each channel, then those of the gradients times what `x` is above the mean.
///
/// Shapes: `dy` and `x` `[outer, channels, inner]` → `[2, channels]`. Blocks of rows are summed for themselves, then
/// together in their order, whatever the number of threads.
fn sums(
    pool: &Pool,
    [outer, channels, inner]: [usize; 3],
    dy: &[f32],
    x: &[f32],
    mean: &[f32],
) -> Result<Vec<f64>, Status> {
    let row_len = channels * inner;
    if outer == 0 || row_len == 0 {
        return zeros(channels.saturating_mul(2));
    }
    let len = (TASK_ELEMENTS / row_len).max(1).max(outer.div_ceil(MAX_BLOCKS)) * row_len;
    let mut blocks = zeros::<f64>(2 * channels * dy.len().div_ceil(len))?;
    pool.parallel_chunks(&mut blocks, 2 * channels, |idx, block| {
        let (dy, x) = (&dy[idx * len..], &x[idx * len..]);
        let rows = dy.chunks(row_len).zip(x.chunks(row_len)).take(len / row_len);
        let (sums, weighted) = block.split_at_mut(channels);
        for (dy, x) in rows {
            let sums = sums.iter_mut().zip(weighted.iter_mut()).zip(mean);
            if inner == 1 {
                for (((sum, weighted), mean), (dy, x)) in sums.zip(dy.iter().zip(x)) {
                    *sum += f64::from(*dy);
                    *weighted += f64::from(*dy) * (f64::from(*x) - f64::from(*mean));
                }
                continue;
            }
            let planes = dy.chunks(inner).zip(x.chunks(inner));
            for (((sum, weighted), mean), (dy, x)) in sums.zip(planes) {
                for (dy, x) in dy.iter().zip(x) {
                    *sum += f64::from(*dy);
                    *weighted += f64::from(*dy) * (f64::from(*x) - f64::from(*mean));
                }
            }
        }
    });
    let mut sums = zeros::<f64>(2 * channels)?;
    for block in blocks.chunks(2 * channels) {
        sums.iter_mut().zip(block).for_each(|(sum, part)| *sum += part);
    }
    Ok(sums)
}

impl<T> FusedBatchNormGrad<T> {
    /// Computes one row of `x_backprop`, `[channels, inner]`, from those of `y_backprop` and `x`.
    fn line(&self, inner: usize, lines: &[Line], (dy, x): (&[f32], &[f32]), dx: &mut [f32]) {
        let is_training = self.is_training;
        let one = |line: &Line, dy: f32, x: f32| {
            let Line { a, b, c } = *line;
            let (dy, x) = (f64::from(dy), f64::from(x));
            // Without training `x` may be anything and does not matter.
            (if is_training { a * dy + b * x + c } else { a * dy }) as f32
        };
        if inner == 1 {
            for ((dx, line), (dy, x)) in dx.iter_mut().zip(lines).zip(dy.iter().zip(x)) {
                *dx = one(line, *dy, *x);
            }
            return;
        }
        let planes = dy.chunks(inner).zip(x.chunks(inner));
        for ((dx, line), (dy, x)) in dx.chunks_mut(inner).zip(lines).zip(planes) {
            for (dx, (dy, x)) in dx.iter_mut().zip(dy.iter().zip(x)) {
                *dx = one(line, *dy, *x);
            }
        }
    }

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
