//! Target `graph_import`: imports a GraphDef, alone or into another graph, looks at it and transforms it.
//!
//! ```text
//! 1 byte mode | 1 byte that picks nodes | GraphDef
//! ```
//!
//! Mode 0 imports the graph alone and compares it with what comes back, mode 1 transforms it, mode 2 imports
//! it into another graph. The tests of the graph crate include this file to replay inputs.

use flowkeep_graph::transform::{
    DowngradeOptions, InlineOptions, StripInput, clear_devices, downgrade, extract_sub_graph,
    fold_batch_norms, inline_functions, prune_library, remove_training_nodes, strip_default_attrs,
    strip_unused,
};
use flowkeep_graph::view::{DiffOptions, GraphDiff, Shapes, Summary, SummaryOptions};
use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use prost::Message;

/// Runs the target on one input; panics if what was accepted is not consistent.
pub fn run(input: &[u8]) {
    let [mode, pick, message @ ..] = input else { return };
    let Ok(def) = pb::GraphDef::decode(message) else { return };
    match mode % 3 {
        0 => look(def, usize::from(*pick)),
        1 => transform(def, usize::from(*pick)),
        _ => into_another(def, usize::from(*pick)),
    }
}

/// What is exported is the same graph, to the byte from the second time on.
fn look(def: pb::GraphDef, pick: usize) {
    let Ok(graph) = Graph::import(def, &ImportOptions::default()) else { return };
    let again = check(&graph);
    let diff = GraphDiff::new(&graph, &again, &DiffOptions::default());
    assert!(diff.is_same(), "what is exported is the same graph");
    let summary = Summary::new(&graph, &SummaryOptions::default());
    assert_eq!(summary.n_nodes, graph.len());
    let _ = Shapes::new(&graph, None);
    for name in names(&graph, pick) {
        assert!(graph.get_operation_by_name(&name).is_ok());
        let _ = graph.as_graph_element(&format!("{name}:{pick}"));
    }
}

/// What a transform gives is a graph that imports.
fn transform(def: pb::GraphDef, pick: usize) {
    let Ok(graph) = Graph::import(def, &ImportOptions::default()) else { return };
    let names = names(&graph, pick);
    let inputs: Vec<StripInput> = names.iter().skip(1).cloned().map(StripInput::new).collect();
    let outputs = &names[..names.len().min(1)];
    let mut aggressive = InlineOptions::default();
    aggressive.aggressive = true;
    aggressive.in_functions = pick % 2 == 1;
    let results = [
        extract_sub_graph(graph.clone(), outputs).map(|(graph, _)| graph),
        strip_unused(graph.clone(), &inputs, outputs).map(|(graph, _)| graph),
        remove_training_nodes(graph.clone(), outputs).map(|(graph, _)| graph),
        clear_devices(graph.clone()).map(|(graph, _)| graph),
        fold_batch_norms(graph.clone()).map(|(graph, _)| graph),
        prune_library(graph.clone()).map(|(graph, _)| graph),
        inline_functions(graph.clone(), &InlineOptions::default()).map(|(graph, _)| graph),
        inline_functions(graph.clone(), &aggressive).map(|(graph, _)| graph),
    ];
    results.iter().flatten().for_each(|graph| drop(check(graph)));
    let consumer = "1.15".parse().expect("is known");
    let (older, _) = downgrade(&graph, &DowngradeOptions::new(consumer));
    assert_eq!(older.node.len(), graph.len());
    let mut stripped = graph.to_graph_def();
    strip_default_attrs(&mut stripped);
    let stripped = Graph::import(stripped, &ImportOptions::default());
    let stripped = stripped.expect("defaults come back");
    // Functions stay as they are stored.
    let nodes = |graph: &Graph| pb::GraphDef { library: None, ..graph.to_graph_def() };
    assert_eq!(nodes(&stripped).encode_to_vec(), nodes(&graph).encode_to_vec());
}

/// A graph that cannot be added leaves the other one as it was.
fn into_another(def: pb::GraphDef, pick: usize) {
    let other = text::parse_message(
        "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }",
    );
    let mut graph =
        Graph::import(other.expect("is sound"), &ImportOptions::default()).expect("is sound");
    let x = graph.output("x:0").expect("is there");
    for prefix in ["", "p", "p"] {
        let mut options = ImportOptions::under(prefix);
        if let Some(node) = def.node.get(pick % def.node.len().max(1)) {
            let key = match pick % 3 {
                0 => format!("^{}", node.name),
                1 => format!("{}:{}", node.name, pick / 64),
                _ => node.name.clone(),
            };
            options.input_map.insert(key, x);
            options.return_elements.push(format!("{}:0", node.name));
        }
        let (before, n_before) = (bytes(&graph), graph.len());
        match graph.import_into(def.clone(), &options) {
            Ok(imported) => assert_eq!(imported.nodes().len() + n_before, graph.len()),
            Err(_) => assert_eq!(bytes(&graph), before),
        }
        check(&graph);
    }
}

/// Imports what a graph exports; panics if that is not the graph.
fn check(graph: &Graph) -> Graph {
    let exported = graph.to_graph_def();
    let again = Graph::import(exported.clone(), &ImportOptions::default());
    let again = again.expect("what was exported imports");
    assert_eq!(bytes(&again), exported.encode_to_vec());
    again
}

/// A graph as it is stored. Messages themselves are not equal if they have numbers that are none.
fn bytes(graph: &Graph) -> Vec<u8> {
    graph.to_graph_def().encode_to_vec()
}

/// Some nodes.
fn names(graph: &Graph, pick: usize) -> Vec<String> {
    let nodes = graph.nodes();
    let picked =
        (0..nodes.len().min(3)).filter_map(|idx| nodes.get((pick + 7 * idx) % nodes.len()));
    picked.map(|node| node.name().to_owned()).collect()
}
