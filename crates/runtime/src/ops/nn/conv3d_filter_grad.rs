//! The gradient of convolution of volumes by its filter, as a product of matrices.

use std::marker::PhantomData;

use flowkeep_linalg::Float;
use flowkeep_linalg::gemm::{Mat, gemm};
use flowkeep_tensor::{Element, Tensor};

use super::conv3d::{Product, check_size};
use super::real::{Real, zeros};
use super::volume::{VolumeAttrs, dims5, tap};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built, int_vector};
use crate::ops::dispatch::{no_type, with_float};

/// Elements of the matrix of windows that is laid out at a time.
const BLOCK_ELEMENTS: usize = 1 << 20;

/// Elements of it that one task lays out.
const TASK_ELEMENTS: usize = 16 << 10;

/// Gives the filter gradient of a convolution of volumes from its input and its output gradient.
///
/// Shapes: `input [N, D, H, W, C]`, `filter_sizes [5]`, `out_backprop [N, P, Q, R, M]` (both as `data_format` says)
/// → `[I, J, K, C, M]`.  Types: floats; those of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` if the sizes are not those of a convolution.
/// Source: OpDef `Conv3DBackpropFilterV2`.
struct Conv3dBackpropFilter<T> {
    attrs: VolumeAttrs,
    dtype: PhantomData<T>,
}

pub(super) fn conv3d_backprop_filter(init: &KernelInit<'_>) -> Built {
    let (attrs, dtype) = (VolumeAttrs::new(init)?, init.attr_type("T")?);
    with_float!(
        dtype,
        T => Ok(Box::new(Conv3dBackpropFilter::<T> { attrs, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for Conv3dBackpropFilter<T>
where
    T::Wide: Element,
{
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        const OP: &str = "Conv3DBackpropFilterOp";
        let format = self.attrs.format;
        let (input, sizes, gradient) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let error = |message: String| Err(Status::invalid_argument(message));
        let filter = args::shape(&int_vector(sizes, "filter_sizes")?)?;
        let rank = |what: &str| error(format!("{what} tensor must have 5 dimensions"));
        let Some([batch, planes, rows, cols, depth]) = dims5(format, input) else {
            return rank("input");
        };
        let &[i, j, k, filter_depth, out_depth] = filter.dims() else {
            return rank("filter_sizes");
        };
        let Some([dy_batch, p, q, r, dy_depth]) = dims5(format, gradient) else {
            return rank("out_backprop");
        };
        if filter_depth != depth {
            return error(format!(
                "input and filter_sizes must have the same number of channels. Got {depth} for input and \
                 {filter_depth} for filter_sizes"
            ));
        }
        if dy_depth != out_depth {
            return error(format!(
                "out_backprop and filter_sizes must have the same number of channels. Got {dy_depth} for \
                 out_backprop and {out_depth} for filter_sizes"
            ));
        }
        if dy_batch != batch {
            return error(format!(
                "{OP}: input and out_backprop must have the same batch size. Input batch: {batch}, outbackprop \
                 batch: {dy_batch}, batch_dim: 0"
            ));
        }
        let axes = self.attrs.axes([planes, rows, cols], [i, j, k])?;
        for (dim, (axis, actual)) in (1..).zip(axes.iter().zip([p, q, r])) {
            check_size(OP, axis, actual, dim)?;
        }
        let pool = cx.pool();
        let mut out = Tensor::zeros(T::DTYPE, &filter)?;
        if out.n_elements() > 0 && input.n_elements() > 0 && gradient.n_elements() > 0 {
            let input = format.to_last::<T>(pool, input)?;
            let gradient = format.to_last::<T>(pool, gradient)?;
            let x = T::widen_all(pool, input.as_slice::<T>()?)?;
            let dy = T::widen_all(pool, gradient.as_slice::<T>()?)?;
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
            let mut outcome = Ok(());
            T::write(pool, out.make_mut::<T>()?, |dw| {
                outcome = filter_gradient(&product, &x, &dy, out_depth, dw);
            })?;
            outcome?;
        }
        cx.set_output(0, out)
    }
}

/// Sums the products of windows and output gradients over all places. Nothing is empty.
fn filter_gradient<W: Float + Element, F>(
    product: &Product<'_, F>,
    x: &[W],
    dy: &[W],
    out_depth: usize,
    dw: &mut [W],
) -> Result<(), Status>
where
    F: Fn([usize; 3], [usize; 3]) -> Option<[usize; 3]> + Sync,
{
    let (pool, window_len) = (product.pool, product.window_len());
    let n_places = dy.len() / out_depth;
    let block = (BLOCK_ELEMENTS / window_len).clamp(1, n_places);
    let per_task = (TASK_ELEMENTS / window_len).max(1);
    let mut windows = zeros::<W>(block * window_len)?;
    for start in (0..n_places).step_by(block) {
        let n = block.min(n_places - start);
        let windows = &mut windows[..n * window_len];
        pool.parallel_chunks(windows, per_task * window_len, |idx, windows| {
            windows.fill(W::ZERO);
            product.lay_out(x, start + idx * per_task, windows);
        });
        let a = Mat::row_major(windows, n, window_len).transposed();
        let b = Mat::row_major(&dy[start * out_depth..][..n * out_depth], n, out_depth);
        gemm(pool, a, b, if start == 0 { W::ZERO } else { W::ONE }, dw);
    }
    Ok(())
}
