//! What restoring a checkpoint into variables would do. Nothing is written, and no data is read.
//!
//! The variables are those of another checkpoint, or of a graph: of a MetaGraph, a SavedModel, a
//! GraphDef. Where a graph has a saver, what the saver asks for is what counts, op by op; else the
//! variables of its collection, for which TensorFlow would make a saver; else all there are.
//!
//! ```
//! use std::path::Path;
//!
//! use flowkeep_ckpt::plan::{Outcome, Plan, Target, TargetOptions};
//! use flowkeep_ckpt::Checkpoint;
//!
//! let plans = Path::new("../../fixtures/plans");
//! let target = Target::open(&plans.join("ref.meta"), &TargetOptions::default())?;
//! let from = Checkpoint::open(&plans.join("typo"))?;
//! let plan = Plan::new(&from, &target)?;
//! assert!(!plan.ok());
//! let kernel = &plan.items[1];
//! assert_eq!(kernel.error().unwrap(), "Key dense/kernel not found in checkpoint");
//! let Outcome::Missing { nearest } = &kernel.outcome else { panic!() };
//! assert_eq!((nearest[0].name.as_str(), nearest[0].fits), ("dense/kernal", true));
//! # Ok::<(), flowkeep_ckpt::Error>(())
//! ```
//!
//! Names are looked up as they are. An object-based checkpoint knows its variables by their place
//! among objects, and by the names that they have in a graph: if that finds more, the latter are
//! used, as TensorFlow's saver does; and the other way around for a name-based checkpoint that is to be
//! restored into an object-based one. [`Plan::names`] tells.
//!
//! Modules in reading order: `wanted` ([`Wanted`], a tensor that is asked for), `target`
//! ([`Target`], all of them), `graph` (what graphs ask for), `lookup` (names), `compare` ([`Plan`]),
//! `errors` (TensorFlow's words), `text`, `values` ([`PlanValues`], for those who freeze a graph).

mod compare;
mod errors;
mod graph;
mod lookup;
mod target;
mod text;
mod values;
mod wanted;

pub use compare::{Nearest, Outcome, Plan, PlanItem};
pub use lookup::Names;
pub use target::{Target, TargetOptions, WantedBy};
pub use values::PlanValues;
pub use wanted::{Assignment, Wanted};

use flowkeep_bundle::object_graph::OBJECT_GRAPH_KEY;

/// Whether a name is that of the object graph, which is no variable's.
fn is_object_graph(name: &[u8]) -> bool {
    name == OBJECT_GRAPH_KEY.as_bytes()
}
