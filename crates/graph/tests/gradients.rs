//! Gradients that are made here are those that TensorFlow's Python makes.
//!
//! `fixtures/gradients/gradients.json.gz` holds graphs before and after `tf.gradients`, from `cases.py` beside
//! it.

mod nodes;

use std::io::Read;

use base64::Engine;
use flowkeep_graph::builder::Scope;
use flowkeep_graph::gradients::{
    AggregationMethod, Gradient, GradientOptions, IndexedSlices, Support, UnconnectedGradients,
    support,
};
use flowkeep_graph::{Graph, ImportMetaGraphOptions, ImportOptions, Output};
use flowkeep_proto::pb;
use prost::Message;
use serde_json::Value;

use nodes::difference;

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/gradients/gradients.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut golden: Value = serde_json::from_str(&text).unwrap();
    match golden["cases"].take() {
        Value::Array(cases) => cases,
        _ => panic!("no cases"),
    }
}

fn message<M: Message + Default>(value: &Value) -> M {
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap();
    M::decode(&*bytes).unwrap()
}

fn tensor(graph: &Graph, name: &Value) -> Output {
    graph.get_tensor_by_name(name.as_str().unwrap()).unwrap()
}

fn tensors(graph: &Graph, names: &Value) -> Vec<Output> {
    names.as_array().unwrap().iter().map(|name| tensor(graph, name)).collect()
}

fn gradient(graph: &Graph, name: &Value) -> Option<Gradient> {
    match name {
        Value::Null => None,
        Value::Array(parts) => Some(Gradient::Sparse(IndexedSlices {
            values: tensor(graph, &parts[0]),
            indices: tensor(graph, &parts[1]),
            dense_shape: (!parts[2].is_null()).then(|| tensor(graph, &parts[2])),
        })),
        name => Some(Gradient::Dense(tensor(graph, name))),
    }
}

fn options(graph: &Graph, options: &Value) -> GradientOptions {
    let mut made = GradientOptions::new();
    for (key, value) in options.as_object().unwrap() {
        made = match key.as_str() {
            "grad_ys" => {
                made.grad_ys(value.as_array().unwrap().iter().map(|name| gradient(graph, name)))
            }
            "stop_gradients" => made.stop_gradients(tensors(graph, value)),
            "name" => made.name(value.as_str().unwrap()),
            "gate_gradients" => made.gate_gradients(value.as_bool().unwrap()),
            "colocate_gradients_with_ops" => {
                made.colocate_gradients_with_ops(value.as_bool().unwrap())
            }
            "aggregation_method" => made.aggregation_method(AggregationMethod::Tree),
            "unconnected_gradients" => made.unconnected_gradients(UnconnectedGradients::Zero),
            key => panic!("{key}"),
        };
    }
    made
}

/// The graph of a case: alone, or with its collections.
fn scope(case: &Value) -> Scope {
    if case["meta_graph"].is_string() {
        let mut scope = Scope::new();
        let def = message(&case["meta_graph"]);
        scope.import_meta_graph(def, &ImportMetaGraphOptions::default()).unwrap();
        return scope;
    }
    let mut import = ImportOptions::default();
    import.colocate_devices = true;
    Scope::from_graph(Graph::import(message(&case["graph_def"]), &import).unwrap())
}

/// What differs from what TensorFlow made, or from its error.
fn check(case: &Value) -> Result<(), String> {
    let mut scope = scope(case);
    let graph = scope.graph();
    let (ys, xs) = (tensors(graph, &case["ys"]), tensors(graph, &case["xs"]));
    let options = options(graph, &case["options"]);
    let n_before = scope.graph().len();
    let made = scope.gradients_with(&ys, &xs, &options);
    if let Some(want) = case["error"].as_str() {
        assert_eq!(scope.graph().len(), n_before, "a failure leaves nothing behind");
        return match made {
            Ok(_) => Err(format!("made what cannot be: {want}")),
            Err(error) if error.to_string() == want => Ok(()),
            Err(error) => Err(format!("{error}\n  instead {want}")),
        };
    }
    let made = made.map_err(|error| error.to_string())?;
    let want: pb::GraphDef = message(&case["after"]);
    let got = scope.to_graph_def_with_shapes();
    let (mut got, mut want) = (got.node, want.node);
    if got.iter().any(|node| node.op == "Exit") {
        // What loops wait for is made when all of it is there.
        got.sort_by(|a, b| a.name.cmp(&b.name));
        want.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let n = got.len().max(want.len());
    let (mut got_nodes, mut want_nodes) = (got.into_iter(), want.into_iter());
    let pairs = (0..n).map(|_| difference(got_nodes.next(), want_nodes.next()));
    let wrong: Vec<String> = pairs.flatten().take(8).collect();
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let want = case["gradients"].as_array().unwrap();
    let want: Vec<_> = want.iter().map(|name| gradient(scope.graph(), name)).collect();
    if made == want { Ok(()) } else { Err(format!("{made:?}\n  instead {want:?}")) }
}

#[test]
fn gradients_come_out_as_tensorflow_makes_them() {
    let cases = cases();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).err().map(|what| format!("{}: {what}", case["name"])))
        .collect();
    let n = cases.len();
    assert!(wrong.is_empty(), "{}\n{} of {n} cases", wrong.join("\n"), wrong.len());
}

#[test]
fn loops_that_nothing_describes_are_refused() {
    let cases = cases();
    let case = cases.iter().find(|case| case["name"] == "loop_of_products").unwrap();
    let def: pb::MetaGraphDef = message(&case["meta_graph"]);
    let graph = Graph::import(def.graph_def.unwrap(), &ImportOptions::default()).unwrap();
    let (ys, xs) = (tensors(&graph, &case["ys"]), tensors(&graph, &case["xs"]));
    let mut scope = Scope::from_graph(graph);
    let error = scope.gradients(ys, xs).unwrap_err();
    assert_eq!(error.code(), flowkeep_tensor::Code::Unimplemented);
    assert_eq!(
        error.to_string(),
        "the gradient of op 'Exit' is not supported (node 'while/Exit_1') without the collection while_context, which \
         says what is in its loop"
    );
}

#[test]
fn the_list_of_ops_with_gradients_is_complete() {
    let text = include_str!("../../../docs/gradients.md");
    let (_, lists) = text.split_once("## Ops with gradients").unwrap();
    let (with, without) = lists.split_once("## What is missing").unwrap();
    let listed = |text: &str, op: &str| text.contains(&format!("`{op}`"));
    for op in flowkeep_graph::op_def::names() {
        let support = support(op);
        assert_eq!(listed(with, op), support == Support::Differentiable, "{op}");
        if support == Support::Missing {
            assert!(listed(without, op), "{op}");
        }
    }
}
