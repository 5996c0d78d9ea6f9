//! Ops that look up elements or slices by index.

use flowkeep_linalg::Pool;
use flowkeep_tensor::Tensor;

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};
use crate::ops::cells::{Cell, Move, copy, fill_from};

/// Cells per task of a long copy.
const GRAIN: usize = 64 << 10;

/// Gathers slices of `params` along its first dimension.
///
/// Shapes: `params [A, R..]`, `indices [I..]` → `[I.., R..]`.  Types: `Tparams` any; `Tindices` i32
/// or i64.
/// Errors: as [`gather_v2`].  Source: OpDef `Gather`; bounds as on the reference CPU kernel.
pub(super) fn gather(_: &KernelInit<'_>) -> Built {
    kernel(|cx| gather_along(cx, 0, 0))
}

/// Gathers slices of `params` along `axis` at `indices`, for each of the `batch_dims` leading
/// dimensions that both share.
///
/// Shapes: `params [B.., O.., A, R..]`, `indices [B.., I..]`, `axis []` → `[B.., O.., I.., R..]`.
/// Types: `Tparams` any; `Tindices` and `Taxis` i32 or i64.
/// Errors: `INVALID_ARGUMENT` if an index is outside `[0, A)`, naming the index and the bound, or the
/// dimensions do not fit.  Source: OpDef `GatherV2`; bounds as on the reference CPU kernel.
pub(super) fn gather_v2(init: &KernelInit<'_>) -> Built {
    let batch_dims = init.attr_int("batch_dims").unwrap_or(0);
    kernel(move |cx| {
        let axis = cx.input(2)?;
        if axis.shape().rank() != 0 {
            return Err(Status::invalid_argument("axis must be scalar"));
        }
        let axis = args::int(axis, "axis")?;
        gather_along(cx, axis, batch_dims)
    })
}

fn gather_along(cx: &mut KernelContext<'_>, axis: i64, batch_dims: i64) -> Result<(), Status> {
    let (params, indices) = (cx.input(0)?, cx.input(1)?);
    let (dims, index_dims) = (params.dims(), indices.dims());
    if dims.is_empty() {
        return Err(Status::invalid_argument("params must be at least 1 dimensional"));
    }
    // A negative number counts from the rank; the rank itself is allowed, unlike for an axis.
    let n_batch = match usize::try_from(batch_dims) {
        Ok(n) => Some(n).filter(|n| *n <= index_dims.len()),
        Err(_) => args::axis(batch_dims, index_dims.len()),
    };
    let n_batch = n_batch.ok_or_else(|| {
        let rank = index_dims.len();
        Status::invalid_argument(format!(
            "Expected batch_dims in the range [-{rank}, {rank}], but got {batch_dims}"
        ))
    })?;
    let axis = args::axis(axis, dims.len()).ok_or_else(|| {
        let rank = dims.len();
        Status::invalid_argument(format!(
            "Expected axis in the range [-{rank}, {rank}), but got {axis}"
        ))
    })?;
    if n_batch >= dims.len() {
        return Err(Status::invalid_argument(format!(
            "batch_dims ({n_batch}) must be less than rank(params) ({}).",
            dims.len()
        )));
    }
    if axis < n_batch {
        return Err(Status::invalid_argument(format!(
            "batch_dims ({n_batch}) must be less than or equal to axis ({axis})."
        )));
    }
    if let Some(dim) = (0..n_batch).find(|&dim| dims[dim] != index_dims[dim]) {
        return Err(Status::invalid_argument(format!(
            "params.shape[{dim}]: {} should be equal to indices.shape[{dim}]: {}",
            dims[dim], index_dims[dim]
        )));
    }
    let places = places(indices, dims[axis])?;
    let shape = [&dims[..axis], &index_dims[n_batch..], &dims[axis + 1..]].concat();
    let job = Gather {
        places: &places,
        outer: product(&dims[n_batch..axis]),
        per_batch: product(&index_dims[n_batch..]),
        size: dims[axis],
        inner: product(&dims[axis + 1..]),
        pool: cx.pool(),
    };
    cx.check_room(params.dtype(), &shape)?;
    let output = fill_from(params.dtype(), &[params], shape, job)?;
    cx.set_output(0, output)
}

/// The indices, checked against the size of the dimension that they point into.
fn places(indices: &Tensor, size: usize) -> Result<Vec<usize>, Status> {
    let place = |(at, value): (usize, i64)| {
        usize::try_from(value).ok().filter(|place| *place < size).ok_or_else(|| {
            let position = args::index_text(at, indices.dims());
            Status::invalid_argument(format!("indices{position} = {value} is not in [0, {size})"))
        })
    };
    match indices.as_slice::<i32>() {
        Ok(values) => values.iter().map(|&value| value.into()).enumerate().map(place).collect(),
        Err(_) => args::ints(indices)?.into_iter().enumerate().map(place).collect(),
    }
}

