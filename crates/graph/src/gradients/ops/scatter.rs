//! Tensors some elements of which are replaced or added to, taken apart and put together.
//!
//! Source: `array_grad.py`, `data_flow_grad.py`.

use flowkeep_tensor::DType;

use super::super::Gradient;
use super::super::forward::{Forward, Gradients};
use super::super::operators::Index;
use super::super::table::Entry;
use crate::builder::{Axes, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("DynamicPartition", dynamic_partition),
    ("DynamicStitch", dynamic_stitch),
    ("ParallelDynamicStitch", dynamic_stitch),
    ("ScatterNdNonAliasingAdd", non_aliasing_add),
    ("TensorScatterAdd", tensor_scatter_add),
    ("TensorScatterSub", tensor_scatter_sub),
    ("TensorScatterUpdate", tensor_scatter_update),
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
