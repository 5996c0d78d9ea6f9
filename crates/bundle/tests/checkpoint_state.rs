//! Checkpoint state files, read and written as TensorFlow does.
//!
//! The expected values are in `fixtures/checkpoint_state/cases.json`; `generate.py` beside it makes
//! them with TensorFlow.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flowkeep_bundle::checkpoint_state::{
    checkpoint_exists, get_checkpoint_mtimes, meta_graph_filename, remove_checkpoint,
};
use flowkeep_bundle::{
    CheckpointFormat, CheckpointState, Error, get_checkpoint_state, latest_checkpoint,
};
use serde_json::{Value, json};

fn cases(kind: &str) -> Vec<Value> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let text = fs::read_to_string(fixtures.join("checkpoint_state/cases.json")).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    cases[kind].as_array().unwrap().clone()
}

fn double(bits: &Value) -> f64 {
    f64::from_bits(u64::from_str_radix(bits.as_str().unwrap(), 16).unwrap())
}

fn list<T>(values: &Value, each: impl Fn(&Value) -> T) -> Vec<T> {
    values.as_array().unwrap().iter().map(each).collect()
}

fn path(text: &Value) -> PathBuf {
    text.as_str().unwrap().into()
}

fn state(case: &Value) -> CheckpointState {
    CheckpointState {
        model_checkpoint_path: path(&case["model_checkpoint_path"]),
        all_model_checkpoint_paths: list(&case["all_model_checkpoint_paths"], path),
        all_model_checkpoint_timestamps: list(&case["all_model_checkpoint_timestamps"], double),
        last_preserved_timestamp: double(&case["last_preserved_timestamp"]),
    }
}

fn unbase64(text: &Value) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("{byte}"),
    };
    let text = text.as_str().unwrap().trim_end_matches('=').as_bytes();
    let bits = |digits: &[u8]| {
        let word = digits.iter().fold(0u32, |word, byte| word << 6 | u32::from(digit(*byte)));
        let word = word << (6 * (4 - digits.len()));
        word.to_be_bytes()[1..digits.len()].to_vec()
    };
    text.chunks(4).flat_map(bits).collect()
}

/// Field by field, in the letters of paths and the bits of numbers, but for the sign of a NaN.
fn same(a: &CheckpointState, b: &CheckpointState) -> bool {
    let bits = |number: f64| if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() };
    let parts = |state: &CheckpointState| {
        let paths = state.all_model_checkpoint_paths.iter().chain([&state.model_checkpoint_path]);
        let numbers = state.all_model_checkpoint_timestamps.iter().copied();
        let paths: Vec<_> = paths.map(|path| path.clone().into_os_string()).collect();
        let numbers = numbers.chain([state.last_preserved_timestamp]);
        (paths, numbers.map(bits).collect::<Vec<_>>())
    };
    parts(a) == parts(b)
}

#[test]
fn texts_are_tensorflows_to_the_byte() {
    let cases = cases("states");
    assert!(cases.len() > 40);
    for case in &cases {
        let (state, text) = (state(case), case["text"].as_str().unwrap());
        assert_eq!(state.to_text().unwrap(), text);
        let read = CheckpointState::parse(text).unwrap();
        assert!(same(&read, &state), "{read:?} {state:?}");
    }
}

