//! Files that hold graphs: a GraphDef, a MetaGraphDef or a SavedModel, as binary messages or as text.
//!
//! [`GraphFile::open`] finds out what a file holds from its content; [`write_graph`] and
//! [`GraphMessage::to_bytes`] write the same bytes as TensorFlow; [`convert`] turns one form into
//! the other; [`GraphFile::rewrite`] and [`GraphFile::save`] edit. [`read_meta_graph_file`] and
//! [`write_meta_graph`] do what `import_meta_graph` and `export_meta_graph` do with files.
//!
//! ```
//! use std::path::Path;
//!
//! use flowkeep_graph::file::{GraphFile, Kind};
//!
//! let file = GraphFile::open(Path::new("../../fixtures/plans/graph.pbtxt"))?;
//! assert_eq!(file.message.kind(), Kind::GraphDef);
//! let (meta_graph, _) = file.into_meta_graph_def(None)?;
//! assert!(!meta_graph.graph_def.unwrap_or_default().node.is_empty());
//! # Ok::<(), flowkeep_graph::file::FileError>(())
//! ```
//!
//! # Which kind it is
//!
//! 1. Bytes are a binary message if they consist of whole records, each of a type that the kind's
//!    fields allow, and say something that only this kind says: a GraphDef has nodes with the names
//!    of nodes and of ops, functions with names, or versions; a MetaGraphDef has such a graph, or
//!    information about its writer, or collections or signatures with names; a SavedModel has such a
//!    MetaGraph, or a schema version. Fields that are not known are no objection: newer writers may
//!    have added them.
//! 2. If that holds for several kinds, the name of the file decides if it is one of theirs
//!    (`saved_model.*`, `*.meta`); else the order GraphDef, MetaGraphDef, SavedModel does.
//! 3. If it holds for none but the records fit, as in an empty file, the message says nothing, and the
//!    same order decides: an empty file is an empty GraphDef, which is how TensorFlow writes one.
//! 4. All else is text if it is UTF-8 without control characters. The first field's name tells the
//!    kind, for no two kinds share a name.
//!
//! In a SavedModel's directory only a SavedModel is looked for.
//!
//! # How large it may be
//!
//! Protobuf limits messages to [`MAX_LEN`] bytes. A larger binary file is refused before it is read,
//! and a larger message before it is written. Text may be longer, if the message that it stands for
//! is not.

mod convert;
mod damage;
mod detect;
mod error;
mod evidence;
mod kind;
mod maps;
mod message;
mod meta_graph;
mod nearby;
mod read;
mod records;
mod rewrite;
mod save;
mod write;

pub use convert::{Converted, convert, convert_bytes};
pub use damage::{COPY_AGAIN, damage};
pub use error::FileError;
pub use kind::{Form, Kind};
pub use maps::deterministic_bytes;
pub use message::GraphMessage;
pub use meta_graph::{meta_graph_file, read_meta_graph_file, write_meta_graph};
pub use nearby::{instead_of_saved_model, path_meant};
pub use read::{GraphFile, SAVED_MODEL_FILES};
pub use save::SaveOptions;
pub use write::{write_atomically, write_graph};

/// The most bytes that a binary message may have: 2 GiB less one.
pub const MAX_LEN: u64 = 2_147_483_647;
