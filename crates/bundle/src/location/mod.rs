//! Which checkpoint a path means.
//!
//! People name a checkpoint by its directory, its prefix, or whichever of its files they see first.
//! [`Location::find`] takes any of these:
//!
//! ```text
//! train                          the latest in train/checkpoint, else the only checkpoint in train
//! train/checkpoint               the same, and any other state file
//! train/m-100                    the prefix, V2 or V1
//! train/m-100.index  .meta  .data-00000-of-00001
//! train/m-100-?????-of-00003     the files of a V1 checkpoint, and any one of them
//! models/half_plus_two           the variables of a SavedModel
//! ```
//!
//! Where a V2 and a V1 checkpoint have the same prefix, V2 is meant. Of `*`, `?` and `[` only the
//! pattern above has a meaning, and only if there is no file of that very name.
//!
//! ```
//! use std::path::Path;
//!
//! use flowkeep_bundle::{BundleReader, Location};
//!
//! let location = Location::find(Path::new("../../fixtures/object_graphs/manager"))?;
//! let line = "ckpt-5 (V2), the latest of 3 in ../../fixtures/object_graphs/manager/checkpoint";
//! assert_eq!(location.to_string(), line);
//! assert_eq!(BundleReader::open(&location.prefix)?.keys().count(), 3);
//! # Ok::<(), flowkeep_bundle::Error>(())
//! ```
//!
//! Modules in reading order: `find` ([`Location::find`]), `directory`, `list`
//! ([`list_checkpoints`]), `display`.

mod directory;
mod display;
mod find;
mod list;

use std::path::PathBuf;

pub(crate) use self::display::names;
pub use self::list::{ListedCheckpoint, list_checkpoints};
use crate::CheckpointFormat;

/// A checkpoint that is there, and how a path led to it.
///
/// Prints as one line, such as `model.ckpt-100 (V2), the latest of 3 in train/checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// What a restore op takes: the prefix of a V2 checkpoint; the file of a V1 checkpoint, or the
    /// pattern of its files.
    pub prefix: PathBuf,
    /// Its form.
    pub format: CheckpointFormat,
    /// Its files that are there: the index and the data files, or those of V1.
    pub files: Vec<PathBuf>,
    /// How it was found.
    pub reached: Reached,
}

/// How a path led to a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reached {
    /// It was the prefix itself, or what is without question short for it.
    Prefix,
    /// It was a file beside the prefix.
    File(FileKind),
    /// It was a state file, or a directory with one.
    StateFile {
        /// The state file.
        path: PathBuf,
        /// How many checkpoints it lists.
        n_listed: usize,
        /// Where the checkpoint should be by the state file's word. It is not there; the files
        /// were found beside the state file, as if the directory had been moved.
        moved_from: Option<PathBuf>,
    },
    /// It was a directory without a state file, with no other checkpoint in it.
    Directory {
        /// The directory.
        dir: PathBuf,
    },
    /// It was the directory of a SavedModel.
    SavedModel {
        /// The directory.
        dir: PathBuf,
    },
}

/// The kinds of files of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// The index of a V2 checkpoint.
    Index,
    /// A data file of a V2 checkpoint.
    Data,
    /// The meta graph.
    MetaGraph,
    /// One of several files of a V1 checkpoint.
    Shard,
}
