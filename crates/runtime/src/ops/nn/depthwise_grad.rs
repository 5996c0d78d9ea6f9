//! The gradients of depthwise convolution, by its input and by its filter.

use std::marker::PhantomData;

use flowkeep_linalg::conv::DepthwiseGeometry;
use flowkeep_linalg::{Float, Pool};

use super::real::Real;
use super::window::{WindowAttrs, dims4, misfit, tap};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built, int_vector};
use crate::ops::dispatch::{no_type, with_float};

/// Gives the gradient of a depthwise convolution by its input, or by its filter.
///
/// Shapes: for the input, `input_sizes [4]`, `filter [K, L, C, M]`, `out_backprop [N, P, Q, C * M]` →
/// `[N, H, W, C]`; for the filter, `input [N, H, W, C]`, `filter_sizes [4]`, `out_backprop` →
/// `[K, L, C, M]`; images as `data_format` says.  Types: floats; those of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` if the sizes are not those of a convolution.
/// Source: OpDefs `DepthwiseConv2dNativeBackpropInput`, `DepthwiseConv2dNativeBackpropFilter`.
struct DepthwiseGradient<T, const BY_FILTER: bool> {
    attrs: WindowAttrs,
    dtype: PhantomData<T>,
}

pub(super) fn depthwise_backprop_input(init: &KernelInit<'_>) -> Built {
    build::<false>(init)
}

pub(super) fn depthwise_backprop_filter(init: &KernelInit<'_>) -> Built {
    build::<true>(init)
}

