//! Object graphs of checkpoints that TensorFlow wrote.
//!
//! The checkpoints and what TensorFlow says of them are in `fixtures/object_graphs/`; `generate.py`
//! there makes both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_bundle::object_graph::{OBJECT_GRAPH_KEY, ObjectNode, VARIABLE_VALUE};
use flowkeep_bundle::{
    BundleReader, Location, ObjectGraph, get_checkpoint_state, list_checkpoints,
};
use flowkeep_tensor::Code;
use serde_json::{Map, Value, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/object_graphs")
}

/// Calls `check` with each checkpoint, its graph and what TensorFlow says of it.
fn for_each(check: impl Fn(&str, &BundleReader, &ObjectGraph, &Value)) {
    let text = fs::read_to_string(fixtures().join("object_graphs.json")).unwrap();
    let checkpoints: Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(checkpoints.len(), 6);
    for (name, expected) in &checkpoints {
        let reader = BundleReader::open(&fixtures().join(name)).unwrap();
        let graph = reader.object_graph().unwrap().unwrap();
        check(name, &reader, &graph, expected);
    }
}

/// A node in the JSON form of its message, which leaves out what is empty.
fn to_json(node: &ObjectNode) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, parts: Vec<Value>| {
        let without_defaults = |part: Value| {
            let Value::Object(part) = part else { return part };
            part.into_iter()
                .filter(|(_, value)| *value != json!("") && *value != json!(0))
                .collect()
        };
        if !parts.is_empty() {
            let parts: Vec<Value> = parts.into_iter().map(without_defaults).collect();
            object.insert(name.into(), parts.into());
        }
    };
    let children = node.children.iter();
    let child = |child: &flowkeep_bundle::object_graph::Child| json!({"node_id": child.node_id, "local_name": child.local_name});
    put("children", children.map(child).collect());
    let attributes = node.attributes.iter().map(|attribute| {
        json!({
            "name": attribute.name,
            "full_name": attribute.full_name,
            "checkpoint_key": attribute.checkpoint_key,
        })
    });
    put("attributes", attributes.collect());
    let slots = node.slot_variables.iter().map(|slot| {
        json!({
            "original_variable_node_id": slot.original_variable,
            "slot_name": slot.slot_name,
            "slot_variable_node_id": slot.slot_variable,
        })
    });
    put("slot_variables", slots.collect());
    if let Some(saver) = &node.registered_saver {
        let saver = json!({"name": saver.name, "object_name": saver.object_name});
        object.insert("registered_saver".into(), saver);
    }
    if let Some(has_values) = node.has_checkpoint_values {
        object.insert("has_checkpoint_values".into(), has_values.into());
    }
    object.into()
}

#[test]
fn graphs_are_decoded_and_encoded_without_loss() {
    for_each(|name, reader, graph, expected| {
        let nodes: Vec<_> = graph.nodes().iter().map(to_json).collect();
        assert_eq!(json!(nodes), expected["nodes"], "{name}");
        let stored = reader.tensor(OBJECT_GRAPH_KEY).unwrap();
        assert_eq!(graph.encode(), stored.as_strings().unwrap()[0], "{name}");
    });
}

#[test]
fn paths_are_those_that_tensorflow_makes_keys_of() {
    for_each(|name, _, graph, expected| {
        let paths: Vec<_> = (0..graph.nodes().len()).map(|id| graph.path(id).unwrap()).collect();
        assert_eq!(json!(paths), expected["paths"], "{name}");
        for (id, path) in paths.iter().enumerate() {
            assert_eq!(graph.find(path), Some(id), "{name}: {path}");
        }
        let through_children = expected["descendants"].as_array().unwrap();
        let is_slot = |path: &&String| path.contains(".OPTIMIZER_SLOT");
        assert_eq!(paths.iter().filter(|path| !is_slot(path)).count(), through_children.len());
        for one in graph.variables().filter(|one| one.attribute.name == VARIABLE_VALUE) {
            let key = format!("{}/.ATTRIBUTES/VARIABLE_VALUE", one.path.unwrap());
            assert_eq!(one.attribute.checkpoint_key, key);
        }
    });
}

#[test]
fn shared_nodes_have_several_paths() {
    let reader = BundleReader::open(&fixtures().join("nested")).unwrap();
    let graph = reader.object_graph().unwrap().unwrap();
    for (path, shortest) in [
        ("model/layers/0/kernel", "model/shared/kernel"),
        ("model/deep/down/shared_bias", "model/first/bias"),
        ("model/deep/down/up/deep/down/up", "model"),
    ] {
        assert_eq!(graph.path(graph.find(path).unwrap()).as_deref(), Some(shortest));
    }
    assert_eq!(graph.find("model/none"), None);
}

