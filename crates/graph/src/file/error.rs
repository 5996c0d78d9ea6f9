use std::io;
use std::path::PathBuf;

use flowkeep_proto::text::PrintError;
use flowkeep_tensor::Code;

use super::{Kind, MAX_LEN};
use crate::Error;

/// Why a file with a graph cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// A file cannot be opened, read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no such file, but the MetaGraph of a checkpoint of that name.
    #[error("{}: No such file; did you mean {}?", .path.display(), .meta.display())]
    PrefixOfCheckpoint {
        /// The path that was given.
        path: PathBuf,
        /// The MetaGraph.
        meta: PathBuf,
    },
    /// A file holds no graph, or a damaged one.
    #[error("{}: Cannot parse file: {what}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// There is no file with a MetaGraph.
    #[error("File does not exist. Received: {}.", .path.display())]
    NoMetaGraph {
        /// The file.
        path: PathBuf,
    },
    /// A file that is to hold a MetaGraph holds none.
    #[error("Cannot parse file {}: {what}.", .path.display())]
    ParseMetaGraph {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A file is larger than a message may be.
    #[error(
        "{}: Cannot parse file: it has {len} bytes, and a protobuf message at most {MAX_LEN}",
        .path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        len: u64,
    },
    /// A message is larger than protobuf allows, and cannot be written.
    #[error("Message {message} exceeds maximum protobuf size of 2GB: {len}")]
    MessageTooLarge {
        /// The name of the message with its package.
        message: String,
        /// Its length in bytes.
        len: u64,
    },
    /// A message cannot be printed as text.
    #[error(transparent)]
    Print(#[from] PrintError),
    /// What was to be written is there already.
    #[error("{} already exists", .path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// A path cannot be written to.
    #[error("{}: {what}", .path.display())]
    Place {
        /// The path.
        path: PathBuf,
        /// What is in the way.
        what: &'static str,
    },
    /// A directory holds no SavedModel.
    #[error("SavedModel file does not exist at: {}{instead}", .dir.display())]
    NotASavedModel {
        /// The directory.
        dir: PathBuf,
        /// What is there, as [`instead_of_saved_model`](super::instead_of_saved_model) has it.
        instead: String,
    },
    /// A SavedModel has no MetaGraph of the tags that are asked for.
    #[error(
        "{}: MetaGraphDef associated with tag-set {tags} could not be found in the SavedModel. Please \
         use one of the following tag-sets: [{present}]",
        .path.display()
    )]
    NoSuchTags {
        /// The file.
        path: PathBuf,
        /// The tags, joined by commas.
        tags: String,
        /// The tags that there are.
        present: String,
    },
    /// Tags are given for a file that is no SavedModel.
    #[error("{}: is a {kind}, which has no tags to choose by", .path.display())]
    NoTags {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: Kind,
    },
    /// A graph cannot be imported.
    #[error("{}: {source}", .path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Error,
    },
}

impl FileError {
    /// The canonical code of this error.
    pub fn code(&self) -> Code {
        match self {
            FileError::Io { source, .. } => Code::of_io(source),
            FileError::Parse { .. } | FileError::ParseMetaGraph { .. } => Code::DataLoss,
            FileError::TooLarge { .. } | FileError::MessageTooLarge { .. } => {
                Code::ResourceExhausted
            }
            FileError::AlreadyExists { .. } => Code::AlreadyExists,
            FileError::PrefixOfCheckpoint { .. }
            | FileError::NotASavedModel { .. }
            | FileError::NoSuchTags { .. }
            | FileError::NoMetaGraph { .. } => Code::NotFound,
            FileError::NoTags { .. } | FileError::Place { .. } | FileError::Print(_) => {
                Code::InvalidArgument
            }
            FileError::Graph { source, .. } => source.code(),
        }
    }
}
