//! Tensors some elements of which are replaced or added to, taken apart and put together.
//!
//! Source: `array_grad.py`, `data_flow_grad.py`.

use flowkeep_tensor::DType;

use super::super::Gradient;
use super::super::forward::{Forward, Gradients};
use super::super::operators::Index;
use super::super::table::Entry;
use super::shape::MASKS;
use crate::builder::{Axes, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("DynamicPartition", dynamic_partition),
    ("DynamicStitch", dynamic_stitch),
    ("ParallelDynamicStitch", dynamic_stitch),
    ("ScatterNdNonAliasingAdd", non_aliasing_add),
    ("TensorScatterAdd", tensor_scatter_add),
    ("TensorScatterMax", tensor_scatter_extreme),
    ("TensorScatterMin", tensor_scatter_extreme),
    ("TensorScatterSub", tensor_scatter_sub),
    ("TensorScatterUpdate", tensor_scatter_update),
    ("TensorStridedSliceUpdate", strided_slice_update),
];

/// The gradient of what is scattered: where it went.
fn gathered(scope: &mut Scope, op: &Forward) -> Result<Output, Error> {
    scope.op("GatherNd").input(op.grad(0)?).input(op.input(1)?).build_one()
}

fn three(tensor: impl Into<Gradient>, updates: impl Into<Gradient>) -> Gradients {
    Ok(vec![Some(tensor.into()), None, Some(updates.into())])
}

fn tensor_scatter_update(scope: &mut Scope, op: &Forward) -> Gradients {
    let updates = gathered(scope, op)?;
    let whole = scope.identity(op.grad(0)?)?;
    let zeros = scope.zeros_like(op.input(2)?)?;
    let node = scope.op("TensorScatterUpdate").input(whole).input(op.input(1)?).input(zeros);
    let tensor = node.build_one()?;
    three(tensor, updates)
}

fn tensor_scatter_add(scope: &mut Scope, op: &Forward) -> Gradients {
    let updates = gathered(scope, op)?;
    let tensor = scope.identity(op.grad(0)?)?;
    three(tensor, updates)
}

fn tensor_scatter_sub(scope: &mut Scope, op: &Forward) -> Gradients {
    let updates = gathered(scope, op)?;
    let tensor = scope.identity(op.grad(0)?)?;
    let updates = scope.negated(updates.into())?;
    three(tensor, updates)
}

fn non_aliasing_add(scope: &mut Scope, op: &Forward) -> Gradients {
    let updates = gathered(scope, op)?;
    three(op.grad(0)?, updates)
}

/// The gradient goes to all that have the extreme value, in equal parts.
fn tensor_scatter_extreme(scope: &mut Scope, op: &Forward) -> Gradients {
    const POLICY: &[&str] = &["bad_indices_policy"];
    let grad = op.grad(0)?;
    let [x, indices, y] = [op.input(0)?, op.input(1)?, op.input(2)?];
    let dtype = scope.dtype(grad.values()).unwrap_or(DType::F32);
    let equal = scope.equal(x, op.output(0))?;
    let of_x = scope.cast(equal, dtype)?;
    let node = scope.op("GatherNd").input(op.output(0)).input(indices);
    let gathered = op.like(node, POLICY).build_one()?;
    let equal = scope.equal(y, gathered)?;
    let of_y = scope.cast(equal, dtype)?;
    let shape = scope.shape_in(x, scope.dtype(indices).unwrap_or(DType::I32))?;
    let node = scope.op("ScatterNd").input(indices).input(of_y).input(shape);
    let scattered = op.like(node, POLICY).build_one()?;
    let n = scope.plus(of_x, scattered)?;
    let chosen = scope.times(grad, of_x)?;
    let gx = scope.over(chosen, n)?;
    let share = scope.over(grad, n)?;
    let node = scope.op("GatherNd").input(share).input(indices);
    let gathered = op.like(node, POLICY).build_one()?;
    let gy = scope.times(gathered, of_y)?;
    three(gx, gy)
}

fn strided_slice_update(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let [begin, end, strides] = [op.input(1)?, op.input(2)?, op.input(3)?];
    let node = scope.op("StridedSlice").input(grad).input(begin).input(end).input(strides);
    let of_value = op.like(node, MASKS).build_one()?;
    let zeros = scope.zeros_like(of_value)?;
    let node = scope.op("TensorStridedSliceUpdate").input(grad).input(begin).input(end);
    let whole = op.like(node.input(strides).input(zeros), MASKS).build_one()?;
    let dtype = scope.dtype(begin).unwrap_or(DType::I32);
    let slice_shape = scope.shape_in(of_value, dtype)?;
    let shape = scope.shape_in(op.input(4)?, dtype)?;
    let [_, axes] = scope.broadcast_gradient_args(slice_shape, shape)?;
    let of_value = scope.summed_to(of_value, axes, shape, true)?;
    Ok(vec![Some(whole.into()), None, None, None, Some(of_value.into())])
}

fn dynamic_stitch(scope: &mut Scope, op: &Forward) -> Gradients {
    let n = op.inputs.len() / 2;
    let mut indices = Vec::with_capacity(n);
    for input in op.inputs.iter().take(n) {
        let is_short = scope.dtype(*input) == Some(DType::I32);
        indices.push(if is_short { *input } else { scope.cast(*input, DType::I32)? });
    }
    let whole = match op.grad(0)? {
        Gradient::Dense(whole) => whole,
        Gradient::Sparse(slices) => {
            let shape = scope.shape_of(op.output(0))?;
            let n_rows = scope.item(shape, Index::At(0))?;
            let sum = scope.op("UnsortedSegmentSum").input(slices.values).input(slices.indices);
            sum.input(n_rows).build_one()?
        }
    };
    let mut grads = vec![None; n];
    for indices in indices {
        grads.push(Some(scope.gather(whole, indices, 0)?.into()));
    }
    Ok(grads)
}

fn dynamic_partition(scope: &mut Scope, op: &Forward) -> Gradients {
    let (data, partitions) = (op.input(0)?, op.input(1)?);
    let prefix = scope.shape_of(partitions)?;
    let n = scope.reduce_prod(prefix, Axes::all())?;
    let places = scope.range(0i32, n, 1i32)?;
    let places = scope.reshape(places, prefix)?;
    let n_partitions = op.attrs.int("num_partitions")?;
    let node = scope.op("DynamicPartition").input(places).input(partitions);
    let node = node.attr("num_partitions", Attr::Int(n_partitions)).build()?;
    let places: Vec<Output> =
        (0u32..).take(op.grads.len()).map(|index| node.output(index)).collect();
    let grads: Vec<Gradient> =
        (0..op.grads.len()).map(|index| op.grad(index)).collect::<Result<_, _>>()?;
    let stitched = scope.op("ParallelDynamicStitch").input_list(places).input_list(grads);
    let stitched = stitched.build_one()?;
    let shape = scope.shape_of(data)?;
    let whole = scope.reshape(stitched, shape)?;
    Ok(vec![Some(whole.into()), None])
}
