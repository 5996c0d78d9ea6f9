//! The commands that write checkpoints, as functions.

mod common;
mod convert;
mod edit;
mod numbers;
mod whole;
