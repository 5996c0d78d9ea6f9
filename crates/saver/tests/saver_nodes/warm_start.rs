//! `init_from_checkpoint` adds the nodes that TensorFlow's adds, or fails with its words.

use std::io::Read;

use flowkeep_graph::builder::{GLOBAL_VARIABLES, Scope};
use flowkeep_saver::{AssignTo, SaveItem, init_from_checkpoint};
use serde_json::Value;

use crate::{check_all, compare, compare_variables, message, play};

fn cases() -> Vec<Value> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/saver_graphs/warm_start.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn target(value: &Value, variables: &play::Variables) -> AssignTo {
    match value["variable"].as_str() {
        None => value.as_str().unwrap().into(),
        Some(name) => match &variables[name] {
            SaveItem::Variable(variable) => variable.into(),
            SaveItem::Partitioned(whole) => whole.into(),
            other => panic!("{other:?}"),
        },
    }
}

/// A message about a key that is not there ends with all that are, which TensorFlow has in any order.
fn without_keys(text: &str) -> &str {
    text.split(" checkpoint {").next().unwrap()
}

fn check(case: &Value) -> Result<(), String> {
    let mut scope = Scope::new();
    let variables = play::variables(&mut scope, &case["variables"]);
    let n_before = scope.graph().len();
    let pairs = case["map"].as_array().unwrap().iter();
    let pairs = pairs.map(|pair| (pair[0].as_str().unwrap(), target(&pair[1], &variables)));
    let done = init_from_checkpoint(&mut scope, "../../fixtures/savers/whole", pairs);
    let done = match (done, case["error"].as_str()) {
        (Err(error), Some(text)) if without_keys(&error.to_string()) == without_keys(text) => {
            return Ok(());
        }
        (Err(error), _) => return Err(format!("{error}\n  instead {}", case["error"])),
        (Ok(_), Some(text)) => return Err(format!("no error {text}")),
        (Ok(done), None) => done,
    };
    let mut added = scope.graph().to_graph_def();
    added.node.drain(..n_before);
    compare(added, message(&case["nodes"]))?;
    compare_variables(case, &scope)?;
    let all_there = done.iter().all(|(_, variable)| {
        scope.collections().variables(GLOBAL_VARIABLES).any(|other| other == variable)
    });
    if all_there { Ok(()) } else { Err("variables that are in no collection".to_owned()) }
}

#[test]
fn initializers_are_replaced_as_tensorflow_replaces_them() {
    check_all(&cases(), 13, check);
}
