//! `flowkeep run` prints what TensorFlow's `saved_model_cli run` prints, and fails where it fails.

mod common;

use std::path::Path;

use common::{Run, fixtures, flowkeep};
use serde_json::{Value, json};

const HALF: [&str; 3] = ["run", "--dir", "half_plus_two_tf2"];

fn run(args: &[&str]) -> Run {
    flowkeep(&[&HALF, args].concat())
}

/// The message without the command's name, the input's key, hints and NumPy's wrappers around texts.
fn plain(message: &str) -> String {
    let message = message
        .lines()
        .filter(|line| !line.starts_with("flowkeep: warning"))
        .collect::<Vec<_>>()
        .join("\n");
    let message = message.strip_prefix("flowkeep: ").unwrap_or(&message);
    let message = match message.split_once("\": ") {
        Some((input, rest)) if input.starts_with("input \"") => rest,
        _ => message,
    };
    let message = message.split(" (did you mean").next().unwrap_or_default();
    let message = message.split(" (the signature wants").next().unwrap_or_default();
    // What is said beyond TensorFlow's words.
    let more = ["; serving_default takes", " It has ", "; there is no such directory"];
    let message =
        more.iter().fold(message, |message, more| message.split(more).next().unwrap_or_default());
    message
        .replace("/{saved_model.pbtxt|saved_model.pb}", "")
        .replace("np.str_(", "")
        .replace("np.bytes_(", "")
        .trim_end_matches(')')
        .to_owned()
}

/// The words of a message whose lists TensorFlow prints in no fixed order.
fn sorted_words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words
}

