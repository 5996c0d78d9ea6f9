//! `flowkeep sig`: what the signatures of a model are afterwards. What TensorFlow makes of it is tested in
//! `interop`.

mod common;

use std::path::Path;

use common::{Run, fixtures, flowkeep};
use serde_json::{Value, json};

fn model(name: &str) -> String {
    fixtures().join("saved_models").join(name).to_str().unwrap().to_owned()
}

fn sig(command: &str, from: &str, to: &Path, rest: &[&str]) -> Run {
    let to = to.to_str().unwrap();
    flowkeep(&[&["sig", command, &model(from), to, "--format=json"], rest].concat())
}

/// The signatures of a model, by key.
fn signatures(dir: &Path) -> Value {
    let dir = format!("--dir={}", dir.to_str().unwrap());
    let run = flowkeep(&["show", &dir, "--all", "--format=json"]);
    assert_eq!(run.status, 0, "{run:?}");
    run.json()["meta_graphs"][0]["signatures"].clone()
}

fn keys(dir: &Path) -> Vec<String> {
    signatures(dir).as_object().unwrap().keys().cloned().collect()
}

#[test]
fn signatures_are_added_with_the_types_of_the_graph() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("added");
    let flags = ["twice", "--input=x=x", "--output=y=y:0", "--method=my/method"];
    let run = sig("add", "half_plus_two_ref", &to, &flags);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run:?}");
    assert_eq!(run.json()["done"], json!({"what": "twice added", "note": null}));
    let all = signatures(&to);
    let (added, old) = (&all["twice"], &all["serving_default"]);
    assert_eq!(added["method_name"], json!("my/method"));
    assert_eq!(added["inputs"]["x"]["dtype"], old["inputs"]["x"]["dtype"], "{added}");
    assert_eq!(added["outputs"]["y"]["name"], old["outputs"]["y"]["name"], "{added}");
}

#[test]
fn signatures_are_renamed_copied_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let before = keys(Path::new(&model("half_plus_two_ref")));
    assert!(before.contains(&"serving_default".to_owned()), "{before:?}");
    for (command, rest, gone, come) in [
        ("rename", ["serving_default", "half"].as_slice(), "serving_default", "half"),
        ("copy", &["serving_default", "half"], "", "half"),
        ("remove", &["serving_default"], "serving_default", ""),
    ] {
        let to = dir.path().join(command);
        assert_eq!(sig(command, "half_plus_two_ref", &to, rest).status, 0);
        let after = keys(&to);
        let mut expected: Vec<&str> = before.iter().map(String::as_str).collect();
        expected.retain(|key| *key != gone);
        expected.extend(Some(come).filter(|key| !key.is_empty()));
        expected.sort_unstable();
        assert_eq!(after, expected, "{command}");
    }
}

#[test]
fn what_is_not_there_or_is_there_already_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("none");
    for (command, rest, status, message) in [
        ("rename", ["nope", "x"].as_slice(), 15, "Could not find signature \"nope\""),
        ("rename", &["serving_default", "regress_x_to_y"], 16, "there is a signature"),
        ("remove", &["serving_defaul"], 15, "did you mean"),
        ("rename-input", &["serving_default", "nope", "x2"], 13, "there is no input \"nope\""),
        ("rename-output", &["serving_default", "y", "y"], 16, "there is an output \"y\" already"),
        ("add", &["new", "--output=y=nope:0"], 15, "'nope:0'"),
        ("add", &["new", "--output=y=y", "--output=y=x"], 13, "y is given twice"),
        ("add", &["new"], 2, "--output"),
    ] {
        let run = sig(command, "half_plus_two_ref", &to, rest);
        assert_eq!(run.status, status, "{command}: {run:?}");
        assert!(run.stderr.contains(message), "{command}: {run:?}");
        assert!(!to.exists());
    }
}

#[test]
fn two_meta_graphs_do_not_get_the_same_tags() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("out").display().to_string();
    let taken = flowkeep(&["sig", "tags", "multi_tag", &to, "--tags=serve", "--add=gpu"]);
    assert_eq!(taken.status, 16, "{taken:?}");
    assert!(taken.stderr.contains("the tags serve,gpu already"), "{taken:?}");
    let free = flowkeep(&["sig", "tags", "multi_tag", &to, "--tags=gpu,serve", "--remove=serve"]);
    assert_eq!(free.status, 0, "{free:?}");
    let shown = flowkeep(&["show", "--dir", &to]);
    assert_eq!(
        shown.stdout, "The given SavedModel contains the following tag-sets:\n'gpu'\n'serve'\n",
        "{shown:?}"
    );
    assert_eq!(flowkeep(&["sig", "tags", "multi_tag", &to]).status, 2);
}

#[test]
fn the_command_is_listed() {
    let run = flowkeep(&["--help"]);
    assert!(run.stdout.contains(" Add, rename and remove signatures and tags"), "{run:?}");
    assert!(flowkeep(&["sig", "--help"]).stdout.contains("Examples:\n  flowkeep sig add"));
}
