//! Target `object_graph`: decodes an object graph, looks everything up, edits and encodes it.
//!
//! The input is the message. The tests of the bundle crate include this file to replay inputs.

use std::collections::HashSet;

use flowkeep_bundle::ObjectGraph;
use flowkeep_bundle::object_graph::ObjectNode;

/// Runs the target on one input; panics if the graph contradicts itself.
pub fn run(input: &[u8]) {
    let graph = match ObjectGraph::decode(input) {
        Ok(graph) => graph,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let again = ObjectGraph::decode(&graph.encode()).expect("what was encoded can be decoded");
    assert_eq!(again, graph);
    let are_unique = graph.nodes().iter().all(has_unique_names);
    for id in 0..graph.nodes().len().min(200) {
        let Some(path) = graph.path(id) else { continue };
        let found = graph.find(&path);
        // Two children of one name, or two slots, may share a path, and an empty name is the root's.
        if are_unique && !path.is_empty() && !path.contains("/.OPTIMIZER_SLOT/") {
            assert_eq!(found, Some(id), "{path}");
        }
    }
    for one in graph.variables().take(100) {
        let key = &one.attribute.checkpoint_key;
        let by_key = graph.by_key(key).expect("its key is known");
        assert_eq!(&by_key.attribute.checkpoint_key, key);
        if !key.is_empty() {
            assert_eq!(graph.attribute_of_entry(key), Some(by_key));
            let owner =
                graph.attribute_of_entry(&format!("{key}-values")).expect("it has an owner");
            assert!(owner.attribute.checkpoint_key.len() >= key.len());
        }
        let full_name = &one.attribute.full_name;
        let by_name = graph.by_full_name(full_name);
        assert_eq!(
            by_name.map(|found| &found.attribute.full_name),
            Some(full_name).filter(|name| !name.is_empty())
        );
    }
    let renamed = graph.rename_keys(|key| Some(format!("{key}x")));
    assert_eq!(renamed.rename_keys(|key| key.strip_suffix('x').map(str::to_owned)), graph);
    let kept = graph.retain_keys(|key| key.len() % 2 == 0);
    assert!(kept.variables().take(100).all(|one| one.attribute.checkpoint_key.len() % 2 == 0));
    assert_eq!(kept.retain_keys(|key| key.len() % 2 == 0), kept, "nothing is left to do");
    assert_eq!(graph.retain_keys(|_| false).variables().next(), None);
}

fn has_unique_names(node: &ObjectNode) -> bool {
    let mut names = HashSet::new();
    node.children.iter().all(|child| names.insert(&child.local_name))
}