fn build<const BY_FILTER: bool>(init: &KernelInit<'_>) -> Built {
    // What `Conv2D` calls unimplemented is an invalid argument here.
    let attrs =
        WindowAttrs::new(init).map_err(|error| Status::invalid_argument(error.message()))?;
    let dtype = init.attr_type("T")?;
    if attrs.strides[0] != attrs.strides[1] {
        return Err(Status::invalid_argument(
            "Current implementation only supports equal length strides in the row and column \
             dimensions.",
        ));
    }
    with_float!(
        dtype,
        T => Ok(Box::new(DepthwiseGradient::<T, BY_FILTER> { attrs, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real, const BY_FILTER: bool> OpKernel for DepthwiseGradient<T, BY_FILTER> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let WindowAttrs { format, strides, dilations, padding } = self.attrs;
        let (first, second, gradient) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let error = |message: &str| Status::invalid_argument(message);
        let (given, sizes, name) = match BY_FILTER {
            true => (first, second, "filter_sizes"),
            false => (second, first, "input_sizes"),
        };
        let sizes = args::shape(&int_vector(sizes, name)?)?;
        let sizes: [usize; 4] = sizes
            .dims()
            .try_into()
            .map_err(|_| error(&format!("{name} must have 4 elements, got {}", sizes.rank())))?;
        let dims = dims4(given).ok_or_else(|| match BY_FILTER {
            true => error("input must be 4-dimensional"),
            false => error("filter must be 4-dimensional"),
        })?;
        let (images, filter) = if BY_FILTER { (dims, sizes) } else { (sizes, dims) };
        let geometry =
            DepthwiseGeometry::new(format.nhwc(images), filter, strides, dilations, padding)
                .map_err(misfit)?;
        let out_dims =
            dims4(gradient).ok_or_else(|| error("out_backprop must be 4-dimensional"))?;
        let op = match BY_FILTER {
            true => "DepthwiseConv2DBackpropFilter",
            false => "DepthwiseConv2DBackpropInput",
        };
        check(op, &geometry, format.nhwc(out_dims))?;
        let pool = cx.pool();
        let shape = if BY_FILTER { filter } else { format.nhwc(images) };
        let mut out = cx.zeros(T::DTYPE, shape)?;
        if out.n_elements() > 0 && given.n_elements() > 0 && gradient.n_elements() > 0 {
            let gradient = format.to_last::<T>(pool, gradient)?;
            let dy = T::widen_all(pool, gradient.as_slice::<T>()?)?;
            if BY_FILTER {
                let input = format.to_last::<T>(pool, given)?;
                let x = T::widen_all(pool, input.as_slice::<T>()?)?;
                T::write(pool, out.make_mut::<T>()?, |dw| {
                    by_filter(pool, &geometry, &x, &dy, dw);
                })?;
            } else {
                let w = T::widen_all(pool, given.as_slice::<T>()?)?;
                T::write(pool, out.make_mut::<T>()?, |dx| {
                    by_input(pool, &geometry, &w, &dy, dx);
                })?;
            }
        }
        if !BY_FILTER {
            out = format.of_last::<T>(pool, out)?;
        }
        cx.set_output(0, out)
    }
}

fn check(op: &str, geometry: &DepthwiseGeometry, out: [usize; 4]) -> Result<(), Status> {
    let [batch, rows, cols, channels] = geometry.output_shape();
    let misfit = |what: &str, actual: usize, computed: usize| {
        format!(
            "Number of {what} of out_backprop doesn't match computed: actual = {actual}, computed = \
             {computed}"
        )
    };
    let wrong = match out {
        [n, ..] if n != batch => "input and out_backprop must have the same batch size".to_owned(),
        [_, actual, ..] if actual != rows => misfit("rows", actual, rows),
        [_, _, actual, _] if actual != cols => misfit("cols", actual, cols),
        [.., c] if c != channels => "depth_multiplier * in_depth not equal to out_depth".to_owned(),
        _ => return Ok(()),
    };
    Err(Status::invalid_argument(format!("{op}: {wrong}")))
}

/// Adds to the gradients of each image what its output pixels say. Nothing is empty.
fn by_input<F: Float>(pool: &Pool, geometry: &DepthwiseGeometry, w: &[F], dy: &[F], dx: &mut [F]) {
    let DepthwiseGeometry { channels, multiplier, rows, cols, .. } = *geometry;
    let out_channels = channels * multiplier;
    pool.parallel_chunks(dx, rows.input * cols.input * channels, |image, dx| {
        for row in 0..rows.output {
            for col in 0..cols.output {
                let at = (image * rows.output + row) * cols.output + col;
                let dy = &dy[at * out_channels..][..out_channels];
                for k in 0..rows.filter {
                    let Some(i) = tap(&rows, row, k) else { continue };
                    for l in 0..cols.filter {
                        let Some(j) = tap(&cols, col, l) else { continue };
                        let w = &w[(k * cols.filter + l) * out_channels..][..out_channels];
                        let dx = &mut dx[(i * cols.input + j) * channels..][..channels];
                        let outputs = dy.chunks(multiplier).zip(w.chunks(multiplier));
                        for (dx, (dy, w)) in dx.iter_mut().zip(outputs) {
                            for (dy, w) in dy.iter().zip(w) {
                                *dx = dx.plus(dy.times(*w));
                            }
                        }
                    }
                }
            }
        }
    });
}

/// Sums over all pixels, each tap on its own. Nothing is empty.
fn by_filter<F: Float>(pool: &Pool, geometry: &DepthwiseGeometry, x: &[F], dy: &[F], dw: &mut [F]) {
    let DepthwiseGeometry { batch, channels, multiplier, rows, cols } = *geometry;
    let out_channels = channels * multiplier;
    pool.parallel_chunks(dw, out_channels, |at, dw| {
        let (k, l) = (at / cols.filter, at % cols.filter);
        for image in 0..batch {
            for row in 0..rows.output {
                let Some(i) = tap(&rows, row, k) else { continue };
                for col in 0..cols.output {
                    let Some(j) = tap(&cols, col, l) else { continue };
                    let at = (image * rows.input + i) * cols.input + j;
                    let x = &x[at * channels..][..channels];
                    let at = (image * rows.output + row) * cols.output + col;
                    let dy = &dy[at * out_channels..][..out_channels];
                    let outputs = dw.chunks_mut(multiplier).zip(dy.chunks(multiplier));
                    for (x, (dw, dy)) in x.iter().zip(outputs) {
                        for (dw, dy) in dw.iter_mut().zip(dy) {
                            *dw = dw.plus(x.times(*dy));
                        }
                    }
                }
            }
        }
    });
}
