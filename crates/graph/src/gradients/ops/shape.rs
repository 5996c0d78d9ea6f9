//! Ops that change the shapes of tensors, or take parts of them.

use flowkeep_tensor::{DType, PartialShape};

use super::super::forward::{Forward, Gradients, all, first};
use super::super::operators::Index;
use super::super::table::Entry;
use super::super::{Gradient, IndexedSlices};
use crate::builder::{Operand, Scope};
use crate::{Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("BatchToSpace", batch_to_space_v1),
    ("BatchToSpaceND", batch_to_space),
    ("BroadcastTo", broadcast_to),
    ("ConjugateTranspose", conjugate_transpose),
    ("DepthToSpace", depth_to_space),
    ("Diag", diag),
    ("DiagPart", diag_part),
    ("ExpandDims", expand_dims),
    ("Fill", fill),
    ("MatrixBandPart", matrix_band_part),
    ("MirrorPad", mirror_pad),
    ("MirrorPadGrad", mirror_pad_grad),
    ("Pad", pad),
    ("PadV2", pad),
    ("Reshape", reshape),
    ("Reverse", reverse_v1),
    ("ReverseSequence", reverse_sequence),
    ("ReverseV2", reverse),
    ("Roll", roll),
    ("Slice", slice),
    ("SpaceToBatch", space_to_batch_v1),
    ("SpaceToBatchND", space_to_batch),
    ("SpaceToDepth", space_to_depth),
    ("Squeeze", squeeze),
    ("StridedSlice", strided_slice),
    ("StridedSliceGrad", strided_slice_grad),
    ("Tile", tile),
    ("Transpose", transpose),
];

pub(super) const MASKS: &[&str] =
    &["begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"];

fn reshape(scope: &mut Scope, op: &Forward) -> Gradients {
    let input = op.input(0)?;
    let wildcard = with_wildcard(scope.shape(input));
    let grad = scope.summed_up(op.grad(0)?)?;
    let shape: Operand = match wildcard {
        Some(dims) => dims.into(),
        None => scope.shape_of(input)?.into(),
    };
    first(scope.reshape(grad, shape)?, 2)
}

/// The dimensions of a shape of which just one is not known, which is -1.
fn with_wildcard(shape: &PartialShape) -> Option<Vec<i32>> {
    let dims = shape.dims()?;
    let n_unknown = dims.iter().filter(|dim| dim.is_none()).count();
    if n_unknown != 1 || dims.contains(&Some(0)) {
        return None;
    }
    dims.iter().map(|dim| dim.map_or(Some(-1), |dim| i32::try_from(dim).ok())).collect()
}

/// The gradient in the shape of the input.
fn back(scope: &mut Scope, op: &Forward) -> Result<Output, Error> {
    let grad = scope.summed_up(op.grad(0)?)?;
    let shape = scope.shape_of(op.input(0)?)?;
    scope.reshape(grad, shape)
}

fn expand_dims(scope: &mut Scope, op: &Forward) -> Gradients {
    first(back(scope, op)?, 2)
}

fn squeeze(scope: &mut Scope, op: &Forward) -> Gradients {
    all([back(scope, op)?])
}

fn transpose(scope: &mut Scope, op: &Forward) -> Gradients {
    let perm = scope.unary("InvertPermutation", op.input(1)?)?;
    first(scope.transpose(op.grad(0)?, perm)?, 2)
}

fn conjugate_transpose(scope: &mut Scope, op: &Forward) -> Gradients {
    let perm = scope.unary("InvertPermutation", op.input(1)?)?;
    let is_complex = scope.dtype(op.input(0)?).is_some_and(DType::is_complex);
    let transpose = if is_complex { "ConjugateTranspose" } else { "Transpose" };
    first(scope.named_binary("transpose", transpose, op.grad(0)?, perm)?, 2)
}

fn slice(scope: &mut Scope, op: &Forward) -> Gradients {
    let (input, begin) = (op.input(0)?, op.input(1)?);
    let dtype = scope.dtype(begin).unwrap_or(DType::I32);
    let rank = scope.rank(input)?;
    let size = scope.shape_in(op.output(0), dtype)?;
    let column = scope.stack_of([rank.into(), 1i32.into()])?;
    let before = scope.reshape(begin, column)?;
    let whole = scope.shape_in(input, dtype)?;
    let rest = scope.minus(whole, size)?;
    let rest = scope.minus(rest, begin)?;
    let behind = scope.reshape(rest, column)?;
    let paddings = scope.concat_at(vec![before.into(), behind.into()], 1i32)?;
    first(scope.op("Pad").input(op.grad(0)?).input(paddings).build_one()?, 3)
}

