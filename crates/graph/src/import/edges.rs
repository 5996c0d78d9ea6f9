use crate::{NodeId, Output};

/// The inputs of all nodes of a graph under construction, one node after the other.
#[derive(Debug)]
pub(crate) struct Edges {
    data: Vec<Output>,
    control: Vec<NodeId>,
    /// Where each node's inputs end in `data` and `control`; starts with zeros.
    ends: Vec<(usize, usize)>,
}

impl Edges {
    pub(crate) fn with_capacity(n_nodes: usize) -> Edges {
        let mut ends = Vec::with_capacity(n_nodes + 1);
        ends.push((0, 0));
        Edges { data: Vec::with_capacity(n_nodes), control: Vec::new(), ends }
    }

    pub(crate) fn push_data(&mut self, source: Output) {
        self.data.push(source);
    }

    pub(crate) fn push_control(&mut self, source: NodeId) {
        self.control.push(source);
    }

    /// Ends the inputs of one node; those of the next follow.
    pub(crate) fn finish_node(&mut self) {
        self.ends.push((self.data.len(), self.control.len()));
    }

    pub(crate) fn n_nodes(&self) -> usize {
        self.ends.len() - 1
    }

    pub(crate) fn data(&self, node: usize) -> &[Output] {
        let Some([start, end]) = self.ends.get(node..).and_then(|ends| ends.first_chunk()) else {
            return &[];
        };
        self.data.get(start.0..end.0).unwrap_or_default()
    }

    pub(crate) fn control(&self, node: usize) -> &[NodeId] {
        let Some([start, end]) = self.ends.get(node..).and_then(|ends| ends.first_chunk()) else {
            return &[];
        };
        self.control.get(start.1..end.1).unwrap_or_default()
    }

    /// All inputs of a node: for data inputs with `true`.
    pub(crate) fn sources(&self, node: usize) -> impl Iterator<Item = (NodeId, bool)> {
        let data = self.data(node).iter().map(|output| (output.node, true));
        data.chain(self.control(node).iter().map(|id| (*id, false)))
    }
}
