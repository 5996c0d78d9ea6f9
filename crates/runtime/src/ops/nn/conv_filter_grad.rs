//! The gradient of convolution by its filter, as a product of matrices.

use std::marker::PhantomData;

use flowkeep_linalg::conv::Conv2dGeometry;
use flowkeep_linalg::gemm::{Mat, gemm};
use flowkeep_linalg::{Float, Pool};
use flowkeep_tensor::Element;

use super::conv_backprop::check_gradient;
use super::real::{Real, zeros};
use super::window::{WindowAttrs, dims4, misfit, tap, under};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built, int_vector};
use crate::ops::dispatch::{no_type, with_float};

/// Elements of the matrix of windows that is laid out at a time, for each thread's share to stay in its cache.
const BLOCK_ELEMENTS: usize = 128 << 10;

/// Elements of it at a time where tasks sum for themselves: what stays in the cache.
const TASK_ELEMENTS: usize = 32 << 10;

/// Elements that a loop copies faster than a call.
const FEW: usize = 16;

/// Elements of a gradient that is small enough for tasks to have one each, and the most of them.
const SMALL: usize = 16 << 10;
const MAX_TASKS: usize = 16;

/// Gives the filter gradient of a convolution from its input and its output gradient.
///
/// Shapes: `input [N, H, W, C]`, `filter_sizes [4]`, `out_backprop [N, P, Q, M]` (both as `data_format`
/// says) → `[K, L, C / groups, M]`.  Types: floats; those of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` if the sizes are not those of a convolution.
/// Source: OpDef `Conv2DBackpropFilter`.
struct Conv2dBackpropFilter<T> {
    attrs: WindowAttrs,
    dtype: PhantomData<T>,
}

