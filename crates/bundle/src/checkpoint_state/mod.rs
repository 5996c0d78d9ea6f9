//! The `checkpoint` file of a directory, which names its checkpoints.
//!
//! A text file that is replaced whenever a checkpoint has been written:
//!
//! ```text
//! model_checkpoint_path: "m-3"                       the latest
//! all_model_checkpoint_paths: "m-2"                  all that are kept, oldest first
//! all_model_checkpoint_paths: "m-3"
//! all_model_checkpoint_timestamps: 1009600.0         seconds since the epoch, one for each
//! all_model_checkpoint_timestamps: 1010800.0
//! last_preserved_timestamp: 1007200.0                of the last one that is kept for good
//! ```
//!
//! Relative paths are relative to the directory of the file. The functions here have the names and
//! the behavior of TensorFlow's, but for one thing: `*`, `?` and `[` in a path stand for themselves.
//! Only the form in which V1 names sharded checkpoints, `m-?????-of-00003`, is a pattern.
//!
//! Modules in reading order: `state` ([`CheckpointState`], text), `read`
//! ([`get_checkpoint_state`], [`latest_checkpoint`]), `update` ([`update_checkpoint_state`]),
//! `relative` (paths relative to a directory), `atomic` (files that appear whole), `files` (what
//! belongs to a checkpoint), `shards` (names of the files of sharded checkpoints).

mod atomic;
mod files;
mod read;
mod relative;
pub(crate) mod shards;
mod state;
mod update;

pub use self::files::{
    CheckpointFormat, checkpoint_exists, get_checkpoint_mtimes, meta_graph_filename,
    remove_checkpoint,
};
pub(crate) use self::files::{files_of, with_suffix};
pub(crate) use self::read::read_file;
pub use self::read::{get_checkpoint_state, latest_checkpoint};
pub use self::state::CheckpointState;
pub use self::update::{UpdateOptions, generate_checkpoint_state, update_checkpoint_state};

/// The usual name of the file.
pub const LATEST_FILENAME: &str = "checkpoint";
