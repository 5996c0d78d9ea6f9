//! Object graphs that contradict themselves are refused in a line, with a canonical code.

use std::path::Path;

use flowkeep_proto::pb;
use flowkeep_proto::pb::saved_object::Kind;
use flowkeep_proto::prost::Message;
use flowkeep_runtime::SessionOptions;
use flowkeep_saved_model::{LoadedObjects, ObjectLoadOptions, SavedModel, SavedObjects};
use flowkeep_tensor::Code;

/// Changes the objects of a fixture and checks what loading says.
fn check(name: &str, change: impl FnOnce(&mut pb::SavedObjectGraph), code: Code, text: &str) {
    check_model(name, |def| change(def.object_graph_def.as_mut().expect("objects")), code, text);
}

fn check_model(name: &str, change: impl FnOnce(&mut pb::MetaGraphDef), code: Code, text: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/object_models").join(name);
    let mut def = SavedModel::open(&dir).expect("a good model").into_def();
    change(&mut def.meta_graphs[0]);
    let model = SavedModel::from_pb(dir, def.encode_to_vec().into()).expect("it opens");
    let session = SessionOptions { threads: 1, ..SessionOptions::default() };
    let options = ObjectLoadOptions { session, ..ObjectLoadOptions::default() };
    let error = LoadedObjects::from_saved_model(model, options).expect_err("it is bad");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(text), "{text:?} is not in {error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

type Reference = pb::trackable_object_graph::trackable_object::ObjectReference;

#[test]
fn references_must_be_to_objects_and_functions() {
    let text = "object graph: node 0 refers to node 9999 of";
    check("nested", |objects| objects.nodes[0].children[0].node_id = 9999, Code::DataLoss, text);
    let text = "object graph: node 0 refers to node -1 of";
    check("nested", |objects| objects.nodes[0].children[0].node_id = -1, Code::DataLoss, text);
    let first = |objects: &mut pb::SavedObjectGraph, ids: Vec<i32>| {
        objects.concrete_functions.values_mut().next().expect("a function").bound_inputs = ids;
    };
    check(
        "nested",
        |objects| first(objects, vec![12345]),
        Code::DataLoss,
        "captures node 12345 of",
    );
    check(
        "nested",
        |objects| first(objects, vec![0]),
        Code::DataLoss,
        "inputs and 1 captures, but takes",
    );
    check(
        "nested",
        |objects| objects.concrete_functions.clear(),
        Code::DataLoss,
        "which is not there",
    );
    check("nested", |objects| objects.nodes.clear(), Code::DataLoss, "object graph has 0 nodes");
    let text = "Unknown SavedObject type: None. Expected one of ['user_object'";
    check("nested", |objects| objects.nodes[1].kind = None, Code::DataLoss, text);
    let library = |def: &mut pb::MetaGraphDef| {
        def.graph_def.as_mut().unwrap().library.as_mut().unwrap().function.clear();
    };
    check_model("nested", library, Code::DataLoss, "is not in the graph's library");
}

#[test]
fn dependencies_in_a_circle_are_an_error() {
    let circle = |objects: &mut pb::SavedObjectGraph| {
        for (id, other) in [(1, 2), (2, 1)] {
            let needed = Reference { node_id: other, local_name: "x".into() };
            objects.nodes[id].dependencies.push(needed);
        }
    };
    let text = "Encountered a cycle in the deserialization dependencies";
    check("nested", circle, Code::DataLoss, text);
}

#[test]
fn captures_of_the_wrong_kind_are_an_error() {
    let swap = |objects: &mut pb::SavedObjectGraph| {
        let function = objects.concrete_functions.values_mut().find(|f| !f.bound_inputs.is_empty());
        function.expect("a function with captures").bound_inputs[0] = 0;
    };
    check("nested", swap, Code::DataLoss, "captures node 0, which is a user_object");
}

#[test]
fn assets_and_constants_must_be_there_and_stay_inside() {
    let out = |def: &mut pb::MetaGraphDef| {
        def.asset_file_def.iter_mut().for_each(|asset| asset.filename = "../x".into());
    };
    check_model("tables", out, Code::InvalidArgument, "'../x' leads out of the assets directory");
    check_model("tables", |def| def.asset_file_def.clear(), Code::DataLoss, "which is not there");
    let rename = |def: &mut pb::MetaGraphDef| {
        let nodes = &mut def.graph_def.as_mut().unwrap().node;
        nodes.iter_mut().filter(|node| node.op == "Const").for_each(|node| node.name.push('_'));
    };
    check_model("nested", rename, Code::DataLoss, "which is not in the graph");
}

#[test]
fn variables_must_be_in_the_checkpoint_and_fit() {
    let variable = |objects: &mut pb::SavedObjectGraph, change: &dyn Fn(&mut pb::SavedVariable)| {
        for node in &mut objects.nodes {
            if let Some(Kind::Variable(variable)) = &mut node.kind {
                change(variable);
            }
        }
    };
    let shape = |objects: &mut pb::SavedObjectGraph| {
        variable(objects, &|variable| variable.shape = Some(pb::TensorShapeProto::default()));
    };
    check("nested", shape, Code::InvalidArgument, "cannot restore variable");
    let dtype =
        |objects: &mut pb::SavedObjectGraph| variable(objects, &|variable| variable.dtype = 7);
    check("nested", dtype, Code::InvalidArgument, "wrong dtype");
    let renamed = |objects: &mut pb::SavedObjectGraph| {
        for node in &mut objects.nodes {
            node.children.iter_mut().filter(|child| child.local_name == "kernel").for_each(
                |child| {
                    child.local_name = "other".into();
                },
            );
        }
    };
    let text = "Found 4 Python objects that were not bound to checkpointed values, likely due to changes in the \
                Python program. Showing 4 of 4 unmatched objects: [root.";
    check("nested", renamed, Code::NotFound, text);
}

#[test]
fn deep_chains_and_cycles_of_children_do_no_harm() {
    let child = |id: i32| Reference { node_id: id, local_name: "c".into() };
    let up = Reference { node_id: 0, local_name: "up".into() };
    let n = 100_000;
    let node = |id: i32| pb::SavedObject {
        children: vec![child((id + 1) % n), up.clone()],
        dependencies: if id + 1 < n { vec![child(id + 1)] } else { Vec::new() },
        kind: Some(Kind::UserObject(pb::SavedUserObject::default())),
        ..pb::SavedObject::default()
    };
    let def = pb::SavedObjectGraph {
        nodes: (0..n).map(node).collect(),
        ..pb::SavedObjectGraph::default()
    };
    let objects = SavedObjects::from_proto(&def).expect("it is consistent");
    let path = objects.path(99_999).expect("a path");
    assert_eq!(objects.find(&path).unwrap(), 99_999);
    let model = pb::SavedModel {
        meta_graphs: vec![pb::MetaGraphDef {
            object_graph_def: Some(def),
            ..pb::MetaGraphDef::default()
        }],
        ..pb::SavedModel::default()
    };
    let model = SavedModel::from_pb("model", model.encode_to_vec().into()).unwrap();
    let session = SessionOptions { threads: 1, ..SessionOptions::default() };
    LoadedObjects::from_saved_model(model, ObjectLoadOptions { session, ..Default::default() })
        .expect("it loads: there is nothing to restore");
}
