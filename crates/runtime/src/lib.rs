//! A session that runs TensorFlow graphs on the CPU: plans, executors, resources, kernels.
//!
//! This crate knows neither checkpoints nor SavedModels: what reads or writes files is a set of ops
//! registered from outside ([`kernel`]), by the same API that its own ops use.
//!
//! ```
//! use std::sync::Arc;
//! use flowkeep_graph::{Graph, ImportOptions};
//! use flowkeep_proto::{pb, text};
//! use flowkeep_runtime::{Session, SessionOptions};
//! use flowkeep_tensor::Tensor;
//!
//! let def: pb::GraphDef = text::parse_message(
//!     "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
//!      node { name: 'y' op: 'AddV2' input: 'x' input: 'x' attr { key: 'T' value { type: DT_FLOAT } } }",
//! )?;
//! let graph = Graph::import(def, &ImportOptions::default())?;
//! let session = Session::new(Arc::new(graph), SessionOptions::default());
//! let y = session.run(&[("x:0", Tensor::scalar(1.5f32))], &["y:0"], &[])?;
//! assert_eq!(y[0].to_scalar::<f32>()?, 3.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Reading order: [`Session`] (what users hold), [`Plan`] (what is executed), [`exec`] (how),
//! [`Value`] (on what values), [`kernel`] (by what code), [`resource`] (on which state), `ops` (the
//! kernels themselves).
//!
//! **Invariants.** `ops` uses [`kernel`], [`resource`] and `flowkeep_linalg` only. Nothing here is
//! global: registry, threads and resources belong to a session. A kernel's panic fails its run, not
//! the process.
#![forbid(unsafe_code)]

mod error;
pub mod exec;
pub mod kernel;
mod ops;
mod options;
mod plan;
pub mod resource;
mod session;
mod transform;
mod value;
mod variant;

pub use error::{Error, MissingKernel};
pub use kernel::Registry;
pub use ops::fingerprint64;
pub use options::{CancellationToken, NodeStats, RunMetadata, RunOptions};
pub use plan::{CONSTRUCTS, Plan, RunKey};
pub use session::{Callable, Session, SessionOptions};
pub use transform::ConstantEvaluator;
pub use value::Value;
pub use variant::{TensorList, Variant, VariantTensor};
