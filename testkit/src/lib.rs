//! The fixture harness: op cases that TensorFlow computed, run on Flowkeep in several ways.
//!
//! `fixtures/op_oracle.py` makes the fixtures and describes their format. Each case is a small graph
//! with feeds, and either outputs and a tolerance or an error code. [`check_suite`] runs it
//!
//! - on the serial executor, with one thread,
//! - on the parallel executor, with several threads,
//! - after its graph was exported and imported again.
//!
//! What Flowkeep cannot run yet is listed in `expected_missing.txt`, one line per suite and op. The
//! list must be exact: an op on it that has a kernel fails the suite.
//!
//! Reading order: [`Suite`] and [`Case`] (what is in a file), [`check_suite`] (how it is run),
//! [`Tolerance`] (how results are compared).
#![forbid(unsafe_code)]

mod compare;
mod expected;
mod fixture;
mod run;
mod scratch;

pub use compare::Tolerance;
pub use fixture::{Case, Expected, Suite};
pub use run::check_suite;
