//! Sparse tensors, whose values have gradients.
//!
//! Source: `sparse_grad.py`, `ragged_gather_ops.py`, `ragged_tensor.py`.

use flowkeep_tensor::DType;

use super::super::IndexedSlices;
use super::super::forward::{Forward, Gradients, first};
use super::super::operators::Index;
use super::super::table::Entry;
use crate::builder::{Axes, Operand, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("RaggedGather", ragged_gather),
    ("RaggedTensorToSparse", ragged_to_sparse),
    ("SparseAdd", add),
    ("SparseDenseCwiseDiv", cwise_div),
    ("SparseDenseCwiseMul", cwise_mul),
    ("SparseFillEmptyRows", fill_empty_rows),
    ("SparseReduceSum", reduce_sum),
    ("SparseReorder", reorder),
    ("SparseSlice", slice),
    ("SparseSoftmax", softmax),
    ("SparseTensorDenseAdd", tensor_dense_add),
    ("SparseToDense", to_dense),
];

/// The gradient of the values, which are the second of `n` inputs.
fn of_values(values: Output, n: usize) -> Gradients {
    let mut gradients = first(values, n.saturating_sub(1))?;
    gradients.insert(0, None);
    Ok(gradients)
}

fn gather_nd(scope: &mut Scope, x: impl Into<Operand>, at: Output) -> Result<Output, Error> {
    scope.op("GatherNd").input(x).input(at).build_one()
}

fn reorder(scope: &mut Scope, op: &Forward) -> Gradients {
    let (indices, shape) = (op.input(0)?, op.input(2)?);
    let dims = scope.shape_of(indices)?;
    let n = scope.item(dims, Index::At(0))?;
    let places = scope.range_of(0, n, 1i32)?;
    scope.scoped("SparseTensor", |_, _| Ok(()))?;
    let node = scope.op("SparseReorder").input(indices).input(places).input(shape).build()?;
    // What TensorFlow makes for a sparse tensor that nobody looks at.
    match scope.static_numbers(shape).filter(|dims| dims.values.iter().all(|dim| *dim >= 0)) {
        Some(dims) => {
            scope.scoped("SparseTensor", |scope, _| scope.tensor(dims.values, "dense_shape"))?
        }
        None => scope.identity(shape)?,
    };
    let places = scope.unary("InvertPermutation", node.output(1))?;
    of_values(scope.gather(op.grad(1)?, places, 0)?, 3)
}

fn add(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("SparseAddGrad").input(op.grad(1)?).input(op.input(0)?);
    let node = node.input(op.input(3)?).input(op.output(0)).build()?;
    let grads = [node.output(0), node.output(1)];
    for (grad, input) in grads.into_iter().zip([op.input(1)?, op.input(4)?]) {
        let shape = scope.shape(input).clone();
        scope.refine_shape(grad, &shape)?;
    }
    let [a, b] = grads.map(|grad| Some(grad.into()));
    Ok(vec![None, a, None, None, b, None, None])
}

fn tensor_dense_add(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let values = gather_nd(scope, grad, op.input(0)?)?;
    Ok(vec![None, Some(values.into()), None, Some(grad)])
}

fn reduce_sum(scope: &mut Scope, op: &Forward) -> Gradients {
    let (indices, shape) = (op.input(0)?, op.input(2)?);
    let kept = scope.reduced_shape(shape, op.input(3)?)?;
    let grad = scope.reshape(op.grad(0)?, kept.clone())?;
    let kept = scope.cast(kept, DType::I64)?;
    let scale = scope.floor_over(shape, kept)?;
    let places = scope.floor_over(indices, scale)?;
    of_values(gather_nd(scope, grad, places)?, 4)
}

fn slice(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("SparseSliceGrad").input(op.grad(1)?).input(op.input(0)?);
    let values = node.input(op.input(3)?).input(op.output(0)).build_one()?;
    let shape = scope.shape(op.input(1)?).clone();
    scope.refine_shape(values, &shape)?;
    of_values(values, 5)
}

fn cwise_mul(scope: &mut Scope, op: &Forward) -> Gradients {
    cwise(scope, op, |scope, dense| {
        let grad = op.grad(0)?;
        let of_sparse = scope.times(grad, dense)?;
        Ok([of_sparse, scope.times(grad, op.input(1)?)?])
    })
}

fn cwise_div(scope: &mut Scope, op: &Forward) -> Gradients {
    cwise(scope, op, |scope, dense| {
        let grad = op.grad(0)?;
        let of_sparse = scope.over(grad, dense)?;
        let negative = scope.neg(op.input(1)?)?;
        let square = scope.square(dense)?;
        let quotient = scope.over(negative, square)?;
        Ok([of_sparse, scope.times(grad, quotient)?])
    })
}

