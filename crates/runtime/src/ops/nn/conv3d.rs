//! Convolution of volumes, and its gradient by the input, as products of matrices.

use std::marker::PhantomData;

use flowkeep_linalg::gemm::{Mat, gemm};
use flowkeep_linalg::window::Axis;
use flowkeep_linalg::{Number, Pool};
use flowkeep_tensor::Tensor;

use super::real::{Real, zeros};
use super::volume::{VolumeAttrs, dims5, place, tap, window_of};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built};
use crate::ops::dispatch::{no_type, with_float};

/// Elements of the matrix of one task.
const TASK_ELEMENTS: usize = 128 << 10;

/// Convolves volumes with filters.
///
/// Shapes: `input [N, D, H, W, C]` (or as `data_format` says), `filter [I, J, K, C, M]` → `[N, P, Q, R, M]`.  Types:
/// floats; those of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` for another rank, other channels, or windows larger than the volumes.
/// Source: OpDef `Conv3D`; NCDHW and dilations, which the reference CPU kernel refuses, as for images.
struct Conv3d<T> {
    attrs: VolumeAttrs,
    dtype: PhantomData<T>,
}

pub(super) fn conv3d(init: &KernelInit<'_>) -> Built {
    let (attrs, dtype) = (VolumeAttrs::new(init)?, init.attr_type("T")?);
    with_float!(
        dtype,
        T => Ok(Box::new(Conv3d::<T> { attrs, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for Conv3d<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let format = self.attrs.format;
        let (input, filter) = (cx.input(0)?, cx.input(1)?);
        let error = |message: String| Err(Status::invalid_argument(message));
        let Some([batch, planes, rows, cols, depth]) = dims5(format, input) else {
            return error("input must be 5-dimensional".into());
        };
        let &[i, j, k, filter_depth, out_depth] = filter.dims() else {
            return error("filter must be 5-dimensional".into());
        };
        if filter_depth == 0 || depth % filter_depth != 0 {
            return error(format!(
                "Input depth must be evenly divisible by filter depth: {depth} vs {filter_depth}"
            ));
        }
        if filter_depth != depth {
            return error(format!(
                "Number of channels in filter ({filter_depth}) must match last dimension of input \
                 ({depth})"
            ));
        }
        let axes = self.attrs.axes([planes, rows, cols], [i, j, k])?;
        let [p, q, r] = axes.map(|axis| axis.output);
        let mut output = Tensor::zeros(T::DTYPE, [batch, p, q, r, out_depth])?;
        let pool = cx.pool();
        if output.n_elements() > 0 {
            let input = format.to_last::<T>(pool, input)?;
            let x = T::widen_all(pool, input.as_slice::<T>()?)?;
            let w = T::widen_all(pool, filter.as_slice::<T>()?)?;
            let product = Product {
                pool,
                places: [p, q, r],
                source: [planes, rows, cols],
                window: [i, j, k],
                depth,
                at: |o: [usize; 3], k: [usize; 3]| {
                    Some([
                        tap(&axes[0], o[0], k[0])?,
                        tap(&axes[1], o[1], k[1])?,
                        tap(&axes[2], o[2], k[2])?,
                    ])
                },
            };
            T::write(pool, output.make_mut::<T>()?, |y| product.run(&x, &w, out_depth, y))?;
        }
        let output = format.of_last::<T>(pool, output)?;
        cx.set_output(0, output)
    }
}

/// Convolves backwards: gives the input gradient of a convolution of volumes from its output gradient.
///
/// Shapes: `input_sizes [5]`, `filter [I, J, K, C, M]`, `out_backprop [N, P, Q, R, M]` (or as `data_format` says) →
/// `[N, D, H, W, C]`.  Types: floats; `input_sizes` i32 or i64.
/// Errors: `INVALID_ARGUMENT` if the sizes are not those of a convolution; `RESOURCE_EXHAUSTED` if they are too large.
/// Source: OpDef `Conv3DBackpropInputV2`.
struct Conv3dBackpropInput<T> {
    attrs: VolumeAttrs,
    dtype: PhantomData<T>,
}

pub(super) fn conv3d_backprop_input(init: &KernelInit<'_>) -> Built {
    let (attrs, dtype) = (VolumeAttrs::new(init)?, init.attr_type("T")?);
    with_float!(
        dtype,
        T => Ok(Box::new(Conv3dBackpropInput::<T> { attrs, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for Conv3dBackpropInput<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let format = self.attrs.format;
        let (sizes, filter, dy) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let error = |message: &str| Err(Status::invalid_argument(message));
        let shape = args::shape(&args::int_vector(sizes, "input_sizes")?)?;
        let like = Tensor::zeros(T::DTYPE, &shape)?;
        let Some([batch, planes, rows, cols, depth]) = dims5(format, &like) else {
            return error("input_sizes must have 5 elements");
        };
        let &[i, j, k, filter_depth, out_depth] = filter.dims() else {
            return error("filter must be 5-dimensional");
        };
        let Some([dy_batch, p, q, r, dy_depth]) = dims5(format, dy) else {
            return error("out_backprop must be 5-dimensional");
        };
        if filter_depth != depth {
            return error("Conv3DBackpropInputOp: input and filter must have the same depth");
        }
        if dy_batch != batch {
            return Err(Status::invalid_argument(format!(
                "Conv3DBackpropInputOp: input and out_backprop must have the same batch size. Input \
                 batch: {batch}, outbackprop batch: {dy_batch}, batch_dim: 0"
            )));
        }
        if dy_depth != out_depth {
            return Err(Status::invalid_argument(format!(
                "out_backprop and filter_sizes must have the same number of channels. Got {dy_depth} for \
                 out_backprop and {out_depth} for filter_sizes"
            )));
        }
        let axes = self.attrs.axes([planes, rows, cols], [i, j, k])?;
        for (dim, (axis, actual)) in (1..).zip(axes.iter().zip([p, q, r])) {
            check_size("Conv3DBackpropInputOp", axis, actual, dim)?;
        }
        let pool = cx.pool();
        let mut output = Tensor::zeros(T::DTYPE, [batch, planes, rows, cols, depth])?;
        if output.n_elements() > 0 && dy.n_elements() > 0 {
            let dy = format.to_last::<T>(pool, dy)?;
            let dy = T::widen_all(pool, dy.as_slice::<T>()?)?;
            let w = T::widen_all(pool, filter.as_slice::<T>()?)?;
            let w = swapped(&w, depth, out_depth)?;
            let product = Product {
                pool,
                places: [planes, rows, cols],
                source: [p, q, r],
                window: [i, j, k],
                depth: out_depth,
                at: |x: [usize; 3], k: [usize; 3]| {
                    Some([
                        window_of(&axes[0], x[0], k[0])?,
                        window_of(&axes[1], x[1], k[1])?,
                        window_of(&axes[2], x[2], k[2])?,
                    ])
                },
            };
            T::write(pool, output.make_mut::<T>()?, |dx| product.run(&dy, &w, depth, dx))?;
        }
        let output = format.of_last::<T>(pool, output)?;
        cx.set_output(0, output)
    }
}

/// Checks the number of windows along the spatial dimension `dim`.
///
/// Errors: `INVALID_ARGUMENT` if there are others than `actual`, in the name of `op`.
pub(super) fn check_size(op: &str, axis: &Axis, actual: usize, dim: usize) -> Result<(), Status> {
    let Axis { input, filter, stride, dilation, output, .. } = *axis;
    if output == actual {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "{op}: Size of out_backprop doesn't match computed: actual = {actual}, computed = \
         {output} spatial_dim: {dim} input: {input} filter: {filter} output: {actual} stride: {stride} \
         dilation: {dilation}"
    )))
}

/// The filter with input and output channels in the other order.
fn swapped<W: Number + flowkeep_tensor::Element>(
    w: &[W],
    depth: usize,
    out_depth: usize,
) -> Result<Vec<W>, Status> {
    let mut swapped = zeros::<W>(w.len())?;
    let taps = swapped.chunks_exact_mut((depth * out_depth).max(1));
    for (to, from) in taps.zip(w.chunks_exact((depth * out_depth).max(1))) {
        for (m, to) in to.chunks_exact_mut(depth).enumerate() {
            let from = from[m..].iter().step_by(out_depth);
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }
    Ok(swapped)
}

/// Sums of products over the taps of windows, for each place of a result.
pub(super) struct Product<'a, F> {
    pub(super) pool: &'a Pool,
    /// The planes, rows and columns of the result.
    pub(super) places: [usize; 3],
    /// Those of the volume that is read.
    pub(super) source: [usize; 3],
    pub(super) window: [usize; 3],
    /// Channels of the volume that is read.
    pub(super) depth: usize,
    /// What a place reads under a tap.
    pub(super) at: F,
}

impl<F: Fn([usize; 3], [usize; 3]) -> Option<[usize; 3]> + Sync> Product<'_, F> {
    /// Computes `y` from the volumes `x` and the filter `[window.., depth, y_depth]`; there are results.
    fn run<W: flowkeep_linalg::Float>(&self, x: &[W], filter: &[W], y_depth: usize, y: &mut [W]) {
        let row = self.window_len();
        if row == 0 {
            return;
        }
        let filter = Mat::row_major(filter, row, y_depth);
        let per_task = (TASK_ELEMENTS / row).max(1);
        self.pool.parallel_chunks(y, per_task * y_depth, |idx, y| {
            let n = y.len() / y_depth;
            let mut windows = vec![W::ZERO; n * row];
            self.lay_out(x, idx * per_task, &mut windows);
            gemm(self.pool, Mat::row_major(&windows, n, row), filter, W::ZERO, y);
        });
    }

    /// The number of elements under a window.
    pub(super) fn window_len(&self) -> usize {
        self.window.iter().product::<usize>() * self.depth
    }

    /// Writes what lies under the windows of the places from number `start` on; what lies outside stays as it is.
    pub(super) fn lay_out<W: Copy>(&self, x: &[W], start: usize, windows: &mut [W]) {
        let Product { places, source: [planes, rows, cols], window: [i, j, k], depth, .. } = *self;
        for (n, window) in windows.chunks_exact_mut(self.window_len()).enumerate() {
            let [batch, plane, line, col] = place(start + n, places);
            let mut to = window.chunks_exact_mut(depth);
            for a in 0..i {
                for b in 0..j {
                    for (c, to) in (0..k).zip(&mut to) {
                        if let Some([p, q, r]) = (self.at)([plane, line, col], [a, b, c]) {
                            let at = ((batch * planes + p) * rows + q) * cols + r;
                            to.copy_from_slice(&x[at * depth..][..depth]);
                        }
                    }
                }
            }
        }
    }
}
