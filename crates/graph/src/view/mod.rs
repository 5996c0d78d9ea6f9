//! What is to be seen of a graph, as plain data; rendering is left to others.
//!
//! Modules in reading order: [`Shapes`] (what is known of the shapes of tensors), [`Flops`] (what a node
//! computes), [`Summary`] (a graph as a whole), [`NodeView`] (one node and its neighbours), [`Paths`]
//! (how one node depends on another), [`GraphDiff`] (what differs between two graphs), [`Outline`]
//! (scopes and edges, to be drawn).
//!
//! ```
//! use std::path::Path;
//!
//! use flowkeep_graph::file::GraphFile;
//! use flowkeep_graph::view::{Summary, SummaryOptions};
//! use flowkeep_graph::{ImportOptions, MetaGraph};
//!
//! let file = GraphFile::open(Path::new("../../fixtures/graph_views/dense.meta"))?;
//! let (def, _) = file.into_meta_graph_def(None)?;
//! let meta_graph = MetaGraph::import(def, &ImportOptions::default())?;
//! let summary = Summary::new(&meta_graph.graph, &SummaryOptions::default());
//! assert_eq!(summary.inputs[0].name, "x");
//! assert_eq!(summary.parameters.n_elements, 273);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calls;
mod constant;
mod depth;
mod diff;
mod flops;
mod links;
mod node_view;
mod op_kind;
mod outline;
mod paths;
mod shapes;
mod summary;
mod variable;

pub use calls::{Caller, FunctionSummary};
pub use constant::ConstantTotals;
pub use diff::{
    Change, DiffOptions, FunctionDiff, GraphDiff, MetaGraphDiff, NodeDiff, PartChange, PartDiff,
};
pub use flops::{FlopTotals, Flops, OpFlops};
pub use node_view::{AttrView, ConsumerView, InputView, NodeView, OutputView};
pub use op_kind::OpKind;
pub use outline::{Item, ItemKind, Outline, OutlineEdge, OutlineOptions, Role, Scope};
pub use paths::{Edge, PathOptions, Paths, Step};
pub use shapes::Shapes;
pub use summary::{InputSummary, OpCount, OutputSummary, Summary, SummaryOptions};
pub use variable::{ParameterTotals, VariableView};
