//! The gradients of ops, by families; each file has a table, sorted by op.

pub(super) mod activation;
