use std::io;
use std::path::{Path, PathBuf};

use flowkeep_tensor::Code;

use crate::key::text;
use crate::location::names;
use crate::table;

/// Why a checkpoint, or a tensor in it, cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No index file lies under the prefix.
    #[error(
        "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for {}",
        .prefix.display()
    )]
    NoCheckpoint {
        /// The prefix.
        prefix: PathBuf,
    },
    /// A path leads to no checkpoint.
    #[error(
        "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for {}; {why}",
        .path.display()
    )]
    CheckpointNotFound {
        /// The path.
        path: PathBuf,
        /// What is there instead.
        why: String,
    },
    /// A directory has no checkpoint, or not the one that is named.
    #[error(
        "Couldn't find 'checkpoint' file or checkpoints in given directory {}{}{why}",
        .dir.display(), if .why.is_empty() { "" } else { ": " }
    )]
    NoCheckpointInDirectory {
        /// The directory.
        dir: PathBuf,
        /// What is wrong, and what is there instead; may be empty.
        why: String,
    },
    /// A path may mean any of several checkpoints.
    #[error("{} may mean any of {} checkpoints: {}", .place.display(), .found.len(), names(.found))]
    SeveralCheckpoints {
        /// The path.
        place: PathBuf,
        /// The prefixes of the checkpoints.
        found: Vec<PathBuf>,
    },
    /// A file is not a checkpoint.
    #[error(
        "Unable to open table file {}: {what}: perhaps your file is in a different file format and you need to use a \
         different restore operator?",
        .path.display()
    )]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A checkpoint state file cannot be used; TensorFlow ignores such files.
    #[error("{}: Checkpoint ignored: {what}", .path.display())]
    CheckpointStateIgnored {
        /// The state file.
        path: PathBuf,
        /// What is wrong with it, and where.
        what: String,
    },
    /// A checkpoint state names no checkpoint, or cannot be written.
    #[error("{what}")]
    InvalidCheckpointState {
        /// What is wrong with it.
        what: String,
    },
    /// The bytes of an object graph do not describe one.
    #[error("{what}")]
    ObjectGraph {
        /// What is wrong.
        what: String,
    },
    /// The index file is not a sound table.
    #[error(
        "Unable to read file ({}). Perhaps the file is corrupt or was produced by a newer version of TensorFlow \
         with format changes (failed to seek to header entry): {source}{}",
        .path.display(), remedy(.source)
    )]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        source: table::Error,
    },
    /// A file of a V1 checkpoint is not a sound table.
    #[error(
        "Unable to open table file {}: {}: {source}: perhaps your file is in a different file format and you need to \
         use a different restore operator?",
        .path.display(), .source.code().name()
    )]
    V1Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: table::Error,
    },
    /// The header of an index, or of a file of a V1 checkpoint, is missing or contradicts itself.
    #[error("{}: {what}", .path.display())]
    Header {
        /// The index file, or that of the V1 checkpoint.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The bundle asks for readers of another version.
    #[error("{what}")]
    Version {
        /// TensorFlow's words for it.
        what: String,
    },
    /// The bundle has no such key.
    #[error("Key {} not found in checkpoint", text(.key))]
    KeyNotFound {
        /// The key.
        key: Vec<u8>,
    },
    /// A V1 checkpoint has no tensor of this name.
    #[error("Tensor name \"{}\" not found in checkpoint files {}", text(.name), .path.display())]
    TensorNotFound {
        /// The path or pattern of the checkpoint.
        path: PathBuf,
        /// The name.
        name: Vec<u8>,
    },
    /// The entry of a tensor contradicts itself or its slices.
    #[error("{what} (in {})", .path.display())]
    Entry {
        /// The index file.
        path: PathBuf,
        /// The tensor's key.
        key: Vec<u8>,
        /// What is wrong, naming the tensor.
        what: String,
    },
    /// A data file is missing.
    #[error("{}; No such file or directory", .path.display())]
    MissingShard {
        /// The data file.
        path: PathBuf,
    },
    /// A data file ends before the tensor does.
    #[error(
        "Read less bytes than requested: tensor {} has {size} bytes from byte {offset} on of {}, which has {len} bytes \
         of at least {}; copy it again from where it is whole",
        text(.key), .path.display(), offset.saturating_add(*size)
    )]
    ShortRead {
        /// The data file.
        path: PathBuf,
        /// The tensor's key.
        key: Vec<u8>,
        /// First byte of the tensor in the file.
        offset: u64,
        /// Length of the tensor in bytes.
        size: u64,
        /// Length of the file in bytes.
        len: u64,
    },
    /// The bytes of a tensor are not those that were written.
    #[error(
        "TensorBundle at {} shard {shard} ({size} bytes): Checksum does not match: stored {stored} vs. calculated on \
         the restored bytes {calculated} (tensor {} at byte {offset} of {})",
        .prefix.display(), text(.key), .path.display()
    )]
    Checksum {
        /// The bundle's prefix.
        prefix: PathBuf,
        /// The data file.
        path: PathBuf,
        /// Its number.
        shard: u32,
        /// The tensor's key.
        key: Vec<u8>,
        /// First byte of the tensor in the file.
        offset: u64,
        /// Length of the tensor in bytes.
        size: u64,
        /// The checksum in the index.
        stored: u32,
        /// The checksum of the bytes.
        calculated: u32,
    },
    /// The bytes of a tensor do not have the form that its type asks for.
    #[error("{what} (tensor {} at byte {offset} of {})", text(.key), .path.display())]
    Value {
        /// The data file.
        path: PathBuf,
        /// The tensor's key.
        key: Vec<u8>,
        /// First byte of the tensor in the file.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The slices that are stored do not cover the slice that was asked for.
    #[error(
        "Does not have sufficient slices for partitioned tensor {} to restore in slice_spec: {slice}",
        text(.key)
    )]
    InsufficientSlices {
        /// The tensor's key.
        key: Vec<u8>,
        /// The slice that was asked for.
        slice: String,
    },
    /// Tensors of this type cannot be read.
    #[error("tensor {} has data type {dtype}, which cannot be read", text(.key))]
    UnsupportedType {
        /// The tensor's key.
        key: Vec<u8>,
        /// The type's name, or its number if it has none.
        dtype: String,
    },
    /// A key is added to a bundle that has it already.
    #[error("Adding duplicate key: {}", text(.key))]
    DuplicateKey {
        /// The key.
        key: Vec<u8>,
    },
    /// A request, or a value from a file that stands for itself, makes no sense.
    #[error("{what}")]
    Invalid {
        /// The canonical code.
        code: Code,
        /// What is wrong.
        what: String,
    },
    /// The elements of a tensor could not be read from where they were to come from.
    #[error("elements of tensor {}: {source}", text(.key))]
    Stream {
        /// The tensor's key.
        key: Vec<u8>,
        /// The error of the reader.
        source: io::Error,
    },
    /// The table of an index or of a V1 checkpoint could not be written, or a block of the latter
    /// not be read.
    #[error("{}; {source}", .path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: table::Error,
    },
    /// A file could not be read or written.
    #[error("{}; {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A tensor could not be made.
    #[error(transparent)]
    Tensor(#[from] flowkeep_tensor::Error),
}

