use std::io;
use std::path::PathBuf;

use flowkeep_graph::file::FileError;
use flowkeep_tensor::Code;

use crate::interchange::FormatError;

/// Why the toolkit could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be opened, read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not of its format, or the format cannot do what was asked.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: FormatError,
    },
    /// One tensor of a file is damaged or not supported.
    #[error("{}: tensor {tensor}: {source}", .path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What is wrong.
        source: FormatError,
    },
    /// The file has no tensor of this name.
    #[error("{}: has no tensor {tensor}", .path.display())]
    TensorNotFound {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        tensor: String,
    },
    /// There is no tensor of a name, but perhaps of one like it.
    #[error("{source}; {found} has {}", other_names(.n_tensors, .nearest))]
    NotFound {
        /// The error for the name.
        source: Box<Error>,
        /// The checkpoint, as [`Checkpoint::found`](crate::Checkpoint::found) has it.
        found: String,
        /// How many tensors that has.
        n_tensors: usize,
        /// Names that are like the one asked for, the nearest first.
        nearest: Vec<String>,
    },
    /// What was to be written is there already.
    #[error("{} already exists", .path.display())]
    AlreadyExists {
        /// The file or folder.
        path: PathBuf,
    },
    /// A checkpoint of TensorFlow cannot be read or written.
    #[error(transparent)]
    Bundle(#[from] flowkeep_bundle::Error),
    /// A tensor cannot be made, or does not fit what was asked.
    #[error(transparent)]
    Value(#[from] flowkeep_tensor::Error),
    /// A tensor that is wanted is damaged.
    #[error("tensor {tensor}: {what}")]
    Damaged {
        /// The tensor's name.
        tensor: String,
        /// What is wrong.
        what: String,
    },
    /// Nothing of a checkpoint can be saved.
    #[error("nothing of {found} is intact")]
    NothingIntact {
        /// The checkpoint.
        found: String,
    },
    /// The tool, or a format, cannot do what was asked.
    #[error("{0}")]
    Unsupported(String),
    /// A graph cannot be imported, or looked into.
    #[error("{}: {source}", .path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: flowkeep_graph::Error,
    },
    /// A file with a graph cannot be read.
    #[error(transparent)]
    GraphFile(#[from] FileError),
    /// The caller asked for what makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// The canonical code of this error.
    pub fn code(&self) -> Code {
        match self {
            Error::Io { source, .. } => Code::of_io(source),
            Error::File { source, .. } | Error::Tensor { source, .. } => source.code(),
            Error::Bundle(error) => error.code(),
            Error::Value(error) => error.code(),
            Error::NotFound { source, .. } => source.code(),
            Error::TensorNotFound { .. } => Code::NotFound,
            Error::Graph { source, .. } => source.code(),
            Error::GraphFile(error) => error.code(),
            Error::AlreadyExists { .. } => Code::AlreadyExists,
            Error::Damaged { .. } | Error::NothingIntact { .. } => Code::DataLoss,
            Error::Unsupported(_) => Code::Unimplemented,
            Error::Invalid(_) => Code::InvalidArgument,
        }
    }
}

/// How many names there are, and which of them are like one that is not there.
fn other_names(n_tensors: &usize, nearest: &[String]) -> String {
    let tensors = if *n_tensors == 1 { "tensor" } else { "tensors" };
    let like = match nearest {
        [] if *n_tensors == 0 => String::new(),
        [] => ", none of a name like it".to_owned(),
        [name] => format!("; the nearest name is {name}"),
        names => format!("; the nearest names are {}", names.join(", ")),
    };
    format!("{n_tensors} {tensors}{like}")
}
