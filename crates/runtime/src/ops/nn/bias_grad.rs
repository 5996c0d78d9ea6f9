//! The gradient of the bias of a layer.

use flowkeep_linalg::reduce::fold;
use flowkeep_linalg::{Number, Pool};
use flowkeep_tensor::{Element, Tensor};

use super::layout::DataFormat;
use super::real::{Real, zeros};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel, product};
use crate::ops::dispatch::{no_type, with_float, with_integer};

/// Sums the elements of each channel.
///
/// Shapes: `out_backprop [N.., C]` (`[N, C, H..]` for NCHW) → `[C]`.
/// Types: `T` floats and integers, which wrap; floats of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` for a rank below 2.
/// Source: OpDef `BiasAddGrad`.
pub(super) fn bias_add_grad(init: &KernelInit<'_>) -> Built {
    let (format, dtype) = (DataFormat::new(init)?, init.attr_type("T")?);
    with_float!(
        dtype,
        T => kernel(move |cx| sum(cx, format, <T as Real>::widen, <T as Real>::narrow)),
        else with_integer!(dtype, T => kernel(move |cx| sum::<T, T>(cx, format, |x| x, |x| x)),
            else Err(no_type(init, dtype))
        )
    )
}

fn sum<T: Element, W: Number + Element>(
    cx: &mut KernelContext<'_>,
    format: DataFormat,
    widen: impl Fn(T) -> W + Copy + Sync,
    narrow: impl Fn(W) -> T,
) -> Result<(), Status> {
    let gradient = cx.input(0)?;
    let (rank, dims) = (gradient.shape().rank(), gradient.dims());
    if rank < 2 {
        let message = format!("Input tensor must be at least 2D: {}", gradient.shape());
        return Err(Status::invalid_argument(message));
    }
    let axis = format.channel_axis(rank);
    let mut out = Tensor::zeros(T::DTYPE, [dims[axis]])?;
    if gradient.n_elements() > 0 {
        let sizes = [product(&dims[..axis]), dims[axis], product(&dims[axis + 1..])];
        let sums = channel_sums(cx.pool(), gradient.as_slice::<T>()?, sizes, widen)?;
        out.make_mut::<T>()?.iter_mut().zip(sums).for_each(|(out, sum)| *out = narrow(sum));
    }
    cx.set_output(0, out)
}

/// The sum of each channel of `x`, which is not empty. It does not depend on the number of threads.
fn channel_sums<T: Element, W: Number + Element>(
    pool: &Pool,
    x: &[T],
    [outer, channels, inner]: [usize; 3],
    widen: impl Fn(T) -> W + Copy + Sync,
) -> Result<Vec<W>, Status> {
    let mut totals = zeros::<W>(channels)?;
    let add = |a: W, b: W| a.plus(b);
    let add_wide = move |a: W, x: T| a.plus(widen(x));
    if inner == 1 {
        fold(pool, x, [1, outer, channels], &mut totals, W::ZERO, add_wide, add, |sum| sum);
    } else {
        let mut planes = zeros::<W>(outer * channels)?;
        let n_planes = planes.len();
        fold(pool, x, [n_planes, inner, 1], &mut planes, W::ZERO, add_wide, add, |sum| sum);
        fold(pool, &planes, [1, outer, channels], &mut totals, W::ZERO, add, add, |sum| sum);
    }
    Ok(totals)
}