#[test]
fn odd_files_are_read_as_tensorflow_reads_them() {
    let cases = cases("inputs");
    assert!(cases.len() > 120);
    let dir = tempfile::tempdir().unwrap();
    for case in &cases {
        let contents = unbase64(&case["text"]);
        let shown = String::from_utf8_lossy(&contents);
        // Python reads digits of every script.
        let is_foreign = shown.contains('\u{661}');
        // What protobuf's reader in C++ takes, and the one in Python does not: bytes beyond 255, of which
        // the last eight bits count, and signs apart from their numbers.
        let is_lenient = [r"\400", ": - 1"].iter().any(|part| shown.contains(part));
        fs::write(dir.path().join("checkpoint"), &contents).unwrap();
        let read = get_checkpoint_state(dir.path(), None);
        // Paths in the case are joined to the folder that was called `d`.
        let joined = |path: &Path| match path.to_str().unwrap().strip_prefix("d/") {
            Some(name) => dir.path().join(name),
            None => path.to_owned(),
        };
        match case["outcome"].as_str().unwrap() {
            "state" if is_foreign => assert_eq!(read.unwrap(), None, "{shown}"),
            "none" if is_lenient => assert!(read.unwrap().is_some(), "{shown}"),
            "state" => {
                let mut expected = state(case);
                let others = expected.all_model_checkpoint_paths.iter_mut();
                for path in others.chain([&mut expected.model_checkpoint_path]) {
                    *path = joined(path);
                }
                let read = read.unwrap().unwrap_or_else(|| panic!("{shown} was ignored"));
                assert!(same(&read, &expected), "{shown}: {read:?} {expected:?}");
            }
            // TensorFlow fails with an error of Python; such a file is ignored like others.
            outcome if outcome == "none" || outcome.starts_with("UnicodeDecodeError") => {
                assert_eq!(read.unwrap(), None, "{shown}");
                let error = CheckpointState::read(dir.path(), None).unwrap_err();
                assert!(matches!(error, Error::CheckpointStateIgnored { .. }), "{shown}: {error}");
            }
            outcome => {
                let expected = outcome.strip_prefix("ValueError: ").unwrap();
                let expected = expected.replace(" d", &format!(" {}", dir.path().display()));
                assert_eq!(read.unwrap_err().to_string(), expected, "{shown}");
            }
        }
    }
}

#[test]
fn meta_graphs_have_tensorflows_names() {
    for case in &cases("meta_graph_filenames") {
        let name = meta_graph_filename(&path(&case[0]), case[1].as_str().unwrap());
        assert_eq!(name, path(&case[2]), "{case}");
    }
}

/// Does one call of a scene with paths below `root` and gives its result as the case has it.
fn call(root: &Path, case: &Value) -> Value {
    let args = list(&case["args"], |arg| arg.as_str().unwrap().to_owned());
    match case["call"].as_str().unwrap() {
        "latest_checkpoint" => {
            let other = args.get(1).map(String::as_str);
            match latest_checkpoint(&root.join(&args[0]), other).unwrap() {
                Some(path) => {
                    let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
                    json!(path.to_str().unwrap())
                }
                None => json!(null),
            }
        }
        "checkpoint_exists" => json!(checkpoint_exists(&root.join(&args[0]))),
        "get_checkpoint_mtimes" => {
            json!(get_checkpoint_mtimes(args.iter().map(|prefix| root.join(prefix))))
        }
        "remove_checkpoint" => {
            let format = match args[1].as_str() {
                "V2" => CheckpointFormat::V2,
                _ => CheckpointFormat::V1,
            };
            remove_checkpoint(&root.join(&args[0]), format, &args[2]).unwrap();
            json!(null)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn files_of_checkpoints_are_those_of_tensorflow() {
    let scenes = cases("scenes");
    assert!(scenes.len() > 30);
    for scene in &scenes {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("d");
        fs::create_dir(&dir).unwrap();
        for (idx, name) in list(&scene["files"], path).iter().enumerate() {
            let file = fs::File::create(dir.join(name)).unwrap();
            let seconds = Duration::from_secs(1_000_000 + 100 * idx as u64);
            file.set_modified(UNIX_EPOCH + seconds + Duration::from_millis(750)).unwrap();
        }
        if let Some(state) = scene["state"].as_str() {
            fs::write(dir.join("checkpoint"), state).unwrap();
        }
        for case in scene["calls"].as_array().unwrap() {
            let result = call(root.path(), case);
            // Joined paths keep the letters of their parts in Python.
            let plain = |result: &Value| {
                let text = result.as_str()?;
                Some(text.strip_prefix("./").unwrap_or(text).to_owned())
            };
            match plain(&case["result"]) {
                Some(expected) => assert_eq!(plain(&result), Some(expected), "{scene}"),
                None => assert_eq!(result, case["result"], "{case} in {scene}"),
            }
        }
        let mut left: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "checkpoint")
            .collect();
        left.sort();
        assert_eq!(json!(left), scene["left"], "{scene}");
    }
}
