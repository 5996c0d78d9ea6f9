//! What graphs ask of a checkpoint.
//!
//! Modules in reading order: `file` (from a path to a graph), `variable` (nodes that are variables),
//! `restore_ops` (what a saver asks for), `collection` (variables without a saver).

mod collection;
mod file;
mod restore_ops;
mod variable;

pub(super) use collection::{of_collection, of_nodes};
pub(super) use file::{GraphFile, is_graph};
pub(super) use restore_ops::restored_by;
