//! The graphs of real SavedModels import, come back as they were, and their functions instantiate.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flowkeep_graph::{Attr, Attrs, Function, Graph, ImportOptions, InputRef, MetaGraph, op_def};
use flowkeep_proto::{pb, stored};
use prost::Message;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// All MetaGraphs below `fixtures/saved_models`, with the path of their file.
fn meta_graphs() -> Vec<(PathBuf, pb::MetaGraphDef)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, pb::MetaGraphDef)>) {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                walk(&path, found);
            } else if name == "saved_model.pb" {
                let model = pb::SavedModel::decode(&*fs::read(&path).unwrap()).unwrap();
                found.extend(model.meta_graphs.into_iter().map(|def| (path.clone(), def)));
            } else if name.ends_with(".meta") {
                found.push((
                    path.clone(),
                    pb::MetaGraphDef::decode(&*fs::read(&path).unwrap()).unwrap(),
                ));
            }
        }
    }
    let mut found = Vec::new();
    walk(&fixtures().join("saved_models"), &mut found);
    assert!(found.len() >= 12, "{} MetaGraphs", found.len());
    found
}

fn import(path: &Path, def: pb::MetaGraphDef) -> MetaGraph {
    MetaGraph::import(def, &ImportOptions::default())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The node in the one of several equal forms that a writer uses: no `:0`, control inputs sorted
/// and once each, defaults filled in.
fn normal(mut node: pb::NodeDef) -> pb::NodeDef {
    for input in &mut node.input {
        *input = InputRef::parse(input).to_string();
    }
    let n_data = node.input.iter().take_while(|input| !input.starts_with('^')).count();
    node.input[n_data..].sort();
    node.input.dedup_by(|a, b| a == b && a.starts_with('^'));
    if let Some(def) = op_def::lookup(&node.op) {
        for attr in &def.attrs {
            if let Some(default) = &attr.default {
                node.attr.entry(attr.name.to_string()).or_insert_with(|| default.to_proto());
            }
        }
    }
    node
}

fn by_name(nodes: Vec<pb::NodeDef>) -> BTreeMap<String, pb::NodeDef> {
    nodes.into_iter().map(|node| (node.name.clone(), normal(node))).collect()
}

#[test]
fn functions_in_the_bytes_of_the_file_are_those_of_the_message() {
    let mut n_functions = 0;
    for (path, def) in meta_graphs() {
        let model = pb::SavedModel { meta_graphs: vec![def.clone()], ..Default::default() };
        let mut stored = stored::decode(model.encode_to_vec().into()).unwrap();
        let functions = stored.functions.remove(0).into_iter().map(Function::from).collect();
        let bare = stored.def.meta_graphs.remove(0);
        let options = ImportOptions::default();
        let got = MetaGraph::import_with_functions(bare, functions, &options).unwrap();
        let want = import(&path, def);
        assert!(got.to_meta_graph_def() == want.to_meta_graph_def(), "{}", path.display());
        let (got, want) = (got.graph.library(), want.graph.library());
        assert_eq!(got.functions().len(), want.functions().len());
        for (function, other) in got.functions().iter().zip(want.functions()) {
            assert_eq!((function, function.name()), (other, other.name()));
            assert_eq!(function.signature(), other.signature());
            assert_eq!(function.is_stateful(), other.is_stateful());
            assert_eq!(function.attrs(), other.attrs());
            let bodies = [(function, got), (other, want)].map(|(function, library)| {
                let body = function.instantiate(&Attrs::default(), library);
                body.map(|body| body.graph.to_graph_def().node).map_err(|error| error.to_string())
            });
            assert!(bodies[0] == bodies[1], "{}", function.name());
            n_functions += 1;
        }
    }
    assert!(n_functions > 100, "{n_functions} functions");
}

#[test]
fn graphs_come_back_as_they_were() {
    for (path, def) in meta_graphs() {
        let mut got = import(&path, def.clone()).to_meta_graph_def();
        let mut want = def;
        let got_nodes = std::mem::take(&mut got.graph_def.as_mut().unwrap().node);
        let want_nodes = std::mem::take(&mut want.graph_def.as_mut().unwrap().node);
        assert_eq!(got_nodes.len(), want_nodes.len());
        assert_eq!(by_name(got_nodes), by_name(want_nodes), "{}", path.display());
        assert!(got == want, "{}: what is around the graph differs", path.display());
    }
}

#[test]
fn nodes_come_after_their_inputs() {
    for (path, def) in meta_graphs() {
        let graph = import(&path, def).graph;
        for (id, node) in graph.iter() {
            assert!(
                node.inputs()
                    .iter()
                    .all(|input| input.node < id || graph.node(input.node).is_next_iteration())
            );
            assert!(node.control_inputs().iter().all(|input| *input < id));
            assert_eq!(graph.node_by_name(node.name()), Some(id));
        }
    }
}

#[test]
fn signatures_and_assets_name_tensors_of_the_graph() {
    let mut n_signatures = 0;
    let mut n_assets = 0;
    for (path, def) in meta_graphs() {
        let meta_graph = import(&path, def);
        for (key, signature) in &meta_graph.signatures {
            n_signatures += 1;
            for name in signature
                .inputs
                .values()
                .chain(signature.outputs.values())
                .flat_map(|info| info.tensor_names())
            {
                let found = meta_graph.graph.output(name).is_ok()
                    || meta_graph.graph.get_operation_by_name(name).is_ok();
                assert!(found, "{}: {key}: {name}", path.display());
            }
        }
        for asset in &meta_graph.asset_files {
            n_assets += 1;
            meta_graph.graph.output(&asset.tensor_name).unwrap();
        }
    }
    assert!(n_signatures > 10 && n_assets > 2, "{n_signatures} signatures, {n_assets} assets");
}

#[test]
fn function_bodies_are_linked_as_by_tensorflow() {
    let mut text = String::new();
    let file = fs::File::open(fixtures().join("graphs/function_bodies.json.gz")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let mut n_functions = 0;
    for (path, def) in meta_graphs() {
        let model = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let graph = import(&path, def).graph;
        for function in graph.library().functions() {
            let want = &golden["models"][model][function.name()];
            assert!(want.is_object(), "{model}: {} has no golden body", function.name());
            let body = function
                .instantiate(&Attrs::default(), graph.library())
                .unwrap_or_else(|error| panic!("{model}: {}: {error}", function.name()));
            n_functions += 1;
            let nodes = want["nodes"].as_object().unwrap();
            assert_eq!(body.graph.len(), nodes.len());
            for node in body.graph.nodes() {
                let inputs = nodes[node.name()].as_array().unwrap();
                let inputs =
                    inputs.iter().map(|input| input.as_str().unwrap().to_owned()).collect();
                let want = normal(pb::NodeDef { input: inputs, ..Default::default() });
                assert_eq!(
                    body.graph.node_def(node).input,
                    want.input,
                    "{}: {}",
                    function.name(),
                    node.name()
                );
            }
            let rets: Vec<String> =
                body.rets.iter().map(|ret| body.graph.tensor_name(*ret).to_string()).collect();
            let want: Vec<&str> =
                want["rets"].as_array().unwrap().iter().map(|ret| ret.as_str().unwrap()).collect();
            assert_eq!(rets, want, "{}", function.name());
            for (idx, arg) in body.args.iter().enumerate() {
                let arg = body.graph.node(*arg);
                assert_eq!((arg.op(), arg.attrs().int("index").unwrap()), ("_Arg", idx as i64));
                assert_eq!(arg.name(), &*function.args()[idx].name);
            }
        }
    }
    assert!(n_functions > 80, "{n_functions} functions");
}

#[test]
fn constants_decode() {
    let mut n_constants = 0;
    for (path, def) in meta_graphs() {
        let graph: std::sync::Arc<Graph> = import(&path, def).graph;
        for node in graph.nodes().iter().filter(|node| node.op() == "Const") {
            let tensor = node.attrs().tensor("value").unwrap();
            assert_eq!(Some(tensor.dtype()), node.output_dtype(0), "{}", node.name());
            n_constants += 1;
        }
        for (_, attr) in graph.nodes().iter().flat_map(|node| node.attrs().iter()) {
            assert!(!matches!(attr, Attr::Raw(_)), "{attr}");
        }
    }
    assert!(n_constants > 100, "{n_constants} constants");
}
