//! MetaGraphs are imported and exported as TensorFlow does it.
//!
//! `fixtures/meta_graph/cases.json.gz` holds cases of steps and what TensorFlow said to each;
//! `fixtures/meta_graph/generate.py` says what steps mean.

mod collections;
mod compare;
mod facts;
mod files;
mod fuzz_replay;
mod play;

use std::io::Read;

use base64::Engine;
use flowkeep_proto::pb;
use prost::Message;
use serde_json::Value;

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/meta_graph/cases.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn decode(value: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn meta_graph(value: &Value) -> pb::MetaGraphDef {
    pb::MetaGraphDef::decode(&*decode(value)).unwrap()
}

fn strings(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    values.map(|value| value.as_str().unwrap().to_owned()).collect()
}
