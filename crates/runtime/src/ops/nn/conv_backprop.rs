//! The gradient of convolution by its input, which is also the transposed convolution.

use std::marker::PhantomData;

use flowkeep_linalg::conv::{Conv2dGeometry, conv2d_backprop_input};
use flowkeep_linalg::window::Axis;
use flowkeep_tensor::{DType, Tensor};

use super::conv_int::IntConv2dBackpropInput;
use super::layout::DataFormat;
use super::real::Real;
use super::window::{WindowAttrs, dims4, misfit};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::int_vector;
use crate::ops::dispatch::{no_type, with_float};

/// Convolves backwards: gives the input gradient of a convolution from its output gradient.
///
/// Shapes: `input_sizes [4]` (or `[2]`, height and width), `filter [K, L, C / groups, M]`,
/// `out_backprop [N, P, Q, M]` (or as `data_format` says) → `[N, H, W, C]`.  Types: floats and
/// i32; floats of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` if the sizes are not those of a convolution.
/// Source: OpDef `Conv2DBackpropInput`.
struct Conv2dBackpropInput<T> {
    attrs: WindowAttrs,
    dtype: PhantomData<T>,
}

pub(super) fn conv2d_backprop(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let (attrs, dtype) = (WindowAttrs::new(init)?, init.attr_type("T")?);
    if dtype == DType::I32 {
        return Ok(Box::new(IntConv2dBackpropInput(attrs)));
    }
    with_float!(
        dtype,
        T => Ok(Box::new(Conv2dBackpropInput::<T> { attrs, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for Conv2dBackpropInput<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (sizes, filter, gradient) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let geometry = gradient_geometry(sizes, filter, gradient, &self.attrs)?;
        let format = self.attrs.format;
        let pool = cx.pool();
        let mut out = cx.allocate(T::DTYPE, geometry.input_shape())?;
        if out.n_elements() > 0 {
            let filter = T::widen_all(pool, filter.as_slice::<T>()?)?;
            let gradient = format.to_last::<T>(pool, gradient)?;
            let dy = T::widen_all(pool, gradient.as_slice::<T>()?)?;
            T::write(pool, out.make_mut::<T>()?, |dx| {
                conv2d_backprop_input(pool, &geometry, &filter, &dy, dx);
            })?;
        }
        let out = format.of_last::<T>(pool, out)?;
        cx.set_output(0, out)
    }
}

/// The sizes of the convolution that has this gradient.
///
/// Errors: as `Conv2DBackpropInput`.
pub(super) fn gradient_geometry(
    sizes: &Tensor,
    filter: &Tensor,
    gradient: &Tensor,
    attrs: &WindowAttrs,
) -> Result<Conv2dGeometry, Status> {
    let WindowAttrs { format, strides, dilations, padding } = *attrs;
    let rank_error = |what: &str| {
        Status::invalid_argument(format!("Conv2DCustomBackpropInput: {what} must be 4-dimensional"))
    };
    let filter_dims = dims4(filter).ok_or_else(|| rank_error("filter"))?;
    let gradient_dims = dims4(gradient).ok_or_else(|| rank_error("out_backprop"))?;
    let out_dims = format.nhwc(gradient_dims);
    let input = input_dims(sizes, format, filter_dims, out_dims)?;
    let geometry =
        Conv2dGeometry::new(input, filter_dims, strides, dilations, padding).map_err(misfit)?;
    check_gradient("Conv2DCustomBackpropInput", &geometry, out_dims)?;
    Ok(geometry)
}

/// The dimensions of the input, channels last.
fn input_dims(
    sizes: &Tensor,
    format: DataFormat,
    filter: [usize; 4],
    out: [usize; 4],
) -> Result<[usize; 4], Status> {
    let size = |value: i64| {
        usize::try_from(value)
            .map_err(|_| Status::invalid_argument(format!("Dimension {value} must be >= 0")))
    };
    match int_vector(sizes, "Conv2DBackpropInput: input_sizes input")?[..] {
        [a, b, c, d] => Ok(format.nhwc([size(a)?, size(b)?, size(c)?, size(d)?])),
        [height, width] => Ok([out[0], size(height)?, size(width)?, filter[2]]),
        ref sizes => Err(Status::invalid_argument(format!(
            "Conv2DBackpropInput requires input_sizes to contain 4 values or 2 values, but got: {}",
            sizes.len()
        ))),
    }
}

/// Checks an output gradient `[N, P, Q, M]` against its convolution; `op` is who says so.
pub(super) fn check_gradient(
    op: &str,
    geometry: &Conv2dGeometry,
    out: [usize; 4],
) -> Result<(), Status> {
    if geometry.batch != out[0] {
        return Err(Status::invalid_argument(format!(
            "{op}: input and out_backprop must have the same batch size. Input batch: {}, outbackprop \
             batch: {}, batch_dim: 0",
            geometry.batch, out[0]
        )));
    }
    if geometry.out_channels != out[3] {
        return Err(Status::invalid_argument(format!(
            "{op}: filter and out_backprop must have the same out_depth"
        )));
    }
    let axes = [(&geometry.rows, out[1], 1), (&geometry.cols, out[2], 2)];
    for (axis, actual, dim) in axes {
        let Axis { input, filter, stride, dilation, output, .. } = *axis;
        if output != actual {
            return Err(Status::invalid_argument(format!(
                "{op}: Size of out_backprop doesn't match computed: actual = {actual}, computed = \
                 {output} spatial_dim: {dim} input: {input} filter: {filter} output: {actual} stride: \
                 {stride} dilation: {dilation}"
            )));
        }
    }
    Ok(())
}
