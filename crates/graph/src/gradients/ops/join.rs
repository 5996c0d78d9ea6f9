//! Tensors out of several, and several out of one.

use flowkeep_tensor::DType;

use super::super::forward::{Forward, Gradients};
use super::super::table::Entry;
use super::super::{Gradient, IndexedSlices};
use crate::builder::{Operand, Scope};
use crate::{Attr, AttrList, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("Concat", concat_v1),
    ("ConcatV2", concat),
    ("Pack", pack),
    ("Split", split),
    ("SplitV", split_v),
    ("Unpack", unpack),
];

/// From this number of inputs on, a gradient is split at once.
const MANY: usize = 17;

fn pack(scope: &mut Scope, op: &Forward) -> Gradients {
    let n = op.attrs.int("N")?;
    let node = scope.op("Unpack").input(op.grad(0)?).attr("num", Attr::Int(n));
    let node = op.like(node, &["axis"]).name("unstack").build()?;
    Ok((0..).take(op.inputs.len()).map(|index| Some(node.output(index).into())).collect())
}

fn unpack(scope: &mut Scope, op: &Forward) -> Gradients {
    let stacked = scope.stack(all_grads(op)?, op.attrs.int("axis")?)?;
    Ok(vec![Some(stacked.into())])
}

fn all_grads(op: &Forward) -> Result<Vec<Operand>, Error> {
    (0..op.grads.len()).map(|index| op.grad(index).map(Operand::from)).collect()
}

fn split(scope: &mut Scope, op: &Forward) -> Gradients {
    let whole = joined(scope, op, op.input(0)?)?;
    Ok(vec![None, Some(whole.into())])
}

fn split_v(scope: &mut Scope, op: &Forward) -> Gradients {
    let whole = joined(scope, op, op.input(2)?)?;
    Ok(vec![Some(whole.into()), None, None])
}

/// The gradients of all outputs as one tensor.
fn joined(scope: &mut Scope, op: &Forward, axis: Output) -> Result<Output, Error> {
    match &all_grads(op)?[..] {
        [only] => scope.with_op_name("concat").identity(only.clone()),
        grads => scope.concat_at(grads.to_vec(), axis),
    }
}

fn concat_v1(scope: &mut Scope, op: &Forward) -> Gradients {
    let parts = parts(scope, op, op.input(0)?, op.inputs.get(1..).unwrap_or_default())?;
    Ok(std::iter::once(None).chain(parts.into_iter().map(Some)).collect())
}

fn concat(scope: &mut Scope, op: &Forward) -> Gradients {
    let (axis, values) = match op.inputs.split_last() {
        Some((axis, values)) => (*axis, values),
        None => return op.nothing(),
    };
    let parts = parts(scope, op, axis, values)?;
    Ok(parts.into_iter().map(Some).chain([None]).collect())
}

/// The part of the gradient that belongs to each of the tensors that were put together.
fn parts(
    scope: &mut Scope,
    op: &Forward,
    axis: Output,
    values: &[Output],
) -> Result<Vec<Gradient>, Error> {
    let Some(first) = values.first() else { return Ok(Vec::new()) };
    if let ([_], Gradient::Dense(_)) = (values, op.grad(0)?) {
        return Ok(vec![op.grad(0)?]);
    }
    let axis = match op.grad(0)? {
        Gradient::Dense(grad) => scope.constant_beside(axis, grad)?,
        Gradient::Sparse(_) => axis,
    };
    let rank = scope.rank(*first)?;
    let place = scope.modulo(axis, rank)?;
    match op.grad(0)? {
        Gradient::Dense(grad) => dense_parts(scope, grad, place, values),
        Gradient::Sparse(slices) => {
            let known = scope.static_numbers(axis).and_then(|numbers| numbers.only());
            let Some(known) = known else {
                return Err(Error::Gradient(
                    "Can only compute IndexedSlices gradient with statically-known concat_dim"
                        .to_owned(),
                ));
            };
            let known = if known < 0 {
                let rank = scope.rank(*first)?;
                let rank = scope.static_numbers(rank).and_then(|numbers| numbers.only());
                let rank = rank.ok_or_else(|| {
                    Error::Gradient(
                        "Can only compute IndexedSlices gradient with negative concat_dim when first value rank is statically-known."
                            .to_owned(),
                    )
                })?;
                known.rem_euclid(rank.max(1))
            } else {
                known
            };
            let sizes: Vec<Output> =
                values.iter().map(|value| scope.shape_of(*value)).collect::<Result<_, _>>()?;
            match known {
                0 => rows(scope, slices, place, &sizes),
                _ => columns(scope, slices, place, &sizes),
            }
        }
    }
}

