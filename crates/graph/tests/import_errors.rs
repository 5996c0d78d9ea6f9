//! Wrong graphs are refused with TensorFlow's own words.
//!
//! `fixtures/graphs/import_errors.json` holds graphs and what TensorFlow said to each.

use base64::Engine;
use flowkeep_graph::{Error, Graph, ImportOptions};
use flowkeep_proto::pb;
use flowkeep_tensor::Code;
use prost::Message;
use serde_json::Value;

/// Cases in which this importer is meant to differ, and what it does.
const DIFFERENT: &[(&str, Option<&str>)] = &[
    // Unknown ops are errors when they are executed.
    ("unknown_op", None),
    // Found by TensorFlow's shape inference, which comes later here.
    ("shape_attr_negative_dim", None),
    ("shape_attr_unknown_rank_with_dims", None),
    // TensorFlow wraps the number around.
    (
        "huge_output",
        Some(
            "Node 'c': Connecting to invalid output 4294967295 of source node a which has 1 outputs.",
        ),
    ),
    // TensorFlow's Python fails before the importer sees the graph.
    (
        "attr_placeholder",
        Some(
            "AttrValue had value with type 'placeholder' when 'type' expected\n\t for attr 'dtype'",
        ),
    ),
];

struct Case {
    name: String,
    graph_def: pb::GraphDef,
    error: Option<String>,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/graphs/import_errors.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let decode = |value: &Value| {
        base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
    };
    let case = |case: &Value| Case {
        name: text(&case["name"]).unwrap(),
        graph_def: pb::GraphDef::decode(&*decode(&case["graph_def"])).unwrap(),
        error: text(&case["error"]),
    };
    file["cases"].as_array().unwrap().iter().map(case).collect()
}

/// The class of Python's exception for an error.
fn exception(error: &Error) -> &'static str {
    match error.code() {
        Code::InvalidArgument => "ValueError",
        Code::Unimplemented => "UnimplementedError",
        code => panic!("unexpected {code}"),
    }
}

/// TensorFlow lists missing attributes in the order of a hash table.
fn sorted_attrs(message: &str) -> String {
    let Some((before, rest)) = message.split_once("missing attrs ") else {
        return message.to_owned();
    };
    let Some((names, after)) = rest.split_once(" from ") else { return message.to_owned() };
    let mut names: Vec<&str> = names.split(", ").collect();
    names.sort_unstable();
    format!("{before}missing attrs {} from {after}", names.join(", "))
}

#[test]
fn errors_are_tensorflows() {
    let cases = cases();
    assert!(cases.len() > 90);
    let mut wrong = Vec::new();
    for case in cases {
        let got = Graph::import(case.graph_def, &ImportOptions::default()).err();
        let got = got.map(|error| format!("{}: {error}", exception(&error)));
        let want = match DIFFERENT.iter().find(|(name, _)| *name == case.name) {
            Some((_, text)) => text.map(|text| format!("ValueError: {text}")),
            None => case.error,
        };
        if got.as_deref().map(sorted_attrs) != want.as_deref().map(sorted_attrs) {
            wrong.push(format!("{}\n  got  {got:?}\n  want {want:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn exceptions_to_the_rule_are_still_needed() {
    let cases = cases();
    for (name, text) in DIFFERENT {
        let case = cases.iter().find(|case| case.name == *name).expect(name);
        assert_ne!(case.error, text.map(|text| format!("ValueError: {text}")), "{name}");
    }
}
