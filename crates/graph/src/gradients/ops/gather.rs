//! Parts of tensors that are chosen by indices, and sums of them.

use flowkeep_tensor::{DType, Shape};

use super::super::IndexedSlices;
use super::super::forward::{Forward, Gradients, all, first};
use super::super::operators::Index;
use super::super::table::Entry;
use crate::builder::{Axes, Operand, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("Gather", gather),
    ("GatherNd", gather_nd),
    ("GatherV2", gather_v2),
    ("ResourceGather", resource_gather),
    ("ResourceGatherNd", resource_gather_nd),
    ("ScatterNd", scatter_nd),
    ("SegmentMax", segment_extreme),
    ("SegmentMean", segment_mean),
    ("SegmentMin", segment_extreme),
    ("SegmentSum", segment_sum),
    ("TopK", top_k),
    ("TopKV2", top_k),
    ("UnsortedSegmentMax", unsorted_segment_extreme),
    ("UnsortedSegmentMin", unsorted_segment_extreme),
    ("UnsortedSegmentSum", unsorted_segment_sum),
];

/// The shape of what is gathered from, on its device.
fn params_shape(scope: &mut Scope, params: Output) -> Result<Output, Error> {
    scope.colocate_with(params)?.shape_of(params)
}

/// A vector that holds the number of indices.
fn n_indices(scope: &mut Scope, indices: Output) -> Result<Output, Error> {
    let n = scope.size(indices)?;
    scope.expand_dims(n, 0)
}

/// The rows that a gradient consists of.
fn rows(
    scope: &mut Scope,
    grad: Operand,
    indices: Output,
    n: Output,
    shape: Output,
) -> Result<IndexedSlices, Error> {
    let rest = scope.between(shape, Some(Index::At(1)), None)?;
    let values_shape = scope.concat([n, rest], 0)?;
    let grad = match grad {
        Operand::Slices(slices) => scope.summed_up(slices.into())?.into(),
        grad => grad,
    };
    let values = scope.reshape(grad, values_shape)?;
    let indices = scope.reshape(indices, n)?;
    Ok(IndexedSlices { values, indices, dense_shape: Some(shape) })
}

fn gather(scope: &mut Scope, op: &Forward) -> Gradients {
    let indices = op.input(1)?;
    let shape = params_shape(scope, op.input(0)?)?;
    let n = n_indices(scope, indices)?;
    first(rows(scope, op.grad(0)?.into(), indices, n, shape)?, 2)
}

fn resource_gather(scope: &mut Scope, op: &Forward) -> Gradients {
    let indices = op.input(1)?;
    let shape = scope.variable_shape(op.input(0)?)?;
    let n = n_indices(scope, indices)?;
    first(rows(scope, op.grad(0)?.into(), indices, n, shape)?, 2)
}

fn gather_v2(scope: &mut Scope, op: &Forward) -> Gradients {
    let (params, indices, axis) = (op.input(0)?, op.input(1)?, op.input(2)?);
    let shape = params_shape(scope, params)?;
    let n = n_indices(scope, indices)?;
    let known = scope.static_numbers(axis).and_then(|numbers| numbers.only());
    let mut batch_dims = op.attrs.int("batch_dims")?;
    if batch_dims < 0 {
        let rank = scope.shape(indices).rank().and_then(|rank| i64::try_from(rank).ok());
        batch_dims += rank.ok_or_else(|| {
            Error::Gradient(format!(
                "Currently, it is unsupported to take the gradient of tf.gather when batch_dims < 0 and the rank of the indices is unknown. Please pass a positive batch_dims or use tf.ensure_shape to update the shape of indices when calling tf.gather. Got batch_dims={batch_dims} and indices={}",
                scope.python_tensor(indices)
            ))
        })?;
    }
    if known == Some(0) {
        return first(rows(scope, op.grad(0)?.into(), indices, n, shape)?, 3);
    }
    let batch_dims = i32::try_from(batch_dims).unwrap_or(i32::MAX);
    let grad = along_axis(scope, op, shape, batch_dims)?;
    let shape = scope.shape_of(params)?;
    first(scope.reshape(grad, shape)?, 3)
}

