//! The gradients of ops, by families; each file has a table, sorted by op.

pub(super) mod activation;
pub(super) mod binary;
pub(super) mod control;
pub(super) mod elementwise;
pub(super) mod gather;
pub(super) mod image;
pub(super) mod join;
pub(super) mod list;
pub(super) mod matrix;
pub(super) mod nn;
pub(super) mod reduce;
pub(super) mod scatter;
pub(super) mod shape;
pub(super) mod sparse;
pub(super) mod tensor_array;
pub(super) mod window;
