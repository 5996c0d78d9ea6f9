//! Nodes and tensors by name, for those who take names from a user.

use crate::{Error, Graph, Node, NodeId, Output, TensorName};

/// A node or a tensor of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Element {
    /// A node.
    Node(NodeId),
    /// A tensor.
    Output(Output),
}

impl Element {
    /// The node, or the node whose output the tensor is.
    pub fn node(self) -> NodeId {
        match self {
            Element::Node(node) => node,
            Element::Output(output) => output.node,
        }
    }

    /// The tensor, if this is one.
    pub fn output(self) -> Option<Output> {
        if let Element::Output(output) = self { Some(output) } else { None }
    }
}

impl Graph {
    /// The tensor that a name names; `x` is the same as `x:0`.
    ///
    /// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for a malformed name; `NOT_FOUND` when
    /// there is no such node, or it does not have the output. Any output of an unknown op is found.
    pub fn output(&self, name: &str) -> Result<Output, Error> {
        let TensorName { node, index } = name.parse()?;
        let missing = |why: String| {
            Error::NoSuchElement(format!(
                "The name '{name}' refers to a Tensor which does not exist. {why}"
            ))
        };
        let id = self.node_by_name(&node).ok_or_else(|| {
            missing(format!("The operation, '{node}', does not exist in the graph."))
        })?;
        match self.get(id).and_then(Node::n_outputs) {
            Some(n_outputs) if usize::try_from(index).is_ok_and(|index| index >= n_outputs) => {
                Err(missing(format!(
                    "The operation, '{node}', exists but only has {n_outputs} outputs."
                )))
            }
            _ => Ok(Output { node: id, index }),
        }
    }

    /// The node that a name names, for those who take the name from a user.
    ///
    /// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for the name of a tensor; `NOT_FOUND`
    /// when there is no such node.
    pub fn operation(&self, name: &str) -> Result<NodeId, Error> {
        if let Some(id) = self.node_by_name(name) {
            return Ok(id);
        }
        if name.contains(':') {
            return Err(Error::BadName(format!(
                "Name '{name}' appears to refer to a Tensor, not a Operation."
            )));
        }
        Err(Error::NoSuchElement(format!(
            "The name '{name}' refers to an Operation not in the graph."
        )))
    }
}
