//! The gradients of ops, by families; each file has a table, sorted by op.

pub(super) mod activation;
pub(super) mod binary;
pub(super) mod control;
pub(super) mod diagonal;
pub(super) mod einsum;
pub(super) mod elementwise;
pub(super) mod fourier;
pub(super) mod gather;
pub(super) mod image;
pub(super) mod join;
pub(super) mod linalg;
pub(super) mod list;
pub(super) mod matrix;
pub(super) mod nn;
pub(super) mod patches;
pub(super) mod quantize;
pub(super) mod reduce;
pub(super) mod scatter;
pub(super) mod segment;
pub(super) mod shape;
pub(super) mod sparse;
pub(super) mod sparse_values;
pub(super) mod special;
pub(super) mod tensor_array;
pub(super) mod window;
