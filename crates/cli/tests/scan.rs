//! `flowkeep scan` prints what TensorFlow's `saved_model_cli scan` prints, and sees more.

mod common;
#[path = "common/made.rs"]
mod made;

use std::collections::BTreeSet;

use common::{fixtures, flowkeep, flowkeep_in};
use made::model_of;
use serde_json::Value;

/// The text with the items of its sets sorted.
fn sorted_sets(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let line = |line: &str| {
        let (start, set) = line.split_once('{').unwrap_or((line, ""));
        let items = set.trim_end_matches('}').split(", ").map(str::to_owned);
        (start.to_owned(), items.collect())
    };
    text.lines().map(line).collect()
}

#[test]
fn texts_are_those_of_saved_model_cli() {
    let text = std::fs::read_to_string(fixtures().join("scan/cases.json")).unwrap();
    let fixture: Value = serde_json::from_str(&text).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() >= 15);
    for case in cases {
        let args: Vec<&str> =
            case["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        let run = flowkeep(&[&["scan"][..], &args].concat());
        assert_eq!(
            sorted_sets(&run.stdout),
            sorted_sets(case["stdout"].as_str().unwrap()),
            "{args:?}"
        );
        match case["error"]["message"].as_str() {
            None => assert_eq!(run.status, 0, "{args:?} {run:?}"),
            Some(message) => {
                let stderr = run.stderr.replace("/{saved_model.pbtxt|saved_model.pb}", "");
                // TensorFlow lists tag sets in no fixed order.
                let start = message.split(": [").next().unwrap();
                assert!(
                    run.status > 10 && stderr.starts_with(&format!("flowkeep: {start}")),
                    "{args:?} {run:?}"
                );
            }
        }
    }
}

const HIDDEN: &str = "
    node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_BOOL } } }
    node { name: 'y' op: 'If' input: 'x' input: 'x'
      attr { key: 'Tcond' value { type: DT_BOOL } } attr { key: 'Tin' value { list { type: DT_BOOL } } }
      attr { key: 'Tout' value { list { type: DT_BOOL } } }
      attr { key: 'then_branch' value { func { name: 'writes' } } }
      attr { key: 'else_branch' value { func { name: 'same' } } } }
    library {
      function { signature { name: 'same' input_arg { name: 'a' type: DT_BOOL } output_arg { name: 'r' type: DT_BOOL } }
        ret { key: 'r' value: 'a' } }
      function { signature { name: 'writes' input_arg { name: 'a' type: DT_BOOL } output_arg { name: 'r' type: DT_BOOL } }
        node_def { name: 'name' op: 'Const' attr { key: 'dtype' value { type: DT_STRING } }
          attr { key: 'value' value { tensor { dtype: DT_STRING tensor_shape { } string_val: 'written' } } } }
        node_def { name: 'write' op: 'WriteFile' input: 'name:output:0' input: 'name:output:0' }
        ret { key: 'r' value: 'a' } control_ret { key: 'w' value: 'write' } } }";

#[test]
fn what_only_a_branch_does_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    model_of(dir.path(), HIDDEN, "DT_BOOL");
    let run = flowkeep_in(dir.path(), &["scan", "--dir", ".", "--all", "--fail_if_found"]);
    assert_eq!(run.status, 17, "{run:?}");
    assert_eq!(
        run.stdout,
        "MetaGraph with tag set ['serve'] contains the following denylisted ops: {'WriteFile'}\n  WriteFile: node write \
         of function writes, run by serving_default\n"
    );
    assert!(run.stderr.contains("saved_model_cli does not see WriteFile"), "{run:?}");
    let json = flowkeep_in(dir.path(), &["scan", "--dir", ".", "--format", "json"]);
    assert_eq!(json.status, 0);
    let found = &json.json()["meta_graphs"][0];
    assert_eq!(found["hidden"][0], "WriteFile");
    assert_eq!(found["places"][0]["function"], "writes");
    assert_eq!(found["places"][0]["run_by"][0], "serving_default");
}
