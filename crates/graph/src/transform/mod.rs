//! Graphs to other graphs: what TensorFlow's tools for graphs do.
//!
//! Each transform takes a graph and gives another, with a report of what it did; nothing else
//! changes. Names of nodes in arguments are those of the graph, `node` and not `node:0`.
//!
//! * Cutting out: [`extract_sub_graph`], [`strip_unused`], [`prune_library`].
//! * Taking away: [`remove_training_nodes`], [`clear_devices`], [`strip_default_attrs`],
//!   [`remove_new_default_attrs`].
//! * Other names: [`rename`].
//! * Values for variables: [`freeze`].
//! * Less to compute: [`fold_batch_norms`], [`fold_constants`].
//! * Fewer functions: [`inline_functions`].
//! * Older readers: [`downgrade`].
//!
//! Where TensorFlow leaves a graph that it cannot import itself, these give one that it can, or an
//! error; each says so.

mod batch_norm;
mod constants;
mod default_attrs;
mod devices;
mod downgrade;
mod extract;
mod freeze;
mod functions;
mod inline;
mod reach;
mod rename;
mod strip_unused;
mod training;

pub use batch_norm::{BatchNormReport, FoldedNorm, SkippedNorm, fold_batch_norms};
pub use constants::{Evaluator, FailedFold, FoldOptions, FoldReport, fold_constants};
pub use default_attrs::{AttrReport, RemovedAttr, remove_new_default_attrs, strip_default_attrs};
pub use devices::{DeviceReport, clear_devices};
pub use downgrade::{ChangedOp, Consumer, DowngradeOptions, DowngradeReport, Problem, downgrade};
pub use extract::{ExtractReport, extract_sub_graph};
pub use freeze::{
    FreezeOptions, FreezeReport, FrozenVariable, VariableInfo, VariableValues, freeze,
};
pub use functions::prune_library;
pub use inline::{InlineOptions, InlineReport, InlinedCall, KeptCall, inline_functions};
pub use rename::{NameMap, RenameRules, rename};
pub use strip_unused::{StripInput, StripReport, strip_unused};
pub use training::{TrainingReport, remove_training_nodes};
