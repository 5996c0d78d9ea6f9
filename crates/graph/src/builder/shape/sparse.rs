//! Sparse tensors: indices, values and a shape.
//!
//! Source: `sparse_ops.cc`.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::builtin::ShapeFn;
use super::dims::{axis, merge, with_rank};
use super::values::to_i64;

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("SparseDenseCwiseAdd", values_at),
    ("SparseDenseCwiseDiv", values_at),
    ("SparseDenseCwiseMul", values_at),
    ("SparseReduceSum", reduce_sum),
    ("SparseReorder", reorder),
    ("SparseSoftmax", softmax),
    ("SparseTensorDenseAdd", tensor_dense_add),
    ("SparseToDense", to_dense),
];

/// A value for each index.
fn values_at(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let n = with_rank(cx.input(0), 2)?.first().copied().flatten();
    cx.set_output(0, PartialShape::new(vec![n]));
    Ok(())
}

fn reorder(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, PartialShape::new(with_rank(cx.input(0), 2)?));
    cx.set_output(1, PartialShape::new(with_rank(cx.input(1), 1)?));
    Ok(())
}

fn softmax(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    with_rank(cx.input(0), 2)?;
    cx.set_output(0, PartialShape::new(with_rank(cx.input(1), 1)?));
    Ok(())
}

fn tensor_dense_add(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.constant_as_shape(2)?;
    cx.set_output(0, merge(cx.input(3), &shape)?);
    Ok(())
}

fn to_dense(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.constant_as_shape(1)?;
    cx.set_output(0, shape);
    Ok(())
}

fn reduce_sum(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let (shape, axes) = (cx.constant(2), cx.constant(3));
    let (Some(shape), Some(axes)) = (shape, axes) else { return Ok(()) };
    let keep_dims = cx.attrs().bool("keep_dims") == Ok(true);
    let dims = to_i64(&shape);
    let places: Vec<_> =
        to_i64(&axes).into_iter().filter_map(|index| axis(index, dims.len())).collect();
    let mut left = Vec::with_capacity(dims.len());
    for (place, dim) in dims.iter().enumerate() {
        // Along no axes is along all.
        match places.is_empty() || places.contains(&place) {
            false => left.push(u64::try_from(*dim).ok()),
            true if keep_dims => left.push(Some(1)),
            true => {}
        }
    }
    cx.set_output(0, PartialShape::new(left));
    Ok(())
}
