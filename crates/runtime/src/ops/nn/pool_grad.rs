//! Gradients of pooling of images.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use flowkeep_linalg::pooling::Pool2dGeometry;
use flowkeep_linalg::pooling_backprop::max_pool_backprop;
use flowkeep_linalg::pooling_winners::max_pool_backprop_to_winners;
use flowkeep_linalg::window::Padding;
use flowkeep_linalg::{Number, Pool};
use flowkeep_tensor::Tensor;

use super::activation_grad::ReluGrad;
use super::layout::DataFormat;
use super::pooling::{Max, Pool2d};
use super::real::Real;
use super::window::{dims4, misfit, padding, spatial, under};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Origin, Status, Traced};
use crate::ops::args::{self, Built, int_vector, ints, kernel};
use crate::ops::arith::{Arith, Ordered};
use crate::ops::dispatch::{no_type, with_float, with_real};

/// How windows of rows and columns move, from attributes or from inputs.
#[derive(Clone, Copy)]
struct Windows {
    size: [usize; 2],
    strides: [usize; 2],
}

impl Windows {
    fn new(format: DataFormat, ksize: &[i64], strides: &[i64]) -> Result<Windows, Status> {
        let windows = Windows {
            size: spatial(format, "ksize", ksize)?,
            strides: spatial(format, "strides", strides)?,
        };
        if windows.size.contains(&0) || windows.strides.contains(&0) {
            return Err(Status::invalid_argument("Sliding window ksize and strides must be > 0"));
        }
        Ok(windows)
    }

    fn from_attrs(init: &KernelInit<'_>, format: DataFormat) -> Result<Windows, Status> {
        Windows::new(format, init.attr_ints("ksize")?, init.attr_ints("strides")?)
    }

    fn geometry(&self, images: [usize; 4], padding: Padding) -> Result<Pool2dGeometry, Status> {
        Pool2dGeometry::new(images, self.size, self.strides, padding).map_err(misfit)
    }
}

/// Gives the gradient of each window to its largest element, to the first one of several.
///
/// Shapes: `orig_input [N, H, W, C]` (or as `data_format` says), `orig_output` and `grad`
/// `[N, P, Q, C]` → as `orig_input`.  Types: floats and integers.
/// Errors: `INVALID_ARGUMENT` for other shapes; `UNIMPLEMENTED` for windows over batch or channels.
/// Source: OpDefs `MaxPoolGrad`, `MaxPoolGradV2` (sizes and strides are inputs). A NaN counts only
/// where it is the first element of its window.
struct MaxPoolGrad<T> {
    format: DataFormat,
    padding: Padding,
    /// `None`: the inputs after the first three.
    windows: Option<Windows>,
    /// Gives gradients to the elements that the fourth input names.
    by_winners: Option<ByWinners<T>>,
    /// What is done for the node that runs.
    rectifier: Option<Rectifier>,
}

/// The gradient of a rectifier before the pooling.
#[derive(Clone)]
struct Rectifier {
    /// The gradient of the pooling.
    origin: Arc<Origin>,
}

/// The last argument says that gradients of elements which are not above 0 are multiplied by 0.
type ByWinners<T> = fn(&Pool, &Pool2dGeometry, (&[u8], &[T]), &mut [T], bool);

/// The kernel of the gradients of pooling and of a rectifier before it.
pub(super) fn rectified(
    pooling: &dyn OpKernel,
    rectifier: &dyn OpKernel,
    origin: &Arc<Origin>,
) -> Option<Arc<dyn OpKernel>> {
    rectifier.facts()?.downcast_ref::<ReluGrad>()?;
    let pooling = pooling.facts()?;
    rectified_of::<f32>(pooling, origin).or_else(|| rectified_of::<f64>(pooling, origin))
}

fn rectified_of<T: Number + Ordered>(
    pooling: &dyn Any,
    origin: &Arc<Origin>,
) -> Option<Arc<dyn OpKernel>> {
    let MaxPoolGrad { format, padding, windows, by_winners, rectifier } =
        pooling.downcast_ref::<MaxPoolGrad<T>>()?;
    // Where windows overlap, gradients would be multiplied before they are added up.
    let is_apart = windows.is_some_and(|windows| windows.size == windows.strides);
    if by_winners.is_none() || rectifier.is_some() || !is_apart {
        return None;
    }
    let rectifier = Some(Rectifier { origin: origin.clone() });
    let (format, padding, windows, by_winners) = (*format, *padding, *windows, *by_winners);
    Some(Arc::new(MaxPoolGrad::<T> { format, padding, windows, by_winners, rectifier }))
}

/// The kernels of `MaxPool` and of its gradient, the first of which notes where the maxima are.
pub(super) fn traced(node: &dyn OpKernel, gradient: &dyn OpKernel) -> Option<Traced> {
    let (node, gradient) = (node.facts()?, gradient.facts()?);
    traced_of::<f32>(node, gradient).or_else(|| traced_of::<f64>(node, gradient))
}

