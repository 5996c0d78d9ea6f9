//! What nodes need, what goes when others are gone, and what comes in their place.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_proto::pb;
use flowkeep_tensor::Tensor;

use crate::node::{CLASS, colocation_target};
use crate::{Attr, AttrList, Error, GraphEdit, NodeId, NodeSpec};

/// The nodes of these names.
///
/// Errors: `NOT_FOUND`, with TensorFlow's text.
pub(super) fn find_all<S: AsRef<str>>(edit: &GraphEdit, names: &[S]) -> Result<Vec<NodeId>, Error> {
    let find = |name: &S| {
        let name = name.as_ref();
        edit.find(name).ok_or_else(|| Error::NoSuchElement(format!("{name} is not in graph")))
    };
    names.iter().map(find).collect()
}

/// The nodes that `roots` need: over data and control inputs, and over `_class`.
pub(super) fn needed(edit: &GraphEdit, roots: &[NodeId]) -> HashSet<NodeId> {
    let mut found: HashSet<NodeId> = HashSet::new();
    let mut waiting = roots.to_vec();
    while let Some(id) = waiting.pop() {
        let Some(node) = edit.node(id) else { continue };
        if !found.insert(id) {
            continue;
        }
        waiting.extend(node.inputs().iter().map(|input| input.node));
        waiting.extend(node.control_inputs());
        let classes = node.attr(CLASS).and_then(Attr::as_strs).unwrap_or_default();
        waiting.extend(classes.iter().filter_map(|class| edit.find(class_target(class)?)));
    }
    found
}

/// The node that an element of `_class` may name: TensorFlow's tools do not insist on `loc:@`.
fn class_target(class: &[u8]) -> Option<&str> {
    colocation_target(class).or_else(|| std::str::from_utf8(class).ok())
}

/// Removes the nodes that `roots` do not need; gives their names in the order of the graph.
pub(super) fn prune(edit: &mut GraphEdit, roots: &[NodeId]) -> Vec<Arc<str>> {
    let needed = needed(edit, roots);
    let mut removed = Vec::new();
    edit.retain(|id, node| {
        let keep = needed.contains(&id);
        if !keep {
            removed.push(node.shared_name().clone());
        }
        keep
    });
    removed
}

/// Takes the names of nodes that are not there any more out of `_class`.
pub(super) fn forget_colocation(edit: &mut GraphEdit) {
    let is_gone = |edit: &GraphEdit, class: &[u8]| {
        colocation_target(class).is_some_and(|target| edit.find(target).is_none())
    };
    for id in edit.ids() {
        let Some(node) = edit.node(id) else { continue };
        let classes = node.attr(CLASS).and_then(Attr::as_strs).unwrap_or_default();
        if !classes.iter().any(|class| is_gone(edit, class)) {
            continue;
        }
        let kept: Arc<[Bytes]> =
            classes.iter().filter(|class| !is_gone(edit, class)).cloned().collect();
        match kept.is_empty() {
            true => edit.remove_attr(id, CLASS),
            false => edit.set_attr(id, CLASS, Attr::List(AttrList::Str(kept))),
        }
    }
}

/// A name like this one that no node has.
pub(super) fn unused_name(edit: &GraphEdit, name: &str) -> Arc<str> {
    let mut found: Arc<str> = name.into();
    let mut n = 0;
    while edit.find(&found).is_some() {
        n += 1;
        found = format!("{name}_{n}").into();
    }
    found
}

/// A constant of this name.
pub(super) fn constant(name: Arc<str>, value: &Tensor) -> NodeSpec {
    NodeSpec::new(name, "Const")
        .attr("dtype", Attr::Type(value.dtype()))
        .attr("value", Attr::Tensor(pb::TensorProto::from(value).into()))
}
