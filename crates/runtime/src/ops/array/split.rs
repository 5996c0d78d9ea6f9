//! Ops that cut a tensor along a dimension.

use flowkeep_linalg::Pool;
use flowkeep_tensor::Tensor;

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};
use crate::ops::cells::{Cell, Move, copy, fill_from};

/// Cells per task of a long copy.
const GRAIN: usize = 64 << 10;

/// Cuts a tensor into equal parts along `split_dim`.
///
/// Shapes: `split_dim []`, `value [D0.., A, ..]` → `num_split` times `[D0.., A / num_split, ..]`.
/// Types: `T` any.
/// Errors: `INVALID_ARGUMENT` if `num_split` does not divide `A` or `split_dim` is no dimension.
/// Source: OpDef `Split`.
pub(super) fn split(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let rank = cx.input(0)?.shape().rank();
        if rank != 0 {
            let message = format!("split_dim must be a scalar but has rank {rank}");
            return Err(Status::invalid_argument(message));
        }
        let dim = split_dim(cx, 0, 1)?;
        let n_parts = cx.n_outputs();
        let size = cx.input(1)?.dims()[dim];
        if n_parts == 0 || size % n_parts != 0 {
            return Err(Status::invalid_argument(format!(
                "Number of ways to split should evenly divide the split dimension, but got \
                 split_dim {dim} (size = {size}) and num_split {n_parts}"
            )));
        }
        cut(cx, 1, dim, &vec![size / n_parts; n_parts])
    })
}

/// Cuts a tensor into parts of given sizes along `split_dim`; one size may be -1, for the rest.
///
/// Shapes: `value [D0.., A, ..]`, `size_splits [n]`, `split_dim []` → `[D0.., size_splits[i], ..]`.
/// Types: `T` any; `Tlen` i32 or i64 (i8).
/// Errors: `INVALID_ARGUMENT` if the sizes do not add up to `A` or `split_dim` is no dimension.
/// Source: OpDef `SplitV`.
pub(super) fn split_v(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let dim = split_dim(cx, 2, 0)?;
        let size = cx.input(0)?.dims()[dim];
        let sizes = cx.input(1)?;
        if sizes.shape().rank() != 1 || sizes.n_elements() != cx.n_outputs() {
            return Err(Status::invalid_argument(format!(
                "size of the split_tensor must be 1-D and have the same elements as outputs got {} -D \
                 and {} elements",
                sizes.shape().rank(),
                sizes.n_elements()
            )));
        }
        let sizes = parts(&args::ints(sizes)?, size)?;
        cut(cx, 0, dim, &sizes)
    })
}

/// The sizes of the parts, with -1 replaced.
fn parts(sizes: &[i64], total: usize) -> Result<Vec<usize>, Status> {
    let mut open = None;
    let mut known: i64 = 0;
    for (idx, &size) in sizes.iter().enumerate() {
        match (size, open) {
            (-1, None) => open = Some(idx),
            (-1, Some(_)) => {
                return Err(Status::invalid_argument("There can only be one -1 in the input."));
            }
            _ => known = known.saturating_add(size),
        }
    }
    let total = total as i64;
    if known > total || (open.is_none() && known != total) {
        return Err(Status::invalid_argument(format!(
            "Determined shape must either match input shape along split_dim exactly if fully \
             specified, or be less than the size of the input along split_dim if not fully \
             specified.  Got: {known}"
        )));
    }
    let part = |(idx, &size): (usize, &i64)| {
        let size = if Some(idx) == open { total - known } else { size };
        usize::try_from(size).map_err(|_| {
            let message = format!("Split size at index {idx} must be >= 0. Got: {size}");
            Status::invalid_argument(message)
        })
    };
    sizes.iter().enumerate().map(part).collect()
}

fn split_dim(cx: &KernelContext<'_>, dim: usize, value: usize) -> Result<usize, Status> {
    let dim = args::int(cx.input(dim)?, "split_dim")?;
    let rank = cx.input(value)?.shape().rank();
    args::axis(dim, rank).ok_or_else(|| {
        Status::invalid_argument(format!(
            "-input rank(-{rank}) <= split_dim < input rank ({rank}), but got {dim}"
        ))
    })
}

/// Sets the outputs to the parts of input `idx` along `dim`.
fn cut(cx: &mut KernelContext<'_>, idx: usize, dim: usize, sizes: &[usize]) -> Result<(), Status> {
    if let [_] = sizes {
        let value = cx.take_input(idx)?;
        return cx.set_output(0, value);
    }
    let value = cx.take_input(idx)?;
    let mut shape = value.dims().to_vec();
    let mut start = 0;
    for (output_idx, &size) in sizes.iter().enumerate() {
        shape[dim] = size;
        let part = part(&value, dim, start, &shape, cx.pool())?;
        cx.set_output(output_idx, part)?;
        start += size;
    }
    Ok(())
}

/// The part of `shape` that starts at `start` of dimension `dim`.
fn part(
    value: &Tensor,
    dim: usize,
    start: usize,
    shape: &[usize],
    pool: &Pool,
) -> Result<Tensor, Status> {
    let dims = value.dims();
    let (outer, inner) = (product(&dims[..dim]), product(&dims[dim + 1..]));
    let job = Cut {
        outer,
        row: dims[dim].saturating_mul(inner),
        start: start.saturating_mul(inner),
        pool,
    };
    fill_from(value.dtype(), &[value], shape, job)
}

/// Cuts a tensor along a dimension into all its slices, which lose that dimension.
///
/// Shapes: `value [D0.., num, ..]` → `num` times `[D0.., ..]`.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` if `axis` is no dimension, or one of another size than `num`.
/// Source: OpDef `Unpack`.
pub(super) fn unpack(init: &KernelInit<'_>) -> Built {
    let axis = init.attr_int("axis")?;
    kernel(move |cx| {
        let value = cx.take_input(0)?;
        let (dims, n) = (value.dims(), cx.n_outputs());
        let dim = args::axis(axis, dims.len()).ok_or_else(|| {
            let rank = dims.len();
            Status::invalid_argument(format!("axis = {axis} not in [-{rank}, {rank})"))
        })?;
        if dims[dim] != n {
            return Err(Status::invalid_argument(format!(
                "Input shape axis {dim} must equal {n}, got shape {}",
                value.shape()
            )));
        }
        let mut shape = dims.to_vec();
        shape.remove(dim);
        for idx in 0..n {
            let slice = part(&value, dim, idx, &shape, cx.pool())?;
            cx.set_output(idx, slice)?;
        }
        Ok(())
    })
}

/// Copies one block out of each of the `outer` rows of the input.
struct Cut<'a> {
    outer: usize,
    row: usize,
    start: usize,
    pool: &'a Pool,
}

impl Move for Cut<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let Some(from) = from.first().filter(|_| !to.is_empty()) else { return Ok(()) };
        let len = to.len() / self.outer;
        let rows = (GRAIN / len).clamp(1, self.outer);
        self.pool.parallel_chunks(to, rows * len, |idx, to| {
            for (i, to) in to.chunks_exact_mut(len).enumerate() {
                copy(&from[(idx * rows + i) * self.row + self.start..][..len], to);
            }
        });
        Ok(())
    }
}
