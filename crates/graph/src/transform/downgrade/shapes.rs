//! What is known of shapes without computing any: what nodes say of themselves.

use flowkeep_proto::pb;
use flowkeep_tensor::PartialShape;

use super::nodes::Nodes;
use crate::Attr;

/// Nodes that hand a shape on, at most.
const MAX_STEPS: usize = 100;

/// The shape of a data input.
pub(super) fn of_input(
    nodes: &Nodes<'_>,
    node: &pb::NodeDef,
    index: usize,
) -> Option<PartialShape> {
    let mut input = node.input.get(index)?.clone();
    for _ in 0..MAX_STEPS {
        let Some((source, output)) = nodes.source(&input) else {
            let shapes = Attr::from_proto(nodes.args.get(input.split(':').next()?)?.clone());
            return shapes.as_shapes()?.first().cloned();
        };
        let attr = |name: &str| Some(Attr::from_proto(source.attr.get(name)?.clone()));
        let told =
            attr("_output_shapes").and_then(|shapes| shapes.as_shapes()?.get(output).cloned());
        if told.is_some() {
            return told;
        }
        match source.op.as_str() {
            "Const" => {
                let value = attr("value")?;
                let shape = value.as_tensor()?.proto().tensor_shape.clone().unwrap_or_default();
                return PartialShape::from_proto(&shape).ok();
            }
            "Placeholder"
            | "PlaceholderWithDefault"
            | "Variable"
            | "VariableV2"
            | "VarHandleOp" => {
                return attr("shape")?.as_shape();
            }
            "Identity" | "StopGradient" | "ReadVariableOp" | "Relu" | "Softmax" => {
                input = source.input.first()?.clone();
            }
            _ => return None,
        }
    }
    None
}

type Dims = [Option<u64>];

/// Whether two stacks of matrices are of the same form, so that neither is broadcast.
pub(super) fn are_batches_equal(a: &Dims, b: &Dims) -> bool {
    let batch = |dims: &Dims| Some(dims.get(..dims.len().checked_sub(2)?)?.to_vec());
    match (batch(a), batch(b)) {
        (Some(a), Some(b)) => a == b && a.iter().all(Option::is_some),
        _ => false,
    }
}

/// Whether Select can do what a SelectV2 does: equal shapes, and a condition of that shape or a scalar.
pub(super) fn selects_without_broadcast(nodes: &Nodes<'_>, node: &pb::NodeDef) -> bool {
    let shapes =
        [0, 1, 2].map(|index| of_input(nodes, node, index).and_then(|shape| shape.to_shape()));
    let [Some(condition), Some(then), Some(otherwise)] = shapes else { return false };
    then == otherwise && (condition == then || condition.is_scalar())
}
