//! Gradients of pooling of volumes.

use std::marker::PhantomData;

use flowkeep_linalg::window::{Axis, AxisPadding};
use flowkeep_linalg::{Float, Number, Pool};
use flowkeep_tensor::Tensor;

use super::layout::DataFormat;
use super::real::Real;
use super::volume::{PoolWindows, dims5, over, padding};
use super::window::under;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built, int_vector};
use crate::ops::dispatch::{no_type, with_float};

/// How windows move over volumes.
struct Attrs {
    format: DataFormat,
    padding: AxisPadding,
    windows: PoolWindows,
}

impl Attrs {
    fn new(init: &KernelInit<'_>) -> Result<Attrs, Status> {
        let (format, padding) = (DataFormat::new(init)?, padding(init)?);
        let (ksize, strides) = (init.attr_ints("ksize")?, init.attr_ints("strides")?);
        Ok(Attrs {
            format,
            padding,
            windows: PoolWindows::new(format, 5, "Pooling", ksize, strides)?,
        })
    }
}

/// Gives the gradient of each window to all elements that are its largest, or within 0.00001 of it.
///
/// Shapes: `orig_input [N, D, H, W, C]` (or as `data_format` says), `orig_output` and `grad` `[N, P, Q, R, C]` → as
/// `orig_input`.  Types: floats, the same for all; those of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` for other shapes; `UNIMPLEMENTED` for windows over batch or channels.
/// Source: OpDef `MaxPool3DGrad`. No NaN or infinity is within reach of another number.
struct MaxPool3dGrad<T> {
    attrs: Attrs,
    dtype: PhantomData<T>,
}