/// The gradient of a gather along an axis other than the first: the axis is brought to the front.
fn along_axis(
    scope: &mut Scope,
    op: &Forward,
    shape: Output,
    batch_dims: i32,
) -> Result<Output, Error> {
    let (indices, axis) = (op.input(1)?, op.input(2)?);
    let outer = scope.between(shape, None, Some(Index::Of(axis)))?;
    let inner = scope.between(shape, Some(Index::Of(axis)), None)?;
    let inner = scope.between(inner, Some(Index::At(1)), None)?;
    let values_shape =
        scope.concat_at(vec![outer.into(), Operand::from([-1i32]), inner.into()], 0i32)?;
    let n_dims = scope.size(values_shape)?;
    let n_outer = scope.size(outer)?;
    let batch_axes = scope.range(0i32, batch_dims, 1i32)?;
    let outer_axes = scope.range_of(batch_dims, n_outer, 1i32)?;
    let next = scope.plus(n_outer, 1i32)?;
    let inner_axes = scope.range(next, n_dims, 1i32)?;
    let grad = scope.summed_up(op.grad(0)?)?;
    let values = scope.reshape(grad, values_shape)?;
    let there = scope.concat_at(
        vec![
            batch_axes.into(),
            Operand::packed([Operand::from(n_outer)]),
            outer_axes.into(),
            inner_axes.into(),
        ],
        0i32,
    )?;
    let values = scope.transpose(values, there)?;
    let turned_shape = scope.gather(shape, there, 0)?;
    let n_rows = scope.item(shape, Index::Of(axis))?;
    let grad = batch_gather(scope, turned_shape, values, indices, batch_dims, n_rows)?;
    let shifted = scope.plus(outer_axes, 1i32)?;
    let back = scope.concat_at(
        vec![batch_axes.into(), shifted.into(), Operand::from([batch_dims]), inner_axes.into()],
        0i32,
    )?;
    scope.transpose(grad, back)
}

/// The sum of the rows, batch by batch.
fn batch_gather(
    scope: &mut Scope,
    shape: Output,
    mut values: Output,
    mut indices: Output,
    batch_dims: i32,
    mut n_rows: Output,
) -> Result<Output, Error> {
    let n = n_indices(scope, indices)?;
    let mut batch = None;
    if batch_dims > 0 {
        let values_shape = scope.shape_of(values)?;
        let outer = scope.between(values_shape, None, Some(Index::At(batch_dims)))?;
        let inner = scope.between(values_shape, Some(Index::At(batch_dims)), None)?;
        let inner = scope.between(inner, Some(Index::At(1)), None)?;
        let size = scope.op("Prod").input(outer).input([0i32]).build_one()?;
        let flat = scope.concat_at(vec![Operand::from([-1i32]), inner.into()], 0i32)?;
        n_rows = scope.times(n_rows, size)?;
        indices = batch_indices(scope, shape, indices, batch_dims)?;
        values = scope.reshape(values, flat)?;
        batch = Some((outer, flat));
    }
    let indices = scope.reshape(indices, n)?;
    let node = scope.op("UnsortedSegmentSum").input(values).input(indices).input(n_rows);
    let grad = node.build_one()?;
    let Some((outer, flat)) = batch else { return Ok(grad) };
    let shape = scope.concat([outer, flat], 0)?;
    scope.reshape(grad, shape)
}

/// Indices into the rows of all batches.
fn batch_indices(
    scope: &mut Scope,
    shape: Output,
    indices: Output,
    batch_dims: i32,
) -> Result<Output, Error> {
    let dtype = scope.dtype(indices).unwrap_or(DType::I32);
    let shape = scope.cast(shape, dtype)?;
    let mut sum = indices;
    let mut step = scope.ones(&Shape::SCALAR, dtype)?;
    for dim in (1..=batch_dims).rev() {
        let size = scope.item(shape, Index::At(dim - 1))?;
        let below = scope.item(shape, Index::At(dim))?;
        step = scope.times(step, below)?;
        let zero = scope.zeros(&Shape::SCALAR, dtype)?;
        let one = scope.ones(&Shape::SCALAR, dtype)?;
        let places = scope.range(zero, size, one)?;
        let places = scope.times(places, step)?;
        let before = scope.tile([1i32], [dim - 1])?;
        let rank = scope.rank(indices)?;
        let behind = scope.minus(rank, dim)?;
        let behind = scope.tile([1i32], Operand::packed([Operand::from(behind)]))?;
        let dims = scope.scoped("concat", |scope, name| {
            let size = scope.cast(size, DType::I32)?;
            let middle = Operand::packed([Operand::from(size)]);
            let parts = vec![before.into(), middle, behind.into()];
            scope.op("ConcatV2").input_list(parts).input(0i32).name(name).build_one()
        })?;
        let places = scope.reshape(places, dims)?;
        sum = scope.plus(sum, places)?;
    }
    Ok(sum)
}

