//! What a MetaGraph has beside its graph.

use std::collections::BTreeMap;

use flowkeep_proto::pb;
use prost::Message;

use crate::MetaGraph;

/// A part of a MetaGraph that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartDiff {
    /// What it is: `signature`, `collection`, `asset`, `tags`, `saver`, `objects`.
    pub part: &'static str,
    /// Its key, where there are several.
    pub key: Option<String>,
    /// How it differs.
    pub change: PartChange,
}

/// How a part differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartChange {
    /// Only the first has it.
    Removed,
    /// Only the second has it.
    Added,
    /// They have different ones.
    Changed,
}

/// The parts that differ. Who wrote the MetaGraph is no part of it.
pub(super) fn parts(a: &MetaGraph, b: &MetaGraph) -> Vec<PartDiff> {
    let mut diffs = Vec::new();
    let mut single = |part: &'static str, a: Option<Vec<u8>>, b: Option<Vec<u8>>| {
        if let Some(change) = change(a.as_ref(), b.as_ref()) {
            diffs.push(PartDiff { part, key: None, change });
        }
    };
    let tags = |graph: &MetaGraph| {
        let mut tags = graph.tags.clone();
        tags.sort();
        (!tags.is_empty()).then(|| tags.join("\0").into_bytes())
    };
    single("tags", tags(a), tags(b));
    let saver = |graph: &MetaGraph| graph.saver_def.as_ref().map(pb::SaverDef::encode_to_vec);
    single("saver", saver(a), saver(b));
    let objects = |graph: &MetaGraph| {
        graph.object_graph_def.as_ref().map(pb::SavedObjectGraph::encode_to_vec)
    };
    single("objects", objects(a), objects(b));

    let signatures = |graph: &MetaGraph| {
        let all = graph.signatures.iter();
        all.map(|(key, signature)| (key.clone(), signature.to_proto().encode_to_vec())).collect()
    };
    keyed("signature", &signatures(a), &signatures(b), &mut diffs);
    let collections = |graph: &MetaGraph| {
        let all = graph.collections.iter();
        all.map(|(key, collection)| (key.clone(), collection.encode_to_vec())).collect()
    };
    keyed("collection", &collections(a), &collections(b), &mut diffs);
    let assets = |graph: &MetaGraph| {
        let all = graph.asset_files.iter();
        all.map(|asset| (asset.tensor_name.clone(), asset.filename.clone().into_bytes())).collect()
    };
    keyed("asset", &assets(a), &assets(b), &mut diffs);
    diffs
}

fn keyed(
    part: &'static str,
    a: &BTreeMap<String, Vec<u8>>,
    b: &BTreeMap<String, Vec<u8>>,
    diffs: &mut Vec<PartDiff>,
) {
    let only_b = b.keys().filter(|key| !a.contains_key(*key));
    for key in a.keys().chain(only_b) {
        if let Some(change) = change(a.get(key), b.get(key)) {
            diffs.push(PartDiff { part, key: Some(key.clone()), change });
        }
    }
}

fn change(a: Option<&Vec<u8>>, b: Option<&Vec<u8>>) -> Option<PartChange> {
    match (a, b) {
        (Some(_), None) => Some(PartChange::Removed),
        (None, Some(_)) => Some(PartChange::Added),
        (a, b) => (a != b).then_some(PartChange::Changed),
    }
}
