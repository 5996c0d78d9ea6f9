//! Target `checkpoint_state`: reads a checkpoint state file and writes it again.
//!
//! The input is the file. The tests of the bundle crate include this one to replay inputs.

use std::path::Path;

use flowkeep_bundle::CheckpointState;
use flowkeep_bundle::checkpoint_state::{generate_checkpoint_state, meta_graph_filename};

/// Runs the target on one input; panics if what was read is not what is written.
pub fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let state = match CheckpointState::parse(text) {
        Ok(state) => state,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let written = state.to_text().expect("what was text is text");
    let again = CheckpointState::parse(&written).expect("what was written can be read");
    assert_eq!(again.model_checkpoint_path, state.model_checkpoint_path);
    assert_eq!(again.all_model_checkpoint_paths, state.all_model_checkpoint_paths);
    // Numbers by their text: NaN is no number to compare.
    assert_eq!(again.to_text().expect("it was written before"), written);
    for path in state.all_model_checkpoint_paths.iter().take(4) {
        let _ = meta_graph_filename(path, "meta");
    }
    for save_dir in ["", "train", "/train/../x"] {
        let Ok(made) = generate_checkpoint_state(Path::new(save_dir), state.clone()) else {
            continue;
        };
        assert_eq!(made.all_model_checkpoint_paths.last(), Some(&made.model_checkpoint_path));
    }
}
