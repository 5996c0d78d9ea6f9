//! Adds gradients to a graph: `make_gradients IN.pb Y,.. X,.. OUT.pb`.
//!
//! The tensors are named `node:0`. Prints one line for each X: the name of its gradient, or the names of the
//! values, the indices and the shape of one in rows, or `None`.

use flowkeep_graph::builder::Scope;
use flowkeep_graph::gradients::Gradient;
use flowkeep_graph::{Graph, ImportOptions, Output};
use flowkeep_proto::pb;
use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [from, ys, xs, to] = &args[..] else {
        return Err("usage: make_gradients IN.pb Y,.. X,.. OUT.pb".into());
    };
    let def = pb::GraphDef::decode(&*std::fs::read(from)?)?;
    let graph = Graph::import(def, &ImportOptions::default())?;
    let tensors = |names: &str| -> Result<Vec<Output>, flowkeep_graph::Error> {
        names.split(',').map(|name| graph.get_tensor_by_name(name)).collect()
    };
    let (ys, xs) = (tensors(ys)?, tensors(xs)?);
    let mut scope = Scope::from_graph(graph);
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
