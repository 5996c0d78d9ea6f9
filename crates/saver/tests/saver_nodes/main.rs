//! Savers add the nodes that TensorFlow's add: same names, attributes, inputs and devices, or the same
//! error.
//!
//! `fixtures/saver_graphs/cases.json.gz` holds variables, options of Savers and what TensorFlow made of
//! them; `fixtures/saver_graphs/generate.py` says what they mean.

mod patterns;
mod play;
mod vocabularies;
mod warm_start;

use std::collections::BTreeMap;
use std::io::Read;

use base64::Engine;
use flowkeep_graph::InputRef;
use flowkeep_graph::builder::{GLOBAL_VARIABLES, Scope};
use flowkeep_proto::pb;
use prost::Message;
use serde_json::Value;

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/saver_graphs/cases.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn message<M: Message + Default>(value: &Value) -> M {
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap();
    M::decode(&*bytes).unwrap()
}

/// Checks cases, which are not fewer than `least`, and tells all that fail.
fn check_all(cases: &[Value], least: usize, check: impl Fn(&Value) -> Result<(), String>) {
    assert!(cases.len() >= least);
    let faults = cases
        .iter()
        .filter_map(|case| check(case).err().map(|fault| format!("{}: {fault}", case["name"])));
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

/// Whether the global variables of a scope are those of a case.
fn compare_variables(case: &Value, scope: &Scope) -> Result<(), String> {
    let wanted: Vec<pb::VariableDef> =
        case["defs"].as_array().unwrap().iter().map(message).collect();
    let got = scope.collections().variable_defs(GLOBAL_VARIABLES, scope.graph());
    if got == wanted { Ok(()) } else { Err(format!("{got:#?}\n  instead {wanted:#?}")) }
}

/// A node in the one of several equal forms that a writer uses.
fn normal(mut node: pb::NodeDef) -> pb::NodeDef {
    let n_data = node.input.iter().take_while(|input| !input.starts_with('^')).count();
    node.experimental_type = None;
    node.input[n_data..].sort();
    for input in &mut node.input {
        *input = InputRef::parse(input).to_string();
    }
    node
}

fn compare(got: pb::GraphDef, want: pb::GraphDef) -> Result<(), String> {
    let names = |def: &pb::GraphDef| -> Vec<String> {
        def.node.iter().map(|node| node.name.clone()).collect()
    };
    if names(&got) != names(&want) {
        return Err(format!("nodes {:?}\n  instead {:?}", names(&got), names(&want)));
    }
    for (got, want) in got.node.into_iter().zip(want.node) {
        let (got, want) = (normal(got), normal(want));
        if got != want {
            let text = |node: &pb::NodeDef| flowkeep_proto::text::print_message(node).unwrap();
            return Err(format!("{}\n  instead\n{}", text(&got), text(&want)));
        }
    }
    Ok(())
}

/// What TensorFlow's Savers are, and the Savers made here for the same variables.
fn check(case: &Value, faults: &mut Vec<String>) -> usize {
    let mut scope = flowkeep_graph::builder::Scope::new();
    let variables = play::variables(&mut scope, &case["variables"]);
    let savers = case["savers"].as_array().unwrap();
    for want in savers {
        let n_before = scope.graph().len();
        let made = play::saver(&mut scope, &want["spec"], &variables);
        let fault = match (&made, want["error"].as_str()) {
            (Err(error), Some(text)) if error.to_string() == text => Ok(()),
            (Err(error), _) => Err(format!("error {error}\n  instead {:?}", want["error"])),
            (Ok(_), Some(text)) => Err(format!("no error {text}")),
            (Ok(saver), None) => {
                let mut added = scope.graph().to_graph_def();
                added.node.drain(..n_before);
                let def = (!want["def"].is_null()).then(|| message(&want["def"]));
                match saver.as_saver_def() == def.as_ref() {
                    true => compare(added, message(&want["nodes"])),
                    false => Err(format!("{:?} instead {def:?}", saver.as_saver_def())),
                }
            }
        };
        if let Err(fault) = fault {
            faults.push(format!("{} {}: {fault}", case["name"], want["spec"]));
        }
    }
    savers.len()
}

#[test]
fn savers_add_the_nodes_that_tensorflow_adds() {
    let mut faults = Vec::new();
    let n_savers: usize = cases().iter().map(|case| check(case, &mut faults)).sum();
    assert!(n_savers > 110, "{n_savers} Savers");
    assert!(faults.is_empty(), "{} of {n_savers}\n{}", faults.len(), faults.join("\n\n"));
}

#[test]
fn every_option_is_in_some_case() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases() {
        for saver in case["savers"].as_array().unwrap() {
            for option in saver["spec"].as_object().unwrap().keys() {
                *seen.entry(option.clone()).or_default() += 1;
            }
        }
    }
    for option in [
        "allow_empty",
        "builder",
        "defer_build",
        "filename",
        "keep_checkpoint_every_n_hours",
        "max_to_keep",
        "name",
        "pad_step_number",
        "reshape",
        "restore_sequentially",
        "save_relative_paths",
        "sharded",
        "var_list",
        "write_version",
    ] {
        assert!(seen.contains_key(option), "{option}");
    }
}