fn strided_slice(scope: &mut Scope, op: &Forward) -> Gradients {
    let dtype = scope.dtype(op.input(1)?).unwrap_or(DType::I32);
    let shape = scope.shape_in(op.input(0)?, dtype)?;
    let mut node_inputs: Vec<Operand> = Vec::with_capacity(4);
    for tensor in [shape, op.input(1)?, op.input(2)?, op.input(3)?] {
        let value = scope.static_numbers(tensor).and_then(|numbers| numbers.to_tensor(dtype));
        node_inputs.push(value.map_or(tensor.into(), Operand::from));
    }
    let node = scope.op("StridedSliceGrad");
    let node = node_inputs.into_iter().fold(node, |node, input| node.input(input));
    first(op.like(node.input(op.grad(0)?), MASKS).build_one()?, 4)
}

fn strided_slice_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("StridedSlice").input(op.grad(0)?).input(op.input(1)?);
    let node = node.input(op.input(2)?).input(op.input(3)?);
    let grad = op.like(node, MASKS).build_one()?;
    Ok(vec![None, None, None, None, Some(grad.into())])
}

fn pad(scope: &mut Scope, op: &Forward) -> Gradients {
    let (x, paddings) = (op.input(0)?, op.input(1)?);
    let rank = scope.rank(x)?;
    let size = scope.stack_of([rank.into(), 1i32.into()])?;
    let before = scope.slice(paddings, [0i32, 0], size)?;
    let begin = scope.reshape(before, [-1])?;
    let dtype = scope.dtype(begin).unwrap_or(DType::I32);
    let sizes = scope.shape_in(x, dtype)?;
    first(scope.slice(op.grad(0)?, begin, sizes)?, op.inputs.len())
}

fn mirror_pad(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("MirrorPadGrad").input(op.grad(0)?).input(op.input(1)?);
    first(op.like(node, &["mode"]).build_one()?, 2)
}

fn mirror_pad_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("MirrorPad").input(op.grad(0)?).input(op.input(1)?);
    first(op.like(node, &["mode"]).build_one()?, 2)
}

fn tile(scope: &mut Scope, op: &Forward) -> Gradients {
    let (input, multiples) = (op.input(0)?, op.input(1)?);
    let dtype = scope.dtype(multiples).unwrap_or(DType::I32);
    let shape = scope.shape_in(input, dtype)?;
    let pairs = scope.stack_of([multiples.into(), shape.into()])?;
    let pairs = scope.transpose(pairs, [1i32, 0])?;
    let mut split = scope.reshape(pairs, [-1])?;
    let size = scope.size(split)?;
    let axes = scope.range_of(0, size, 2i32)?;
    let grad: Operand = match op.grad(0)? {
        Gradient::Dense(grad) => grad.into(),
        Gradient::Sparse(slices) => {
            let summed = rows_of_tiles(scope, slices, shape)?;
            let rest = scope.between(split, Some(Index::At(1)), None)?;
            let one = match dtype {
                DType::I64 => Operand::from([1i64]),
                _ => Operand::from([1i32]),
            };
            split = scope.concat_at(vec![one, rest.into()], 0i32)?;
            summed.into()
        }
    };
    let grad = scope.reshape(grad, split)?;
    let sum = scope.sum(grad, axes, false)?;
    let shape = scope.shape(input).clone();
    scope.refine_shape(sum, &shape)?;
    first(sum, 2)
}

/// The sum of the rows of all tiles.
fn rows_of_tiles(scope: &mut Scope, slices: IndexedSlices, shape: Output) -> Result<Output, Error> {
    let n_rows = scope.item(shape, Index::At(0))?;
    let dtype = scope.dtype(slices.indices).unwrap_or(DType::I32);
    let n_rows = scope.cast(n_rows, dtype)?;
    let rows = scope.modulo(slices.indices, n_rows)?;
    scope.op("UnsortedSegmentSum").input(slices.values).input(rows).input(n_rows).build_one()
}

