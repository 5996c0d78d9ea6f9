//! Counts the ops of a SavedModel, those in functions included: `op_census DIR/saved_model.pb`.

use std::collections::BTreeMap;

use flowkeep_graph::{Attrs, Graph, ImportOptions, MetaGraph};
use flowkeep_proto::pb;
use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: op_census DIR/saved_model.pb")?;
    // Constants of the graph are views of these bytes.
    let bytes = bytes::Bytes::from(std::fs::read(path)?);
    for def in pb::SavedModel::decode(bytes)?.meta_graphs {
        let MetaGraph { graph, tags, .. } = MetaGraph::import(def, &ImportOptions::default())?;
        let mut counts = BTreeMap::new();
        count(&graph, &mut counts);
        for function in graph.library().functions() {
            count(&function.instantiate(&Attrs::default(), graph.library())?.graph, &mut counts);
        }
        println(&format!("tags {tags:?}: {} nodes in the graph itself", graph.len()));
        for (op, n_nodes) in counts {
            println(&format!("{n_nodes:6} {op}"));
        }
    }
    Ok(())
}

fn count(graph: &Graph, counts: &mut BTreeMap<String, usize>) {
    for node in graph.nodes() {
        *counts.entry(node.op().to_owned()).or_default() += 1;
    }
}

#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
fn println(line: &str) {
    println!("{line}");
}
