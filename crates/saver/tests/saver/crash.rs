//! A process that saves is killed: what it leaves behind is whole.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use flowkeep_bundle::latest_checkpoint;
use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
use flowkeep_graph::file::read_meta_graph_file;
use flowkeep_graph::{ImportOptions, MetaGraph};
use flowkeep_runtime::Session;
use flowkeep_saver::{SaveOptions, Saver, SaverConfig};
use flowkeep_tensor::Shape;

use crate::session;

/// Where the killed process is to save; set for it alone.
const DIR: &str = "FLOWKEEP_SAVER_CRASH_DIR";

fn counter() -> (Session, Saver) {
    let mut scope = Scope::new();
    let zeros = VariableOptions::new().shape(Shape::from([3000])).initializer(Initializer::Zeros);
    let v = scope.get_variable("v", zeros).unwrap();
    let counted = scope.assign_add(&v, vec![1.0f32; 3000]).unwrap();
    scope.with_op_name("count").group([counted]).unwrap();
    scope.with_op_name("init").global_variables_initializer().unwrap();
    let config = SaverConfig { max_to_keep: Some(2), sharded: true, ..SaverConfig::default() };
    let saver = Saver::new(&mut scope, config).unwrap();
    (session(scope.into_graph()), saver)
}

/// Counts and saves until it is killed.
fn save_forever(dir: &Path) {
    let (session, mut saver) = counter();
    session.run(&[], &[], &["init"]).unwrap();
    for step in 1i64.. {
        session.run(&[], &[], &["count"]).unwrap();
        saver.save(&session, dir.join("m"), &SaveOptions::at_step(step)).unwrap();
    }
}

/// The latest checkpoint, restored by its own MetaGraph; `None` if nothing was published.
fn restored(dir: &Path) -> Option<(PathBuf, Vec<f32>)> {
    let latest = latest_checkpoint(dir, None).unwrap()?;
    let def = read_meta_graph_file(&latest).unwrap();
    let meta_graph = MetaGraph::import(def, &ImportOptions::default()).unwrap();
    let saver = Saver::from_meta_graph(&meta_graph).unwrap().unwrap();
    let session = session(meta_graph.graph);
    saver.restore(&session, &latest).unwrap();
    let values = session.run(&[], &["v/Read/ReadVariableOp:0"], &[]).unwrap();
    Some((latest, values[0].as_slice::<f32>().unwrap().to_vec()))
}

#[test]
fn a_killed_process_leaves_a_checkpoint_that_is_whole() {
    if let Some(dir) = std::env::var_os(DIR) {
        return save_forever(Path::new(&dir));
    }
    let mut n_restored = 0;
    for round in 0..12u64 {
        let dir = tempfile::tempdir().unwrap();
        let this = "crash::a_killed_process_leaves_a_checkpoint_that_is_whole";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", this, "--test-threads", "1"])
            .env(DIR, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Until something is published, then at some moment of a later save.
        for _ in 0..2000 {
            if dir.path().join("checkpoint").exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_micros(round * 1700));
        child.kill().unwrap();
        child.wait().unwrap();
        if let Some((latest, values)) = restored(dir.path()) {
            let name = latest.file_name().unwrap().to_str().unwrap();
            let step: f32 = name.strip_prefix("m-").unwrap().parse().unwrap();
            assert!(values.iter().all(|value| *value == step), "{name}: {}", values[0]);
            n_restored += 1;
        }
    }
    assert_eq!(n_restored, 12);
}
