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
