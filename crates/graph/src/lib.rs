//! TensorFlow graphs: names, ops, attributes, functions, MetaGraphs.
//!
//! This crate checks graphs and computes nothing.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::as_conversions
    )
)]

mod attr;
mod error;
mod export;
mod function;
mod graph;
mod import;
mod library;
mod meta_graph;
mod names;
mod node;
pub mod op_def;
mod signature;

pub use attr::{Attr, AttrList, Attrs, AttrsBuilder, FuncRef, TensorAttr};
pub use error::Error;
pub use function::{Function, FunctionBody};
pub use graph::Graph;
pub use import::{GRAPH_DEF_VERSION, ImportOptions};
pub use library::Library;
pub use meta_graph::{AssetFile, MetaGraph};
pub use names::{InputRef, TensorName, is_valid_node_name};
pub use node::{Node, NodeId, Output};
pub use op_def::{OpDef, PortType};
pub use signature::{Encoding, Signature, TensorInfo};
