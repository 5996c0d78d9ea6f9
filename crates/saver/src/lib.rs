//! TensorFlow's saver ops for the Flowkeep runtime, added through its public extension API.
//!
//! The runtime knows nothing of checkpoints; this crate gives it the op that a SavedModel's restore
//! graph uses.
//!
//! ```
//! use flowkeep_runtime::Registry;
//!
//! let mut registry = Registry::standard();
//! flowkeep_saver::register(&mut registry);
//! assert!(registry.get("RestoreV2").is_some());
//! ```
//!
//! **Invariant.** Depends on the runtime's `kernel` module only, never on its ops.
#![forbid(unsafe_code)]

mod restore;

use flowkeep_runtime::Registry;
use flowkeep_runtime::kernel::{OpRegistration, op};

/// The saver ops, reading checkpoints by positional reads.
const OPS: &[OpRegistration] = &[op("RestoreV2").cpu(restore::build_reading)];

/// The saver ops, mapping checkpoints into memory.
const MAPPING_OPS: &[OpRegistration] = &[op("RestoreV2").cpu(restore::build_mapping)];

/// Adds the saver ops to `registry`. Checkpoints are read by positional reads.
pub fn register(registry: &mut Registry) {
    registry.add(OPS);
}

/// Adds the saver ops to `registry`. Checkpoints are mapped, so that restored tensors cost no
/// memory of their own where they lie aligned in the file.
///
/// Nobody may shorten the files while tensors of the checkpoint are alive: the operating system
/// ends a process that touches a mapped page behind a file's end.
pub fn register_mapping(registry: &mut Registry) {
    registry.add(MAPPING_OPS);
}
