//! Sums of gradients, and gradients that wait for each other.

use flowkeep_tensor::DType;

use super::walk::{Collected, Slot};
use super::{AggregationMethod, Gradient, IndexedSlices};
use crate::builder::Scope;
use crate::{Error, Node, NodeId, Output};

/// Adds up the gradients of each output of the node `name`.
pub(super) fn add_up(
    scope: &mut Scope,
    name: &str,
    collected: &mut Collected,
    method: AggregationMethod,
) -> Result<(), Error> {
    for slot in collected {
        let Slot::Parts(parts) = slot else { continue };
        let dense: Option<Vec<Output>> = parts.iter().map(Gradient::as_dense).collect();
        let sum = match (&parts[..], dense) {
            ([], _) => None,
            ([only], _) => Some(*only),
            (_, Some(tensors)) => Some(Gradient::Dense(match method {
                AggregationMethod::AddN => on_each_device(scope, &tensors)?,
                AggregationMethod::Tree => one_by_one(scope, name, &tensors)?,
            })),
            (parts, None) => Some(with_slices(scope, parts)?),
        };
        *slot = Slot::Sum(sum);
    }
    Ok(())
}

/// The sum of sums, one for each device that tensors are on.
fn on_each_device(scope: &mut Scope, tensors: &[Output]) -> Result<Output, Error> {
    let mut by_device: Vec<(String, Vec<Output>)> = Vec::new();
    for tensor in tensors {
        let device = scope.graph().get(tensor.node).map_or("", Node::device).to_owned();
        match by_device.iter_mut().find(|(other, _)| *other == device) {
            Some((_, tensors)) => tensors.push(*tensor),
            None => by_device.push((device, vec![*tensor])),
        }
    }
    by_device.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut sums = Vec::with_capacity(by_device.len());
    for (_, tensors) in by_device {
        let Some(first) = tensors.first() else { continue };
        sums.push(scope.colocate_only_with(*first)?.add_n(tensors)?);
    }
    scope.add_n(sums)
}

fn one_by_one(scope: &mut Scope, name: &str, tensors: &[Output]) -> Result<Output, Error> {
    let mut inner = scope.name_scope(&format!("{name}_gradient_sum"))?;
    let mut tensors = tensors.iter().copied();
    let mut sum = tensors.next().ok_or_else(|| Error::Gradient("no gradients".to_owned()))?;
    for tensor in tensors {
        sum = inner.add_n([sum, tensor])?;
    }
    Ok(sum)
}

/// The sum of gradients some of which are rows: rows again, if all are.
fn with_slices(scope: &mut Scope, parts: &[Gradient]) -> Result<Gradient, Error> {
    let slices: Option<Vec<IndexedSlices>> = parts
        .iter()
        .map(|part| match part {
            Gradient::Sparse(slices) => Some(*slices),
            Gradient::Dense(_) => None,
        })
        .collect();
    let Some(mut slices) = slices else {
        return Ok(scope.op("AddN").input_list(parts).build_one()?.into());
    };
    // Indices of two types become ones of the wider.
    let dtypes: Vec<_> = slices.iter().map(|slices| scope.dtype(slices.indices)).collect();
    if dtypes.contains(&Some(DType::I32)) && dtypes.iter().any(|dtype| *dtype != Some(DType::I32)) {
        for slices in &mut slices {
            slices.indices = scope.cast(slices.indices, DType::I64)?;
        }
    }
    let values = scope.concat(slices.iter().map(|slices| slices.values), 0)?;
    let indices = scope.concat(slices.iter().map(|slices| slices.indices), 0)?;
    let dense_shape = slices.first().and_then(|slices| slices.dense_shape);
    Ok(IndexedSlices { values, indices, dense_shape }.into())
}

impl Scope {
    /// The same gradients, none of which can be used before all are there: `tf.tuple`.
    pub(super) fn tuple(
        &mut self,
        gradients: Vec<Option<Gradient>>,
    ) -> Result<Vec<Option<Gradient>>, Error> {
        self.scoped("tuple", |scope, _| {
            let mut nodes: Vec<NodeId> = gradients.iter().flatten().map(Gradient::node).collect();
            nodes.sort_unstable();
            nodes.dedup();
            let gate = scope.group(nodes)?;
            let mut gated = Vec::with_capacity(gradients.len());
            for gradient in gradients {
                gated.push(match gradient {
                    None => None,
                    Some(gradient) => Some(scope.after(gate, gradient)?),
                });
            }
            Ok(gated)
        })
    }

    /// The gradient, once a node has run.
    fn after(&mut self, gate: NodeId, gradient: Gradient) -> Result<Gradient, Error> {
        self.scoped("control_dependency", |scope, name| {
            let mut inner = scope.colocate_with(gradient)?;
            let mut inner = inner.control_dependencies([gate])?;
            let values = inner.with_op_name(name).identity(gradient.values())?;
            Ok(match gradient {
                Gradient::Dense(_) => values.into(),
                Gradient::Sparse(slices) => IndexedSlices { values, ..slices }.into(),
            })
        })
    }
}
