//! MetaGraphs and files whose graphs are edited.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_graph::file::{FileError, Form, GraphFile, GraphMessage, SaveOptions};
use flowkeep_graph::rewrite::{Dropped, Endpoints, Rewritten};
use flowkeep_graph::transform::{RenameRules, extract_sub_graph, rename};
use flowkeep_graph::{Error, ImportOptions, MetaGraph};
use flowkeep_proto::pb;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn open(path: &str) -> GraphFile {
    GraphFile::open(&fixtures().join(path)).unwrap()
}

/// The models that TensorFlow 2.21 wrote.
const MODELS: [&str; 7] = [
    "counter_tf2",
    "half_plus_two_ref",
    "half_plus_two_resource",
    "half_plus_two_tf2",
    "keras_cnn_tf2",
    "lookup_tf2",
    "mnist_cnn",
];

/// Whatever of an edit may fail.
type Failed = Box<dyn std::error::Error>;

fn extract(meta_graph: MetaGraph, outputs: &[&str]) -> Result<Rewritten, Failed> {
    let graph = Arc::unwrap_or_clone(meta_graph.graph);
    let (graph, _) = extract_sub_graph(graph, outputs)?;
    Ok(MetaGraph { graph: Arc::new(graph), ..meta_graph }.into())
}

#[test]
fn what_is_not_edited_is_written_as_tensorflow_wrote_it() {
    let mut paths: Vec<String> =
        MODELS.iter().map(|name| format!("saved_models/{name}/saved_model.pb")).collect();
    for name in ["conv", "dense", "elementwise", "functions", "loop", "values"] {
        paths.extend(["pb", "pbtxt", "meta"].map(|ending| format!("graph_views/{name}.{ending}")));
    }
    for path in paths {
        let file = open(&path);
        let form = file.form;
        let (file, dropped) =
            file.rewrite::<FailedOr>(None, |meta_graph| Ok(meta_graph.into())).unwrap();
        assert!(dropped.is_empty(), "{path}: {dropped:?}");
        let expected = fs::read(fixtures().join(&path)).unwrap();
        let found = file.message.to_bytes(form).unwrap();
        if found != expected {
            // Where a file is not in the order that TensorFlow would import it in, the order is all.
            let sorted = |message: &GraphMessage| {
                let mut message = message.clone();
                let graphs: Vec<&mut pb::GraphDef> = match &mut message {
                    GraphMessage::GraphDef(graph) => vec![graph],
                    GraphMessage::MetaGraphDef(def) => def.graph_def.iter_mut().collect(),
                    GraphMessage::SavedModel(model) => model
                        .meta_graphs
                        .iter_mut()
                        .filter_map(|def| def.graph_def.as_mut())
                        .collect(),
                };
                for graph in graphs {
                    graph.node.sort_by(|a, b| a.name.cmp(&b.name));
                }
                message
            };
            assert_eq!(sorted(&file.message), sorted(&open(&path).message), "{path}");
        }
    }
}