fn dense_parts(
    scope: &mut Scope,
    grad: Output,
    place: Output,
    values: &[Output],
) -> Result<Vec<Gradient>, Error> {
    let sizes = sizes(scope, values)?;
    if sizes.len() >= MANY {
        let table = scope.stack(sizes.clone(), 1)?;
        let begin = Operand::packed([place.into(), Operand::from(0i32)]);
        let row = scope.slice(table, begin, [1i32, -1])?;
        let row = scope.op("Squeeze").input(row);
        let row = row.attr("squeeze_dims", Attr::List(AttrList::Empty)).build_one()?;
        let node = scope.op("SplitV").input(grad).input(row).input(place);
        let n = i64::try_from(sizes.len()).unwrap_or(i64::MAX);
        let node = node.attr("num_split", Attr::Int(n)).name("split").build()?;
        return Ok((0..).take(sizes.len()).map(|index| node.output(index).into()).collect());
    }
    let offsets = scope.op("ConcatOffset").input(place).input_list(sizes.clone()).build()?;
    let mut made = Vec::with_capacity(sizes.len());
    for (index, size) in (0..).zip(sizes) {
        made.push(scope.slice(grad, offsets.output(index), size)?.into());
    }
    Ok(made)
}

/// The shapes of tensors: constants if all are known, or else what one node says.
fn sizes(scope: &mut Scope, values: &[Output]) -> Result<Vec<Output>, Error> {
    let mut sizes = Vec::with_capacity(values.len());
    for value in values {
        let size = scope.shape_of(*value)?;
        if scope.graph().get(size.node).is_none_or(|node| node.op() != "Const") {
            let node = scope.op("ShapeN").input_list(values.to_vec()).build()?;
            return Ok((0..).take(values.len()).map(|index| node.output(index)).collect());
        }
        sizes.push(size);
    }
    Ok(sizes)
}

/// The rows of each tensor, of rows of tensors one below the other.
fn rows(
    scope: &mut Scope,
    slices: IndexedSlices,
    place: Output,
    sizes: &[Output],
) -> Result<Vec<Gradient>, Error> {
    let dtype = scope.dtype(slices.indices).unwrap_or(DType::I32);
    let mut start = scope.constant_like(0.0, slices.indices)?;
    let mut made = Vec::with_capacity(sizes.len());
    for size in sizes {
        let n_rows = scope.gather(*size, place, 0)?;
        let n_rows = scope.cast(n_rows, dtype)?;
        let end = scope.plus(start, n_rows)?;
        let behind = scope.greater_equal(slices.indices, start)?;
        let before = scope.less(slices.indices, end)?;
        let within = scope.logical_and(behind, before)?;
        let chosen = scope.unary("Where", within)?;
        let chosen = scope.squeeze(chosen, &[1])?;
        let indices = scope.gather(slices.indices, chosen, 0)?;
        let indices = scope.minus(indices, start)?;
        let values = scope.gather(slices.values, chosen, 0)?;
        made.push(IndexedSlices { values, indices, dense_shape: Some(*size) }.into());
        start = end;
    }
    Ok(made)
}

/// The columns of each tensor, of rows of tensors side by side.
fn columns(
    scope: &mut Scope,
    slices: IndexedSlices,
    place: Output,
    sizes: &[Output],
) -> Result<Vec<Gradient>, Error> {
    let Some(first) = sizes.first() else { return Ok(Vec::new()) };
    let rank = scope.shape_of(*first)?;
    let before = scope.expand_dims(place, 0)?;
    let before = scope.zeros_of(before, DType::I32, "zeros")?;
    let behind = scope.minus(rank, place)?;
    let behind = scope.minus(behind, 1i32)?;
    let behind = scope.zeros_of(behind, DType::I32, "zeros")?;
    let mask = scope.concat_at(vec![before.into(), Operand::from([1i32]), behind.into()], 0i32)?;
    let mut begin = scope.zeros_of(rank, DType::I32, "zeros")?;
    let mut made = Vec::with_capacity(sizes.len());
    for size in sizes {
        let rest = scope.slice(*size, [1i32], [-1i32])?;
        let extent = scope.concat_at(vec![Operand::from([-1i32]), rest.into()], 0i32)?;
        let values = scope.slice(slices.values, begin, extent)?;
        made.push(IndexedSlices { values, dense_shape: Some(*size), ..slices }.into());
        let step = scope.times(*size, mask)?;
        begin = scope.add(begin, step)?;
    }
    Ok(made)
}
