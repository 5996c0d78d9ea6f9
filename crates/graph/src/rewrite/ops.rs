use std::collections::{BTreeMap, BTreeSet, HashMap};

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;

use crate::op_def;

/// Lets the list of ops of a MetaGraph, if there is one, list those that its graph uses now.
pub fn relist_ops(def: &mut pb::MetaGraphDef) {
    let Some(info) = &mut def.meta_info_def else { return };
    if let (Some(list), Some(graph)) = (&info.stripped_op_list, &def.graph_def) {
        info.stripped_op_list = Some(list_of_ops(graph, by_name(list)));
    }
}

/// The definitions of a list, by name.
pub(super) fn by_name(list: &pb::OpList) -> BTreeMap<String, pb::OpDef> {
    list.op.iter().map(|op| (op.name.clone(), op.clone())).collect()
}

/// The ops that a graph uses, as they are defined in `ops` or else today.
pub(super) fn list_of_ops(
    graph: &pb::GraphDef,
    mut ops: BTreeMap<String, pb::OpDef>,
) -> pb::OpList {
    let op = |name: String| ops.remove(&name).or_else(|| op_def::definition(&name));
    pb::OpList { op: ops_used(graph).into_iter().filter_map(op).collect() }
}

/// The ops that TensorFlow lists for a graph: those of its nodes, and of the functions that are called by
/// name or by PartitionedCall and its stateful form.
fn ops_used(graph: &pb::GraphDef) -> BTreeSet<String> {
    let functions: HashMap<&str, &pb::FunctionDef> = graph
        .library
        .iter()
        .flat_map(|library| &library.function)
        .filter_map(|function| Some((function.signature.as_ref()?.name.as_str(), function)))
        .collect();
    let mut used = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut todo: Vec<&[pb::NodeDef]> = vec![&graph.node];
    while let Some(nodes) = todo.pop() {
        for node in nodes {
            let called = match &*node.op {
                "PartitionedCall" | "StatefulPartitionedCall" => {
                    match node.attr.get("f").and_then(|attr| attr.value.as_ref()) {
                        Some(Value::Func(func)) => Some(func.name.as_str()),
                        _ => None,
                    }
                }
                op => Some(op),
            };
            if !functions.contains_key(node.op.as_str()) {
                used.insert(node.op.clone());
            }
            if let Some((name, function)) = called.and_then(|name| functions.get_key_value(name))
                && seen.insert(*name)
            {
                todo.push(&function.node_def);
            }
        }
    }
    used
}