/// Copies `params[b, o, places[b, i], ..]` for all `b`, `o`, `i`.
struct Gather<'a> {
    /// The indices `[batch, per_batch]`.
    places: &'a [usize],
    outer: usize,
    per_batch: usize,
    /// The size of the dimension that is looked into.
    size: usize,
    inner: usize,
    pool: &'a Pool,
}

impl Move for Gather<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let Gather { places, outer, per_batch, size, inner, pool } = self;
        let Some(from) = from.first().filter(|_| !to.is_empty()) else { return Ok(()) };
        let rows = (GRAIN / inner).max(1);
        pool.parallel_chunks(to, rows.saturating_mul(inner), |idx, mut to| {
            // The places of one batch are walked once for each of its outer indices.
            let mut row = idx * rows;
            while !to.is_empty() {
                let (batch_and_outer, first) = (row / per_batch, row % per_batch);
                let n = (per_batch - first).min(to.len() / inner);
                let places = &places[batch_and_outer / outer * per_batch + first..][..n];
                let from = &from[batch_and_outer * size * inner..];
                let (block, rest) = to.split_at_mut(n * inner);
                for (to, place) in block.chunks_exact_mut(inner).zip(places) {
                    copy(&from[place * inner..][..inner], to);
                }
                to = rest;
                row += n;
            }
        });
        Ok(())
    }
}

/// Gathers the slices of `params` that the vectors in the last dimension of `indices` point at.
///
/// Shapes: `params [P0.., P_k-1, R..]`, `indices [I.., k]` → `[I.., R..]`.  Types: `Tparams` any;
/// `Tindices` i32 or i64 (i16).
/// Errors: `INVALID_ARGUMENT` if an index points out of `params`, or `k` is more than its rank.
/// Source: OpDef `GatherNd`; bounds as on the reference CPU kernel.
pub(super) fn gather_nd(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let output = nd_gathered(cx, cx.input(0)?, cx.input(1)?)?;
        cx.set_output(0, output)
    })
}

/// The slices of `params` that the vectors in the last dimension of `indices` point at.
///
/// Errors: as [`gather_nd`].
pub(in crate::ops) fn nd_gathered(
    cx: &KernelContext<'_>,
    params: &Tensor,
    indices: &Tensor,
) -> Result<Tensor, Status> {
    let dims = params.dims();
    if dims.is_empty() {
        return Err(Status::invalid_argument("params must be at least a vector"));
    }
    let Some((&depth, outer)) = indices.dims().split_last() else {
        return Err(Status::invalid_argument("indices must be at least a vector"));
    };
    if depth > dims.len() {
        return Err(Status::invalid_argument(format!(
            "index innermost dimension length must be <= params rank; saw: {depth} vs. {}",
            dims.len()
        )));
    }
    let (found, rest) = dims.split_at(depth);
    let n_places = product(outer);
    let shape = [outer, rest].concat();
    if n_places > 0 && params.n_elements() == 0 {
        return Err(Status::invalid_argument(format!(
            "Requested more than 0 entries, but params is empty.  Params shape: {}",
            params.shape()
        )));
    }
    let places = nd_places(&args::ints(indices)?, n_places, found, params, outer, cx.node_name())?;
    let job = Gather {
        places: &places,
        outer: 1,
        per_batch: n_places,
        size: product(found),
        inner: product(rest),
        pool: cx.pool(),
    };
    fill_from(params.dtype(), &[params], shape, job)
}

/// The positions in the flattened leading dimensions `found`.
fn nd_places(
    indices: &[i64],
    n_places: usize,
    found: &[usize],
    params: &Tensor,
    outer: &[usize],
    node: &str,
) -> Result<Vec<usize>, Status> {
    if found.is_empty() {
        return Ok(vec![0; n_places]);
    }
    let place = |vector: &[i64]| {
        let mut place = 0usize;
        for (&index, &dim) in vector.iter().zip(found) {
            let index = usize::try_from(index).ok().filter(|index| *index < dim)?;
            place = place.checked_mul(dim)?.checked_add(index)?;
        }
        Some(place)
    };
    let mut places = Vec::with_capacity(n_places);
    for (at, vector) in indices.chunks_exact(found.len()).enumerate() {
        let place = place(vector).ok_or_else(|| {
            let vector: Vec<String> = vector.iter().map(i64::to_string).collect();
            Status::invalid_argument(format!(
                "indices{} = [{}] does not index into param shape {}, node name: {node}",
                args::index_text(at, outer),
                vector.join(", "),
                params.shape()
            ))
        })?;
        places.push(place);
    }
    Ok(places)
}
