//! The ops that a graph uses.

use std::collections::{BTreeSet, HashMap};

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;

use crate::op_def;

/// The names of the ops that a graph uses, sorted, whether or not they are known: those of its nodes,
/// and of the nodes of functions that are called by name or by `PartitionedCall` and
/// `StatefulPartitionedCall`. Branches of conditionals and bodies of loops do not count.
pub fn ops_used_by_graph_def(def: &pb::GraphDef) -> BTreeSet<&str> {
    let library = def.library.iter().flat_map(|library| &library.function);
    let functions: HashMap<&str, &pb::FunctionDef> = library
        .filter_map(|function| Some((&*function.signature.as_ref()?.name, function)))
        .collect();
    let mut used = BTreeSet::new();
    let mut nodes: Vec<&[pb::NodeDef]> = vec![&def.node];
    while let Some(next) = nodes.pop() {
        for op in next.iter().flat_map(named_ops) {
            if used.insert(op)
                && let Some(function) = functions.get(op)
            {
                nodes.push(&function.node_def);
            }
        }
    }
    used.retain(|op| !functions.contains_key(op));
    used
}

/// The op of a node, and the function that it calls.
fn named_ops(node: &pb::NodeDef) -> impl Iterator<Item = &str> {
    let is_call = matches!(&*node.op, "PartitionedCall" | "StatefulPartitionedCall");
    let called = match node.attr.get("f").and_then(|attr| attr.value.as_ref()) {
        Some(Value::Func(function)) if is_call => Some(&*function.name),
        _ => None,
    };
    [&*node.op].into_iter().chain(called)
}

/// The definitions, without documentation, of the ops that a graph uses and that TensorFlow 2.21 has,
/// sorted by name: the `stripped_op_list` of a MetaGraph.
pub fn stripped_op_list_for_graph(def: &pb::GraphDef) -> pb::OpList {
    let used = ops_used_by_graph_def(def);
    pb::OpList { op: used.into_iter().filter_map(op_def::definition).collect() }
}
