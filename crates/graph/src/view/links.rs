//! Edges turned around: who consumes a tensor, who waits for a node.

use crate::{Graph, NodeId, Output};

/// The consumers of all tensors and nodes of a graph.
#[derive(Debug)]
pub(super) struct Links {
    /// For each node, its data consumers, with the output that each takes and the input that it is.
    data: Vec<Vec<Link>>,
    control: Vec<Vec<NodeId>>,
}

/// A node that takes an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) output: u32,
    pub(super) consumer: NodeId,
    pub(super) input: usize,
}

impl Links {
    pub(super) fn new(graph: &Graph) -> Links {
        let mut links =
            Links { data: vec![Vec::new(); graph.len()], control: vec![Vec::new(); graph.len()] };
        for (id, node) in graph.iter() {
            for (input, Output { node, index }) in node.inputs().iter().enumerate() {
                if let Some(all) = links.data.get_mut(node.index()) {
                    all.push(Link { output: *index, consumer: id, input });
                }
            }
            for source in node.control_inputs() {
                if let Some(all) = links.control.get_mut(source.index()) {
                    all.push(id);
                }
            }
        }
        links
    }

    /// Who takes outputs of a node, in order of the graph and of inputs.
    pub(super) fn data(&self, id: NodeId) -> &[Link] {
        self.data.get(id.index()).map_or(&[], Vec::as_slice)
    }

    /// Who waits for a node, in order of the graph.
    pub(super) fn control(&self, id: NodeId) -> &[NodeId] {
        self.control.get(id.index()).map_or(&[], Vec::as_slice)
    }
}
