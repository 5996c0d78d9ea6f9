//! TensorFlow's saver ops for the Flowkeep runtime, added through its public extension API.
//!
//! The runtime knows nothing of checkpoints; this crate gives it the ops that a `tf.train.Saver`
//! builds into a graph, and that a SavedModel's restore graph uses. It holds no state and has no
//! op that is not TensorFlow's.
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
//! Reading order: [`SaverOptions`] (what can be chosen), `ops` (a file for each op).
//!
//! # Invariants
//!
//! - **Depends on the runtime's `kernel` module only**, never on its ops.
//! - **A prefix names a whole checkpoint or none**, at any moment of a save or a merge, also if the
//!   process is killed. Of a V1 checkpoint this holds for each file. A save that fails leaves behind
//!   nothing but perhaps the directory it made.
//! - **Saving copies no tensor,** but for those that a V1 checkpoint wants encoded, one at a time;
//!   restoring makes no more than one copy.
#![forbid(unsafe_code)]

mod ops;
mod options;

pub use flowkeep_bundle::{Durability, Overwrite};
use flowkeep_runtime::Registry;

pub use crate::options::SaverOptions;

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