pub(super) fn conv2d_backprop_filter(init: &KernelInit<'_>) -> Built {
    let (attrs, dtype) = (WindowAttrs::new(init)?, init.attr_type("T")?);
    with_float!(
        dtype,
        T => Ok(Box::new(Conv2dBackpropFilter::<T> { attrs, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for Conv2dBackpropFilter<T>
where
    T::Wide: Element,
{
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        const OP: &str = "Conv2DCustomBackpropFilter";
        let WindowAttrs { format, strides, dilations, padding } = self.attrs;
        let (input, sizes, gradient) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let rank_error =
            |what: &str| Status::invalid_argument(format!("{OP}: {what} must be 4-dimensional"));
        let filter = args::shape(&int_vector(sizes, &format!("{OP}: filter_sizes input"))?)?;
        let filter: [usize; 4] = filter.dims().try_into().map_err(|_| rank_error("filter"))?;
        let dims = dims4(input).ok_or_else(|| rank_error("input"))?;
        let out_dims = format.nhwc(dims4(gradient).ok_or_else(|| rank_error("out_backprop"))?);
        let geometry = Conv2dGeometry::new(format.nhwc(dims), filter, strides, dilations, padding)
            .map_err(misfit)?;
        check_gradient(OP, &geometry, out_dims)?;
        let pool = cx.pool();
        let mut out = cx.zeros(T::DTYPE, filter)?;
        if out.n_elements() > 0 && input.n_elements() > 0 && gradient.n_elements() > 0 {
            let input = format.to_last::<T>(pool, input)?;
            let gradient = format.to_last::<T>(pool, gradient)?;
            let x = T::widen_all(pool, input.as_slice::<T>()?)?;
            let dy = T::widen_all(pool, gradient.as_slice::<T>()?)?;
            let mut outcome = Ok(());
            T::write(pool, out.make_mut::<T>()?, |dw| {
                outcome = filter_gradient(cx, &geometry, &x, &dy, dw);
            })?;
            outcome?;
        }
        cx.set_output(0, out)
    }
}

/// Sums the products of windows and output gradients over all pixels. Nothing is empty.
fn filter_gradient<F: Float + Element>(
    cx: &KernelContext<'_>,
    geometry: &Conv2dGeometry,
    x: &[F],
    dy: &[F],
    dw: &mut [F],
) -> Result<(), Status> {
    let pool = cx.pool();
    let Conv2dGeometry { batch, in_channels, out_channels, groups, rows, cols } = *geometry;
    let (inputs, outputs) = (in_channels / groups, out_channels / groups);
    let window_len = rows.filter * cols.filter * inputs;
    let n_pixels = batch * rows.output * cols.output;
    if groups == 1 && dw.len() <= SMALL {
        return small_gradient(pool, geometry, x, dy, dw);
    }
    let block = (BLOCK_ELEMENTS / window_len).clamp(1, n_pixels);
    let mut windows = cx.allocate(F::DTYPE, [block * window_len])?;
    let windows = windows.make_mut::<F>()?;
    let mut of_group = zeros::<F>(if groups > 1 { window_len * outputs } else { 0 })?;
    for group in 0..groups {
        let target = if groups > 1 { &mut of_group[..] } else { &mut *dw };
        for start in (0..n_pixels).step_by(block) {
            let n = block.min(n_pixels - start);
            let windows = &mut windows[..n * window_len];
            lay_out(pool, geometry, x, group, start, windows);
            let a = Mat::row_major(windows, n, window_len).transposed();
            let at = start * out_channels + group * outputs;
            let b = Mat::strided(&dy[at..], n, outputs, out_channels, 1);
            gemm(pool, a, b, if start == 0 { F::ZERO } else { F::ONE }, target);
        }
        if groups > 1 {
            let lines = dw.chunks_mut(out_channels).zip(of_group.chunks(outputs));
            for (to, from) in lines {
                to[group * outputs..][..outputs].copy_from_slice(from);
            }
        }
    }
    Ok(())
}

/// As [`filter_gradient`], of one group: tasks sum over pixels of their own, and the sums are added in their order.
///
/// Which pixels these are depends on the sizes alone.
fn small_gradient<F: Float + Element>(
    pool: &Pool,
    geometry: &Conv2dGeometry,
    x: &[F],
    dy: &[F],
    dw: &mut [F],
) -> Result<(), Status> {
    let Conv2dGeometry { batch, out_channels, rows, cols, .. } = *geometry;
    let window_len = dw.len() / out_channels;
    let n_pixels = batch * rows.output * cols.output;
    let block = (TASK_ELEMENTS / window_len).clamp(1, n_pixels);
    let per_task = n_pixels.div_ceil(MAX_TASKS).next_multiple_of(block);
    let mut parts = zeros::<F>(dw.len() * n_pixels.div_ceil(per_task))?;
    pool.parallel_chunks(&mut parts, dw.len(), |idx, part| {
        let end = ((idx + 1) * per_task).min(n_pixels);
        let mut windows = vec![F::ZERO; block * window_len];
        for start in (idx * per_task..end).step_by(block) {
            let n = block.min(end - start);
            let windows = &mut windows[..n * window_len];
            lay_out_lines(geometry, x, 0, start, windows);
            let a = Mat::row_major(windows, n, window_len).transposed();
            let b =
                Mat::row_major(&dy[start * out_channels..][..n * out_channels], n, out_channels);
            gemm(pool, a, b, if start == idx * per_task { F::ZERO } else { F::ONE }, part);
        }
    });
    dw.fill(F::ZERO);
    for part in parts.chunks(dw.len()) {
        dw.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.plus(*part));
    }
    Ok(())
}

/// Writes what lies under the windows from number `start` on, one line for each; zeros outside.
fn lay_out<F: Float>(
    pool: &Pool,
    geometry: &Conv2dGeometry,
    x: &[F],
    group: usize,
    start: usize,
    windows: &mut [F],
) {
    let Conv2dGeometry { in_channels, groups, rows, cols, .. } = *geometry;
    let inputs = in_channels / groups;
    let window_len = rows.filter * cols.filter * inputs;
    let lines = ((16 << 10) / window_len).max(1);
    pool.parallel_chunks(windows, lines * window_len, |idx, windows| {
        lay_out_lines(geometry, x, group, start + idx * lines, windows);
    });
}

/// As [`lay_out`], on this thread.
fn lay_out_lines<F: Float>(
    geometry: &Conv2dGeometry,
    x: &[F],
    group: usize,
    start: usize,
    windows: &mut [F],
) {
    let Conv2dGeometry { in_channels, groups, rows, cols, .. } = *geometry;
    let inputs = in_channels / groups;
    let window_len = rows.filter * cols.filter * inputs;
    // Taps beside each other read pixels beside each other.
    let is_dense = groups == 1 && cols.dilation == 1;
    for (line, window) in windows.chunks_mut(window_len).enumerate() {
        let pixel = start + line;
        let (rest, col) = (pixel / cols.output, pixel % cols.output);
        let (image, row) = (rest / rows.output, rest % rows.output);
        let under_it = under(&cols, col);
        for (k, taps) in window.chunks_mut(cols.filter * inputs).enumerate() {
            let Some(i) = tap(&rows, row, k) else {
                taps.fill(F::ZERO);
                continue;
            };
            let line = (image * rows.input + i) * cols.input;
            if is_dense {
                let first = cols.before.saturating_sub(col * cols.stride) * inputs;
                let (before, taps) = taps.split_at_mut(first.min(taps.len()));
                let (inside, after) = taps.split_at_mut((under_it.len() * inputs).min(taps.len()));
                before.fill(F::ZERO);
                let from = &x[(line + under_it.start) * inputs..][..inside.len()];
                if inside.len() <= FEW {
                    inside.iter_mut().zip(from).for_each(|(inside, x)| *inside = *x);
                } else {
                    inside.copy_from_slice(from);
                }
                after.fill(F::ZERO);
                continue;
            }
            for (l, to) in taps.chunks_mut(inputs).enumerate() {
                match tap(&cols, col, l) {
                    Some(j) => {
                        let at = (line + j) * in_channels;
                        to.copy_from_slice(&x[at + group * inputs..][..inputs]);
                    }
                    None => to.fill(F::ZERO),
                }
            }
        }
    }
}
