//! Adds gradients to a graph: `make_gradients IN.pb Y,.. X,.. OUT.pb`.
//!
//! `IN.meta` is a MetaGraph, which says what is in which loop. The tensors are named `node:0`. Prints one line for each X: the name of its gradient, or the names of the
//! values, the indices and the shape of one in rows, or `None`.

use flowkeep_graph::builder::Scope;
use flowkeep_graph::gradients::Gradient;
use flowkeep_graph::{Graph, ImportMetaGraphOptions, ImportOptions, Output};
use flowkeep_proto::pb;
use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [from, ys, xs, to] = &args[..] else {
        return Err("usage: make_gradients IN.pb Y,.. X,.. OUT.pb".into());
    };
    let bytes = std::fs::read(from)?;
    let mut scope = if from.ends_with(".meta") {
        let mut scope = Scope::new();
        let def = pb::MetaGraphDef::decode(&*bytes)?;
        scope.import_meta_graph(def, &ImportMetaGraphOptions::default())?;
        scope
    } else {
        let def = pb::GraphDef::decode(&*bytes)?;
        Scope::from_graph(Graph::import(def, &ImportOptions::default())?)
    };
    let graph = scope.graph();
    let tensors = |names: &str| -> Result<Vec<Output>, flowkeep_graph::Error> {
        names.split(',').map(|name| graph.get_tensor_by_name(name)).collect()
    };
    let (ys, xs) = (tensors(ys)?, tensors(xs)?);
    let gradients = scope.gradients(&ys, &xs)?;
    for gradient in gradients {
        println(&line(scope.graph(), gradient));
    }
    std::fs::write(to, scope.into_graph().to_graph_def().encode_to_vec())?;
    Ok(())
}

fn line(graph: &Graph, gradient: Option<Gradient>) -> String {
    let name = |tensor| graph.tensor_name(tensor).to_string();
    match gradient {
        None => "None".to_owned(),
        Some(Gradient::Dense(tensor)) => name(tensor),
        Some(Gradient::Sparse(slices)) => {
            let shape = slices.dense_shape.map_or("None".to_owned(), name);
            format!("{} {} {shape}", name(slices.values), name(slices.indices))
        }
    }
}

#[expect(clippy::print_stdout, reason = "a program that tells what it has done")]
fn println(text: &str) {
    println!("{text}");
}
