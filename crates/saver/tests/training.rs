//! Graphs that train come to the values that they come to in TensorFlow: `fixtures/optimizers`.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use base64::Engine;
use flowkeep_graph::{ImportOptions, MetaGraph};
use flowkeep_proto::pb;
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_tensor::{DType, Tensor};
use prost::Message;
use serde_json::Value;

/// The bound on differences, relative to the greatest value of a variable.
const BOUND: f64 = 1e-5;

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/optimizers/graphs.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The graph of a case, its variables, and a session in which these are initialized.
fn opened(golden: &Value, name: &str) -> (MetaGraph, Vec<pb::VariableDef>, Session) {
    let cases = golden["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["name"] == name).unwrap();
    let encoded = case["meta_graph"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    let def = pb::MetaGraphDef::decode(&*bytes).unwrap();
    let meta_graph = MetaGraph::import(def, &ImportOptions::default()).unwrap();
    let Some(pb::collection_def::Kind::BytesList(list)) =
        meta_graph.collections["variables"].kind.clone()
    else {
        panic!("variables are messages")
    };
    let variables: Vec<pb::VariableDef> =
        list.value.iter().map(|def| pb::VariableDef::decode(&**def).unwrap()).collect();
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    let options = SessionOptions { registry, ..SessionOptions::default() };
    let session = Session::new(Arc::clone(&meta_graph.graph), options);
    let initializers: Vec<&str> =
        variables.iter().map(|def| def.initializer_name.trim_end_matches(":0")).collect();
    session.run(&[], &[], &initializers).unwrap();
    (meta_graph, variables, session)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// A tensor of a type with these numbers, which are small.
fn tensor(dtype: DType, value: &Value) -> Tensor {
    let shape: Vec<usize> =
        numbers(&value["shape"]).into_iter().map(|size| size as usize).collect();
    let values = numbers(&value["values"]).into_iter();
    let tensor = match dtype {
        DType::F32 => Tensor::from_vec(shape, values.map(|x| x as f32).collect::<Vec<_>>()),
        DType::F64 => Tensor::from_vec(shape, values.collect::<Vec<_>>()),
        DType::I32 => Tensor::from_vec(shape, values.map(|x| x as i32).collect::<Vec<_>>()),
        DType::I64 => Tensor::from_vec(shape, values.map(|x| x as i64).collect::<Vec<_>>()),
        other => panic!("no feed is of type {other:?}"),
    };
    tensor.unwrap()
}

fn as_numbers(tensor: &Tensor) -> Vec<f64> {
    match tensor.dtype() {
        DType::F32 => tensor.as_slice::<f32>().unwrap().iter().map(|x| f64::from(*x)).collect(),
        DType::I64 => tensor.as_slice::<i64>().unwrap().iter().map(|x| *x as f64).collect(),
        other => panic!("no variable is of type {other:?}"),
    }
}

/// What is wrong after a run.
fn check(golden: &Value, run: &Value) -> Vec<String> {
    let name = run["name"].as_str().unwrap();
    let (meta_graph, variables, session) = opened(golden, name);
    let graph = &meta_graph.graph;
    let feeds: Vec<(&str, Tensor)> = run["feeds"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let fed = graph.get_tensor_by_name(name).unwrap();
            let dtype = graph.node(fed.node).output_dtype(fed.index).unwrap();
            (name.as_str(), tensor(dtype, value))
        })
        .collect();
    let mut targets: Vec<&str> =
        meta_graph.node_list("train_op").iter().map(|op| op.as_ref()).collect();
    targets.extend(run["targets"].as_array().unwrap().iter().map(|op| op.as_str().unwrap()));
    for _ in 0..3 {
        for target in &targets {
            session.run(&feeds, &[], &[target]).unwrap();
        }
    }
    let mut wrong = Vec::new();
    for def in &variables {
        let got = as_numbers(&session.run(&[], &[&def.snapshot_name], &[]).unwrap()[0]);
        let want = numbers(&run["variables"][def.variable_name.trim_end_matches(":0")]);
        let greatest = want.iter().fold(1e-6, |most: f64, x| most.max(x.abs()));
        let is_near = |(x, y): (&f64, &f64)| (x - y).abs() <= BOUND * greatest;
        if got.len() != want.len() || !got.iter().zip(&want).all(is_near) {
            wrong.push(format!("{name}: {} is {got:?} instead of {want:?}", def.variable_name));
        }
    }
    wrong
}

#[test]
fn steps_come_to_the_values_of_tensorflow() {
    let golden = golden();
    let runs = golden["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 29);
    let wrong: Vec<String> = runs.iter().flat_map(|run| check(&golden, run)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_learning_rate_jumps_where_it_does_in_tensorflow() {
    let golden = golden();
    let (_, _, session) = opened(&golden, "piecewise");
    let want: BTreeMap<i64, f64> = golden["jumps"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(step, rate)| (step.parse().unwrap(), rate.as_f64().unwrap()))
        .collect();
    assert_eq!(want.len(), 8);
    for (step, rate) in want {
        let feeds = [("PiecewiseConstant/ReadVariableOp:0", Tensor::scalar(step))];
        let got = session.run(&feeds, &["PiecewiseConstant/case/cond/Merge:0"], &[]).unwrap();
        assert_eq!(as_numbers(&got[0]), [rate], "at step {step}");
    }
}
