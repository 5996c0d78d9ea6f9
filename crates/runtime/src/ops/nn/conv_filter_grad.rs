//! The gradient of convolution by its filter.

use std::marker::PhantomData;

use flowkeep_linalg::conv::{Conv2dGeometry, conv2d_backprop_filter as backprop_filter};
use flowkeep_tensor::Element;

use super::conv_backprop::check_gradient;
use super::real::Real;
use super::window::{WindowAttrs, dims4, misfit};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built, int_vector};
use crate::ops::dispatch::{no_type, with_float};

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
            T::write(pool, out.make_mut::<T>()?, |dw| {
                backprop_filter(pool, &geometry, &x, &dy, dw);
            })?;
        }
        cx.set_output(0, out)
    }
}
