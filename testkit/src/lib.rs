//! The fixture harness: op cases that TensorFlow computed, run on Flowkeep in several ways.
//!
//! `fixtures/op_oracle.py` makes the fixtures and describes their format. Each case is a small graph
//! with feeds, and either outputs and a tolerance or an error code. [`check_suite`] runs it
//!
//! - on the serial executor, with one thread,
//! - on the parallel executor, with several threads,
//! - after its graph was exported and imported again.
//!
//! Ops that write files do so in a scratch folder, in which afterwards must lie what TensorFlow left
//! in its own, to the byte. An error must have TensorFlow's code, and its words as well, since users search for those.
//!
//! What Flowkeep cannot run yet is listed in `expected_missing.txt`, one line per suite and op; errors
//! said in other words in `other_words.txt`, one line per suite and case. The lists must be exact: an
//! op on the first that has a kernel, or a case on the second with TensorFlow's words, fails the suite.
//!
//! [`check_hostile`] runs the same graphs on other feeds, which no kernel may panic on.
//!
//! Reading order: [`Suite`] and [`Case`] (what is in a file), [`check_suite`] (how it is run),
//! [`Tolerance`] (how results are compared).
#![forbid(unsafe_code)]

mod compare;
mod expected;
mod fixture;
mod hostile;
mod run;
mod scratch;

pub use compare::Tolerance;
pub use fixture::{Case, Expected, Files, Suite};
pub use hostile::check_hostile;
pub use run::check_suite;
