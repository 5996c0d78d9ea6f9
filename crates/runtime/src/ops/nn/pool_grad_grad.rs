//! Gradients of the gradients of max pooling.

use std::marker::PhantomData;

use flowkeep_linalg::window::AxisPadding;
use flowkeep_tensor::{Shape, Tensor};

use super::layout::DataFormat;
use super::volume::{PoolWindows, padding, place};
use super::window::under;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, ints};
use crate::ops::arith::Ordered;
use crate::ops::dispatch::{no_type, with_real};

/// Windows per task.
const TASK_WINDOWS: usize = 256;

/// Takes from each window the gradient of the first element that is the window's maximum, or zero.
///
/// Shapes: `orig_input` and `grad` `[N, H, W, C]` or, of volumes, `[N, D, H, W, C]` (or as `data_format` says),
/// `orig_output` as pooling gives it → as `orig_output`.  Types: real numbers.
/// Errors: `INVALID_ARGUMENT` for other shapes, and for volumes without elements; `UNIMPLEMENTED` for windows over
/// batch or channels.
/// Source: OpDefs `MaxPoolGradGrad`, `MaxPoolGradGradV2` (sizes and strides are inputs), `MaxPool3DGradGrad`.
struct MaxPoolGradGrad<T, const RANK: usize> {
    format: DataFormat,
    padding: AxisPadding,
    /// `None`: the inputs after the first three.
    windows: Option<PoolWindows>,
    dtype: PhantomData<T>,
}

pub(super) fn max_pool_grad_grad(init: &KernelInit<'_>) -> Built {
    build::<4>(init)
}

pub(super) fn max_pool_3d_grad_grad(init: &KernelInit<'_>) -> Built {
    build::<5>(init)
}

fn build<const RANK: usize>(init: &KernelInit<'_>) -> Built {
    let (format, dtype) = (DataFormat::new(init)?, init.attr_type("T")?);
    let padding = padding(init)?;
    let windows = match init.attr("ksize") {
        Some(_) => {
            Some(new_windows::<RANK>(format, init.attr_ints("ksize")?, init.attr_ints("strides")?)?)
        }
        None => None,
    };
    with_real!(
        dtype,
        T => Ok(Box::new(MaxPoolGradGrad::<T, RANK> { format, padding, windows, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

fn new_windows<const RANK: usize>(
    format: DataFormat,
    ksize: &[i64],
    strides: &[i64],
) -> Result<PoolWindows, Status> {
    let name = if RANK == 4 { "MaxPoolingGradGrad" } else { "MaxPooling3dGradGrad" };
    PoolWindows::new(format, RANK, name, ksize, strides)
}

impl<T: Ordered, const RANK: usize> OpKernel for MaxPoolGradGrad<T, RANK> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (format, pool) = (self.format, cx.pool());
        let (input, output, gradient) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let named = [(input, "tensor_in"), (output, "tensor_out"), (gradient, "out_grad_backprop")];
        for (tensor, name) in named {
            if tensor.shape().rank() != RANK {
                let message = format!("{name} must be {RANK}-dimensional");
                return Err(Status::invalid_argument(message));
            }
        }
        let windows = match self.windows {
            Some(windows) => windows,
            None => new_windows::<RANK>(format, &ints(cx.input(3)?)?, &ints(cx.input(4)?)?)?,
        };
        // Batch, then planes, rows and columns, then channels.
        let mut dims = input.dims().to_vec();
        if format == DataFormat::ChannelsFirst {
            let channels = dims.remove(1);
            dims.push(channels);
        }
        let (batch, channels) = (dims[0], dims[RANK - 1]);
        let mut sizes = [1; 3];
        sizes[5 - RANK..].copy_from_slice(&dims[1..RANK - 1]);
        let axes = windows.axes(sizes, self.padding)?;
        let places = axes.map(|axis| axis.output);
        let mut expected = vec![batch];
        expected.extend(&places[5 - RANK..]);
        let last: Shape = expected.iter().copied().chain([channels]).collect::<Vec<_>>().into();
        expected.insert(format.channel_axis(RANK), channels);
        let expected = Shape::from(expected);
        for (tensor, name, expected) in
            [(output, "orig_output", &expected), (gradient, "grad", input.shape())]
        {
            if tensor.shape() != expected {
                return Err(Status::invalid_argument(format!(
                    "Expected {name} shape to be {expected}, but got {}",
                    tensor.shape()
                )));
            }
        }
        for (tensor, name) in named {
            if RANK == 5 && tensor.n_elements() == 0 {
                return Err(Status::invalid_argument(format!(
                    "received empty tensor {name}: Tensor<type: {} shape: {} values: >",
                    tensor.dtype(),
                    tensor.shape()
                )));
            }
        }
        let mut out = Tensor::zeros(T::DTYPE, last)?;
        if out.n_elements() > 0 && input.n_elements() > 0 {
            let input = format.to_last::<T>(pool, input)?;
            let output = format.to_last::<T>(pool, output)?;
            let gradient = format.to_last::<T>(pool, gradient)?;
            let (x, y) = (input.as_slice::<T>()?, output.as_slice::<T>()?);
            let ddx = gradient.as_slice::<T>()?;
            let [planes, rows, cols] = axes;
            // The first element of the window, in one channel, that equals its maximum.
            let first = |[n, p, q, r]: [usize; 4], channel: usize, max: T| {
                for a in under(&planes, p) {
                    for b in under(&rows, q) {
                        for c in under(&cols, r) {
                            let at = ((n * planes.input + a) * rows.input + b) * cols.input + c;
                            if x[at * channels + channel] == max {
                                return Some(at * channels + channel);
                            }
                        }
                    }
                }
                None
            };
            let ddy = out.make_mut::<T>()?;
            pool.parallel_chunks(ddy, TASK_WINDOWS * channels, |idx, ddy| {
                for (window, ddy) in (idx * TASK_WINDOWS..).zip(ddy.chunks_exact_mut(channels)) {
                    let at = place(window, places);
                    let max = &y[window * channels..][..channels];
                    for (channel, (ddy, max)) in ddy.iter_mut().zip(max).enumerate() {
                        if let Some(at) = first(at, channel, *max) {
                            *ddy = ddx[at];
                        }
                    }
                }
            });
        }
        let out = format.of_last::<T>(pool, out)?;
        cx.set_output(0, out)
    }
}