/// What to do about an index that is damaged, as the end of a sentence.
fn remedy(error: &table::Error) -> &'static str {
    match error {
        table::Error::Corrupt { .. } => {
            "; the file is cut or damaged: copy it again from where it is whole"
        }
        _ => "",
    }
}

impl Error {
    /// The canonical code of this error.
    pub fn code(&self) -> Code {
        match self {
            Error::NoCheckpoint { .. } | Error::KeyNotFound { .. } | Error::MissingShard { .. } => {
                Code::NotFound
            }
            Error::CheckpointNotFound { .. }
            | Error::NoCheckpointInDirectory { .. }
            | Error::TensorNotFound { .. } => Code::NotFound,
            Error::SeveralCheckpoints { .. } | Error::InvalidCheckpointState { .. } => {
                Code::InvalidArgument
            }
            Error::NotACheckpoint { .. }
            | Error::CheckpointStateIgnored { .. }
            | Error::ObjectGraph { .. } => Code::DataLoss,
            // As in TensorFlow, whatever the system says.
            Error::V1Table { source: table::Error::Io(_), .. } => Code::DataLoss,
            Error::Index { source, .. }
            | Error::Table { source, .. }
            | Error::V1Table { source, .. } => source.code(),
            Error::Version { .. }
            | Error::InsufficientSlices { .. }
            | Error::DuplicateKey { .. } => Code::InvalidArgument,
            Error::Invalid { code, .. } => *code,
            Error::ShortRead { .. } => Code::OutOfRange,
            Error::Header { .. }
            | Error::Entry { .. }
            | Error::Checksum { .. }
            | Error::Value { .. } => Code::DataLoss,
            Error::UnsupportedType { .. } => Code::Unimplemented,
            Error::Io { source, .. } | Error::Stream { source, .. } => Code::of_io(source),
            Error::Tensor(error) => error.code(),
        }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Error {
        Error::Invalid { code: Code::InvalidArgument, what: what.into() }
    }

    /// What the system said about a file.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Error {
        |source| Error::Io { path: path.into(), source }
    }
}
