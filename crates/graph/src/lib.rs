#![doc = include_str!("../README.md")]
//!
//! # Modules, in reading order
//!
//! * Names: [`TensorName`] and [`InputRef`], the strings that name tensors and inputs.
//! * Attributes: [`Attr`], [`AttrList`], [`FuncRef`], [`TensorAttr`], and the map [`Attrs`].
//! * [`op_def`]: what ops mean. [`OpDef`], the table of all ops, [`PortType`].
//! * Graphs: [`Node`], [`Output`], [`Graph`]; [`Graph::import`] checks, [`Graph::to_graph_def`]
//!   gives the message back. [`Graph::import_into`] adds a message to a graph, [`Graph::add_node`] a
//!   node from its [`NodeSpec`]; [`GraphEdit`] turns one graph into another.
//! * Functions: [`Library`], [`Function`], [`FunctionBody`]; [`Function::instantiate`] and
//!   [`Function::with_body`] lead from one to the other and back.
//! * MetaGraphs: [`MetaGraph`], [`Signature`], [`TensorInfo`], [`AssetFile`]; [`Collections`] of
//!   [`CollectionItem`]s, under the names in [`collection_keys`];
//!   [`Scope::export_meta_graph`](builder::Scope::export_meta_graph) and
//!   [`Scope::import_meta_graph`](builder::Scope::import_meta_graph).
//! * [`builder`]: graphs made in Rust as `tf.compat.v1` makes them, from a [`builder::Scope`].
//! * [`gradients`]: the nodes that compute gradients, made as `tf.gradients` makes them.
//! * [`transform`]: graphs to other graphs.
//! * [`mod@file`]: files with graphs, binary and text, read by their content and written as TensorFlow
//!   writes them.
//! * [`mod@rewrite`]: what belongs to a graph, after the graph was edited.
//! * [`view`]: what is to be seen of a graph, as plain data.
//! * [`Error`], with TensorFlow's canonical codes.
//!
//! # Invariants
//!
//! * A [`Graph`] has a topological order, but for edges from NextIteration back to Merge, whether it
//!   was imported, built or edited. Only [`Graph::extend_node`] makes it another than that of ids.
//! * Of a node whose op is known, every attribute of the op is there and of its kind, and every
//!   input is of a type that the op takes. Of a node whose op is not known, nothing is checked but
//!   that its inputs exist.
//! * What is imported and exported again differs from what was stored only in the order of nodes
//!   and control inputs, in `:0`, and in defaults.
//! * Import takes time linear in the size of the message, but for a factor that is logarithmic in
//!   the number of nodes, and memory bounded by that size and a constant.
//! * Files are opened in [`mod@file`] alone.
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
pub mod builder;
mod edit;
mod error;
mod export;
mod few;
pub mod file;
mod function;
pub mod gradients;
mod graph;
mod grow;
mod import;
mod library;
mod lookup;
mod meta_graph;
mod names;
mod node;
pub mod op_def;
pub mod optimizers;
pub mod rewrite;
mod signature;
mod spec;
pub mod transform;
pub mod view;

pub use attr::{Attr, AttrList, Attrs, AttrsBuilder, FuncRef, TensorAttr};
pub use edit::{GraphEdit, NewIds};
pub use error::Error;
pub use function::{Function, FunctionBody};
pub use graph::Graph;
pub use import::{GRAPH_DEF_VERSION, ImportOptions, Imported};
pub use library::Library;
pub use lookup::{Element, edit_distance, mistyped};
pub use meta_graph::{
    AssetFile, CollectionItem, CollectionWarning, Collections, ExportOptions, Exported,
    ImportMetaGraphOptions, ImportedMetaGraph, MetaGraph, TENSORFLOW_GIT_VERSION,
    TENSORFLOW_VERSION, WarningKind, keys as collection_keys, ops_used_by_graph_def,
    prepend_name_scope, strip_name_scope, stripped_op_list_for_graph,
};
pub use names::{InputRef, TensorName, is_valid_node_name};
pub use node::{Node, NodeId, Output};
pub use op_def::{OpDef, PortType};
pub use signature::{Encoding, Signature, TensorInfo};
pub use spec::NodeSpec;
