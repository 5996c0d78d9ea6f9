//! V1 checkpoints: files that hold the tensors themselves.
//!
//! Each file is a [table](crate::table). Of a checkpoint in several files, each has the slices of
//! its own, and they are known together as `<prefix>-?????-of-NNNNN`.
//!
//! ```text
//! key ""          SavedTensorSlices { meta: for each tensor name, full shape, type, slices; version }
//! slice key       SavedTensorSlices { data: name, slice, TensorProto with nothing but values }
//! ```
//!
//! A tensor that is not partitioned is one slice, the full one; so every other key is that of a
//! slice. The values are in the `TensorProto` field of their type, and exactly as many as the slice
//! has elements.
//!
//! Modules in reading order: `files` (which files a path means), `wire` (fields of
//! messages), `meta` (the record of the empty key), `form`, `decode`, `encode` (values), `record`
//! (a slice), `reader` ([`V1Reader`]), `target` (what may be written), `writer`
//! ([`V1Writer`]).

mod decode;
mod encode;
mod files;
mod form;
mod meta;
mod reader;
mod record;
mod target;
mod wire;
mod writer;

pub use self::files::{shard_path, shard_pattern};
pub(crate) use self::meta::TensorMeta;
pub use self::reader::{V1Entry, V1Reader};
pub use self::writer::{V1Writer, V1WriterOptions};
