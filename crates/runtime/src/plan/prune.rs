use std::collections::HashSet;

use flowkeep_graph::{Graph, NodeId, Output};

/// The nodes that the given ones need, themselves included: the backward closure over data and
/// control inputs, where `fed` tensors cut the data inputs that use them.
pub(super) struct Needed {
    nodes: Vec<bool>,
    /// Nodes that a needed one, or the caller, waits for without taking data.
    awaited: Vec<bool>,
}

impl Needed {
    /// Walks backward from `outputs` (by data) and `nodes` (by control).
    pub(super) fn of(
        graph: &Graph,
        outputs: &[Output],
        nodes: &[NodeId],
        fed: &HashSet<Output>,
    ) -> Needed {
        let n_nodes = graph.nodes().len();
        let mut needed = Needed { nodes: vec![false; n_nodes], awaited: vec![false; n_nodes] };
        let mut stack = Vec::new();
        for output in outputs.iter().filter(|output| !fed.contains(output)) {
            needed.visit(output.node, &mut stack);
        }
        for node in nodes {
            needed.awaited[node.index()] = true;
            needed.visit(*node, &mut stack);
        }
        while let Some(id) = stack.pop() {
            let node = graph.node(id);
            for input in node.inputs().iter().filter(|input| !fed.contains(input)) {
                needed.visit(input.node, &mut stack);
            }
            for input in node.control_inputs() {
                needed.awaited[input.index()] = true;
                needed.visit(*input, &mut stack);
            }
        }
        needed
    }

    fn visit(&mut self, node: NodeId, stack: &mut Vec<NodeId>) {
        if !std::mem::replace(&mut self.nodes[node.index()], true) {
            stack.push(node);
        }
    }

    /// Whether the node must run.
    pub(super) fn contains(&self, node: NodeId) -> bool {
        self.nodes[node.index()]
    }

    /// Whether something waits for the node without taking data from it.
    pub(super) fn is_awaited(&self, node: NodeId) -> bool {
        self.awaited[node.index()]
    }
}
