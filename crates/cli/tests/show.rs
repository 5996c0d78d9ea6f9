//! `flowkeep show` prints what TensorFlow's `saved_model_cli show` prints.

mod common;

use std::collections::BTreeSet;

use common::{fixtures, flowkeep};
use serde_json::{Value, json};

fn cases() -> Value {
    let text = std::fs::read_to_string(fixtures().join("show/cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Splits a line that ends in a Python set into its beginning and the set's items.
fn as_set(line: &str) -> (&str, BTreeSet<&str>) {
    match line.split_once(" ops: {") {
        Some((start, set)) => (start, set.trim_end_matches('}').split(", ").collect()),
        None => (line, BTreeSet::new()),
    }
}

fn assert_same_text(got: &str, expected: &str, what: &str) {
    let (got_lines, expected_lines): (Vec<_>, Vec<_>) =
        (got.lines().collect(), expected.lines().collect());
    for (got, expected) in got_lines.iter().zip(&expected_lines) {
        assert_eq!(as_set(got), as_set(expected), "{what}");
    }
    assert_eq!(got_lines.len(), expected_lines.len(), "{what}:\n{got}\n--- expected\n{expected}");
}

#[test]
fn everything_is_shown_as_tensorflow_shows_it() {
    let cases = cases();
    let models = cases["models"].as_object().unwrap();
    assert!(models.len() >= 12);
    for (name, dir) in models {
        let run = flowkeep(&["show", "--dir", dir.as_str().unwrap(), "--all"]);
        assert_eq!(run.status, 0, "{name}: {}", run.stderr);
        let expected =
            std::fs::read_to_string(fixtures().join(format!("show/{name}.txt"))).unwrap();
        assert_same_text(&run.stdout, &expected, name);
    }
}

#[test]
fn parts_are_shown_as_tensorflow_shows_them() {
    for case in cases()["cases"].as_array().unwrap() {
        let mut args: Vec<&str> =
            case["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        args.insert(0, "show");
        let run = flowkeep(&args);
        let what = format!("{args:?}");
        assert_same_text(&run.stdout, case["stdout"].as_str().unwrap(), &what);
        match case["error"]["message"].as_str() {
            None => assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{what}"),
            Some(message) => {
                assert!(run.status > 10, "{what}");
                // The libraries name the files that are missing from the directory as well.
                let stderr = run.stderr.replace("/{saved_model.pbtxt|saved_model.pb}", "");
                let stderr = stderr.replace("; there is no such directory", "");
                assert_eq!(
                    sorted_words(&stderr),
                    sorted_words(&format!("flowkeep: {message}\n")),
                    "{what}"
                );
            }
        }
    }
}

/// The words of a message whose lists TensorFlow prints in no fixed order.
fn sorted_words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> =
        text.split([' ', ',', '[', ']', '\'', '\n']).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words
}

#[test]
fn json_has_tags_signatures_ops_and_functions() {
    let all = flowkeep(&["show", "--dir", "counter_tf2", "--all", "--format", "json"]).json();
    let meta_graph = &all["meta_graphs"][0];
    assert_eq!(meta_graph["tags"], json!(["serve"]));
    let delta = &meta_graph["signatures"]["serving_default"]["inputs"]["delta"];
    assert_eq!(
        delta,
        &json!({"dtype": "DT_FLOAT", "shape": [], "name": "serving_default_delta:0"})
    );
    assert!(meta_graph["ops"].as_array().unwrap().contains(&json!("AssignAddVariableOp")));
    let add = &all["functions"]["listed"][0];
    assert_eq!(add["name"], "add");
    assert_eq!(add["options"][0]["arguments"][0]["name"], "delta");

    let tag_sets = flowkeep(&["show", "--dir", "multi_tag", "--format=json"]).json();
    assert_eq!(tag_sets, json!({"tag_sets": [["serve"], ["serve", "gpu"]]}));
    let keys = flowkeep(&["show", "--dir=counter_tf2", "--tag-set=serve", "--format=json"]).json();
    assert_eq!(
        keys["signature_keys"],
        json!(["__saved_model_init_op", "reset", "serving_default"])
    );
}

#[test]
fn errors_have_a_status_and_a_json_form() {
    let run = flowkeep(&["show", "--dir", "no_such_model", "--format", "json"]);
    assert_eq!(run.status, 15);
    let error = &run.json()["error"];
    assert_eq!(error["code"], "NOT_FOUND");
    assert!(run.stderr.contains(error["message"].as_str().unwrap()), "{run:?}");
    let nearest = flowkeep(&[
        "show",
        "--dir=counter_tf2",
        "--tag_set=serve",
        "--signature_def=serving_defualt",
    ]);
    assert_eq!(nearest.status, 15);
    assert!(nearest.stderr.contains("did you mean \"serving_default\"?"), "{nearest:?}");
}

#[test]
fn help_and_version_succeed_and_mistakes_do_not() {
    assert_eq!(
        flowkeep(&["--version"]).stdout,
        format!("flowkeep {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = flowkeep(&["show", "--help"]);
    assert!(
        help.status == 0 && help.stdout.contains("flowkeep show --dir model --all"),
        "{help:?}"
    );
    let missing = flowkeep(&["show"]);
    assert!(missing.status == 2 && missing.stderr.contains("--dir"), "{missing:?}");
    assert_eq!(flowkeep(&[]).status, 2);
    assert_eq!(flowkeep(&["show", "--dir=m", "--bogus"]).status, 2);
}
