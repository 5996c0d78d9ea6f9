//! Gradients of images of another size: what each pixel gets back from those that it has a part in.

use std::marker::PhantomData;

use flowkeep_linalg::Pool;
use flowkeep_tensor::{Tensor, bf16, f16};

use super::sampling::{Sampling, Taps};
use super::window::dims4;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::arith::Arith;
use crate::ops::dispatch::{no_type, with_float, with_real};

/// A float that gradients are summed in, each product rounded to it.
pub(super) trait Gradient: Arith {
    fn of(product: f32) -> Self;
}

impl Gradient for f16 {
    #[inline(always)]
    fn of(product: f32) -> f16 {
        f16::from_f32(product)
    }
}

impl Gradient for bf16 {
    #[inline(always)]
    fn of(product: f32) -> bf16 {
        bf16::from_f32(product)
    }
}

impl Gradient for f32 {
    #[inline(always)]
    fn of(product: f32) -> f32 {
        product
    }
}

impl Gradient for f64 {
    #[inline(always)]
    fn of(product: f32) -> f64 {
        product.into()
    }
}

/// Gives the gradient of images that were resized between pixels.
///
/// Shapes: `grads [N, P, Q, C]`, float, `original_image [M, H, W, C]` → `[N, H, W, C]`, of the type of the image.
/// Types: `T` floats; products are rounded to it and summed in it, in the order of the gradient's pixels.
/// Errors: `INVALID_ARGUMENT` for other ranks, and for images or gradients without a row or a column.
/// Source: OpDefs `ResizeBilinearGrad`, `ResizeBicubicGrad`.
struct ResizeGrad<T> {
    sampling: Sampling,
    cubic: bool,
    dtype: PhantomData<T>,
}

pub(super) fn bilinear_grad(init: &KernelInit<'_>) -> Built {
    build(init, false)
}

pub(super) fn bicubic_grad(init: &KernelInit<'_>) -> Built {
    build(init, true)
}

fn build(init: &KernelInit<'_>, cubic: bool) -> Built {
    let (sampling, dtype) = (Sampling::new(init)?, init.attr_type("T")?);
    with_float!(
        dtype,
        T => Ok(Box::new(ResizeGrad::<T> { sampling, cubic, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Gradient> OpKernel for ResizeGrad<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (grads, image) = (cx.input(0)?, cx.input(1)?);
        let error = |message: String| Err(Status::invalid_argument(message));
        let Some([batch, grad_rows, grad_cols, channels]) = dims4(grads) else {
            return error(format!("input_grad must be 4-dimensional{}", grads.shape()));
        };
        let Some([_, rows, cols, _]) = dims4(image) else {
            return error(format!("original_image must be 4-dimensional{}", image.shape()));
        };
        if rows == 0 || cols == 0 {
            return error("original dimensions must be positive".into());
        }
        if grad_rows == 0 || grad_cols == 0 {
            return error("resized dimensions must be positive".into());
        }
        let mut output = Tensor::zeros(T::DTYPE, [batch, rows, cols, channels])?;
        let (dy, dx) = (grads.as_slice::<f32>()?, output.make_mut::<T>()?);
        if !dx.is_empty() && !dy.is_empty() {
            let taps = |n: usize, out: usize| match self.cubic {
                true => self.sampling.cubic(n, out),
                false => self.sampling.linear(n, out),
            };
            let (along_rows, along_cols) = (taps(rows, grad_rows)?, taps(cols, grad_cols)?);
            cx.pool().parallel_chunks(dx, cols * channels, |idx, dx| {
                let (image, row) = (idx / rows, idx % rows);
                let dy = &dy[image * grad_rows * grad_cols * channels..];
                for from in along_rows.with(row) {
                    let dy = &dy[from * grad_cols * channels..][..grad_cols * channels];
                    let weights = along_rows.of(from).iter().filter(|tap| tap.0 == row);
                    add_row(weights.map(|tap| tap.1), &along_cols, channels, dy, dx);
                }
            });
        }
        cx.set_output(0, output)
    }
}

/// Adds to a row of pixels what one row of the gradient has for it, with each of these weights.
fn add_row<T: Gradient>(
    weights: impl Iterator<Item = f32> + Clone,
    cols: &Taps,
    channels: usize,
    dy: &[f32],
    dx: &mut [T],
) {
    for (col, dy) in dy.chunks_exact(channels).enumerate() {
        for weight in weights.clone() {
            for &(at, share) in cols.of(col) {
                let dx = &mut dx[at * channels..][..channels];
                for (dx, dy) in dx.iter_mut().zip(dy) {
                    *dx = dx.add(T::of(*dy * weight * share));
                }
            }
        }
    }
}

/// Gives the gradient of images that were resized by taking the nearest pixels.
///
/// Shapes: `grads [N, P, Q, C]`, `size [2]`, i32 → `[N, size[0], size[1], C]`.  Types: `T` real numbers, summed in
/// `T` in the order of the gradient's pixels.
/// Errors: `INVALID_ARGUMENT` for other shapes or sizes that are not positive; `RESOURCE_EXHAUSTED` if the result is
/// too large.  Source: OpDef `ResizeNearestNeighborGrad`; with both options, as the reference.
pub(super) fn nearest_neighbor_grad(init: &KernelInit<'_>) -> Built {
    let (sampling, dtype) = (Sampling::any(init)?, init.attr_type("T")?);
    with_real!(
        dtype,
        T => kernel(move |cx| {
            let output = nearest::<T>(cx.pool(), cx.input(0)?, cx.input(1)?, sampling)?;
            cx.set_output(0, output)
        }),
        else Err(no_type(init, dtype))
    )
}

fn nearest<T: Arith>(
    pool: &Pool,
    grads: &Tensor,
    size: &Tensor,
    sampling: Sampling,
) -> Result<Tensor, Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let Some([batch, grad_rows, grad_cols, channels]) = dims4(grads) else {
        return error(format!("input must be 4-dimensional{}", grads.shape()));
    };
    if size.shape().rank() != 1 {
        return error(format!("shape_t must be 1-dimensional{}", size.shape()));
    }
    let &[rows, cols] = &args::ints(size)?[..] else {
        return error(format!("shape_t must have two elements{}", size.shape()));
    };
    let (Ok(rows @ 1..), Ok(cols @ 1..)) = (usize::try_from(rows), usize::try_from(cols)) else {
        return error("shape_t's elements must be positive".into());
    };
    let mut output = Tensor::zeros(T::DTYPE, [batch, rows, cols, channels])?;
    let (dy, dx) = (grads.as_slice::<T>()?, output.make_mut::<T>()?);
    if dx.is_empty() || dy.is_empty() {
        return Ok(output);
    }
    let (of_rows, of_cols) =
        (sampling.nearest(rows, grad_rows)?, sampling.nearest(cols, grad_cols)?);
    pool.parallel_chunks(dx, cols * channels, |idx, dx| {
        let (image, row) = (idx / rows, idx % rows);
        // The nearest rows never go back.
        let (start, end) =
            (of_rows.partition_point(|at| *at < row), of_rows.partition_point(|at| *at <= row));
        for from in start..end {
            let dy = &dy[(image * grad_rows + from) * grad_cols * channels..];
            for (dy, at) in dy.chunks_exact(channels).zip(&of_cols) {
                let dx = &mut dx[at * channels..][..channels];
                dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dx.add(*dy));
            }
        }
    });
    Ok(output)
}
