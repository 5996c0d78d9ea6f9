//! The gradient of the bias of a layer.

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
    widen: impl Fn(T) -> W + Sync,
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
    widen: impl Fn(T) -> W + Sync,
) -> Result<Vec<W>, Status> {
    /// Elements per task.
    const GRAIN: usize = 32 << 10;
    let row_len = channels * inner;
    let rows_per_part = (GRAIN / row_len).max(1);
    let mut parts = zeros::<W>(outer.div_ceil(rows_per_part) * channels)?;
    pool.parallel_chunks(&mut parts, channels, |i, part| {
        let rows = x[i * rows_per_part * row_len..].chunks(row_len).take(rows_per_part);
        for row in rows {
            for (sum, plane) in part.iter_mut().zip(row.chunks(inner)) {
                *sum = plane.iter().fold(*sum, |sum, x| sum.plus(widen(*x)));
            }
        }
    });
    let mut totals = zeros::<W>(channels)?;
    for part in parts.chunks(channels) {
        totals.iter_mut().zip(part).for_each(|(total, part)| *total = total.plus(*part));
    }
    Ok(totals)
}
