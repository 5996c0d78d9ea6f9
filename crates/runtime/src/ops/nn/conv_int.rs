//! Convolution of images of `int32`, which wraps: plain loops.

use flowkeep_linalg::Pool;
use flowkeep_linalg::conv::Conv2dGeometry;
use flowkeep_tensor::Tensor;

use super::conv::geometry_of;
use super::conv_backprop::gradient_geometry;
use super::volume::{tap, window_of};
use super::window::WindowAttrs;
use crate::kernel::{KernelContext, OpKernel, Status};

/// `Conv2D` of `int32`.
pub(super) struct IntConv2d(pub(super) WindowAttrs);

/// `Conv2DBackpropInput` of `int32`.
pub(super) struct IntConv2dBackpropInput(pub(super) WindowAttrs);

impl OpKernel for IntConv2d {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (images, filter, format) = (cx.input(0)?, cx.input(1)?, self.0.format);
        let geometry = geometry_of(images, filter, &self.0)?;
        let pool = cx.pool();
        let images = format.to_last::<i32>(pool, images)?;
        let mut out = Tensor::zeros(images.dtype(), geometry.output_shape())?;
        if out.n_elements() > 0 {
            forward(pool, &geometry, images.as_slice()?, filter.as_slice()?, out.make_mut()?);
        }
        let out = format.of_last::<i32>(pool, out)?;
        cx.set_output(0, out)
    }
}

impl OpKernel for IntConv2dBackpropInput {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (sizes, filter, gradient) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let geometry = gradient_geometry(sizes, filter, gradient, &self.0)?;
        let (pool, format) = (cx.pool(), self.0.format);
        let gradient = format.to_last::<i32>(pool, gradient)?;
        let mut out = Tensor::zeros(gradient.dtype(), geometry.input_shape())?;
        if out.n_elements() > 0 && gradient.n_elements() > 0 {
            backward(pool, &geometry, filter.as_slice()?, gradient.as_slice()?, out.make_mut()?);
        }
        let out = format.of_last::<i32>(pool, out)?;
        cx.set_output(0, out)
    }
}

/// Fills the output line by line; there is an output.
fn forward(pool: &Pool, geometry: &Conv2dGeometry, x: &[i32], w: &[i32], y: &mut [i32]) {
    let Conv2dGeometry { in_channels, out_channels, groups, rows, cols, .. } = *geometry;
    let (in_group, out_group) = (in_channels / groups, out_channels / groups);
    pool.parallel_chunks(y, cols.output * out_channels, |idx, line| {
        let (image, row) = (idx / rows.output, idx % rows.output);
        for (col, y) in line.chunks_exact_mut(out_channels).enumerate() {
            for k in 0..rows.filter {
                let Some(i) = tap(&rows, row, k) else { continue };
                for l in 0..cols.filter {
                    let Some(j) = tap(&cols, col, l) else { continue };
                    let x = &x[((image * rows.input + i) * cols.input + j) * in_channels..];
                    let w = &w[(k * cols.filter + l) * in_group * out_channels..];
                    for (g, y) in y.chunks_exact_mut(out_group).enumerate() {
                        for c in 0..in_group {
                            let (x, w) =
                                (x[g * in_group + c], &w[c * out_channels + g * out_group..]);
                            let pairs = y.iter_mut().zip(w);
                            pairs.for_each(|(y, w)| *y = y.wrapping_add(x.wrapping_mul(*w)));
                        }
                    }
                }
            }
        }
    });
}

/// Fills the input gradient line by line; there are elements on both sides.
fn backward(pool: &Pool, geometry: &Conv2dGeometry, w: &[i32], dy: &[i32], dx: &mut [i32]) {
    let Conv2dGeometry { in_channels, out_channels, groups, rows, cols, .. } = *geometry;
    let (in_group, out_group) = (in_channels / groups, out_channels / groups);
    pool.parallel_chunks(dx, cols.input * in_channels, |idx, line| {
        let (image, i) = (idx / rows.input, idx % rows.input);
        for (j, dx) in line.chunks_exact_mut(in_channels).enumerate() {
            for k in 0..rows.filter {
                let Some(row) = window_of(&rows, i, k) else { continue };
                for l in 0..cols.filter {
                    let Some(col) = window_of(&cols, j, l) else { continue };
                    let dy =
                        &dy[((image * rows.output + row) * cols.output + col) * out_channels..];
                    let w = &w[(k * cols.filter + l) * in_group * out_channels..];
                    for (channel, dx) in dx.iter_mut().enumerate() {
                        let (g, c) = (channel / in_group, channel % in_group);
                        let dy = &dy[g * out_group..][..out_group];
                        let w = &w[c * out_channels + g * out_group..];
                        for (dy, w) in dy.iter().zip(w) {
                            *dx = dx.wrapping_add(dy.wrapping_mul(*w));
                        }
                    }
                }
            }
        }
    });
}
