//! The bias of a layer.

use flowkeep_linalg::{Number, elementwise};
use flowkeep_tensor::{Complex, Element, Shape, Tensor};

use super::layout::DataFormat;
use super::real::Real;
use super::tail::{self, Tail};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel, product};
use crate::ops::arith::Arith;
use crate::ops::dispatch::{no_type, with_float, with_integer, with_type};

/// Adds a bias to each channel.
///
/// Shapes: `value [N.., C]` (`[N, C, H..]` for NCHW), `bias [C]` → as `value`.
/// Types: `T` numbers.
/// Errors: `INVALID_ARGUMENT` for a `value` of rank below 2, a `bias` of another rank than 1, and
/// another number of biases than channels.
/// Source: OpDef `BiasAdd`.
pub(super) fn bias_add(init: &KernelInit<'_>) -> Built {
    build(init, DataFormat::new(init)?)
}

/// As [`bias_add`], without a choice of the channels' place.
///
/// Source: OpDef `BiasAddV1`.
pub(super) fn bias_add_v1(init: &KernelInit<'_>) -> Built {
    build(init, DataFormat::ChannelsLast)
}

fn build(init: &KernelInit<'_>, format: DataFormat) -> Built {
    let dtype = init.attr_type("T")?;
    let built = with_float!(
        dtype,
        T => kernel(move |cx| add(cx, format, plus_float::<T>)),
        else with_integer!(dtype, T => kernel(move |cx| add(cx, format, T::plus)),
            else with_type!(
                dtype,
                T in [Complex64 => Complex<f32>, Complex128 => Complex<f64>] =>
                    kernel(move |cx| add(cx, format, <T as Arith>::add)),
                else Err(no_type(init, dtype))
            )
        )
    );
    tail::with(Tail::Bias(format), built)
}

#[inline(always)]
fn plus_float<T: Real>(x: T, bias: T) -> T {
    T::narrow(x.widen().plus(bias.widen()))
}

fn add<T: Element>(
    cx: &mut KernelContext<'_>,
    format: DataFormat,
    plus: impl Fn(T, T) -> T + Sync,
) -> Result<(), Status> {
    let mut value = cx.take_input(0)?;
    let (pool, bias) = (cx.pool(), cx.input(1)?);
    check(value.shape(), bias, format)?;
    let bias = bias.as_slice::<T>()?;
    let channels = format.channel_axis(value.shape().rank());
    let inner = product(&value.dims()[channels + 1..]);
    if value.n_elements() == 0 {
        return cx.set_output(0, value);
    }
    if inner == 1 && !value.is_unique() {
        let mut output = cx.allocate(T::DTYPE, value.shape().clone())?;
        elementwise::zip_rows(pool, value.as_slice()?, bias, output.make_mut::<T>()?, plus);
        return cx.set_output(0, output);
    }
    let values = value.make_mut::<T>()?;
    if inner == 1 {
        elementwise::zip_rows_in_place(pool, values, bias, plus);
    } else {
        pool.parallel_chunks(values, inner, |i, plane| {
            let bias = bias[i % bias.len()];
            plane.iter_mut().for_each(|x| *x = plus(*x, bias));
        });
    }
    cx.set_output(0, value)
}

/// Errors: as [`bias_add`].
pub(super) fn check(value: &Shape, bias: &Tensor, format: DataFormat) -> Result<(), Status> {
    let rank = value.rank();
    if rank < 2 {
        let message = format!("Input tensor must be at least 2D: {value}");
        return Err(Status::invalid_argument(message));
    }
    if bias.shape().rank() != 1 {
        return Err(Status::invalid_argument(format!("Biases must be 1D: {}", bias.shape())));
    }
    if bias.dims()[0] != value.dims()[format.channel_axis(rank)] {
        return Err(Status::invalid_argument(format!(
            "Must provide as many biases as the last dimension of the input tensor: {} vs. {}",
            bias.shape(),
            value
        )));
    }
    Ok(())
}
