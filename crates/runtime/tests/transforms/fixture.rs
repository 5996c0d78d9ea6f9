//! The cases of `fixtures/transforms` and the numbers that TensorFlow computed for them.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flate2::read::GzDecoder;
use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::pb;
use flowkeep_tensor::{DType, Tensor};
use prost::Message;
use serde_json::Value;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) graph: Graph,
    pub(crate) variables: HashMap<String, Tensor>,
    pub(crate) feeds: Vec<(String, Tensor)>,
    /// Names and TensorFlow's values; none where nothing was run.
    pub(crate) fetches: Vec<(String, Tensor)>,
}

pub(crate) fn cases(transform: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../fixtures/transforms/{transform}.json.gz"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let suite: Value = serde_json::from_reader(GzDecoder::new(file)).unwrap();
    let case = |case: &Value| {
        let name = case["name"].as_str().unwrap().to_owned();
        let def = bytes(&suite["graphs"][case["graph"].as_str().unwrap()]);
        let graph = Graph::import(pb::GraphDef::decode(def).unwrap(), &ImportOptions::default());
        Case {
            graph: graph.unwrap_or_else(|error| panic!("{name}: {error}")),
            name,
            variables: tensors(&case["variables"]).into_iter().collect(),
            feeds: tensors(&case["run"]["feeds"]),
            fetches: tensors(&case["run"]["fetches"]),
        }
    };
    suite["cases"].as_array().unwrap().iter().map(case).collect()
}

fn tensors(map: &Value) -> Vec<(String, Tensor)> {
    let map = map.as_object().into_iter().flatten();
    map.map(|(name, value)| (name.clone(), tensor(value))).collect()
}

fn tensor(value: &Value) -> Tensor {
    let dims = value["shape"].as_array().unwrap().iter();
    let shape: Vec<usize> = dims.map(|dim| dim.as_u64().unwrap() as usize).collect();
    let name = match value["dtype"].as_str().unwrap() {
        "float16" => "half",
        "float32" => "float",
        "float64" => "double",
        name => name,
    };
    match DType::from_name(name).unwrap() {
        DType::String => {
            let strings = value["strings"].as_array().unwrap().iter().map(bytes).collect();
            Tensor::from_strings(shape, strings).unwrap()
        }
        dtype => Tensor::from_bytes(dtype, shape, bytes(&value["b64"])).unwrap(),
    }
}

fn bytes(text: &Value) -> Bytes {
    BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap().into()
}
