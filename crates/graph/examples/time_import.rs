//! Times the import of a GraphDef: `time_import FILE [TIMES]` prints the number of nodes and the
//! least time in milliseconds, of an import as it is, of one into a graph that has the same nodes, and of
//! an edit of the graph that renames each node. `benches/compare_import.py` sets these beside
//! TensorFlow's.
#![expect(clippy::print_stdout, reason = "a program whose result is what it prints")]

use std::error::Error;
use std::time::Instant;

use flowkeep_graph::{Graph, GraphEdit, ImportOptions};
use flowkeep_proto::pb;
use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: time_import FILE [TIMES]")?;
    let times: usize = arguments.next().map_or(Ok(9), |times| times.parse())?;
    let def = pb::GraphDef::decode(bytes::Bytes::from(std::fs::read(file)?))?;
    let (mut alone, mut into, mut edit) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..times {
        let copy = def.clone();
        let start = Instant::now();
        let mut graph = Graph::import(copy, &ImportOptions::default())?;
        alone.push(start.elapsed().as_secs_f64() * 1e3);

        let (copy, edited) = (def.clone(), graph.clone());
        let start = Instant::now();
        graph.import_into(copy, &ImportOptions::under(""))?;
        into.push(start.elapsed().as_secs_f64() * 1e3);

        let start = Instant::now();
        let mut nodes = GraphEdit::new(edited);
        for id in nodes.ids() {
            let name = nodes.node(id).map(|node| format!("again/{}", node.name()));
            nodes.rename(id, name.unwrap_or_default());
        }
        nodes.finish()?;
        edit.push(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("{} {:.3} {:.3} {:.3}", def.node.len(), least(alone), least(into), least(edit));
    Ok(())
}

fn least(times: Vec<f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}
