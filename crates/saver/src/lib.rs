//! TensorFlow's `Saver` for the Flowkeep runtime, and the ops that it runs, added through the
//! runtime's public extension API.
//!
//! [`Saver`] builds the nodes that `tf.compat.v1.train.Saver` builds into a graph, saves and restores
//! with them, and keeps the `checkpoint` file and the last checkpoints. The runtime knows nothing of
//! checkpoints; this crate gives it the ops for that, which a SavedModel's restore graph uses too. It
//! has no op that is not TensorFlow's.
//!
//! ```
//! use flowkeep_runtime::Registry;
//! use flowkeep_saver::{Durability, SaverOptions};
//!
//! let mut registry = Registry::standard();
//! flowkeep_saver::register(&mut registry);
//! assert!(registry.get("RestoreV2").is_some());
//!
//! // Or, for scratch checkpoints that need not outlive a power failure:
//! let options = SaverOptions { durability: Durability::Unsynced, ..SaverOptions::default() };
//! flowkeep_saver::register_with(&mut registry, options);
//! ```
//!
//! Reading order: `saver` ([`Saver`]: what is saved when, and kept), `build` (its nodes), `restore`
//! (what a graph wants and a checkpoint has), [`mod@train`] (training that saves and goes on),
//! [`init_from_checkpoint`](fn@init_from_checkpoint) and [`warm_start`](fn@warm_start) with `remap` (variables that start with what a
//! checkpoint has), `name_pattern` ([`NamePattern`]: which of them), `error` ([`Error`]); for sessions, [`SaverOptions`] (what
//! can be chosen), `ops` (a file for each op).
//!
//! # Invariants
//!
//! - **The ops depend on the runtime's `kernel` module only**, never on its ops; a [`Saver`] depends on
//!   `Session::run`.
//! - **The state file is written last**, and names nothing that is not whole.
//! - **A restore does all or nothing**, and says everything that keeps it from doing all.
//! - **A prefix names a whole checkpoint or none**, at any moment of a save or a merge, also if the
//!   process is killed. Of a V1 checkpoint this holds for each file. A save that fails leaves behind
//!   nothing but perhaps the directory it made.
//! - **Saving copies no tensor,** but for those that a V1 checkpoint wants encoded, one at a time;
//!   restoring makes no more than one copy.
#![forbid(unsafe_code)]

mod build;
mod error;
mod init_from_checkpoint;
mod name_pattern;
mod ops;
mod options;
mod remap;
mod restore;
mod saver;
pub mod train;
mod warm_start;

pub use flowkeep_bundle::{Durability, Overwrite};
use flowkeep_runtime::Registry;

pub use crate::build::{SaveItem, VarList};
pub use crate::error::Error;
pub use crate::init_from_checkpoint::{AssignTo, init_from_checkpoint};
pub use crate::name_pattern::NamePattern;
pub use crate::options::{SaverOptions, Verify};
pub use crate::restore::{ObjectMismatch, RestoreFailure, RestoreProblem};
pub use crate::saver::{
    Clock, GlobalStep, RestoreOptions, RestoreReport, RestoredVariable, SaveOptions, Saver,
    SaverBuilder, SaverConfig, SystemClock, WriteVersion, get_saver_or_default, import_meta_graph,
    import_meta_graph_file,
};
pub use crate::warm_start::{VocabInfo, WarmStart, WarmStartVars, warm_start};

/// Adds the saver ops to `registry`. Checkpoints are read by positional reads.
///
/// What else [`SaverOptions`] says, if they were set before, stays.
pub fn register(registry: &mut Registry) {
    let options = SaverOptions { mmap: false, ..SaverOptions::of(registry) };
    register_with(registry, options);
}

/// Adds the saver ops to `registry`. Checkpoints are mapped, so that restored tensors cost no
/// memory of their own where they lie aligned in the file.
///
/// Nobody may shorten the files while tensors of the checkpoint are alive: the operating system
/// ends a process that touches a mapped page behind a file's end. What else [`SaverOptions`] says,
/// if they were set before, stays.
pub fn register_mapping(registry: &mut Registry) {
    let options = SaverOptions { mmap: true, ..SaverOptions::of(registry) };
    register_with(registry, options);
}

/// Adds the saver ops to `registry`, with options.
pub fn register_with(registry: &mut Registry, options: SaverOptions) {
    registry.add(ops::OPS);
    registry.set(options);
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
