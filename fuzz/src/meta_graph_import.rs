//! Imports a MetaGraph into a scope, exports it, and imports that again.
//!
//! The bits of the first byte are options: import under a scope, export a scope, clear devices, strip
//! defaults, clear savers, import twice. The message follows.

use flowkeep_graph::builder::Scope;
use flowkeep_graph::{ExportOptions, ImportMetaGraphOptions, ImportOptions, MetaGraph};
use prost::Message;

/// Panics if what was accepted is not consistent.
pub fn run(input: &[u8]) {
    let Some((mode, bytes)) = input.split_first() else { return };
    let bit = |idx: u8| mode & (1 << idx) != 0;
    let decode = || Message::decode(bytes);
    let Ok(def) = decode() else { return };
    let mut options = ImportMetaGraphOptions::under(if bit(0) { "t" } else { "" });
    options.clear_devices = bit(2);
    let mut scope = Scope::new();
    let Ok(imported) = scope.import_meta_graph(def, &options) else {
        assert!(scope.graph().is_empty(), "what fails leaves nothing behind");
        return;
    };
    if bit(5)
        && let Ok(def) = decode()
    {
        let n_nodes = scope.graph().len();
        if scope.import_meta_graph(def, &options).is_err() {
            assert_eq!(scope.graph().len(), n_nodes, "what fails leaves nothing behind");
        }
    }
    let mut options = ExportOptions::default();
    options.strip_default_attrs = bit(3);
    options.saver_def = imported.saver_def;
    let exported = scope.export_meta_graph(&options).expect("a whole graph is exported");
    let mut again = Scope::new();
    again
        .import_meta_graph(exported.meta_graph_def.clone(), &ImportMetaGraphOptions::default())
        .expect("what was exported imports");
    assert_eq!(again.graph().len(), scope.graph().len(), "exporting keeps every node");
    if let Ok(mut meta_graph) =
        MetaGraph::import(exported.meta_graph_def, &ImportOptions::default())
    {
        let (collections, _) = meta_graph.items().expect("what was exported has items");
        for (key, items) in collections.iter() {
            meta_graph.set_collection(key, items).expect("items of one kind");
        }
    }
    options.export_scope = if bit(1) { "t/".to_owned() } else { "s".to_owned() };
    options.clear_extraneous_savers = bit(4);
    options.clear_devices = bit(2);
    if let Ok(exported) = scope.export_meta_graph(&options) {
        let _ = Scope::new()
            .import_meta_graph(exported.meta_graph_def, &ImportMetaGraphOptions::under("u"));
    }
}