fn fill(scope: &mut Scope, op: &Forward) -> Gradients {
    let sum = scope.reduce_sum(op.grad(0)?, crate::builder::Axes::all())?;
    Ok(vec![None, Some(sum.into())])
}

fn broadcast_to(scope: &mut Scope, op: &Forward) -> Gradients {
    let (input, shape) = (op.input(0)?, op.input(1)?);
    let dtype = scope.dtype(shape).unwrap_or(DType::I32);
    let input_shape = scope.shape_in(input, dtype)?;
    let shape = match scope.computed_value(shape) {
        Some(value) => scope.constant(value)?,
        None => shape,
    };
    let [_, axes] = scope.broadcast_gradient_args(shape, input_shape)?;
    first(scope.summed_to(op.grad(0)?, axes, input_shape, true)?, 2)
}

fn roll(scope: &mut Scope, op: &Forward) -> Gradients {
    let back = scope.neg(op.input(1)?)?;
    let node = scope.op("Roll").input(op.grad(0)?).input(back).input(op.input(2)?);
    first(node.build_one()?, 3)
}

fn reverse(scope: &mut Scope, op: &Forward) -> Gradients {
    first(scope.op("ReverseV2").input(op.grad(0)?).input(op.input(1)?).build_one()?, 2)
}

fn reverse_v1(scope: &mut Scope, op: &Forward) -> Gradients {
    first(scope.op("Reverse").input(op.grad(0)?).input(op.input(1)?).build_one()?, 2)
}

fn reverse_sequence(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("ReverseSequence").input(op.grad(0)?).input(op.input(1)?);
    first(op.like(node, &["batch_dim", "seq_dim"]).build_one()?, 2)
}

fn space_to_depth(scope: &mut Scope, op: &Forward) -> Gradients {
    depth(scope, op, "DepthToSpace", "SpaceToDepth")
}

fn depth_to_space(scope: &mut Scope, op: &Forward) -> Gradients {
    depth(scope, op, "SpaceToDepth", "DepthToSpace")
}

fn depth(scope: &mut Scope, op: &Forward, opposite: &str, this: &str) -> Gradients {
    if op.attrs.str("data_format")? == "NCHW_VECT_C" {
        return Err(Error::Gradient(format!(
            "Cannot compute {this} gradient with NCHW_VECT_C. NCHW_VECT_C requires qint8 data type."
        )));
    }
    let node = scope.op(opposite).input(op.grad(0)?);
    all([op.like(node, &["block_size", "data_format"]).build_one()?])
}

fn space_to_batch(scope: &mut Scope, op: &Forward) -> Gradients {
    blocks(scope, op, "BatchToSpaceND")
}

fn batch_to_space(scope: &mut Scope, op: &Forward) -> Gradients {
    blocks(scope, op, "SpaceToBatchND")
}

fn blocks(scope: &mut Scope, op: &Forward, opposite: &str) -> Gradients {
    let node = scope.op(opposite).input(op.grad(0)?).input(op.input(1)?).input(op.input(2)?);
    first(node.build_one()?, 3)
}

fn space_to_batch_v1(scope: &mut Scope, op: &Forward) -> Gradients {
    square_blocks(scope, op, "BatchToSpaceND")
}

fn batch_to_space_v1(scope: &mut Scope, op: &Forward) -> Gradients {
    square_blocks(scope, op, "SpaceToBatchND")
}

fn square_blocks(scope: &mut Scope, op: &Forward, opposite: &str) -> Gradients {
    let size = op.attrs.int("block_size")?;
    let node = scope.op(opposite).input(op.grad(0)?).input([size, size]).input(op.input(1)?);
    first(node.build_one()?, 2)
}

fn diag(scope: &mut Scope, op: &Forward) -> Gradients {
    all([scope.unary("DiagPart", op.grad(0)?)?])
}

fn diag_part(scope: &mut Scope, op: &Forward) -> Gradients {
    all([scope.unary("Diag", op.grad(0)?)?])
}

fn matrix_band_part(scope: &mut Scope, op: &Forward) -> Gradients {
    let node = scope.op("MatrixBandPart").input(op.grad(0)?);
    first(node.input(op.input(1)?).input(op.input(2)?).build_one()?, 3)
}
