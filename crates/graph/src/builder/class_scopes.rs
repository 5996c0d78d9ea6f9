//! Nodes that are colocated with one that does not exist yet: initial values with their variable.

use bytes::Bytes;

use crate::node::{CLASS, colocation_target};
use crate::{Attr, AttrList, Attrs, Graph, NodeId};

/// The nodes to come that new ones are colocated with, outermost first.
#[derive(Clone, Debug, Default)]
pub(super) struct ClassScopes(Vec<ClassScope>);

#[derive(Clone, Debug)]
struct ClassScope {
    target: String,
    /// The nodes that refer to the target.
    nodes: Vec<NodeId>,
}

impl ClassScopes {
    pub(super) fn enter(&mut self, target: &str) {
        self.0.push(ClassScope { target: target.to_owned(), nodes: Vec::new() });
    }

    /// Leaves a scope; when its node did not come to be, the references to it go.
    pub(super) fn leave(&mut self, graph: &mut Graph) {
        let Some(ClassScope { target, nodes }) = self.0.pop() else { return };
        if graph.node_by_name(&target).is_some() {
            return;
        }
        for id in nodes {
            if let Some(node) = graph.nodes.get_mut(id.index()) {
                let left: Vec<Bytes> = node
                    .attrs
                    .strs(CLASS)
                    .unwrap_or_default()
                    .iter()
                    .filter(|class| colocation_target(class) != Some(&target))
                    .cloned()
                    .collect();
                let attrs = node.attrs.iter().filter(|(name, _)| *name != CLASS);
                node.attrs = attrs.map(|(name, attr)| (name, attr.clone())).collect();
                set_groups(&mut node.attrs, left);
            }
        }
    }

    /// The group of a node that is not colocated with any other.
    pub(super) fn group(&self) -> Option<Bytes> {
        self.0.last().map(|scope| format!("loc:@{}", scope.target).into())
    }

    /// Notes that a node was made whose groups may name a node to come.
    pub(super) fn made(&mut self, node: NodeId) {
        for scope in &mut self.0 {
            scope.nodes.push(node);
        }
    }
}

/// The groups that a node belongs to: those of its attribute, or its own.
pub(super) fn groups(graph: &Graph, id: NodeId) -> Vec<Bytes> {
    let Some(node) = graph.get(id) else { return Vec::new() };
    let classes = node.attr(CLASS).and_then(Attr::as_strs).unwrap_or_default();
    let groups: Vec<Bytes> =
        classes.iter().filter(|class| class.starts_with(b"loc:@")).cloned().collect();
    if groups.is_empty() { vec![format!("loc:@{}", node.name()).into()] } else { groups }
}

/// Sets the groups of a node, if there are any.
pub(super) fn set_groups(attrs: &mut Attrs, groups: Vec<Bytes>) {
    if !groups.is_empty() {
        *attrs = attrs.with(CLASS, Attr::List(AttrList::Str(groups.into())));
    }
}
