//! What a node is fed, against what its op wants.

use crate::op_def::OpDef;
use crate::{Error, Node, NodeId, Output, PortType};

/// A node that feeds others, or is fed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) input_types: &'a [PortType],
    /// `None` for unknown ops.
    pub(crate) output_types: Option<&'a [PortType]>,
}

impl<'a> From<&'a Node> for Source<'a> {
    fn from(node: &'a Node) -> Source<'a> {
        Source {
            name: &node.name,
            input_types: &node.input_types,
            output_types: node.output_types.as_deref(),
        }
    }
}

/// Checks number and types of the data inputs of `node`; `sources` gives the nodes that they come
/// from.
///
/// `signature` is that of the node's op; without one the number is not checked.
pub(crate) fn check_inputs<'b>(
    node: Source<'_>,
    signature: Option<&OpDef>,
    inputs: &[Output],
    sources: impl Fn(NodeId) -> Option<Source<'b>>,
) -> Result<(), Error> {
    let port = |types: &[PortType], index: u32| {
        usize::try_from(index).ok().and_then(|index| types.get(index)).copied()
    };
    for input in inputs {
        if let Some(source) = sources(input.node)
            && let Some(outputs) = source.output_types
            && port(outputs, input.index).is_none()
        {
            return Err(Error::InvalidOutput {
                node: node.name.to_owned(),
                source_node: source.name.to_owned(),
                index: input.index,
                n_outputs: outputs.len(),
            });
        }
    }
    if node.output_types.is_none() {
        return Ok(());
    }
    if let Some(signature) = signature
        && node.input_types.len() != inputs.len()
    {
        return Err(signature.arity_error(node.name, node.input_types, inputs.len()));
    }
    for (index, (expected, input)) in node.input_types.iter().zip(inputs).enumerate() {
        if let Some(source) = sources(input.node)
            && let Some(got) = source.output_types.and_then(|types| port(types, input.index))
            && !expected.accepts(got)
        {
            return Err(Error::InputType {
                node: node.name.to_owned(),
                index,
                got,
                source_node: source.name.to_owned(),
                source_index: input.index,
                expected: *expected,
            });
        }
    }
    Ok(())
}