pub(super) fn max_pool_3d_grad(init: &KernelInit<'_>) -> Built {
    let (attrs, dtype) = (Attrs::new(init)?, init.attr_type("T")?);
    let of_input = init.attr_type("TInput")?;
    if of_input != dtype {
        return Err(no_type(init, of_input));
    }
    with_float!(
        dtype,
        T => Ok(Box::new(MaxPool3dGrad::<T> { attrs, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for MaxPool3dGrad<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let Attrs { format, padding, windows } = self.attrs;
        let (input, output, gradient) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let [batch, planes, rows, cols, depth] = rank5(format, input, "tensor_in")?;
        let of_output = rank5(format, output, "tensor_out")?;
        let of_gradient = rank5(format, gradient, "out_backprop")?;
        let axes = windows.axes([planes, rows, cols], padding)?;
        let [p, q, r] = axes.map(|axis| axis.output);
        check_shape(format, "orig_output", output, of_output, [batch, p, q, r, depth])?;
        check_shape(format, "grad", gradient, of_gradient, [batch, p, q, r, depth])?;
        let pool = cx.pool();
        let mut out = Tensor::zeros(T::DTYPE, [batch, planes, rows, cols, depth])?;
        if out.n_elements() > 0 && gradient.n_elements() > 0 {
            let tensors = [input, output, gradient].map(|tensor| format.to_last::<T>(pool, tensor));
            let [input, output, gradient] = tensors;
            let (input, output, gradient) = (input?, output?, gradient?);
            let x = T::widen_all(pool, input.as_slice::<T>()?)?;
            let y = T::widen_all(pool, output.as_slice::<T>()?)?;
            let dy = T::widen_all(pool, gradient.as_slice::<T>()?)?;
            let reach = T::narrow(T::Wide::from_f64(1e-5)).widen();
            let plane_len = rows * cols * depth;
            T::write(pool, out.make_mut::<T>()?, |dx| {
                scatter(pool, &axes, depth, dx, |plane, from, _, at, dx| {
                    let x = &x[plane * plane_len + at..][..depth];
                    let (y, dy) = (&y[from * depth..][..depth], &dy[from * depth..][..depth]);
                    for ((dx, x), (y, dy)) in dx.iter_mut().zip(x).zip(y.iter().zip(dy)) {
                        let distance = T::narrow(x.minus(*y)).widen();
                        if distance < reach && T::Wide::ZERO.minus(distance) < reach {
                            *dx = dx.plus(*dy);
                        }
                    }
                });
            })?;
        }
        let out = format.of_last::<T>(pool, out)?;
        cx.set_output(0, out)
    }
}

/// Shares the gradient of each window among its elements.
///
/// Shapes: `orig_input_shape [5]`, `grad [N, P, Q, R, C]` (or as `data_format` says) → of that shape.
/// Types: floats; those of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` for other shapes; `UNIMPLEMENTED` for windows over batch or channels.
/// Source: OpDef `AvgPool3DGrad`.
struct AvgPool3dGrad<T> {
    attrs: Attrs,
    dtype: PhantomData<T>,
}

pub(super) fn avg_pool_3d_grad(init: &KernelInit<'_>) -> Built {
    let (attrs, dtype) = (Attrs::new(init)?, init.attr_type("T")?);
    with_float!(
        dtype,
        T => Ok(Box::new(AvgPool3dGrad::<T> { attrs, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for AvgPool3dGrad<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let Attrs { format, padding, windows } = self.attrs;
        let (sizes, gradient) = (cx.input(0)?, cx.input(1)?);
        let error = |message: String| Err(Status::invalid_argument(message));
        if sizes.shape().rank() != 1 || sizes.n_elements() != 5 {
            return error("tensor_in must be 1-dimensional and 5 elements".into());
        }
        let of_gradient = rank5(format, gradient, "out_backprop")?;
        let sizes = int_vector(sizes, "orig_input_shape")?;
        if let Some(size) = sizes.iter().find(|size| **size < 0) {
            return error(format!("Expected a non-negative size, got {size}"));
        }
        let shape = args::shape(&sizes)?;
        for (name, at) in [("first", 0), ("last", 4)] {
            let (expected, actual) = (shape.dims()[at], gradient.dims()[at]);
            if format == DataFormat::ChannelsLast && expected != actual {
                return error(format!(
                    "Expected {name} dimension of tensor_in_shape and out_backprop to match, got {expected} and \
                     {actual}"
                ));
            }
        }
        let mut out = Tensor::zeros(T::DTYPE, &shape)?;
        let [batch, planes, rows, cols, depth] = rank5(format, &out, "tensor_in")?;
        let axes = windows.axes([planes, rows, cols], padding)?;
        let [p, q, r] = axes.map(|axis| axis.output);
        check_shape(format, "grad", gradient, of_gradient, [batch, p, q, r, depth])?;
        let pool = cx.pool();
        if out.n_elements() > 0 && gradient.n_elements() > 0 {
            out = Tensor::zeros(T::DTYPE, [batch, planes, rows, cols, depth])?;
            let gradient = format.to_last::<T>(pool, gradient)?;
            let dy = T::widen_all(pool, gradient.as_slice::<T>()?)?;
            T::write(pool, out.make_mut::<T>()?, |dx| {
                scatter(pool, &axes, depth, dx, |_, from, n, _, dx| {
                    let part = T::Wide::ONE.over(n);
                    for (dx, dy) in dx.iter_mut().zip(&dy[from * depth..]) {
                        *dx = dx.plus(dy.times(part));
                    }
                });
            })?;
            out = format.of_last::<T>(pool, out)?;
        }
        cx.set_output(0, out)
    }
}

/// Calls `add(plane, window, n, at, dx)` for each element of each window, where `dx` holds its channels.
///
/// `plane` counts through all volumes, as does `window`, which has `n` elements; `at` is where `dx` begins in its
/// plane. Nothing is empty.
fn scatter<W: Send>(
    pool: &Pool,
    [planes, rows, cols]: &[Axis; 3],
    depth: usize,
    dx: &mut [W],
    add: impl Fn(usize, usize, usize, usize, &mut [W]) + Sync,
) {
    pool.parallel_chunks(dx, rows.input * cols.input * depth, |plane, dx| {
        let (volume, of_volume) = (plane / planes.input, plane % planes.input);
        for p in over(planes, of_volume) {
            for q in 0..rows.output {
                for r in 0..cols.output {
                    let window = ((volume * planes.output + p) * rows.output + q) * cols.output + r;
                    let (lines, taps) = (under(rows, q), under(cols, r));
                    let n = under(planes, p).len() * lines.len() * taps.len();
                    for i in lines {
                        for j in taps.clone() {
                            let at = (i * cols.input + j) * depth;
                            add(plane, window, n, at, &mut dx[at..][..depth]);
                        }
                    }
                }
            }
        }
    });
}

/// The dimensions of a volume, channels last.
///
/// Errors: `INVALID_ARGUMENT` for another rank.
pub(super) fn rank5(format: DataFormat, tensor: &Tensor, name: &str) -> Result<[usize; 5], Status> {
    dims5(format, tensor)
        .ok_or_else(|| Status::invalid_argument(format!("{name} must be 5-dimensional")))
}

/// Checks that a volume has these dimensions.
fn check_shape(
    format: DataFormat,
    name: &str,
    tensor: &Tensor,
    actual: [usize; 5],
    expected: [usize; 5],
) -> Result<(), Status> {
    if actual == expected {
        return Ok(());
    }
    let [n, d, h, w, c] = expected;
    let expected: flowkeep_tensor::Shape = match format {
        DataFormat::ChannelsLast => [n, d, h, w, c].into(),
        DataFormat::ChannelsFirst => [n, c, d, h, w].into(),
    };
    Err(Status::invalid_argument(format!(
        "Expected {name} shape to be {expected}, but got {}",
        tensor.shape()
    )))
}
