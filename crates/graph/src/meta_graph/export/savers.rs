//! Nodes that save and restore, and are not those of the saver that is exported.

use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;

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
    let scopes = outermost(scopes);
    let is_extraneous = |name: &str| {
        // No scope begins with another one, so that only the last one before a name can be its own.
        let before = scopes.range::<str, _>((Bound::Unbounded, Bound::Included(name))).next_back();
        before.is_some_and(|scope| name.starts_with(scope.as_str()))
    };
    let names = def.node.iter().map(|node| &node.name).filter(|name| is_extraneous(name));
    Ok(names.cloned().collect())
}

/// The scopes that are in no other one.
fn outermost(scopes: BTreeSet<String>) -> BTreeSet<String> {
    let mut kept: Vec<String> = Vec::new();
    for scope in scopes {
        if kept.last().is_none_or(|outer| !scope.starts_with(outer.as_str())) {
            kept.push(scope);
        }
    }
    kept.into_iter().collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn extraneous(nodes: &[(&str, &str)], saver: Option<&pb::SaverDef>) -> Vec<String> {
        let node = |(name, op): &(&str, &str)| pb::NodeDef {
            name: (*name).to_owned(),
            op: (*op).to_owned(),
            ..Default::default()
        };
        let def = pb::GraphDef { node: nodes.iter().map(node).collect(), ..Default::default() };
        let mut names: Vec<String> = extraneous_nodes(&def, saver).unwrap().into_iter().collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_in_the_scope_of_an_op_that_saves_goes() {
        let nodes = [
            ("save/SaveV2", "SaveV2"),
            ("save/Const", "Const"),
            ("save/inner/RestoreV2", "RestoreV2"),
            ("save-it/x", "Const"),
            ("saved/x", "Const"),
            ("SaveV2", "SaveV2"),
            ("a", "Const"),
        ];
        assert_eq!(extraneous(&nodes, None), ["save/Const", "save/SaveV2", "save/inner/RestoreV2"]);
        let saver = pb::SaverDef {
            save_tensor_name: "save/control_dependency:0".into(),
            restore_op_name: "save/restore_all".into(),
            ..Default::default()
        };
        assert_eq!(extraneous(&nodes, Some(&saver)), ["save/inner/RestoreV2"]);
    }

    #[test]
    fn names_of_very_many_scopes_take_no_longer_than_others() {
        let deep = "a/".repeat(200_000);
        let nodes = [(&*deep, "SaveV2"), ("a/b", "Const")];
        assert_eq!(extraneous(&nodes, None), std::slice::from_ref(&deep));
    }
}
