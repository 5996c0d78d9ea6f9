//! Checkpoints of objects for graphs of names, and the other way round.

use std::collections::BTreeSet;

use flowkeep_bundle::{CheckpointReader, ObjectGraph};

use super::{ObjectMismatch, Restores, Wanted};

/// The key of the object graph, which only object-based checkpoints have.
pub(super) const OBJECT_GRAPH_KEY: &str = "_CHECKPOINTABLE_OBJECT_GRAPH";

/// What is in every key of an object-based checkpoint.
const ATTRIBUTES: &str = "/.ATTRIBUTES/";

/// How the keys of a checkpoint are found.
pub(super) enum Naming {
    /// As the graph has them.
    Same,
    /// One key for each tensor that is wanted.
    Renamed(Vec<String>),
    /// The checkpoint is of objects, and not all variables of the graph are among them.
    Mismatch(ObjectMismatch, Vec<String>),
}

/// Where a checkpoint that lacks keys has what is wanted.
///
/// A graph of names looks up its names in the object graph of the checkpoint. A graph of objects takes
/// the names of its variables where the checkpoint is one of names.
pub(super) fn naming(reader: &CheckpointReader, restores: &Restores) -> Naming {
    match object_graph(reader) {
        Some(objects) => by_objects(&objects, restores),
        None => by_variables(reader, restores),
    }
}

/// The object graph of a checkpoint of objects.
pub(crate) fn object_graph(reader: &CheckpointReader) -> Option<ObjectGraph> {
    if !reader.contains(OBJECT_GRAPH_KEY) {
        return None;
    }
    let value = reader.tensor(OBJECT_GRAPH_KEY).ok()?;
    ObjectGraph::decode(value.as_strings().ok()?.first()?).ok()
}

fn by_objects(objects: &ObjectGraph, restores: &Restores) -> Naming {
    let find = |wanted: &Wanted| {
        objects.by_full_name(&wanted.key).map(|found| found.attribute.checkpoint_key.clone())
    };
    let found: Vec<Option<String>> = restores.wanted.iter().map(find).collect();
    let keys: Vec<String> = found
        .iter()
        .zip(&restores.wanted)
        .map(|(found, wanted)| found.clone().unwrap_or_else(|| wanted.key.clone()))
        .collect();
    if found.iter().all(Option::is_some) {
        return Naming::Renamed(keys);
    }
    if restores.wanted.iter().any(|wanted| wanted.key.contains(ATTRIBUTES)) {
        return Naming::Same;
    }
    let names: BTreeSet<&str> = restores.wanted.iter().map(|wanted| &*wanted.key).collect();
    let nodes = objects.nodes().iter().flat_map(|node| &node.attributes);
    let theirs: BTreeSet<&str> = nodes.map(|attribute| &*attribute.full_name).collect();
    let owned = |names: &mut dyn Iterator<Item = &&str>| -> Vec<String> {
        names.map(|name| (*name).to_owned()).collect()
    };
    let mismatch = ObjectMismatch {
        missing: owned(&mut names.difference(&theirs)),
        extra: owned(&mut theirs.difference(&names)),
        n_matching: names.intersection(&theirs).count(),
    };
    Naming::Mismatch(mismatch, keys)
}

fn by_variables(reader: &CheckpointReader, restores: &Restores) -> Naming {
    let mut is_renamed = false;
    let mut keys = Vec::with_capacity(restores.wanted.len());
    for wanted in &restores.wanted {
        let variable = wanted.assigned.first().map(|assigned| &assigned.variable);
        let variable = variable.filter(|_| wanted.key.contains(ATTRIBUTES));
        let found = variable.filter(|name| reader.contains(name.as_bytes()));
        match found.filter(|_| !reader.contains(wanted.key.as_bytes())) {
            Some(name) => {
                is_renamed = true;
                keys.push(name.clone());
            }
            None => keys.push(wanted.key.clone()),
        }
    }
    if is_renamed { Naming::Renamed(keys) } else { Naming::Same }
}
