//! Which ops a graph uses, by TensorFlow's own notion of use.

use std::collections::{BTreeSet, HashMap};

use flowkeep_proto::pb;

/// The ops of the nodes, and of functions called by name or through a `PartitionedCall`.
///
/// Ops that only branches of If, While or Case use are not among them, as in `saved_model_cli`.
pub(super) fn used(graph: &pb::GraphDef) -> BTreeSet<String> {
    let library = graph.library.as_ref().map(|library| &library.function[..]).unwrap_or_default();
    let functions: HashMap<&str, &pb::FunctionDef> = library
        .iter()
        .filter_map(|def| Some((def.signature.as_ref()?.name.as_str(), def)))
        .collect();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut pending: Vec<&[pb::NodeDef]> = vec![&graph.node];
    while let Some(nodes) = pending.pop() {
        for name in nodes.iter().flat_map(|node| [Some(node.op.as_str()), called(node)]).flatten() {
            if used.insert(name)
                && let Some(function) = functions.get(name)
            {
                pending.push(&function.node_def);
            }
        }
    }
    used.into_iter().filter(|op| !functions.contains_key(op)).map(str::to_owned).collect()
}

/// The function that a call node calls; a call without one has the empty name.
fn called(node: &pb::NodeDef) -> Option<&str> {
    if !matches!(node.op.as_str(), "PartitionedCall" | "StatefulPartitionedCall") {
        return None;
    }
    match node.attr.get("f")?.value.as_ref()? {
        pb::attr_value::Value::Func(function) => Some(&function.name),
        _ => None,
    }
}