#[test]
fn every_tensor_belongs_to_an_attribute() {
    for_each(|name, reader, graph, expected| {
        let tensors = expected["tensors"].as_array().unwrap();
        let keys: Vec<_> = reader.keys().map(|key| key.to_string()).collect();
        let listed: Vec<_> = tensors.iter().map(|tensor| tensor[0].as_str().unwrap()).collect();
        assert_eq!(keys, listed, "{name}");
        let mut owners = BTreeSet::new();
        for tensor in tensors {
            let key = tensor[0].as_str().unwrap();
            let Some(owner) = graph.attribute_of_entry(key) else {
                // The registered saver of the checkpoint `state` has a key of its own making.
                assert!(key == OBJECT_GRAPH_KEY || (name, key) == ("state", "stack"), "{key}");
                continue;
            };
            owners.insert(owner.attribute.checkpoint_key.clone());
            if owner.attribute.name == VARIABLE_VALUE {
                assert_eq!(owner.attribute.checkpoint_key, key);
                assert_eq!(graph.by_key(key), Some(owner));
                let entry = reader.entry(key).unwrap();
                assert_eq!(json!(entry.shape.dims()), tensor[1], "{name}: {key}");
            }
        }
        let attributes: BTreeSet<_> =
            graph.variables().map(|one| one.attribute.checkpoint_key.clone()).collect();
        assert_eq!(owners, attributes, "{name}");
    });
}

#[test]
fn full_names_lead_to_the_keys_that_tensorflow_restores_from() {
    for_each(|name, _, graph, expected| {
        let expected: BTreeMap<String, String> =
            serde_json::from_value(expected["keys_of_names"].clone()).unwrap();
        for (full_name, key) in expected.iter().filter(|(full_name, _)| !full_name.is_empty()) {
            let found = graph.by_full_name(full_name).unwrap();
            assert_eq!(&found.attribute.checkpoint_key, key, "{name}: {full_name}");
        }
        let names = graph.variables().map(|one| &*one.attribute.full_name);
        assert!(names.filter(|name| !name.is_empty()).all(|name| expected.contains_key(name)));
        assert_eq!(graph.by_full_name(""), None);
    });
}

#[test]
fn pruned_graphs_are_marked_as_tensorflow_marks_them() {
    for_each(|name, _, graph, expected| {
        let keep_not = expected["keep_not"].as_str().unwrap();
        let kept = graph.retain_keys(|key| !key.contains(keep_not));
        let hex: String = kept.encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected["kept"].as_str().unwrap(), "{name}");
        assert!(kept.variables().count() < graph.variables().count());
        assert_eq!(graph.retain_keys(|_| true), *graph, "{name}");
    });
}

#[test]
fn name_based_checkpoints_have_no_object_graph() {
    let bundles = fixtures().join("../bundles");
    let reader = BundleReader::open(&bundles.join("one")).unwrap();
    assert_eq!(reader.object_graph().unwrap(), None);
}

#[test]
fn object_graphs_that_are_none_are_refused() {
    for (name, what) in [
        ("two", "object graph is not one string"),
        ("number", "object graph is not one string"),
        ("garbage", "object graph cannot be parsed: "),
        ("empty", "object graph has 0 nodes"),
    ] {
        let prefix = fixtures().join("bad").join(name);
        let error = BundleReader::open(&prefix).unwrap().object_graph().unwrap_err();
        assert_eq!(error.code(), Code::DataLoss);
        let text = error.to_string();
        assert!(text.starts_with(what), "{text}");
        assert!(text.ends_with(&format!("(in {}.index)", prefix.display())), "{text}");
    }
}

#[test]
fn the_folder_of_a_checkpoint_manager_is_understood() {
    let dir = fixtures().join("manager");
    let state = get_checkpoint_state(&dir, None).unwrap().unwrap();
    assert_eq!(state.all_model_checkpoint_paths, [3, 4, 5].map(|n| dir.join(format!("ckpt-{n}"))));
    assert_eq!(
        state.all_model_checkpoint_timestamps,
        [1_700_001_800.25, 1_700_002_400.25, 1_700_003_000.25]
    );
    assert_eq!(state.last_preserved_timestamp, 1_699_999_999.25);
    let location = Location::find(&dir).unwrap();
    let line = format!("ckpt-5 (V2), the latest of 3 in {}/checkpoint", dir.display());
    assert_eq!(location.to_string(), line);
    let listed = list_checkpoints(&dir).unwrap();
    let steps: Vec<_> = listed.iter().map(|one| (one.step, one.is_latest)).collect();
    assert_eq!(steps, [(Some(3), false), (Some(4), false), (Some(5), true)]);
    assert!(listed.iter().all(|one| one.is_listed));
    for (checkpoint, step) in listed.iter().zip([30i64, 40, 50]) {
        let reader = BundleReader::open(&checkpoint.prefix).unwrap();
        let graph = reader.object_graph().unwrap().unwrap();
        let key = &graph.by_full_name("step").unwrap().attribute.checkpoint_key;
        assert_eq!(reader.tensor(key).unwrap().as_slice::<i64>().unwrap(), [step]);
    }
}
