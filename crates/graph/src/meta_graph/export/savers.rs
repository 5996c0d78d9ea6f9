//! Nodes that save and restore, and are not those of the saver that is exported.

use std::collections::{BTreeSet, HashSet};

use flowkeep_proto::pb;

use crate::Error;

const SAVE_AND_RESTORE_OPS: [&str; 10] = [
    "SaveV2",
    "Save",
    "SaveSlice",
    "LegacySave",
    "LegacySaveSlice",
    "RestoreV2",
    "Restore",
    "RestoreSlice",
    "LegacyRestore",
    "LegacyRestoreSlice",
];

/// The nodes in the scopes of ops that save and restore, but for the scopes of `saver`.
pub(super) fn extraneous_nodes(
    def: &pb::GraphDef,
    saver: Option<&pb::SaverDef>,
) -> Result<HashSet<String>, Error> {
    let mut kept = Vec::new();
    if let Some(saver) = saver {
        for name in [&saver.save_tensor_name, &saver.restore_op_name] {
            kept.push(format!("{}/", scope_of(op_name(name)?)));
        }
    }
    let savers = def.node.iter().filter(|node| SAVE_AND_RESTORE_OPS.contains(&&*node.op));
    let saver_names: HashSet<&str> = savers.map(|node| &*node.name).collect();
    let mut scopes = BTreeSet::new();
    for name in &saver_names {
        if name.is_empty() {
            return Err(Error::MetaGraph(
                "Node name cannot be empty or None. Received: .".to_owned(),
            ));
        }
        let scope = scope_of(name);
        if !saver_names.contains(scope) {
            scopes.insert(format!("{scope}/"));
        }
    }
    scopes.retain(|scope| !kept.contains(scope));
    let extraneous = def.node.iter().map(|node| &node.name).filter(|name| {
        // The scopes of a name are its parts up to each slash.
        let ends = name.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let mut parts = ends.filter_map(|(end, _)| name.get(..=end));
        parts.any(|part| scopes.contains(part))
    });
    Ok(extraneous.cloned().collect())
}

/// The node that a tensor's or node's name names.
fn op_name(name: &str) -> Result<&str, Error> {
    if name.is_empty() {
        return Err(Error::MetaGraph(
            "Tensor name cannot be empty or None. Received: .".to_owned(),
        ));
    }
    let name = name.strip_prefix('^').unwrap_or(name);
    Ok(name.rsplit_once(':').map_or(name, |(node, _)| node))
}

/// All before the last slash.
fn scope_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(scope, _)| scope)
}
