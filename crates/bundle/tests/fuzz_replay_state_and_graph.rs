//! The fuzz targets `checkpoint_state` and `object_graph` as ordinary tests: hostile inputs, every
//! truncation and every flipped bit of small files that TensorFlow wrote.

use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_bundle::BundleReader;

#[expect(unreachable_pub, reason = "public for the fuzz crate, whose file it is")]
#[path = "../../../fuzz/src/checkpoint_state.rs"]
mod checkpoint_state;
#[expect(unreachable_pub, reason = "public for the fuzz crate, whose file it is")]
#[path = "../../../fuzz/src/object_graph.rs"]
mod object_graph;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[test]
fn inputs_found_by_fuzzing_do_no_harm() {
    for (target, run, at_least) in [
        ("checkpoint_state", checkpoint_state::run as fn(&[u8]), 8),
        ("object_graph", object_graph::run, 11),
    ] {
        let files = fs::read_dir(fixtures().join("hostile").join(target)).unwrap();
        let n_replayed = files.map(|file| run(&fs::read(file.unwrap().path()).unwrap())).count();
        assert!(n_replayed >= at_least, "{n_replayed} inputs of {target}");
    }
}

/// Runs a target on an input, and on all that are one cut or one bit away.
fn run_around(run: fn(&[u8]), input: &[u8]) {
    run(input);
    (0..input.len()).for_each(|len| run(&input[..len]));
    let mut changed = input.to_vec();
    for at in 0..input.len() {
        for bit in 0..8 {
            changed[at] ^= 1 << bit;
            run(&changed);
            changed[at] = input[at];
        }
    }
}

#[test]
fn damaged_state_files_do_no_harm() {
    let state = fs::read(fixtures().join("object_graphs/manager/checkpoint")).unwrap();
    run_around(checkpoint_state::run, &state);
    run_around(
        checkpoint_state::run,
        br#"model_checkpoint_path: 'a\q\'\101' "\u00e9",all_model_checkpoint_paths:["#,
    );
}

#[test]
fn damaged_object_graphs_do_no_harm() {
    for name in ["root_optimizer", "state", "empty"] {
        let reader = BundleReader::open(&fixtures().join("object_graphs").join(name)).unwrap();
        run_around(object_graph::run, &reader.object_graph().unwrap().unwrap().encode());
    }
}