fn gather_nd(scope: &mut Scope, op: &Forward) -> Gradients {
    let (params, indices) = (op.input(0)?, op.input(1)?);
    let dtype = scope.dtype(indices).unwrap_or(DType::I32);
    let shape = scope.shape_in(params, dtype)?;
    scattered(scope, op, shape)
}

fn resource_gather_nd(scope: &mut Scope, op: &Forward) -> Gradients {
    let dtype = scope.dtype(op.input(1)?).unwrap_or(DType::I32);
    let node = scope.op("VariableShape").input(op.input(0)?);
    let shape = node.attr("out_type", Attr::Type(dtype)).build_one()?;
    scattered(scope, op, shape)
}

/// The gradient of what points or rows were gathered from, of this shape.
fn scattered(scope: &mut Scope, op: &Forward, shape: Output) -> Gradients {
    let indices = op.input(1)?;
    if matches!(scope.shape(indices).dims(), Some([_, Some(1)])) {
        let values = op.grad(0)?;
        let indices = scope.squeeze(indices, &[-1])?;
        let values = scope.dense(values, "values")?;
        return first(IndexedSlices { values, indices, dense_shape: Some(shape) }, 2);
    }
    let node = scope.op("ScatterNd").input(indices).input(op.grad(0)?).input(shape);
    first(op.like(node, &["bad_indices_policy"]).build_one()?, 2)
}

fn scatter_nd(scope: &mut Scope, op: &Forward) -> Gradients {
    let updates = scope.op("GatherNd").input(op.grad(0)?).input(op.input(0)?).build_one()?;
    Ok(vec![None, Some(updates.into()), None])
}

fn segment_sum(scope: &mut Scope, op: &Forward) -> Gradients {
    first(scope.gather(op.grad(0)?, op.input(1)?, 0)?, 2)
}

fn segment_mean(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, ids) = (op.grad(0)?, op.input(1)?);
    let rank = scope.rank(op.input(0)?)?;
    let ids_shape = scope.shape_of(ids)?;
    let others = scope.minus(rank, 1i32)?;
    let others = scope.expand_dims(others, 0)?;
    let others = scope.ones_of(others, DType::I32, "ones")?;
    let shape = scope.concat([ids_shape, others], 0)?;
    let dtype = scope.dtype(grad.values()).unwrap_or(DType::F32);
    let ones = scope.ones_of(shape, dtype, "ones")?;
    let n = scope.op("SegmentSum").input(ones).input(ids).build_one()?;
    let scaled = scope.over(grad, n)?;
    first(scope.gather(scaled, ids, 0)?, 2)
}

fn segment_extreme(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, data, ids) = (op.grad(0)?, op.input(0)?, op.input(1)?);
    let dtype = scope.dtype(grad.values()).unwrap_or(DType::F32);
    let zeros = scope.zeros_like(data)?;
    let gathered = scope.gather(op.output(0), ids, 0)?;
    let selected = scope.equal(data, gathered)?;
    let counted = scope.cast(selected, dtype)?;
    let n = scope.op("SegmentSum").input(counted).input(ids).build_one()?;
    let weighted = scope.over(grad, n)?;
    let gathered = scope.gather(weighted, ids, 0)?;
    first(scope.select_v2(selected, gathered, zeros)?, 2)
}

/// Rows by index, and zeros for negative indices.
pub(super) struct Chosen {
    pub(super) rows: Output,
    clipped: Output,
    is_positive: Output,
}

