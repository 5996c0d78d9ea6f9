//! `flowkeep convert`, `freeze` and `freeze_model`: what is written runs, with the numbers of the source.

mod common;

use std::path::Path;

use common::{flowkeep, flowkeep_in, models};

const X: &str = "--input_exprs=x=[[1.0], [-3.5]]";
const Y: &str = "Result for output key y:\n[[2.5 ]\n [0.25]]\n";

/// The absolute path of a fixture model.
fn model(name: &str) -> String {
    models().join(name).display().to_string()
}

fn assert_half(dir: &Path, model: &str) {
    let run = flowkeep_in(dir, &["run", "--dir", model, "--signature_def=serving_default", X]);
    assert_eq!((run.status, run.stdout.as_str()), (0, Y), "{run:?}");
}

#[test]
fn functions_and_variables_go_and_numbers_stay() {
    let dir = tempfile::tempdir().unwrap();
    let source = model("half_plus_two_tf2");
    let flat = flowkeep_in(dir.path(), &["convert", &source, "flat"]);
    assert_eq!((flat.status, flat.stderr.as_str()), (0, ""), "{flat:?}");
    assert!(
        flat.stdout.ends_with(" nodes\n") && flat.stdout.contains("flat (a SavedModel, serve)"),
        "{flat:?}"
    );
    assert_half(dir.path(), "flat");
    assert!(dir.path().join("flat/variables/variables.index").exists());
    assert!(!dir.path().join("flat/fingerprint.pb").exists(), "it would tell of another message");
    let frozen =
        flowkeep_in(dir.path(), &["convert", &source, "frozen", "--freeze", "--format=json"]);
    assert_eq!(frozen.status, 0, "{frozen:?}");
    assert!(
        frozen.json()["done"]["frozen"].as_array().is_some_and(|all| !all.is_empty()),
        "{frozen:?}"
    );
    assert!(!dir.path().join("frozen/variables").exists());
    assert_half(dir.path(), "frozen");
    let shown = flowkeep_in(dir.path(), &["show", "--dir=frozen", "--tag_set=serve", "--list_ops"]);
    assert!(!shown.stdout.contains("Call'") && !shown.stdout.contains("VarHandleOp"), "{shown:?}");
}

#[test]
fn one_signature_may_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    let source = model("half_plus_two_tf2");
    let args = ["convert", &source, "one", "--signature=serving_default", "--new_tags=serve,flat"];
    assert_eq!(flowkeep_in(dir.path(), &args).status, 0);
    let shown = flowkeep_in(dir.path(), &["show", "--dir=one", "--tag_set=flat,serve"]);
    assert!(
        !shown.stdout.contains("regress") && shown.stdout.contains("serving_default"),
        "{shown:?}"
    );
    let again = flowkeep_in(dir.path(), &args);
    assert_eq!(again.status, 16, "{again:?}");
    assert_eq!(flowkeep_in(dir.path(), &[&args[..], &["--overwrite"]].concat()).status, 0);
    let unknown = flowkeep_in(dir.path(), &["convert", &source, "two", "--signature=nope"]);
    assert_eq!(unknown.status, 15, "{unknown:?}");
    assert!(!dir.path().join("two").exists());
}

#[test]
fn a_frozen_graph_becomes_a_model_again() {
    let dir = tempfile::tempdir().unwrap();
    let source = model("half_plus_two_tf2");
    let frozen = flowkeep_in(dir.path(), &["freeze", &source, "half.pb"]);
    assert_eq!(frozen.status, 0, "{frozen:?}");
    let named = |role: &str| {
        let line = frozen.stdout.lines().find_map(|line| line.strip_prefix(role));
        line.unwrap_or_else(|| panic!("{frozen:?}")).to_owned()
    };
    let (x, y) = (named("input x: "), named("output y: "));
    let args =
        ["convert", "half.pb", "half", &format!("--inputs=x={x}"), &format!("--outputs=y={y}")];
    let built = flowkeep_in(dir.path(), &args);
    assert_eq!(built.status, 0, "{built:?}");
    assert!(
        built.stdout.contains("signature serving_default (tensorflow/serving/predict)\n"),
        "{built:?}"
    );
    assert_half(dir.path(), "half");
    let again = flowkeep_in(dir.path(), &args);
    assert_eq!(again.status, 16, "{again:?}");
    assert!(again.stderr.contains("already exists, and isn't empty"), "{again:?}");
    assert_eq!(flowkeep_in(dir.path(), &[&args[..], &["--overwrite"]].concat()).status, 0);
    let guessed = flowkeep_in(dir.path(), &["convert", "half.pb", "guessed", "--format=json"]);
    assert_eq!(guessed.json()["guessed"], true, "{guessed:?}");
    let wrong = flowkeep_in(dir.path(), &["convert", "half.pb", "wrong", "--outputs=y=nope:0"]);
    assert_eq!(wrong.status, 15, "{wrong:?}");
    assert!(!dir.path().join("wrong").exists());
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn variables_need_their_values() {
    let dir = tempfile::tempdir().unwrap();
    let graph = dir.path().join("graph.pb");
    let extracted = flowkeep(&[
        "freeze",
        "half_plus_two_ref",
        graph.to_str().unwrap(),
        "--keep_functions",
        "--only=nope",
    ]);
    assert_eq!(extracted.status, 0, "{extracted:?}");
    let kept = flowkeep_in(dir.path(), &["convert", "graph.pb", "m", "--outputs=y=y:0"]);
    assert_eq!(kept.status, 19, "{kept:?}");
    assert!(
        kept.stderr.contains("the graph has variables") && kept.stderr.contains("--checkpoint"),
        "{kept:?}"
    );
}

#[test]
fn a_compiler_gets_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let source = model("half_plus_two_tf2");
    let args = ["freeze_model", "--dir", &source, "--tag_set=serve", "--output_prefix=out"];
    let open = flowkeep_in(dir.path(), &args);
    assert_eq!(
        open.stderr,
        "flowkeep: Expected fully defined input shape for signature_def 'x', tensor name: 'serving_default_x'; but shape \
         is: (None, 1).\n"
    );
    assert!(dir.path().join("out/original_graph.pb").exists());
    let unknown = flowkeep_in(dir.path(), &[&args[..], &["--signature_def_key=nope"]].concat());
    assert!(
        unknown.stderr.starts_with(
            "flowkeep: Unable to find signature_def_key 'nope' in signature def map of `meta_graph_def`. Available keys: ["
        ),
        "{unknown:?}"
    );
    assert_eq!(flowkeep(&["freeze_model", "--dir=half_plus_two_tf2", "--tag_set=serve"]).status, 2);
}

