//! What a graph wants of a checkpoint, and what the checkpoint has.
//!
//! Modules in reading order: `wanted` (what the nodes of a Saver restore into which variables),
//! `diagnose` (what of that does not fit), `renamed` (checkpoints of objects for graphs of names, and
//! the other way round), `problem` (how it is told), `nearest` (names that may be meant).

mod diagnose;
mod nearest;
mod problem;
mod renamed;
mod wanted;

pub use self::problem::{ObjectMismatch, RestoreFailure, RestoreProblem};

pub(crate) use self::diagnose::{Diagnosis, diagnose};
pub(crate) use self::problem::likely_cause;
pub(crate) use self::renamed::object_graph;
pub(crate) use self::wanted::{Restores, Wanted};