#[inline(always)]
fn plus<T: Arith>(a: T, b: T) -> T {
    Arith::add(a, b)
}

#[inline(always)]
fn times_zero<T: Arith + Number>(dy: T) -> T {
    Arith::mul(dy, T::ZERO)
}

fn traced_of<T: Number + Ordered>(node: &dyn Any, gradient: &dyn Any) -> Option<Traced> {
    let node = node.downcast_ref::<Pool2d<T, Max>>()?;
    let gradient = gradient.downcast_ref::<MaxPoolGrad<T>>()?;
    let (format, padding, windows) = (gradient.format, gradient.padding, gradient.windows);
    let Windows { size, strides } = windows?;
    let node = node.noting(format, padding, size, strides)?;
    let by_winners: Option<ByWinners<T>> = Some(|pool, geometry, operands, dx, is_rectified| {
        if is_rectified {
            max_pool_backprop_to_winners(pool, geometry, operands, dx, plus, times_zero);
        } else {
            max_pool_backprop_to_winners(pool, geometry, operands, dx, plus, |dy| dy);
        }
    });
    let gradient = MaxPoolGrad::<T> { format, padding, windows, by_winners, rectifier: None };
    Some(Traced { node, gradient: Arc::new(gradient) })
}

pub(super) fn max_pool_grad(init: &KernelInit<'_>) -> Built {
    let (format, dtype) = (DataFormat::new(init)?, init.attr_type("T")?);
    let padding = padding(init, format)?;
    let windows = match init.attr("ksize") {
        Some(_) => Some(Windows::from_attrs(init, format)?),
        None => None,
    };
    with_real!(
        dtype,
        T => Ok(Box::new(MaxPoolGrad::<T> { format, padding, windows, by_winners: None, rectifier: None })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Ordered> OpKernel for MaxPoolGrad<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let origin = self.rectifier.as_ref().map(|rectifier| &rectifier.origin);
        self.give(cx).map_err(|status| status.of(origin))
    }

    fn facts(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl<T: Ordered> MaxPoolGrad<T> {
    fn give(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let format = self.format;
        let windows = match self.windows {
            Some(windows) => windows,
            None => Windows::new(format, &ints(cx.input(3)?)?, &ints(cx.input(4)?)?)?,
        };
        let (input, output, gradient) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let dims = rank4(input, "tensor_in")?;
        let out_dims = format.nhwc(rank4(output, "tensor_out")?);
        let geometry = windows.geometry(format.nhwc(dims), self.padding)?;
        let expected = geometry.output_shape();
        if out_dims != expected {
            return Err(Status::invalid_argument(format!(
                "Expected orig_output shape to be {}, but got {}",
                args_shape(format, expected),
                output.shape()
            )));
        }
        if format.nhwc(rank4(gradient, "out_backprop")?) != expected {
            return Err(Status::invalid_argument(format!(
                "Expected grad shape to be {}, but got {}",
                args_shape(format, expected),
                gradient.shape()
            )));
        }
        let pool = cx.pool();
        let mut out = cx.allocate(T::DTYPE, format.nhwc(dims))?;
        if out.n_elements() > 0 {
            let gradient = format.to_last::<T>(pool, gradient)?;
            let (dy, dx) = (gradient.as_slice::<T>()?, out.make_mut::<T>()?);
            if let Some(by_winners) = self.by_winners {
                let winners = cx.input(3)?.as_slice::<u8>()?;
                by_winners(pool, &geometry, (winners, dy), dx, self.rectifier.is_some());
                return cx.set_output(0, format.of_last::<T>(pool, out)?);
            }
            let input = format.to_last::<T>(pool, input)?;
            let x = input.as_slice::<T>()?;
            max_pool_backprop(
                pool,
                &geometry,
                (x, dy),
                dx,
                #[inline(always)]
                |a: T, b: T| a < b,
                #[inline(always)]
                |a: T, b: T| a.add(b),
            );
        }
        let out = format.of_last::<T>(pool, out)?;
        cx.set_output(0, out)
    }
}

/// Shares the gradient of each window among its elements.
///
/// Shapes: `orig_input_shape [4]`, `grad [N, P, Q, C]` (or as `data_format` says) → of that shape.
/// Types: floats; those of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` for other shapes; `UNIMPLEMENTED` for windows over batch or channels.
/// Source: OpDef `AvgPoolGrad`.
struct AvgPoolGrad<T> {
    format: DataFormat,
    padding: Padding,
    windows: Windows,
    dtype: PhantomData<T>,
}

pub(super) fn avg_pool_grad(init: &KernelInit<'_>) -> Built {
    let (format, dtype) = (DataFormat::new(init)?, init.attr_type("T")?);
    let (padding, windows) = (padding(init, format)?, Windows::from_attrs(init, format)?);
    with_float!(
        dtype,
        T => Ok(Box::new(AvgPoolGrad::<T> { format, padding, windows, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for AvgPoolGrad<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (format, sizes, gradient) = (self.format, cx.input(0)?, cx.input(1)?);
        if sizes.shape().rank() != 1 || sizes.n_elements() != 4 {
            return Err(Status::invalid_argument(
                "out_backprop must be 1-dimensional and 4 elements",
            ));
        }
        let shape = args::shape(&int_vector(sizes, "orig_input_shape")?)?;
        let Ok(dims) = <[usize; 4]>::try_from(shape.dims()) else {
            return Err(Status::invalid_argument("orig_input_shape must have 4 elements"));
        };
        let geometry = self.windows.geometry(format.nhwc(dims), self.padding)?;
        let expected = geometry.output_shape();
        if format.nhwc(rank4(gradient, "out_backprop")?) != expected {
            return Err(Status::invalid_argument(format!(
                "Expected grad shape to be {}, but got {}",
                args_shape(format, expected),
                gradient.shape()
            )));
        }
        let pool = cx.pool();
        let mut out = cx.zeros(T::DTYPE, format.nhwc(dims))?;
        if out.n_elements() > 0 && gradient.n_elements() > 0 {
            let gradient = format.to_last::<T>(pool, gradient)?;
            let dy = T::widen_all(pool, gradient.as_slice::<T>()?)?;
            let Pool2dGeometry { channels, rows, cols, .. } = geometry;
            let image_len = rows.input * cols.input * channels;
            T::write(pool, out.make_mut::<T>()?, |dx| {
                pool.parallel_chunks(dx, image_len, |image, dx| {
                    for row in 0..rows.output {
                        for col in 0..cols.output {
                            let (lines, taps) = (under(&rows, row), under(&cols, col));
                            let n = lines.len() * taps.len();
                            let at = ((image * rows.output + row) * cols.output + col) * channels;
                            let dy = &dy[at..][..channels];
                            for i in lines {
                                for j in taps.clone() {
                                    let dx = &mut dx[(i * cols.input + j) * channels..];
                                    for (dx, dy) in dx.iter_mut().zip(dy) {
                                        *dx = dx.plus(dy.over(n));
                                    }
                                }
                            }
                        }
                    }
                });
            })?;
        }
        let out = format.of_last::<T>(pool, out)?;
        cx.set_output(0, out)
    }
}

/// Gives the gradient of each window to the element whose number is known.
///
/// Shapes: `input [N, H, W, C]`, `grad` and `argmax` `[N, P, Q, C]` → as `input`.  Types: `T` a real
/// number, `argmax` i64 (i32): within its image, or within all with `include_batch_in_index`.
/// Errors: `INVALID_ARGUMENT` for other shapes and for numbers out of range.
/// Source: OpDef `MaxPoolGradWithArgmax`.
pub(super) fn max_pool_grad_with_argmax(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let in_all = init.attr_bool("include_batch_in_index")?;
    with_real!(
        dtype,
        T => kernel(move |cx| with_argmax::<T>(cx, in_all)),
        else Err(no_type(init, dtype))
    )
}

fn with_argmax<T: Ordered>(cx: &mut KernelContext<'_>, in_all: bool) -> Result<(), Status> {
    let (input, gradient, argmax) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let dims = rank4(input, "tensor_in")?;
    let out_dims = rank4(gradient, "out_backprop")?;
    if argmax.shape() != gradient.shape() || dims[0] != out_dims[0] || dims[3] != out_dims[3] {
        return Err(Status::invalid_argument(format!(
            "Expected grad shape to be {}, but got {}",
            argmax.shape(),
            gradient.shape()
        )));
    }
    let mut out = Tensor::zeros(T::DTYPE, dims)?;
    let n = out.n_elements();
    let (images, per_image) = (dims[0].max(1), argmax.n_elements() / dims[0].max(1));
    let dy = gradient.as_slice::<T>()?;
    let dx = out.make_mut::<T>()?;
    for (at, (index, dy)) in ints(argmax)?.into_iter().zip(dy).enumerate() {
        let start = if in_all { 0 } else { at / per_image.max(1) * (n / images) };
        let place = usize::try_from(index).ok().and_then(|index| index.checked_add(start));
        let place = place.filter(|place| *place < n).ok_or_else(|| {
            Status::invalid_argument(format!("invalid output index: {index} outside of range"))
        })?;
        dx[place] = dx[place].add(*dy);
    }
    cx.set_output(0, out)
}

fn rank4(tensor: &Tensor, name: &str) -> Result<[usize; 4], Status> {
    dims4(tensor).ok_or_else(|| Status::invalid_argument(format!("{name} must be 4-dimensional")))
}

/// The shape of NHWC images in this order of dimensions.
fn args_shape(format: DataFormat, [n, h, w, c]: [usize; 4]) -> flowkeep_tensor::Shape {
    match format {
        DataFormat::ChannelsLast => [n, h, w, c].into(),
        DataFormat::ChannelsFirst => [n, c, h, w].into(),
    }
}
