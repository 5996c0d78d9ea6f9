//! Gradients through conditions and loops whose parts are functions, and those of the ops of `families.py`, run:
//! `fixtures/gradients/`, with the values that TensorFlow had.

use std::io::Read;
use std::sync::Arc;

use base64::Engine;
use flowkeep_graph::builder::Scope;
use flowkeep_graph::gradients::{AggregationMethod, GradientOptions, UnconnectedGradients};
use flowkeep_graph::{Graph, ImportOptions, Output};
use flowkeep_proto::pb;
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_tensor::{Complex, Tensor, f16};
use prost::Message;
use serde_json::Value;

/// The bound on differences, relative to the greatest number of a value.
const BOUND: f64 = 1e-5;

fn cases() -> Vec<Value> {
    cases_of("conditions.json.gz")
}

fn cases_of(file: &str) -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/gradients");
    let mut text = String::new();
    let file = std::fs::File::open(format!("{folder}/{file}")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    golden["cases"].as_array().unwrap().clone()
}

fn graph_def(case: &Value) -> pb::GraphDef {
    let bytes = case["graph_def"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).unwrap();
    pb::GraphDef::decode(&*bytes).unwrap()
}

fn tensors(graph: &Graph, names: &Value) -> Vec<Output> {
    let names = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    names.map(|name| graph.get_tensor_by_name(name).unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    let number = |value: &Value| match value {
        Value::Bool(truth) => f64::from(*truth),
        value => value.as_f64().unwrap(),
    };
    value["numbers"].as_array().unwrap().iter().map(number).collect()
}

fn tensor(value: &Value) -> Tensor {
    let shape: Vec<usize> = value["shape"]
        .as_array()
        .unwrap()
        .iter()
        .map(|size| usize::try_from(size.as_u64().unwrap()).unwrap())
        .collect();
    let numbers = numbers(value);
    let singles = || numbers.iter().map(|number| *number as f32);
    let made = match value["dtype"].as_str().unwrap() {
        "float32" => Tensor::from_vec(shape, singles().collect::<Vec<_>>()),
        "float64" => Tensor::from_vec(shape, numbers),
        "float16" => Tensor::from_vec(shape, singles().map(f16::from_f32).collect::<Vec<_>>()),
        "int32" => Tensor::from_vec(shape, numbers.iter().map(|x| *x as i32).collect::<Vec<_>>()),
        "int64" => Tensor::from_vec(shape, numbers.iter().map(|x| *x as i64).collect::<Vec<_>>()),
        "bool" => Tensor::from_vec(shape, numbers.iter().map(|x| *x != 0.0).collect::<Vec<_>>()),
        "complex64" => {
            let parts = singles().collect::<Vec<_>>();
            let pairs = parts.chunks(2).map(|pair| Complex { re: pair[0], im: pair[1] });
            Tensor::from_vec(shape, pairs.collect::<Vec<_>>())
        }
        "complex128" => {
            let pairs = numbers.chunks(2).map(|pair| Complex { re: pair[0], im: pair[1] });
            Tensor::from_vec(shape, pairs.collect::<Vec<_>>())
        }
        other => panic!("{other}"),
    };
    made.unwrap()
}

/// The numbers of a tensor.
fn listed(tensor: &Tensor) -> Vec<f64> {
    if let Ok(values) = tensor.as_slice::<f32>() {
        return values.iter().map(|x| f64::from(*x)).collect();
    }
    if let Ok(values) = tensor.as_slice::<f64>() {
        return values.to_vec();
    }
    if let Ok(values) = tensor.as_slice::<f16>() {
        return values.iter().map(|x| f64::from(x.to_f32())).collect();
    }
    if let Ok(values) = tensor.as_slice::<i32>() {
        return values.iter().map(|x| f64::from(*x)).collect();
    }
    tensor.as_slice::<i64>().unwrap().iter().map(|x| *x as f64).collect()
}

/// What is fed, by names of tensors.
fn fed(value: &Value) -> Vec<(&str, Tensor)> {
    let fed = value.as_object().unwrap().iter();
    fed.map(|(name, value)| (name.as_str(), tensor(value))).collect()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

fn options(graph: &Graph, options: &Value) -> GradientOptions {
    let mut made = GradientOptions::new();
    for (key, value) in options.as_object().unwrap() {
        made = match key.as_str() {
            "grad_ys" => made.grad_ys(tensors(graph, value).into_iter().map(Some)),
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

/// What differs from the values of TensorFlow.
fn check(case: &Value) -> Vec<String> {
    let name = case["name"].as_str().unwrap();
    let graph = Graph::import(graph_def(case), &ImportOptions::default()).unwrap();
    let mut scope = Scope::from_graph(graph);
    let graph = scope.graph();
    let (ys, xs) = (tensors(graph, &case["ys"]), tensors(graph, &case["xs"]));
    let options = options(graph, &case["options"]);
    scope.gradients_with(ys, xs, &options).unwrap();
    let session = Session::new(Arc::new(scope.into_graph()), SessionOptions::default());
    let mut wrong = Vec::new();
    for run in case["runs"].as_array().unwrap() {
        let initial = fed(&run["initial"]);
        let feeds = fed(&run["feeds"]);
        let (assigns, fetches) = (names(&run["assign"]), names(&run["fetches"]));
        if !assigns.is_empty() {
            session.run(&initial, &[], &assigns).unwrap();
        }
        let values = match session.run(&feeds, &fetches, &[]) {
            Ok(values) => values,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        for ((fetch, got), want) in
            fetches.iter().zip(&values).zip(run["values"].as_array().unwrap())
        {
            let (got, want) = (listed(got), numbers(want));
            let greatest = want.iter().fold(1e-3, |most: f64, x| most.max(x.abs()));
            let bound = if run["values"][0]["dtype"] == "float16" { 1e-3 } else { BOUND };
            let is_near = |(a, b): (&f64, &f64)| (a - b).abs() <= bound * greatest;
            if got.len() != want.len() || !got.iter().zip(&want).all(is_near) {
                wrong.push(format!("{name}: {fetch} is {got:?} instead of {want:?}"));
            }
        }
    }
    wrong
}

#[test]
fn gradients_through_conditions_have_the_values_of_tensorflow() {
    let cases = cases();
    let n_runs: usize = cases.iter().map(|case| case["runs"].as_array().unwrap().len()).sum();
    assert_eq!(n_runs, 110);
    let wrong: Vec<String> = cases.iter().flat_map(check).collect();
    // The runtime computes with no complex numbers.
    let (complex, wrong): (Vec<_>, Vec<_>) =
        wrong.into_iter().partition(|what| what.starts_with("complex_numbers: no CPU kernel for"));
    assert_eq!(complex.len(), 2);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn gradients_through_loops_have_the_values_of_tensorflow() {
    let cases = cases_of("loops.json.gz");
    let n_runs: usize = cases.iter().map(|case| case["runs"].as_array().unwrap().len()).sum();
    assert_eq!(n_runs, 108);
    let wrong: Vec<String> = cases.iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn gradients_of_more_families_have_the_values_of_tensorflow() {
    let cases = cases_of("families.json.gz");
    let n_runs = |case: &Value| case["runs"].as_array().map_or(0, Vec::len);
    let run: Vec<&Value> = cases.iter().filter(|case| n_runs(case) > 0).collect();
    let wrong: Vec<String> = run.iter().flat_map(|case| check(case)).collect();
    // The graphs of some ops are made for others to run.
    let (without, wrong): (Vec<_>, Vec<_>) =
        wrong.into_iter().partition(|what| what.contains(": no CPU kernel for "));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let n_compared = run.iter().map(|case| n_runs(case)).sum::<usize>() - without.len();
    assert!(n_compared >= 174, "{n_compared}");
}

#[test]
fn one_tensor_may_be_two_arguments() {
    let cases = cases();
    let case = cases.iter().find(|case| case["name"] == "branches_of_other_programs").unwrap();
    let mut def = graph_def(case);
    let node = def.node.iter_mut().find(|node| node.name == "If").unwrap();
    node.input = ["on", "x", "x"].map(str::to_owned).to_vec();
    let mut scope = Scope::from_graph(Graph::import(def, &ImportOptions::default()).unwrap());
    let [y, x] = ["If:0", "x:0"].map(|name| scope.graph().get_tensor_by_name(name).unwrap());
    let gradient = scope.gradients([y], [x]).unwrap()[0].unwrap().as_dense().unwrap();
    let gradient = scope.graph().tensor_name(gradient).to_string();
    let session = Session::new(Arc::new(scope.into_graph()), SessionOptions::default());
    // One branch is exp(a) * b, the other a + b * b.
    for (on, want) in [(true, 0.5f32.exp() * 1.5), (false, 2.0)] {
        let feeds =
            [("on:0", Tensor::scalar(on)), ("x:0", Tensor::from_elements(vec![0.5f32, 0.5]))];
        let got = session.run(&feeds, &[&gradient], &[]).unwrap();
        let got = got[0].as_slice::<f32>().unwrap();
        assert!(got.iter().all(|got| (got - want).abs() < 1e-5), "{got:?} {want}");
    }
}