/// The path of a model of `fixtures/object_models`.
fn object_model(name: &str) -> String {
    common::fixtures().join("object_models").join(name).display().to_string()
}

#[test]
fn all_meta_graphs_are_converted_or_the_one_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let source = model("multi_tag");
    for (flags, sets) in [
        (&[][..], "'serve'\n"),
        (&["--tag_set=serve,gpu"][..], "'gpu, serve'\n"),
        (&["--all"][..], "'serve'\n'gpu, serve'\n"),
        (&["--all", "--freeze"][..], "'serve'\n'gpu, serve'\n"),
    ] {
        let args = [&["convert", &source, "m", "--overwrite"][..], flags].concat();
        let done = flowkeep_in(dir.path(), &args);
        assert_eq!(done.status, 0, "{flags:?}: {done:?}");
        let shown = flowkeep_in(dir.path(), &["show", "--dir=m"]);
        assert!(shown.stdout.ends_with(&format!("tag-sets:\n{sets}")), "{flags:?}: {shown:?}");
        for line in sets.lines() {
            let tags = format!("--tag_set={}", line.trim_matches('\'').replace(' ', ""));
            let run = flowkeep_in(dir.path(), &["run", "--dir=m", &tags, X]);
            assert_eq!(run.status, 0, "{flags:?}: {run:?}");
        }
        assert_eq!(dir.path().join("m/variables").exists(), !flags.contains(&"--freeze"));
    }
    let json = flowkeep_in(dir.path(), &["convert", &source, "j", "--all", "--format=json"]).json();
    let tags = |idx: usize| json["meta_graphs"][idx]["tags"].to_string();
    assert_eq!((tags(0), tags(1)), ("[\"serve\"]".into(), "[\"serve\",\"gpu\"]".into()));
    let unknown = flowkeep_in(dir.path(), &["convert", &source, "u", "--all", "--signature=nope"]);
    assert_eq!(unknown.status, 15, "{unknown:?}");
}

#[test]
fn nodes_are_run_before_variables_are_frozen() {
    let dir = tempfile::tempdir().unwrap();
    let source = object_model("v1_resource");
    let frozen = |name: &str, flags: &[&str]| {
        let saved_model = format!("--input_saved_model_dir={source}");
        let out = format!("--output_graph={name}.pb");
        let common = ["freeze", &saved_model, &out, "--output_node_names=y", "--overwrite"];
        let done = flowkeep_in(dir.path(), &[&common[..], flags].concat());
        if done.status != 0 {
            return done;
        }
        let graph = format!("{name}.pb");
        let args = ["convert", &graph, name, "--inputs=x=x:0", "--outputs=y=y:0", "--overwrite"];
        let built = flowkeep_in(dir.path(), &args);
        assert_eq!(built.status, 0, "{built:?}");
        let dir_flag = format!("--dir={name}");
        flowkeep_in(dir.path(), &["run", &dir_flag, "--input_exprs=x=[1.0, 2.0]"])
    };
    assert_eq!(frozen("plain", &[]).stdout, "Result for output key y:\n[5.5 7.5]\n");
    let run = frozen("reset", &["--initializer_nodes= reset", "--input_binary=true"]);
    assert_eq!(run.stdout, "Result for output key y:\n[2.5 3.5]\n", "{run:?}");
    let unknown = frozen("nope", &["--initializer_nodes=nope"]);
    assert_eq!(unknown.status, 15, "{unknown:?}");
    assert!(unknown.stderr.contains("The name 'nope' refers to an Operation not in the graph."));
    let version = frozen("version", &["--checkpoint_version=3"]);
    assert_eq!(version.status, 2, "{version:?}");
    let says = "Invalid checkpoint version (must be '1' or '2'): 3";
    assert!(version.stderr.contains(says), "{version:?}");
}

#[test]
fn a_model_without_its_variables_says_so() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(
        common::models().join("half_plus_two_resource/saved_model.pb"),
        dir.path().join("saved_model.pb"),
    )
    .unwrap();
    let says =
        "the model's variables were never written: there is no checkpoint ./variables/variables";
    let run = flowkeep_in(dir.path(), &["check", "--dir=."]);
    assert!(run.status == 0 && run.stdout.ends_with(&format!("{says}\n")), "{run:?}");
    let run = flowkeep_in(dir.path(), &["explain", "--dir=."]);
    assert!(run.stdout.contains(&format!("  But {says}.\n")), "{run:?}");
}

#[test]
fn an_explained_call_of_examples_names_their_features() {
    let run = flowkeep(&["explain", "--dir=mnist_softmax"]);
    assert!(run.stdout.contains("--input_examples 'inputs=[{\"x\": [0.0, 0.0, "), "{run:?}");
}
