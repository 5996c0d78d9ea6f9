//! TensorFlow checkpoints (tensor bundles), read and written without TensorFlow.
//!
//! A checkpoint with prefix `model.ckpt-100` is an index, `model.ckpt-100.index`, and data files
//! such as `model.ckpt-100.data-00000-of-00001`. In a SavedModel the prefix is
//! `variables/variables`. This crate finds tensors by key, verifies their checksums, and puts
//! partitioned ones together, and writes such checkpoints. It does the same for the older V1 format,
//! in which the files hold the tensors themselves. It knows nothing of graphs, sessions or variables.
//!
//! ```
//! use std::path::Path;
//!
//! use flowkeep_bundle::BundleReader;
//!
//! let reader = BundleReader::open(Path::new("../../fixtures/bundles/partitioned"))?;
//! for (key, entry) in reader.entries() {
//!     println!("{key}: {} {}", entry.as_ref().unwrap().dtype, entry.as_ref().unwrap().shape);
//! }
//! assert_eq!(reader.tensor("w")?.as_slice::<f32>()?[11], 11.0);
//! assert_eq!(reader.slice("w", &"2,2:0,1".parse()?)?.as_slice::<f32>()?, &[6.0, 9.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! In reading order; public ones are linked.
//!
//! - [`source`]: where bytes come from: files read at positions, memory, mappings.
//! - [`table`]: the sorted table that an index is; no tensors in it.
//! - `header`, `entry`: the values of that table, [`BundleHeader`] and [`Entry`].
//! - `value`: from the bytes of a data file to a tensor.
//! - [`slice_key`], `overlap`, `region`, `partition`, `slices`: tensors that are stored in slices.
//! - `reader`, `elements`: [`BundleReader`], which joins it all; [`ElementReader`].
//! - `verify`, `recover`: checking a bundle whole, and opening what is left of a damaged one.
//! - [`storage`], `writer`, `merge`: [`BundleWriter`] and [`merge_bundles`].
//! - [`v1`]: checkpoints of the older format, [`V1Reader`] and [`V1Writer`].
//! - `checkpoint_reader`: [`CheckpointReader`], for either format.
//! - [`object_graph`]: the objects of an object-based checkpoint, [`ObjectGraph`].
//! - [`checkpoint_state`]: the `checkpoint` file of a directory, and the files of its checkpoints.
//! - [`location`]: which checkpoint a path means, [`Location`].
//! - `coding`, `crc32c`, `parallel`, `key`, `error`: varints, checksums, threads, [`Key`] and
//!   [`Error`].
//!
//! # Features
//!
//! - `mmap` (on by default): mapped data files, see [`ReaderOptions::mmap`].
//! - `snappy` (on by default): compressed blocks in the index. TensorFlow reads them and no longer
//!   writes them.
//!
//! # Invariants
//!
//! - **Whatever the bytes, no panic.** Damage is an [`Error`] of code `DATA_LOSS` that names the
//!   file, and the tensor and its place where there is one.
//! - **Nothing is reserved on a file's word.** A length is compared with the bytes that are there
//!   first, so that memory is bounded by the size of the files.
//! - **The index is checked whole when it is opened**, data when it is read, and each time. A V1
//!   file's list of tensors is its index.
//! - **A checkpoint appears all at once.** Whenever writing is cut off, its prefix names the old
//!   checkpoint or the new one: [`Durability`] and [`Overwrite`] say what is promised.
//! - **A weight is held once.** A tensor that lies aligned in a mapped file is a view of it; any
//!   other is read straight into its own memory.
//! - `unsafe` is confined to `source::mmap` and `crc32c::fold`.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

mod checkpoint_reader;
pub mod checkpoint_state;
mod coding;
mod crc32c;
mod elements;
mod entry;
mod error;
mod header;
mod key;
pub mod location;
mod merge;
pub mod object_graph;
mod overlap;
mod parallel;
mod partition;
mod reader;
mod recover;
mod region;
pub mod slice_key;
mod slices;
pub mod source;
pub mod storage;
pub mod table;
pub mod v1;
mod value;
mod verify;
mod writer;

pub use checkpoint_reader::{CheckpointEntry, CheckpointReader, DebugForm, Declared, StoredPart};
pub use checkpoint_state::{
    CheckpointFormat, CheckpointState, get_checkpoint_state, latest_checkpoint,
};
pub use elements::ElementReader;
pub use entry::Entry;
pub use error::Error;
pub use header::{BundleHeader, Endianness};
pub use key::Key;
pub use location::{Location, list_checkpoints};
pub use merge::{MergeOptions, merge_bundles};
pub use object_graph::ObjectGraph;
pub use reader::{BundleReader, ReaderOptions};
pub use recover::Recovered;
pub use v1::{V1Entry, V1Reader, V1Writer, V1WriterOptions};
pub use value::variants::Variant;
pub use verify::{Oddity, VerifyOptions, VerifyReport};
pub use writer::{BundleWriter, Durability, NewTensor, Overwrite, ShardWriter, WriterOptions};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
