//! Who consumes what, while inputs change.

use crate::graph::node_id;
use crate::{Node, NodeId};

/// For each node a list of those that consume it, and perhaps of some that once did.
#[derive(Debug)]
pub(super) struct Consumers {
    /// Where each node's list starts in `links`.
    heads: Vec<Option<usize>>,
    /// A consumer, and where its list goes on.
    links: Vec<(NodeId, Option<usize>)>,
}

impl Consumers {
    pub(super) fn new(nodes: &[Option<Node>]) -> Consumers {
        let mut consumers =
            Consumers { heads: vec![None; nodes.len()], links: Vec::with_capacity(nodes.len()) };
        for (idx, node) in nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            let id = node_id(idx);
            node.inputs.iter().for_each(|input| consumers.push(input.node, id));
            node.control_inputs.iter().for_each(|source| consumers.push(*source, id));
        }
        consumers
    }

    pub(super) fn push(&mut self, source: NodeId, consumer: NodeId) {
        if source.index() >= self.heads.len() {
            self.heads.resize(source.index() + 1, None);
        }
        if let Some(head) = self.heads.get_mut(source.index()) {
            let next = head.replace(self.links.len());
            self.links.push((consumer, next));
        }
    }

    /// The list of a node, which is empty afterwards.
    pub(super) fn take(&mut self, source: NodeId) -> Vec<NodeId> {
        let mut next = self.heads.get_mut(source.index()).and_then(Option::take);
        let mut found = Vec::new();
        while let Some((consumer, after)) = next.and_then(|link| self.links.get(link)) {
            found.push(*consumer);
            next = *after;
        }
        found
    }
}
