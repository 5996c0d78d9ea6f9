//! Models of others: `flowkeep scan` prints what TensorFlow's `saved_model_cli scan` prints, and sees more; no model
//! touches files but its own, unless it is allowed to.

mod common;
#[path = "common/made.rs"]
mod made;

use std::collections::BTreeSet;
use std::path::Path;

use common::{Run, fixtures, flowkeep, flowkeep_in, models};
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

const READ: &str = "
    node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_STRING } } }
    node { name: 'y' op: 'ReadFile' input: 'x' }";

const WRITE: &str = "
    node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_STRING } } }
    node { name: 'w' op: 'WriteFile' input: 'x' input: 'x' }
    node { name: 'y' op: 'Identity' input: 'x' input: '^w' attr { key: 'T' value { type: DT_STRING } } }";

/// Runs the model in `dir` with the path `x`.
fn run(dir: &Path, model: &str, x: &str, flags: &[&str]) -> Run {
    let x = format!("x='{x}'");
    flowkeep_in(dir, &[&["run", "--dir", model, "--input_exprs", &x][..], flags].concat())
}

#[test]
fn files_are_read_with_leave_only() {
    let dir = tempfile::tempdir().unwrap();
    model_of(&dir.path().join("m"), READ, "DT_STRING");
    std::fs::write(dir.path().join("m/own.txt"), "own").unwrap();
    std::fs::write(dir.path().join("secret.txt"), "secret").unwrap();
    let own = run(dir.path(), "m", "m/own.txt", &[]);
    assert_eq!(own.stdout, "Result for output key y:\nb'own'\n", "{own:?}");
    for path in ["secret.txt", "m/../secret.txt", "/etc/hostname", "m/none/../../secret.txt"] {
        let denied = run(dir.path(), "m", path, &[]);
        assert_eq!((denied.status, denied.stdout.as_str()), (17, ""), "{path} {denied:?}");
        assert_eq!(
            denied.stderr,
            format!(
                "flowkeep: reading {path} is not allowed to this graph (node y, op ReadFile); --allow_read and \
                 --allow_write allow more\n"
            )
        );
    }
    let allowed = run(dir.path(), "m", "secret.txt", &["--allow-read", "secret.txt"]);
    assert_eq!(allowed.stdout, "Result for output key y:\nb'secret'\n", "{allowed:?}");
    let json = run(dir.path(), "m", "secret.txt", &["--format=json"]).json();
    assert_eq!(json["error"]["code"], "PERMISSION_DENIED");
}

#[test]
fn nothing_is_written_before_it_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    model_of(&dir.path().join("m"), WRITE, "DT_STRING");
    let written = dir.path().join("out/new.txt");
    for (x, flags) in [
        ("out/new.txt", &[][..]),
        ("m/new.txt", &[]),
        ("out/new.txt", &["--allow_read", "out"]),
        ("out/new.txt", &["--allow_write", "elsewhere"]),
        ("out/../x.txt", &["--allow_write", "out"]),
    ] {
        let denied = run(dir.path(), "m", x, flags);
        assert_eq!(denied.status, 17, "{x} {flags:?} {denied:?}");
        assert!(
            denied.stderr.contains("WriteFile") && denied.stderr.contains("node w"),
            "{denied:?}"
        );
        assert!(!written.exists() && !dir.path().join("m/new.txt").exists());
    }
    let allowed = run(dir.path(), "m", "out/new.txt", &["--allow_write", "out"]);
    assert_eq!(allowed.status, 0, "{allowed:?}");
    assert_eq!(std::fs::read_to_string(written).unwrap(), "out/new.txt");
}