#[derive(Debug)]
struct FailedOr(#[expect(dead_code, reason = "shown when a test fails")] String);

impl From<FileError> for FailedOr {
    fn from(error: FileError) -> FailedOr {
        FailedOr(error.to_string())
    }
}

#[test]
fn endpoints_are_what_a_model_names() {
    let import = |path: &str| {
        let (def, _) = open(path).into_meta_graph_def(None).unwrap();
        MetaGraph::import(def, &ImportOptions::default()).unwrap()
    };
    let list = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
    let endpoints = Endpoints::of(&import("saved_models/lookup_tf2"));
    assert_eq!(list(&endpoints.inputs), ["reverse_ids", "serving_default_words"]);
    assert!(list(&endpoints.init).contains(&"NoOp".to_owned()), "{endpoints:?}");
    assert!(list(&endpoints.init).iter().any(|name| name.starts_with("asset_path_initializer")));
    let endpoints = Endpoints::of(&import("saved_models/half_plus_two_ref"));
    assert_eq!(list(&endpoints.saver).len(), 3, "{endpoints:?}");
    assert!(!endpoints.outputs.is_empty());
    assert_eq!(Endpoints::of(&import("graph_views/dense.pb")), Endpoints::default());
}

#[test]
fn what_names_nodes_that_are_gone_goes_too() {
    let (file, dropped) = open("saved_models/half_plus_two_ref")
        .rewrite::<Failed>(None, |meta_graph| extract(meta_graph, &["y"]))
        .unwrap();
    let (def, _) = file.into_meta_graph_def(None).unwrap();
    assert!(dropped.saver && def.saver_def.is_none());
    assert_eq!(dropped.assets, ["foo.txt"]);
    assert_eq!(dropped.signatures, ["regress_x2_to_y3", "regress_x_to_y2"]);
    assert!(dropped.collections.contains(&("saved_model_main_op".to_owned(), 1)), "{dropped:?}");
    assert!(def.signature_def.contains_key("serving_default"));
    // Two of three variables are still read, but their initializers, without which TensorFlow takes none
    // into a collection, are gone.
    assert!(dropped.collections.contains(&("variables".to_owned(), 3)), "{dropped:?}");
    assert!(!def.collection_def.contains_key("variables"));
    // Of the ops, only those are listed that are left.
    let info = def.meta_info_def.unwrap();
    let ops: Vec<_> = info.stripped_op_list.unwrap().op.into_iter().map(|op| op.name).collect();
    assert!(ops.is_sorted() && !ops.contains(&"SaveV2".to_owned()), "{ops:?}");
    assert!(ops.contains(&"VariableV2".to_owned()), "{ops:?}");

    let constant = |meta_graph| extract(meta_graph, &["save/Const"]);
    let (file, dropped) =
        open("saved_models/half_plus_two_ref").rewrite::<Failed>(None, constant).unwrap();
    assert!(dropped.signatures.contains(&"serving_default".to_owned()), "{dropped:?}");
    let of_variables = dropped.collections.iter().find(|(name, _)| name == "variables");
    assert_eq!(of_variables, Some(&("variables".to_owned(), 3)));
    let (def, _) = file.into_meta_graph_def(None).unwrap();
    assert!(!def.collection_def.contains_key("variables"));

    // Objects need their functions.
    let without_library = |meta_graph: MetaGraph| {
        let graph = Arc::unwrap_or_clone(meta_graph.graph.clone());
        let mut edit = flowkeep_graph::GraphEdit::new(graph);
        edit.retain(|_, node| node.op() == "Placeholder");
        edit.set_library(Arc::default());
        let graph = Arc::new(edit.finish()?);
        Ok(MetaGraph { graph, ..meta_graph }.into())
    };
    let (_, dropped) =
        open("saved_models/half_plus_two_tf2").rewrite::<Failed>(None, without_library).unwrap();
    assert!(dropped.objects, "{dropped:?}");
}

#[test]
fn nodes_that_are_renamed_leave_out_the_same_defaults() {
    let in_scope = |name: &str| Some(format!("scope/{name}"));
    let rules = RenameRules { nodes: &in_scope, ..RenameRules::default() };
    let (file, dropped) = open("graph_views/functions.meta")
        .rewrite::<Failed>(None, |mut meta_graph| {
            let graph = Arc::unwrap_or_clone(std::mem::take(&mut meta_graph.graph));
            let (graph, names) = rename(graph, rules)?;
            names.apply_to(&mut meta_graph)?;
            meta_graph.graph = Arc::new(graph);
            Ok(Rewritten { meta_graph, names })
        })
        .unwrap();
    assert_eq!(dropped, Dropped::default());
    let GraphMessage::MetaGraphDef(new) = file.message else { panic!() };
    let GraphMessage::MetaGraphDef(old) = open("graph_views/functions.meta").message else {
        panic!()
    };
    let (new, old) = (new.graph_def.unwrap(), old.graph_def.unwrap());
    for (new, old) in new.node.iter().zip(&old.node) {
        assert_eq!(new.name, format!("scope/{}", old.name));
        assert!(new.attr.keys().eq(old.attr.keys()), "{}", new.name);
    }
}

#[test]
fn models_are_saved_with_all_that_belongs_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("model");
    let from = fixtures().join("saved_models/lookup_tf2");
    let file = GraphFile::open(&from).unwrap();
    file.save(&to, &SaveOptions::default()).unwrap();
    let names = |dir: &Path| {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    let mut expected = names(&from);
    expected.retain(|name| name != "fingerprint.pb");
    assert_eq!(names(&to), expected);
    assert_eq!(names(&to.join("assets")), names(&from.join("assets")));
    assert!(
        fs::read(to.join("saved_model.pb")).unwrap()
            == fs::read(from.join("saved_model.pb")).unwrap()
    );
    assert_eq!(names(dir.path()), ["model"], "nothing else is left behind");

    let code = |to: &Path, overwrite| {
        let options = SaveOptions { overwrite, ..SaveOptions::default() };
        file.save(to, &options).map_err(|error| error.code().name())
    };
    assert_eq!(code(&to, false), Err("ALREADY_EXISTS"));
    assert_eq!(code(&to, true), Ok(()));
    assert_eq!(code(&from.join("inner"), true), Err("INVALID_ARGUMENT"));
    assert_eq!(code(&from, true), Err("INVALID_ARGUMENT"));
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("precious"), "x").unwrap();
    assert_eq!(code(&other, true), Err("INVALID_ARGUMENT"));
    assert_eq!(names(&other), ["precious"]);

    let options = SaveOptions { form: Some(Form::Text), without_variables: true, overwrite: true };
    file.save(&to, &options).unwrap();
    assert_eq!(names(&to), ["assets", "saved_model.pbtxt"]);
    let saved = GraphFile::open(&to).unwrap();
    assert!(saved.message == file.message && saved.form == Form::Text);
    assert_eq!(names(dir.path()), ["model", "other"]);
}

#[test]
fn errors_name_the_file_or_are_those_of_the_edit() {
    let fail = |_| Err(Failed::from("no"));
    let error = open("graph_views/dense.pb").rewrite::<Failed>(None, fail).unwrap_err();
    assert_eq!(error.to_string(), "no");
    let tags = ["serve".to_owned()];
    let error = open("graph_views/dense.pb").rewrite::<Failed>(Some(&tags), fail).unwrap_err();
    assert!(error.to_string().ends_with("dense.pb: is a GraphDef, which has no tags to choose by"));
    let broken = b"node { name: 'x' op: 'Neg' input: 'y' }";
    let file = GraphFile::from_bytes(Path::new("b.pbtxt"), broken.as_slice().into()).unwrap();
    let error = file.rewrite::<Failed>(None, fail).unwrap_err();
    assert_eq!(error.to_string(), "b.pbtxt: Node 'x': Unknown input node 'y'");
    let extracted = |meta_graph| extract(meta_graph, &["nope"]);
    let error = open("graph_views/dense.pb").rewrite::<Failed>(None, extracted).unwrap_err();
    assert!(error.is::<Error>(), "{error}");
}