#[test]
fn calls_print_and_fail_as_in_saved_model_cli() {
    let text = std::fs::read_to_string(fixtures().join("run/cases.json")).unwrap();
    let fixture: Value = serde_json::from_str(&text).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() > 35);
    let mut failures = Vec::new();
    for case in cases {
        let mut args: Vec<&str> =
            case["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        args.insert(0, "run");
        let run = flowkeep(&args);
        let is_same = match case["error"]["message"].as_str() {
            None => run.status == 0 && run.stdout == case["stdout"].as_str().unwrap(),
            Some(message) => {
                run.status > 10
                    && run.stdout.is_empty()
                    && sorted_words(&plain(&run.stderr)) == sorted_words(&plain(message))
            }
        };
        if !is_same {
            failures.push(format!(
                "{args:?}\n{run:?}\n--- expected\n{} {}",
                case["stdout"], case["error"]
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n\n")
    );
}

#[test]
fn tag_set_and_signature_have_defaults() {
    let run = run(&["--input_exprs", "x=[[1.0]]"]);
    assert_eq!((run.status, run.stdout.as_str()), (0, "Result for output key y:\n[[2.5]]\n"));
    assert!(run.stderr.starts_with("loaded half_plus_two_tf2 in "), "{run:?}");
    assert!(run.stderr.contains(" ms, ran serving_default in "), "{run:?}");
    let several = flowkeep(&["run", "--dir=multi_tag", "--input_exprs=x=[[1.0]]"]);
    assert_eq!(several.status, 0, "{several:?}");
}

#[test]
fn a_signature_without_inputs_needs_none() {
    let reset = flowkeep(&["run", "--dir=counter_tf2", "--signature_def=reset"]);
    assert_eq!(reset.status, 0, "{reset:?}");
    assert!(reset.stdout.starts_with("Result for output key total:\n"), "{reset:?}");
}

#[test]
fn later_flags_win_with_a_warning() {
    let both = run(&["--inputs=x=../npy/column.npy", "--input_exprs=x=[[7.0]]"]);
    assert_eq!(both.stdout, "Result for output key y:\n[[5.5]]\n");
    assert!(both.stderr.contains(
        "input_key x has been specified with both --inputs and --input_exprs options. Value in --input_exprs will be \
         used."
    ));
    let named = run(&["--inputs=x=../npy/column.npy[v]"]);
    assert!(named.stderr.contains(
        "Input file ../npy/column.npy contains a single ndarray. Name key \"v\" ignored."
    ));
}

#[test]
fn inputs_come_from_json_files() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).display().to_string()
    };
    let x = write("x.json", "[[1], [2.5], [-Infinity]]");
    let floats = run(&[&format!("--inputs=x={x}")]);
    assert_eq!(floats.stdout, "Result for output key y:\n[[2.5 ]\n [3.25]\n [-inf]]\n");
    let words = write("w.json", r#"["the", {"b64": "cXVpY2s="}]"#);
    let words = flowkeep(&["run", "--dir=lookup_tf2", &format!("--inputs=words={words}")]);
    assert!(words.stdout.starts_with("Result for output key ids:\n[0 1]\n"), "{words:?}");
    let bad = write("bad.json", "[[true]]");
    let bad = run(&[&format!("--inputs=x={bad}")]);
    assert_eq!(bad.status, 13);
    assert!(bad.stderr.contains("is not of expected type: float"), "{bad:?}");
}

#[test]
fn files_that_are_no_arrays_are_refused() {
    for (file, words) in [
        ("../npy/objects.npy", "arrays of type '|O' are not supported"),
        ("../npy/text.npz", "member note.txt of the archive is not an array"),
        ("../npy/none.npz", "contains more than one ndarrays"),
        ("../npy/generate.py", "is neither .npy, .npz, .json nor .csv"),
        ("half_plus_two_tf2/saved_model.pb", "is neither .npy, .npz, .json nor .csv"),
    ] {
        let run = run(&["--inputs", &format!("x={file}")]);
        assert!(run.status > 10 && run.stderr.contains(words), "{file} {run:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let pickle = dir.path().join("p.pkl");
    std::fs::write(&pickle, b"\x80\x04]\x94.").unwrap();
    let run = run(&["--inputs", &format!("x={}", pickle.display())]);
    assert!(run.status == 22 && run.stderr.contains("is a pickle"), "{run:?}");
}

#[test]
fn damaged_archives_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("damaged.npz");
    for name in ["two.npz", "one.npz"] {
        let content = std::fs::read(fixtures().join("npy").join(name)).unwrap();
        for at in (0..content.len()).step_by(7) {
            let mut damaged = content.clone();
            damaged[at] ^= 0x80;
            std::fs::write(&file, &damaged).unwrap();
            let run = run(&["--inputs", &format!("x={}[x]", file.display())]);
            assert!(run.status >= 10, "{name} {at} {run:?}");
            assert!(!run.stderr.contains("panicked"), "{name} {at} {run:?}");
        }
    }
}

fn listed(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn outputs_are_written_once_unless_told_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a/b");
    let outdir = format!("--outdir={}", out.display());
    let path = out.join("y.npy").display().to_string();
    let first = run(&["--input_exprs=x=[[1.0]]", &outdir]);
    assert_eq!(
        first.stdout,
        format!("Result for output key y:\n[[2.5]]\nOutput y is saved to {path}\n")
    );
    let again = run(&["--input_exprs=x=[[2.0]]", &outdir]);
    assert_eq!(again.status, 16);
    assert_eq!(again.stdout, "Result for output key y:\n[[3.]]\n");
    let message = format!(
        "Output file {path} already exists. Add \"--overwrite\" to overwrite the existing output files."
    );
    assert_eq!(again.stderr, format!("flowkeep: {message}\n"));
    assert_eq!(run(&["--input_exprs=x=[[2.0]]", &outdir, "--overwrite"]).status, 0);
    assert!(std::fs::read(out.join("y.npy")).unwrap().ends_with(&3.0f32.to_le_bytes()));
    assert_eq!(listed(&out), ["y.npy"]);
}

#[test]
fn json_has_dtype_shape_and_value() {
    let half = run(&["--input_exprs=x=[[1.0],[1e400]]", "--format=json"]);
    let y = json!({"dtype": "float32", "shape": [2, 1], "value": [[2.5], ["Infinity"]]});
    assert_eq!(half.json(), json!({"outputs": {"y": y}}));
    let reverse = flowkeep(&[
        "run",
        "--dir=lookup_tf2",
        "--signature_def=reverse",
        "--input_exprs=ids=[0]",
        "--format=json",
    ]);
    let words = json!({"dtype": "string", "shape": [1], "value": [{"b64": "dGhl"}]});
    assert_eq!(reverse.json(), json!({"outputs": {"words": words}}));
    let failed = run(&["--input_exprs=z=1", "--format=json"]);
    assert_eq!(failed.json()["error"]["code"], "INVALID_ARGUMENT");
    assert_eq!(failed.status, 13);
}
