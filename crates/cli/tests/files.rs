//! A model touches no files but its own, unless it is allowed to.

mod common;
#[path = "common/made.rs"]
mod made;

use std::path::Path;

use common::{Run, flowkeep_in};
use made::model_of;

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