/// The gradients of a sparse and a dense tensor, element by element; `parts` makes them from the elements
/// of the dense one that took part.
fn cwise(
    scope: &mut Scope,
    op: &Forward,
    parts: impl FnOnce(&mut Scope, Output) -> Result<[Output; 2], Error>,
) -> Gradients {
    let [indices, shape, dense] = [op.input(0)?, op.input(2)?, op.input(3)?];
    let dense_shape = scope.shape_of(dense)?;
    let dense_shape = scope.cast(dense_shape, DType::I64)?;
    let ranks = [scope.size(shape)?, scope.size(dense_shape)?];
    let n_added = scope.minus(ranks[0], ranks[1])?;
    let n_added = scope.expand_dims(n_added, 0)?;
    let ones = scope.ones_of(n_added, DType::I64, "ones")?;
    let augmented = scope.concat([ones, dense_shape], 0)?;
    let scaling = scope.floor_over(shape, augmented)?;
    let places = scope.floor_over(indices, scaling)?;
    let begin = scope.concat_at(vec![Operand::from([0i32]), n_added.into()], 0i32)?;
    let places = scope.slice(places, begin, [-1i32, -1])?;
    let elements = gather_nd(scope, dense, places)?;
    let [of_sparse, values] = parts(scope, elements)?;
    let zeros = scope.zeros_like(dense)?;
    let node = scope.op("SparseTensorDenseAdd").input(places).input(values);
    let of_dense = node.input(dense_shape).input(zeros).build_one()?;
    Ok(vec![None, Some(of_sparse.into()), None, Some(of_dense.into())])
}

fn softmax(scope: &mut Scope, op: &Forward) -> Gradients {
    let (indices, shape, values) = (op.input(0)?, op.input(2)?, op.output(0));
    let grad = op.grad(0)?;
    let product = scope.times(values, grad)?;
    let node = scope.op("SparseReduceSum").input(indices).input(product).input(shape);
    let sum = node.input([-1i32]).attr("keep_dims", Attr::Bool(true)).build_one()?;
    let negative = scope.neg(sum)?;
    let node = scope.op("SparseDenseCwiseAdd").input(indices).input(grad);
    let sum = node.input(shape).input(negative).build_one()?;
    of_values(scope.times(sum, values)?, 3)
}

fn fill_empty_rows(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("SparseFillEmptyRowsGrad").input(op.output(3)).input(op.grad(1)?);
    let node = node.build()?;
    Ok(vec![None, Some(node.output(0).into()), None, Some(node.output(1).into())])
}

fn to_dense(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, indices) = (op.grad(0)?, op.input(0)?);
    let values = gather_nd(scope, grad, indices)?;
    let whole = scope.reduce_sum(grad, Axes::all())?;
    let part = scope.reduce_sum(values, Axes::all())?;
    let default = scope.minus(whole, part)?;
    let zeros = [scope.zeros_like(indices)?, scope.zeros_like(op.input(1)?)?];
    Ok([zeros[0], zeros[1], values, default].map(|grad| Some(grad.into())).to_vec())
}

fn ragged_to_sparse(scope: &mut Scope, op: &Forward) -> Gradients {
    let n_splits = op.inputs.len().saturating_sub(1);
    let shape = scope.shape_of(op.input(n_splits)?)?;
    let values = scope.reshape(op.grad(1)?, shape)?;
    let mut gradients = vec![None; n_splits];
    gradients.push(Some(values.into()));
    Ok(gradients)
}

fn ragged_gather(scope: &mut Scope, op: &Forward) -> Gradients {
    let n_splits = op.inputs.len().saturating_sub(2);
    let (params, indices) = (op.input(n_splits)?, op.input(n_splits + 1)?);
    let mut splits = op.input(0)?;
    for inner in op.inputs.iter().take(n_splits).skip(1) {
        splits = scope.gather(*inner, splits, 0)?;
    }
    let flat = scope.reshape(indices, [-1])?;
    let starts = scope.gather(splits, flat, 0)?;
    let ends = scope.between(splits, Some(Index::At(1)), None)?;
    let limits = scope.gather(ends, flat, 0)?;
    let dtype = scope.dtype(splits).unwrap_or(DType::I64);
    let places = scope.scoped("RaggedRange", |scope, name| {
        let deltas = scope.tensor(1i32, "deltas")?;
        let deltas = scope.cast(deltas, dtype)?;
        let node = scope.op("RaggedRange").input(starts).input(limits).input(deltas);
        node.attr("Tsplits", Attr::Type(DType::I64)).name(name).build()
    })?;
    let values = scope.dense(op.grad(op.grads.len().saturating_sub(1))?, "values")?;
    let shape = scope.shape_of(params)?;
    let slices = IndexedSlices { values, indices: places.output(1), dense_shape: Some(shape) };
    let mut gradients = vec![None; n_splits];
    gradients.extend([Some(slices.into()), None]);
    Ok(gradients)
}
