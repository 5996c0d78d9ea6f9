//! Gradients through loops, run: they are what small changes of the inputs make of the results, also when they were
//! asked for twice.

use std::io::Read;
use std::sync::Arc;

use base64::Engine;
use flowkeep_graph::builder::Scope;
use flowkeep_graph::gradients::Gradient;
use flowkeep_graph::{ImportMetaGraphOptions, Output};
use flowkeep_proto::pb;
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_tensor::Tensor;
use prost::Message;
use serde_json::Value;

const STEP: f32 = 1e-2;

fn cases() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/gradients/gradients.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn tensors(scope: &Scope, names: &Value) -> Vec<Output> {
    let names = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    names.map(|name| scope.graph().get_tensor_by_name(name).unwrap()).collect()
}

fn names(scope: &Scope, tensors: impl IntoIterator<Item = Output>) -> Vec<String> {
    tensors.into_iter().map(|tensor| scope.graph().tensor_name(tensor).to_string()).collect()
}

fn values(session: &Session, feeds: &[(String, Tensor)], fetches: &[String]) -> Vec<Vec<f32>> {
    let feeds: Vec<_> = feeds.iter().map(|(name, value)| (&**name, value.clone())).collect();
    let fetches: Vec<&str> = fetches.iter().map(String::as_str).collect();
    let values = session.run(&feeds, &fetches, &[]).unwrap();
    values.iter().map(|value| value.as_slice::<f32>().unwrap().to_vec()).collect()
}

fn check(case: &Value) {
    let bytes = case["meta_graph"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).unwrap();
    let def = pb::MetaGraphDef::decode(&*bytes).unwrap();
    let mut scope = Scope::new();
    scope.import_meta_graph(def, &ImportMetaGraphOptions::default()).unwrap();
    let (ys, xs) = (tensors(&scope, &case["ys"]), tensors(&scope, &case["xs"]));
    let mut gradients = scope.gradients(&ys, &xs).unwrap();
    gradients.extend(scope.gradients(&ys, &xs).unwrap());
    let gradients =
        gradients.iter().map(|grad| grad.as_ref().and_then(Gradient::as_dense).unwrap());
    let gradients = names(&scope, gradients);
    let mut feeds = Vec::new();
    for (x, name) in xs.iter().zip(names(&scope, xs.clone())) {
        let shape = scope.shape(*x).to_shape().unwrap();
        let start = 0.3 + 0.05 * f32::from(u8::try_from(feeds.len()).unwrap());
        let numbers = std::iter::successors(Some(start), |number| Some(number + 0.1));
        let numbers: Vec<f32> = numbers.take(shape.n_elements()).collect();
        feeds.push((name, Tensor::from_vec(shape, numbers).unwrap()));
    }
    let ys = names(&scope, ys);
    let session = Session::new(Arc::new(scope.into_graph()), SessionOptions::default());
    let got = values(&session, &feeds, &gradients);
    for input in 0..feeds.len() {
        let whole = feeds[input].1.clone();
        for element in 0..whole.n_elements() {
            let mut sum_at = |step: f32| {
                let mut numbers = whole.as_slice::<f32>().unwrap().to_vec();
                numbers[element] += step;
                feeds[input].1 = Tensor::from_vec(whole.shape().clone(), numbers).unwrap();
                let sums = values(&session, &feeds, &ys);
                sums.iter().flatten().map(|number| f64::from(*number)).sum::<f64>()
            };
            let want = (sum_at(STEP) - sum_at(-STEP)) / f64::from(2.0 * STEP);
            for got in [&got[input], &got[input + feeds.len()]] {
                let got = f64::from(got[element]);
                let is_near = (got - want).abs() < 2e-3 * (1.0 + want.abs());
                assert!(is_near, "{} {} {element}: {got} {want}", case["name"], feeds[input].0);
            }
        }
        feeds[input].1 = whole;
    }
}

#[test]
fn gradients_through_loops_are_what_small_changes_make() {
    let cases = cases();
    for name in ["loop_of_products", "loop_in_loop", "cond_in_loop", "array_of_elements", "scanned"]
    {
        let case = cases["cases"].as_array().unwrap().iter().find(|case| case["name"] == name);
        check(case.unwrap());
    }
}
