use std::collections::BTreeMap;

use flowkeep_proto::pb;

use crate::{op_def, ops_used_by_graph_def};

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
    let op = |name: &str| ops.remove(name).or_else(|| op_def::definition(name));
    pb::OpList { op: ops_used_by_graph_def(graph).into_iter().filter_map(op).collect() }
}