#[test]
fn check_tells_what_may_not_run_from_what_cannot() {
    let dir = tempfile::tempdir().unwrap();
    model_of(&dir.path().join("m"), WRITE, "DT_STRING");
    let denied = flowkeep_in(dir.path(), &["check", "--dir", "m"]);
    assert_eq!(denied.status, 17, "{denied:?}");
    assert_eq!(
        denied.stdout,
        "serving_default: not allowed (see --allow_read and --allow_write)\n  WriteFile (node w), which writes files\n"
    );
    let json = flowkeep_in(dir.path(), &["check", "--dir", "m", "--format=json"]).json();
    assert_eq!(json["signatures"]["serving_default"][0]["denied"], "writes");
    assert_eq!(flowkeep_in(dir.path(), &["check", "--dir", "m", "--allow_write", "o"]).status, 0);
    let python = WRITE.replace(
        "op: 'WriteFile' input: 'x' input: 'x'",
        "op: 'PyFunc' attr { key: 'token' value { s: 't' } } attr { key: 'Tin' value { list { } } }
         attr { key: 'Tout' value { list { } } }",
    );
    model_of(&dir.path().join("p"), &python, "DT_STRING");
    let missing = flowkeep_in(dir.path(), &["check", "--dir", "p", "--allow_write", "/"]);
    assert_eq!(missing.status, 22, "{missing:?}");
    assert!(missing.stdout.contains("no CPU kernel for\n  PyFunc (node w)"), "{missing:?}");
}

#[test]
fn a_signature_saves_no_checkpoint_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let constant = |name: &str, value: &str| {
        format!(
            "node {{ name: '{name}' op: 'Const' attr {{ key: 'dtype' value {{ type: DT_STRING }} }}
             attr {{ key: 'value' value {{ tensor {{ dtype: DT_STRING tensor_shape {{ dim {{ size: 1 }} }}
             string_val: '{value}' }} }} }} }}"
        )
    };
    let graph = format!(
        "{} {} node {{ name: 'x' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: DT_STRING }} }} }}
         node {{ name: 'w' op: 'SaveV2' input: 'x' input: 'names' input: 'specs' input: 'x'
           attr {{ key: 'dtypes' value {{ list {{ type: DT_STRING }} }} }} }}
         node {{ name: 'y' op: 'Identity' input: 'x' input: '^w' attr {{ key: 'T' value {{ type: DT_STRING }} }} }}",
        constant("names", "t"),
        constant("specs", "")
    );
    model_of(&dir.path().join("m"), &graph, "DT_STRING");
    let denied = run(dir.path(), "m", "c/k", &[]);
    assert_eq!(denied.status, 17, "{denied:?}");
    assert!(!dir.path().join("c").exists());
    assert_eq!(run(dir.path(), "m", "c/k", &["--allow_write", "c"]).status, 0);
    assert!(dir.path().join("c/k.index").exists());
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out_of_the_model() {
    let dir = tempfile::tempdir().unwrap();
    model_of(&dir.path().join("m"), READ, "DT_STRING");
    std::fs::write(dir.path().join("secret.txt"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret.txt", dir.path().join("m/link.txt")).unwrap();
    assert_eq!(run(dir.path(), "m", "m/link.txt", &[]).status, 17);
}

#[test]
fn assets_do_not_lead_out_of_the_model() {
    let dir = tempfile::tempdir().unwrap();
    for name in
        ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
    {
        let to = dir.path().join("m").join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(models().join("lookup_tf2").join(name), to).unwrap();
    }
    let asset = models().join("lookup_tf2/assets/vocabulary.txt");
    std::fs::copy(&asset, dir.path().join("vocabulary.txt")).unwrap();
    std::fs::create_dir(dir.path().join("m/assets")).unwrap();
    let call = ["run", "--dir", "m", "--input_exprs", "words=['the']"];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(
            "../../vocabulary.txt",
            dir.path().join("m/assets/vocabulary.txt"),
        )
        .unwrap();
        let denied = flowkeep_in(dir.path(), &call);
        assert_eq!(denied.status, 17, "{denied:?}");
        assert!(denied.stderr.contains("InitializeTableFromTextFileV2"), "{denied:?}");
        let allowed =
            flowkeep_in(dir.path(), &[&call[..], &["--allow_read=vocabulary.txt"]].concat());
        assert_eq!(allowed.status, 0, "{allowed:?}");
        std::fs::remove_file(dir.path().join("m/assets/vocabulary.txt")).unwrap();
    }
    std::fs::copy(&asset, dir.path().join("m/assets/vocabulary.txt")).unwrap();
    assert_eq!(flowkeep_in(dir.path(), &call).status, 0);
}
