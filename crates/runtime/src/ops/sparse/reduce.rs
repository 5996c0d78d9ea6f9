//! Sparse tensors reduced along dimensions, and softmax of their rows.

use std::ops::Range;

use flowkeep_tensor::{Element, Tensor, f16};

use super::parts::{Parts, check_ranks, index_matrix, is_inside, joined, sizes};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, ints, kernel};
use crate::ops::arith::{Arith, Ordered};
use crate::ops::dispatch::{no_type, with_number, with_real, with_type};

/// The sum of the entries along some dimensions; without any, the entries themselves.
///
/// Shapes: `input_indices [n, r]`, `input_values [n]`, `input_shape [r]`, `reduction_axes [k]` → the other
/// dimensions; with
/// `keep_dims` the reduced ones are 1.  Types: `T` numbers.
/// Errors: `INVALID_ARGUMENT` for parts that do not fit each other, axes out of range and indices out of bounds;
/// `RESOURCE_EXHAUSTED` if the result is too large.  Source: OpDef `SparseReduceSum`.
pub(super) fn sparse_reduce_sum(init: &KernelInit<'_>) -> Built {
    let (dtype, keep) = (init.attr_type("T")?, init.attr_bool("keep_dims")?);
    with_number!(
        dtype,
        T => kernel(move |cx| to_dense::<T>(cx, keep, T::add)),
        else Err(no_type(init, dtype))
    )
}

/// As [`sparse_reduce_sum`], to a sparse tensor.
///
/// Source: OpDef `SparseReduceSumSparse`.
pub(super) fn sparse_reduce_sum_sparse(init: &KernelInit<'_>) -> Built {
    let (dtype, keep) = (init.attr_type("T")?, init.attr_bool("keep_dims")?);
    with_number!(
        dtype,
        T => kernel(move |cx| to_sparse::<T>(cx, keep, T::add)),
        else Err(no_type(init, dtype))
    )
}

/// As [`sparse_reduce_sum`], the largest entry, or 0 where there is none.  Types: `T` real numbers.
///
/// Source: OpDef `SparseReduceMax`.
pub(super) fn sparse_reduce_max(init: &KernelInit<'_>) -> Built {
    let (dtype, keep) = (init.attr_type("T")?, init.attr_bool("keep_dims")?);
    with_real!(
        dtype,
        T => kernel(move |cx| to_dense::<T>(cx, keep, larger)),
        else Err(no_type(init, dtype))
    )
}

/// As [`sparse_reduce_max`], to a sparse tensor.
///
/// Source: OpDef `SparseReduceMaxSparse`.
pub(super) fn sparse_reduce_max_sparse(init: &KernelInit<'_>) -> Built {
    let (dtype, keep) = (init.attr_type("T")?, init.attr_bool("keep_dims")?);
    with_real!(
        dtype,
        T => kernel(move |cx| to_sparse::<T>(cx, keep, larger)),
        else Err(no_type(init, dtype))
    )
}

fn larger<T: Ordered>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

/// What becomes of the entries: each group's place among the dimensions that stay, and its value.
struct Reduced<T> {
    /// The dimensions of the result.
    dims: Vec<i64>,
    groups: Vec<(Vec<i64>, T)>,
}

fn reduced<T: Arith>(
    cx: &KernelContext<'_>,
    keep: bool,
    f: impl Fn(T, T) -> T,
) -> Result<Reduced<T>, Status> {
    let parts = Parts::created(cx, 0)?;
    sizes(parts.dims)?;
    let axes = cx.input(3)?;
    let rank = parts.rank();
    let mut is_reduced = vec![false; rank];
    for axis in ints(axes)? {
        let at = args::axis(axis, rank).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Invalid reduction dimension {axis}, for input with {rank} dimensions."
            ))
        })?;
        is_reduced[at] = true;
    }
    let of = |all: &[i64], reduced: bool| -> Vec<i64> {
        let dims = all.iter().zip(&is_reduced).filter(|(_, is)| **is == reduced);
        dims.map(|(at, _)| *at).collect()
    };
    let mut order: Vec<usize> = (0..parts.n()).collect();
    order.sort_by_cached_key(|i| (of(parts.index(*i), false), of(parts.index(*i), true)));
    let values = parts.values.as_slice::<T>()?;
    let with_kept = |index: &[i64], filler: i64| -> Vec<i64> {
        let place = index.iter().zip(&is_reduced);
        let place = place.filter(|(_, is)| keep || !**is);
        place.map(|(at, is)| if *is { filler } else { *at }).collect()
    };
    let mut groups: Vec<(Vec<i64>, T)> = Vec::new();
    for group in order.chunk_by(|i, j| of(parts.index(*i), false) == of(parts.index(*j), false)) {
        let value = group.iter().map(|i| values[*i]).reduce(&f);
        if let (Some(first), Some(value)) = (group.first(), value) {
            groups.push((with_kept(parts.index(*first), 0), value));
        }
    }
    Ok(Reduced { dims: with_kept(parts.dims, 1), groups })
}

