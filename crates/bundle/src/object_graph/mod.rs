//! The objects of an object-based checkpoint.
//!
//! `tf.train.Checkpoint` and TF2 SavedModels store tensors by their place in a graph of objects, and
//! the graph itself as one more string, under the key [`OBJECT_GRAPH_KEY`]. A checkpoint without that
//! key is name-based.
//!
//! ```text
//! node        children (node, local name) | attributes | slot variables | registered saver | has values
//! attribute   name, as VARIABLE_VALUE | full name, that of the variable in a graph | checkpoint key
//! slot        original variable (node) | slot name | slot variable (node)
//! ```
//!
//! Node 0 is the root. Nodes may be shared, and may form cycles. An object's *path* is that of the
//! local names on a shortest way from the root; in each, `.` is written `..` and `/` is written `.S`.
//! An optimizer's slot variables are no one's children: their path is
//! `<variable>/.OPTIMIZER_SLOT/<optimizer>/<slot>`.
//!
//! TensorFlow makes keys of paths, `<path>/.ATTRIBUTES/<name>`, but the graph records them, and what
//! it records counts. The entries of a table or an iterator have keys that go on where the recorded
//! one ends, such as `-keys` and `-values`: [`ObjectGraph::attribute_of_entry`] knows.
//!
//! ```
//! use std::path::Path;
//!
//! use flowkeep_bundle::BundleReader;
//!
//! let reader = BundleReader::open(Path::new("../../fixtures/object_graphs/slots"))?;
//! let graph = reader.object_graph()?.expect("an object-based checkpoint");
//! let slot = graph.find("model/first/bias/.OPTIMIZER_SLOT/my..opt/m").unwrap();
//! let key = &graph.nodes()[slot].attributes[0].checkpoint_key;
//! assert_eq!(reader.entry(key)?.shape.dims(), &[2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Modules in reading order: `node` ([`ObjectNode`] and its parts), `graph` ([`ObjectGraph`], from
//! and to bytes), `paths`, `lookup`, `edit`.

mod edit;
mod graph;
mod lookup;
mod node;
mod paths;

pub use self::graph::ObjectGraph;
pub use self::lookup::ObjectVariable;
pub use self::node::{Attribute, Child, ObjectNode, RegisteredSaver, SlotVariable};
pub use self::paths::escape_local_name;

/// The key of the object graph.
pub const OBJECT_GRAPH_KEY: &str = "_CHECKPOINTABLE_OBJECT_GRAPH";

/// The attribute that is a variable's value.
pub const VARIABLE_VALUE: &str = "VARIABLE_VALUE";
