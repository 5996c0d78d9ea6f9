//! Convolution of each channel by itself.

use std::marker::PhantomData;

use flowkeep_linalg::Epilogue;
use flowkeep_linalg::conv::{DepthwiseGeometry, depthwise_conv2d};
use flowkeep_tensor::Tensor;

use super::real::Real;
use super::window::{WindowAttrs, dims4, misfit};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::dispatch::{no_type, with_float};

/// Convolves every channel with its own filters; filter `m` of channel `c` makes output channel
/// `c * M + m`.
///
/// Shapes: `input [N, H, W, C]` (or as `data_format` says), `filter [K, L, C, M]` →
/// `[N, P, Q, C * M]`.  Types: floats; those of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` for another rank, other channels, or windows larger than the images.
/// Source: OpDef `DepthwiseConv2dNative`. Dilations and NCHW, which the reference CPU kernel refuses,
/// are computed as for `Conv2D`.
struct DepthwiseConv2d<T> {
    attrs: WindowAttrs,
    dtype: PhantomData<T>,
}

pub(super) fn depthwise_conv2d_native(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
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
        T => Ok(Box::new(DepthwiseConv2d::<T> { attrs, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for DepthwiseConv2d<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let WindowAttrs { format, strides, dilations, padding } = self.attrs;
        let (images, filter) = (cx.input(0)?, cx.input(1)?);
        let rank_error = |text: &str, tensor: &Tensor| {
            Status::invalid_argument(format!("{text}{}", tensor.shape()))
        };
        let dims =
            dims4(images).ok_or_else(|| rank_error("input must be 4-dimensional", images))?;
        let filter_dims =
            dims4(filter).ok_or_else(|| rank_error("filter must be 4-dimensional: ", filter))?;
        let geometry =
            DepthwiseGeometry::new(format.nhwc(dims), filter_dims, strides, dilations, padding)
                .map_err(misfit)?;
        let pool = cx.pool();
        let mut out = cx.allocate(T::DTYPE, geometry.output_shape())?;
        if out.n_elements() > 0 {
            let filter = T::widen_all(pool, filter.as_slice::<T>()?)?;
            let images = format.to_last::<T>(pool, images)?;
            let x = T::widen_all(pool, images.as_slice::<T>()?)?;
            T::write(pool, out.make_mut::<T>()?, |y| {
                depthwise_conv2d(pool, &geometry, &x, &filter, Epilogue::NONE, y);
            })?;
        }
        let out = format.of_last::<T>(pool, out)?;
        cx.set_output(0, out)
    }
}