fn to_dense<T: Arith>(
    cx: &mut KernelContext<'_>,
    keep: bool,
    f: impl Fn(T, T) -> T,
) -> Result<(), Status> {
    let reduced = reduced::<T>(cx, keep, f)?;
    let mut output = Tensor::zeros(T::DTYPE, args::shape(&reduced.dims)?)?;
    let to = output.make_mut::<T>()?;
    for (index, value) in reduced.groups {
        if !is_inside(&index, &reduced.dims) {
            return Err(Status::invalid_argument(format!(
                "Sparse index [{}] is out of bounds of the reduced shape [{}]",
                joined(&index, ","),
                joined(&reduced.dims, ",")
            )));
        }
        let place = index.iter().zip(&reduced.dims).fold(0, |place, (at, dim)| place * dim + at);
        to[place as usize] = value;
    }
    cx.set_output(0, output)
}

fn to_sparse<T: Arith>(
    cx: &mut KernelContext<'_>,
    keep: bool,
    f: impl Fn(T, T) -> T,
) -> Result<(), Status> {
    let Reduced { dims, groups } = reduced::<T>(cx, keep, f)?;
    let n = groups.len();
    let indices = groups.iter().flat_map(|(index, _)| index).copied().collect();
    let values = groups.iter().map(|(_, value)| *value).collect();
    cx.set_output(0, index_matrix(dims.len(), indices, n)?)?;
    cx.set_output(1, Tensor::from_elements::<T>(values))?;
    cx.set_output(2, Tensor::from_elements(dims))
}

/// Softmax along the last dimension, of the entries that there are.
///
/// Shapes: `sp_indices [n, r]`, `sp_values [n]`, `sp_shape [r]` of at least two dimensions → `[n]`.
/// Types: `T` half, f32 or f64.
/// Errors: `INVALID_ARGUMENT` for parts that do not fit each other, and entries that are out of bounds or order.
/// Source: OpDef `SparseSoftmax`.
pub(super) fn sparse_softmax(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_type!(
        dtype,
        T in [F16 => f16, F32 => f32, F64 => f64] => kernel(softmax::<T>),
        else Err(no_type(init, dtype))
    )
}

/// A float with the functions that softmax needs.
trait Exp: Ordered {
    fn exp(self) -> Self;
}

impl Exp for f32 {
    fn exp(self) -> f32 {
        f32::exp(self)
    }
}

impl Exp for f64 {
    fn exp(self) -> f64 {
        f64::exp(self)
    }
}

impl Exp for f16 {
    fn exp(self) -> f16 {
        f16::from_f32(self.to_f32().exp())
    }
}

fn softmax<T: Exp + Element>(cx: &mut KernelContext<'_>) -> Result<(), Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let (indices, values, dims) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    check_ranks(indices, values, dims)?;
    if dims.n_elements() < 2 {
        return error(format!(
            "Input should have rank >= 2, but received shape: {}",
            joined(dims.as_slice::<i64>()?, " ")
        ));
    }
    let parts = Parts::created(cx, 0)?;
    sizes(parts.dims)?;
    let group = |i: usize| &parts.index(i)[..parts.rank() - 1];
    for i in 0..parts.n() {
        if !is_inside(parts.index(i), parts.dims) {
            return error(format!(
                "Sparse index of entry {i} is out of bounds of the tensor's shape"
            ));
        }
    }
    let mut output = values.as_slice::<T>()?.to_vec();
    let mut start = 0;
    while start < output.len() {
        let end = (start + 1..output.len()).find(|i| group(*i) != group(start));
        let run: Range<usize> = start..end.unwrap_or(output.len());
        start = run.end;
        let row = &mut output[run];
        let Some(largest) = row.iter().copied().reduce(larger) else { break };
        row.iter_mut().for_each(|x| *x = x.sub(largest).exp());
        if let Some(sum) = row.iter().copied().reduce(T::add) {
            row.iter_mut().for_each(|x| *x = x.div(sum).unwrap_or(*x));
        }
    }
    cx.set_output(0, Tensor::from_elements(output))
}
