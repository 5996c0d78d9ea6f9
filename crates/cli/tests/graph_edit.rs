//! The subcommands of `flowkeep graph` that write an edited graph: flags, what is kept beside the graph, text, JSON
//! and exit status. What the transforms do is tested with the library.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, fixtures, flowkeep};
use serde_json::{Value, json};

struct Edits {
    dir: tempfile::TempDir,
}

impl Edits {
    fn new() -> Edits {
        Edits { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Edits `from` into the file of that name; asserts success.
    fn edit(&self, command: &str, from: &str, to: &str, flags: &[&str]) -> Value {
        let to = self.path(to);
        let args = [&["graph", command, from, &to, "--format=json"], flags].concat();
        let run = flowkeep(&args);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{args:?}");
        run.json()
    }
}

fn model(name: &str) -> String {
    path(&fixtures().join("saved_models").join(name))
}

fn view(name: &str) -> String {
    path(&fixtures().join("graph_views").join(name))
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn summary(path: &str) -> Value {
    let run = flowkeep(&["graph", "summary", path, "--format=json"]);
    assert_eq!(run.status, 0, "{run:?}");
    run.json()
}

/// The outputs of the signature of a model for inputs that are always the same.
fn outputs(model: &str) -> Value {
    let run = flowkeep(&[
        "run",
        "--dir",
        model,
        "--tag_set=serve",
        "--signature_def=serving_default",
        "--input_exprs=x=[[1.0], [2.0]]",
        "--format=json",
    ]);
    assert_eq!(run.status, 0, "{run:?}");
    run.json()
}

#[test]
fn a_frozen_model_needs_no_checkpoint_and_computes_the_same() {
    let edits = Edits::new();
    // One makes a variable of the name of its asset, which no checkpoint restores.
    for (name, n_left) in [("half_plus_two_resource", 1), ("half_plus_two_tf2", 0)] {
        let from = model(name);
        let done = edits.edit("freeze", &from, name, &[]);
        assert_eq!(done["written"]["kind"], json!("SavedModel"));
        assert!(!done["done"]["frozen"].as_array().unwrap().is_empty(), "{done}");
        let to = PathBuf::from(edits.path(name));
        assert!(to.join("saved_model.pb").is_file() && !to.join("variables").exists());
        let variables = summary(&path(&to))["variables"].clone();
        assert_eq!(variables.as_array().unwrap().len(), n_left, "{name}: {variables}");
        assert_eq!(outputs(&path(&to)), outputs(&from), "{name}");

        let flat = format!("{name}.flat");
        edits.edit("inline", &path(&to), &flat, &["--aggressive"]);
        assert_eq!(summary(&edits.path(&flat))["functions"], json!([]), "{name}");
        assert_eq!(outputs(&edits.path(&flat)), outputs(&from), "{name}");
        let folded = format!("{name}.folded");
        edits.edit("fold-constants", &edits.path(&flat), &folded, &[]);
        assert_eq!(outputs(&edits.path(&folded)), outputs(&from), "{name}");
    }
}

#[test]
fn a_meta_graph_is_frozen_with_the_checkpoint_that_is_given() {
    let edits = Edits::new();
    let plans = fixtures().join("plans");
    let (from, good) = (path(&plans.join("resource.meta")), path(&plans.join("good")));
    let run = flowkeep(&["graph", "freeze", &from, &edits.path("frozen.meta")]);
    assert_eq!(run.status, 13, "{run:?}");
    assert!(
        run.stderr.contains("the values of variables are missing: give --checkpoint"),
        "{run:?}"
    );
    assert!(!Path::new(&edits.path("frozen.meta")).exists());
    let flags = ["--outputs=dense/kernel/Read/ReadVariableOp", "--checkpoint", &good];
    let done = edits.edit("freeze", &from, "frozen.meta", &flags);
    assert_eq!(
        done["done"]["frozen"],
        json!([{"name": "dense/kernel", "dtype": "float32", "shape": [2, 3], "bytes": 24}])
    );
    assert_eq!(done["dropped"]["saver"], json!(true));
    let collections = done["dropped"]["collections"].as_array().unwrap();
    assert!(collections.contains(&json!({"name": "variables", "items": 3})), "{done}");
    assert_eq!(summary(&edits.path("frozen.meta"))["variables"], json!([]));
}

#[test]
fn what_is_there_is_not_replaced_unasked() {
    let edits = Edits::new();
    let from = view("dense.meta");
    edits.edit("clear-devices", &from, "out.meta", &[]);
    let before = fs::read(edits.path("out.meta")).unwrap();
    let args = ["graph", "strip-default-attrs", &from, &edits.path("out.meta")];
    let run = flowkeep(&args);
    assert_eq!((run.status, run.stdout.as_str()), (16, ""), "{run:?}");
    assert!(fs::read(edits.path("out.meta")).unwrap() == before);
    let run = flowkeep(&[&args[..], &["--overwrite"]].concat());
    assert_eq!(run.status, 0, "{run:?}");
    assert!(fs::read(edits.path("out.meta")).unwrap().len() < before.len());
}

#[test]
fn graphs_are_cut_to_what_lies_between() {
    let edits = Edits::new();
    let done = edits.edit("extract", &view("dense.pb"), "cut.pb", &["--outputs=probabilities"]);
    let cut = summary(&edits.path("cut.pb"));
    assert_eq!(cut["nodes"], done["written"]["nodes"]);
    assert_eq!(cut["outputs"][0]["name"], json!("probabilities"));
    edits.edit(
        "strip-unused",
        &view("dense.pb"),
        "small.pb",
        &["--inputs=hidden", "--outputs=logits", "--to=text"],
    );
    let small = summary(&edits.path("small.pb"));
    assert_eq!(small["inputs"][0]["name"], json!("hidden"));
    assert!(small["nodes"].as_u64() < cut["nodes"].as_u64(), "{small}");
    assert!(fs::read_to_string(edits.path("small.pb")).unwrap().starts_with("node {"));
}

#[test]
fn renamed_nodes_are_renamed_wherever_they_are_named() {
    let edits = Edits::new();
    let from = model("half_plus_two_resource");
    edits.edit("rename", &from, "renamed", &["--sub", "^", "imported/"]);
    assert_eq!(outputs(&edits.path("renamed")), outputs(&from));
    let renamed = summary(&edits.path("renamed"));
    let names = renamed["inputs"].as_array().unwrap().iter().map(|node| node["name"].as_str());
    assert!(names.flatten().all(|name| name.starts_with("imported/")), "{renamed}");
}

#[test]
fn a_downgrade_is_written_only_if_the_older_release_takes_it() {
    let edits = Edits::new();
    let downgrade = |flags: &[&str], to: &str| -> Run {
        flowkeep(&[&["graph", "downgrade", &view("functions.meta"), to], flags].concat())
    };
    let to = edits.path("old.meta");
    let run = downgrade(&["--consumer=1.4"], &to);
    assert_eq!(run.status, 22, "{run:?}");
    assert!(
        run.stderr.contains(
            "\n  while (StatelessWhile): op StatelessWhile is in TensorFlow from 1.12 on"
        ),
        "{run:?}"
    );
    assert!(!Path::new(&to).exists());
    let run = downgrade(&["--consumer=1.4", "--force", "--format=json"], &to);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(!run.json()["done"]["problems"].as_array().unwrap().is_empty());
    assert_eq!(downgrade(&["--consumer=0.9"], &edits.path("none")).status, 2);
    let done = edits.edit("downgrade", &model("mnist_cnn"), "mnist", &["--consumer=1.15"]);
    assert_eq!(done["done"]["consumer"], json!({"release": "1.15", "version": 134}));
    assert_eq!(done["done"]["problems"], json!([]));
    assert_eq!(summary(&edits.path("mnist"))["producer"], json!(134));
    let done = edits.edit("downgrade", &model("keras_cnn_tf2"), "keras", &["--consumer=2.4"]);
    let changed = done["done"]["changed"].as_array().unwrap();
    assert!(changed.iter().all(|node| node["to"] == json!("NoOp")), "{changed:?}");
}

#[test]
fn what_is_wrong_is_said_with_the_file_and_what_was_meant() {
    let edits = Edits::new();
    let (dense, out) = (view("dense.pb"), edits.path("none.pb"));
    let plans = fixtures().join("plans");
    let (resource, missing) = (path(&plans.join("resource.meta")), path(&plans.join("missing")));
    for (args, status, message) in [
        (["show", &dense, "--node=hiden"].as_slice(), 15, "; did you mean 'hidden'?"),
        (&["path", &dense, "x", "probabilites"], 2, "; did you mean 'probabilities'?"),
        (
            &["extract", &dense, &out, "--outputs=Logits"],
            15,
            "not in graph; did you mean 'logits'?",
        ),
        (&["strip-unused", &dense, &out, "--inputs=hiden", "--outputs=logits"], 15, "'hidden'?"),
        (&["rename", &dense, &out, "--sub", ".*", "x"], 13, "is not unique"),
    ] {
        let run = flowkeep(&[&["graph"], args].concat());
        assert_eq!(run.status, status, "{run:?}");
        assert!(run.stderr.starts_with(&format!("flowkeep: {dense}")), "{run:?}");
        assert!(run.stderr.contains(message), "{run:?}");
    }
    let outputs = "--outputs=dense/bias/Read/ReadVariableOp";
    let run = flowkeep(&["graph", "freeze", &resource, &out, outputs, "--checkpoint", &missing]);
    let said = format!("flowkeep: {missing}: Key dense/bias not found in checkpoint\n");
    assert_eq!((run.status, run.stderr), (15, said));
    assert!(!Path::new(&out).exists());
}

#[test]
fn every_command_has_examples_and_a_source() {
    for command in [
        "extract",
        "freeze",
        "remove-training-nodes",
        "strip-unused",
        "strip-default-attrs",
        "clear-devices",
        "fold-batch-norms",
        "fold-constants",
        "rename",
        "inline",
        "downgrade",
    ] {
        let run = flowkeep(&["graph", command, "--help"]);
        assert!(run.stdout.contains("Examples:\n  flowkeep graph "), "{run:?}");
        let run = flowkeep(&["graph", command]);
        assert_eq!(run.status, 2, "{command}: {run:?}");
    }
}
