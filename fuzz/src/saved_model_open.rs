//! Opens a SavedModel message, imports its MetaGraphs, plans its signatures, decodes its objects and
//! loads them as far as that needs no checkpoint.
//!
//! The first byte, modulo four, means the binary form (0, 2), the text form (1) or the form in chunks (3); the file
//! follows.

use flowkeep_graph::{ImportOptions, MetaGraph};
use flowkeep_runtime::SessionOptions;
use flowkeep_runtime::exec::SerialExecutor;
use flowkeep_saved_model::{
    LoadOptions, LoadedObjects, ObjectLoadOptions, SavedModel, SavedModelBundle, SavedObjects,
};

/// Panics if what was accepted is not consistent.
pub fn run(input: &[u8]) {
    let Some((mode, bytes)) = input.split_first() else { return };
    let open = || match mode % 4 {
        0 | 2 => SavedModel::from_pb("model", bytes.to_vec().into()),
        1 => SavedModel::from_pbtxt("model", bytes),
        _ => SavedModel::from_cpb("model", bytes.to_vec().into()),
    };
    let Ok(model) = open() else { return };
    let tag_sets: Vec<Vec<String>> = model.tag_sets().iter().map(|tags| tags.to_vec()).collect();
    for tags in tag_sets.iter().take(2) {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let model = open().expect("it opened before");
        let session = SessionOptions { threads: 1, ..Default::default() };
        let options = LoadOptions { session, ..Default::default() };
        let Ok(bundle) = SavedModelBundle::prepare(model, &tags, options) else { continue };
        let meta_graph = bundle.meta_graph();
        let exported = meta_graph.to_meta_graph_def();
        let again = MetaGraph::import(exported, &ImportOptions::default());
        let again = again.expect("what was exported imports");
        assert_eq!(again.graph.len(), meta_graph.graph.len(), "exporting keeps every node");
        for key in meta_graph.signatures.keys().take(4) {
            let _ = bundle.missing_kernels(key);
        }
    }
    objects(&open);
}

/// What is decoded has paths that lead where they say; functions are called that need no arguments.
fn objects<E>(open: &impl Fn() -> Result<SavedModel, E>) {
    let Ok(model) = open() else { return };
    for meta_graph in model.def().meta_graphs.iter().take(2) {
        let Some(def) = &meta_graph.object_graph_def else { continue };
        let Ok(objects) = SavedObjects::from_proto(def) else { continue };
        for id in 0..objects.objects().len().min(20) {
            if let Some(path) = objects.path(id).filter(|path| path.len() < 1000) {
                let _ = objects.find(&path);
            }
        }
    }
    let session = SessionOptions {
        threads: 1,
        executor: std::sync::Arc::new(SerialExecutor),
        ..Default::default()
    };
    let options = ObjectLoadOptions {
        session,
        skip_checkpoint: true,
        skip_initialization: true,
        ..Default::default()
    };
    let Ok(loaded) = LoadedObjects::from_saved_model(model, options) else { return };
    // Of a model of TensorFlow 1, parts of the graph are planned.
    if let Some(graph) = loaded.graph() {
        let names: Vec<&str> = graph.nodes().iter().take(8).map(|node| node.name()).collect();
        for name in names {
            let _ = loaded.prune(&[], &[name]);
        }
    }
    assert!(loaded.variables().all(|variable| variable.value().is_none()), "nothing was restored");
    let signatures: Vec<String> =
        loaded.objects().signatures().into_keys().map(str::to_owned).collect();
    for key in signatures.iter().take(4) {
        let missing =
            loaded.call_signature(key, &[("no such input", flowkeep_tensor::Tensor::scalar(1i32))]);
        assert!(missing.is_err(), "there is no such input");
    }
}
