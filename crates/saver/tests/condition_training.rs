//! A graph with conditions and loops whose parts are functions is trained as in TensorFlow: `fixtures/gradients/trained.py`.

use std::io::Read;
use std::sync::Arc;

use base64::Engine;
use flowkeep_graph::ImportMetaGraphOptions;
use flowkeep_graph::builder::Scope;
use flowkeep_graph::optimizers::{GradientDescent, Minimize, Optimizer};
use flowkeep_proto::pb;
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_tensor::Tensor;
use prost::Message;
use serde_json::Value;

/// The bound on differences of losses, relative to them.
const BOUND: f64 = 2e-5;

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/gradients/trained.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn integers<T: TryFrom<i64>>(value: &Value) -> Vec<T> {
    let number = |value: &Value| T::try_from(value.as_i64().unwrap()).ok().unwrap();
    value.as_array().unwrap().iter().map(number).collect()
}

fn fed(name: &str, value: &Value) -> Tensor {
    match name {
        "x:0" => {
            let rows = value.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
            let numbers: Vec<f32> = rows.map(|x| x.as_f64().unwrap() as f32).collect();
            Tensor::from_vec([5usize, 4], numbers).unwrap()
        }
        "labels:0" => Tensor::from_elements(integers::<i64>(value)),
        "ids:0" => Tensor::from_elements(integers::<i32>(value)),
        "n:0" => Tensor::scalar(i32::try_from(value.as_i64().unwrap()).unwrap()),
        _ => Tensor::scalar(value.as_bool().unwrap()),
    }
}

#[test]
fn losses_of_a_graph_with_conditions_and_loops_are_those_of_tensorflow() {
    let golden = golden();
    let bytes = golden["meta_graph"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).unwrap();
    let def = pb::MetaGraphDef::decode(&*bytes).unwrap();
    let mut scope = Scope::new();
    scope.import_meta_graph(def, &ImportMetaGraphOptions::default()).unwrap();
    let loss = golden["loss"].as_str().unwrap();
    let y = scope.graph().get_tensor_by_name(loss).unwrap();
    let mut optimizer = Optimizer::new(GradientDescent::new(0.2));
    let train = optimizer.minimize(&mut scope, y, &Minimize::default()).unwrap();
    let train = scope.graph().node(train).name().to_owned();
    let session = Session::new(Arc::new(scope.into_graph()), SessionOptions::default());
    session.run(&[], &[], &[golden["init"].as_str().unwrap()]).unwrap();
    let steps =
        golden["feeds"].as_array().unwrap().iter().zip(golden["losses"].as_array().unwrap());
    let mut n_steps = 0;
    for (feeds, want) in steps {
        let feeds = feeds.as_object().unwrap().iter();
        let feeds: Vec<_> = feeds.map(|(name, value)| (&**name, fed(name, value))).collect();
        let got = session.run(&feeds, &[loss], &[&train]).unwrap();
        let got = f64::from(got[0].as_slice::<f32>().unwrap()[0]);
        let want = want.as_f64().unwrap();
        assert!(
            (got - want).abs() <= BOUND * want.abs(),
            "step {n_steps}: {got} instead of {want}"
        );
        n_steps += 1;
    }
    assert_eq!(n_steps, 12);
}