/// Makes them; `clipped` are the indices with zeros for negative ones, if they are there.
pub(super) fn without_negatives(
    scope: &mut Scope,
    params: Operand,
    ids: Output,
    clipped: Option<Output>,
) -> Result<Chosen, Error> {
    let clipped = match clipped {
        Some(clipped) => clipped,
        None => {
            let zeros = scope.zeros_like(ids)?;
            scope.maximum(ids, zeros)?
        }
    };
    let gathered = scope.gather(params, clipped, 0)?;
    let zero = scope.number_like(0.0, ids)?;
    let is_positive = scope.greater_equal(ids, zero)?;
    let shape = scope.shape_of(is_positive)?;
    let rank = scope.rank(gathered)?;
    let ids_rank = scope.rank(is_positive)?;
    let others = scope.minus(rank, ids_rank)?;
    let others = scope.scoped("ones", |scope, name| {
        let shape = scope.tensor(Operand::packed([Operand::from(others)]), "packed")?;
        let one = scope.tensor(1i32, "Const")?;
        scope.op("Fill").input(shape).input(one).name(name).build_one()
    })?;
    let shape = scope.concat([shape, others], 0)?;
    let is_positive = scope.reshape(is_positive, shape)?;
    let ones = scope.ones_like(gathered, Some(DType::Bool))?;
    let is_positive = scope.both(is_positive, ones)?;
    let zeros = scope.zeros_like(gathered)?;
    let rows = scope.select_v2(is_positive, gathered, zeros)?;
    Ok(Chosen { rows, clipped, is_positive })
}

fn unsorted_segment_sum(scope: &mut Scope, op: &Forward) -> Gradients {
    let chosen = without_negatives(scope, op.grad(0)?.into(), op.input(1)?, None)?;
    first(chosen.rows, 3)
}

fn unsorted_segment_extreme(scope: &mut Scope, op: &Forward) -> Gradients {
    let (grad, data, ids) = (op.grad(0)?, op.input(0)?, op.input(1)?);
    let dtype = scope.dtype(grad.values()).unwrap_or(DType::F32);
    let chosen = without_negatives(scope, op.output(0).into(), ids, None)?;
    let selected = scope.equal(data, chosen.rows)?;
    let selected = scope.logical_and(selected, chosen.is_positive)?;
    let counted = scope.cast(selected, dtype)?;
    let node = scope.op("UnsortedSegmentSum").input(counted).input(ids).input(op.input(2)?);
    let n = node.build_one()?;
    let weighted = scope.over(grad, n)?;
    let gathered = scope.gather(weighted, chosen.clipped, 0)?;
    let zeros = scope.zeros_like(gathered)?;
    let gathered = scope.select_v2(chosen.is_positive, gathered, zeros)?;
    let zeros = scope.zeros_like(gathered)?;
    first(scope.select_v2(selected, gathered, zeros)?, 3)
}

fn top_k(scope: &mut Scope, op: &Forward) -> Gradients {
    let (input, indices) = (op.input(0)?, op.output(1));
    let in_shape = scope.shape_of(input)?;
    let ind_shape = scope.shape_of(indices)?;
    let last = |scope: &mut Scope, shape: Output| {
        let long = scope.cast(shape, DType::I64)?;
        let n = scope.size(shape)?;
        let place = scope.minus(n, 1i32)?;
        scope.gather(long, place, 0)
    };
    let ind_last = last(scope, ind_shape)?;
    let dims = scope.stack_of([Operand::from(-1i64), ind_last.into()])?;
    let rows = scope.reshape(indices, dims)?;
    let in_last = last(scope, in_shape)?;
    let rows_shape = scope.shape_of(rows)?;
    let n_rows = scope.item(rows_shape, Index::At(0))?;
    let n_rows = scope.cast(n_rows, DType::I64)?;
    let limit = scope.times(n_rows, in_last)?;
    let starts = scope.range_of(0, limit, in_last)?;
    let starts = scope.expand_dims(starts, -1)?;
    let starts = scope.cast(starts, DType::I32)?;
    let places = scope.plus(rows, starts)?;
    let places = scope.reshape(places, [-1])?;
    let places = scope.expand_dims(places, -1)?;
    let updates = scope.reshape(op.grad(0)?, [-1])?;
    let n = scope.reduce_prod(in_shape, Axes::all())?;
    let node = scope.op("ScatterNd").input(places).input(updates);
    let spread = node.input(Operand::packed([Operand::from(n)])).build_one()?;
    let grad = scope.reshape(spread, in_shape)?;
    if op.inputs.len() == 1 {
        return all([grad]);
    }
    all([grad, scope.zeros(&Shape::SCALAR, DType::I32)?])
}
