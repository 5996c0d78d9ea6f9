use std::collections::{BTreeMap, HashMap};

use flowkeep_proto::pb;

use super::ops::{by_name, list_of_ops};
use crate::op_def;
use crate::transform::NameMap;

/// How a MetaGraph was stored: what it left out, and how it described its ops.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// Of each node: its op, and the attributes of the op that were left out.
    left_out: HashMap<String, (String, Vec<&'static str>)>,
    /// The definitions of ops, by name; `None` if there were none.
    ops: Option<BTreeMap<String, pb::OpDef>>,
}

impl Stored {
    pub(super) fn of(def: &pb::MetaGraphDef) -> Stored {
        let mut stored = Stored::default();
        for node in def.graph_def.iter().flat_map(|graph| &graph.node) {
            let Some(op) = op_def::lookup(&node.op) else { continue };
            let absent = op.attrs.iter().filter(|attr| !node.attr.contains_key(&*attr.name));
            let absent: Vec<&'static str> = absent.map(|attr| &*attr.name).collect();
            if !absent.is_empty() {
                stored.left_out.insert(node.name.clone(), (node.op.clone(), absent));
            }
        }
        let list = def.meta_info_def.as_ref().and_then(|info| info.stripped_op_list.as_ref());
        stored.ops = list.map(by_name);
        stored
    }

    /// Stores a MetaGraph as it was stored.
    pub(super) fn restore(self, def: &mut pb::MetaGraphDef, names: &NameMap) {
        let Some(graph) = &mut def.graph_def else { return };
        let old_names: HashMap<&str, &str> =
            names.nodes.iter().map(|(old, new)| (new.as_str(), old.as_str())).collect();
        for node in &mut graph.node {
            let old_name = old_names.get(node.name.as_str()).copied().unwrap_or(&node.name);
            let left_out = self.left_out.get(old_name).filter(|(op, _)| *op == node.op);
            let (Some((_, absent)), Some(op)) = (left_out, op_def::lookup(&node.op)) else {
                continue;
            };
            for name in absent {
                let default = op.attr(name).and_then(|attr| attr.default.as_ref());
                let is_default = default.is_some_and(|default| {
                    node.attr.get(*name).is_some_and(|value| *value == default.to_proto())
                });
                if is_default {
                    node.attr.remove(*name);
                }
            }
        }
        if let (Some(ops), Some(info)) = (self.ops, &mut def.meta_info_def) {
            info.stripped_op_list = Some(list_of_ops(graph, ops));
        }
    }
}
