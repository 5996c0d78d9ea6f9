//! Opens a SavedModel message, imports its MetaGraphs and plans its signatures; runs nothing.
//!
//! An even first byte means the binary form, an odd one the text form; the message follows.

use flowkeep_graph::{ImportOptions, MetaGraph};
use flowkeep_runtime::SessionOptions;
use flowkeep_saved_model::{LoadOptions, SavedModel, SavedModelBundle};

/// Panics if what was accepted is not consistent.
pub fn run(input: &[u8]) {
    let Some((mode, bytes)) = input.split_first() else { return };
    let open = || match mode % 2 {
        0 => SavedModel::from_pb("model", bytes.to_vec().into()),
        _ => SavedModel::from_pbtxt("model", bytes),
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
}
