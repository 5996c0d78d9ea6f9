//! Networks that are written here come out as TensorFlow's Python makes them.
//!
//! `fixtures/graph_builder/networks.json.gz` holds the same networks, written in `generate.py` beside it.

mod networks;
mod nodes;

use std::collections::BTreeMap;
use std::io::Read;

use base64::Engine;
use flowkeep_graph::builder::Scope;
use flowkeep_proto::pb;
use prost::Message;
use serde_json::Value;

use networks::Network;
use nodes::difference;

fn golden() -> Vec<Value> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/graph_builder/networks.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut golden: Value = serde_json::from_str(&text).unwrap();
    match golden["networks"].take() {
        Value::Array(networks) => networks,
        _ => panic!("no networks"),
    }
}

fn decode(value: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn collections(scope: &Scope) -> BTreeMap<String, Vec<Vec<u8>>> {
    let collections = scope.collections();
    let defs = |name: &str| -> Vec<Vec<u8>> {
        let defs = collections.variable_defs(name, scope.graph());
        defs.iter().map(Message::encode_to_vec).collect()
    };
    collections.iter().map(|(name, _)| (name.to_owned(), defs(name))).collect()
}

fn check(network: &Network, golden: &Value) -> Result<(), String> {
    let mut scope = Scope::new();
    (network.build)(&mut scope).map_err(|error| format!("{}: {error}", network.name))?;
    let want = pb::GraphDef::decode(&*decode(&golden["graph_def"])).unwrap();
    let got = scope.to_graph_def_with_shapes();
    let n = got.node.len().max(want.node.len());
    let (mut got_nodes, mut want_nodes) = (got.node.into_iter(), want.node.into_iter());
    for _ in 0..n {
        if let Some(what) = difference(got_nodes.next(), want_nodes.next()) {
            return Err(format!("{}: {what}", network.name));
        }
    }
    let want: BTreeMap<String, Vec<Vec<u8>>> = golden["collections"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, defs)| (name.clone(), defs.as_array().unwrap().iter().map(decode).collect()))
        .collect();
    match collections(&scope) == want {
        true => Ok(()),
        false => Err(format!("{}: collections", network.name)),
    }
}

#[test]
fn networks_come_out_as_tensorflow_makes_them() {
    let golden = golden();
    let names: Vec<&str> = golden.iter().map(|golden| golden["name"].as_str().unwrap()).collect();
    let ours: Vec<&str> = networks::ALL.iter().map(|network| network.name).collect();
    assert_eq!(names, ours);
    let wrong: Vec<String> = networks::ALL
        .iter()
        .zip(&golden)
        .filter_map(|(network, golden)| check(network, golden).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
