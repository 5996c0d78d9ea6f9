//! Which checkpoints are kept, and what the state file says, as of TensorFlow's Savers
//! (`fixtures/saver_graphs/keep.json`).

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use flowkeep_graph::builder::Scope;
use flowkeep_saver::{SaveOptions, Saver, SaverConfig, WriteVersion};
use serde_json::{Value, json};

use crate::{HandClock, fixtures, session, text, variable};

fn config(spec: &Value, clock: &Arc<HandClock>) -> SaverConfig {
    let default = SaverConfig { clock: clock.clone(), ..SaverConfig::default() };
    let is = |key: &str| spec[key].as_bool().unwrap_or(false);
    SaverConfig {
        max_to_keep: match spec.get("max_to_keep") {
            Some(number) => number.as_i64().map(|number| i32::try_from(number).unwrap()),
            None => default.max_to_keep,
        },
        keep_checkpoint_every_n_hours: spec["keep_checkpoint_every_n_hours"]
            .as_f64()
            .unwrap_or(default.keep_checkpoint_every_n_hours),
        sharded: is("sharded"),
        pad_step_number: is("pad_step_number"),
        save_relative_paths: is("save_relative_paths"),
        write_version: if spec["write_version"] == 1 { WriteVersion::V1 } else { WriteVersion::V2 },
        ..default
    }
}

/// What there is after a step, as the fixture has it.
fn seen(saver: &Saver, dir: &Path) -> Value {
    let last = saver.last_checkpoints();
    let last: Vec<_> = last.iter().map(|path| path.strip_prefix(dir).unwrap()).collect();
    let mut files: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "checkpoint")
        .collect();
    files.sort();
    let state = fs::read_to_string(dir.join("checkpoint")).ok();
    let state = state.map(|state| state.replace(dir.to_str().unwrap(), "DIR"));
    json!({ "last": last, "files": files, "state": state })
}

fn recover(saver: &mut Saver, dir: &Path, paths: &Value) {
    let paths = paths.as_array().unwrap();
    for path in paths {
        if let Some(seconds) = path[1].as_u64() {
            let index = File::options().append(true).open(dir.join(text(&path[0]) + ".index"));
            index.unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
    }
    saver.recover_last_checkpoints(paths.iter().map(|path| dir.join(text(&path[0]))));
}

#[test]
fn checkpoints_are_kept_and_deleted_as_tensorflow_does() {
    let cases = fs::read_to_string(fixtures().join("saver_graphs/keep.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    assert!(cases.len() >= 15);
    for case in cases {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let clock = Arc::new(HandClock::default());
        let mut scope = Scope::new();
        variable(&mut scope, "v", &[1], true);
        let mut saver = Saver::new(&mut scope, config(&case["saver"], &clock)).unwrap();
        scope.with_op_name("init").global_variables_initializer().unwrap();
        let session = session(scope.into_graph());
        session.run(&[], &[], &["init"]).unwrap();
        let actions = case["actions"].as_array().unwrap();
        for (idx, action) in actions.iter().enumerate() {
            if let Some(time) = action["time"].as_f64() {
                clock.set(time);
            }
            if let Some(step) = action["step"].as_i64() {
                let write_state = action["write_state"].as_bool().unwrap_or(true);
                let options = SaveOptions { write_state, ..SaveOptions::at_step(step) };
                saver.save(&session, dir.join("m"), &options).unwrap();
            } else if let Some(paths) = action["set"].as_array() {
                saver.set_last_checkpoints(paths.iter().map(|path| dir.join(text(path))));
            } else if let Some(pairs) = action["set_with_time"].as_array() {
                let pairs = pairs.iter();
                let pairs = pairs.map(|pair| (dir.join(text(&pair[0])), pair[1].as_f64().unwrap()));
                saver.set_last_checkpoints_with_time(pairs);
            } else {
                recover(&mut saver, dir, &action["recover"]);
            }
            let (got, want) = (seen(&saver, dir), &case["seen"][idx]);
            assert_eq!(got, *want, "{} after step {idx}", case["name"]);
        }
        assert_eq!(saver.take_deletion_errors().len(), 0);
    }
}
