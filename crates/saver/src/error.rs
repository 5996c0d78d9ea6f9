use std::path::PathBuf;

use flowkeep_tensor::Code;

use crate::restore::RestoreFailure;

/// Why a Saver could not be built, or could not save or restore.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument is wrong: options, variables, names. TensorFlow's `ValueError` and `TypeError`.
    #[error("{0}")]
    Saver(String),
    /// Something that TensorFlow can do and this crate cannot.
    #[error("{0}")]
    Unsupported(String),
    /// Something that is to be saved is no variable.
    #[error("Variable to save is not a Variable: {0}")]
    NotAVariable(String),
    /// A Saver is not ready for what is asked of it. TensorFlow's `RuntimeError`.
    #[error("{0}")]
    NotReady(String),
    /// The directory for a checkpoint is not there.
    #[error("Parent directory of {} doesn't exist, can't save.", .path.display())]
    NoParentDirectory {
        /// The path to save to.
        path: PathBuf,
        /// What saving failed with.
        source: Box<Error>,
    },
    /// A path leads to no checkpoint.
    #[error("The passed save_path is not a valid checkpoint: {}{why}", .path.display())]
    NotACheckpoint {
        /// The path.
        path: PathBuf,
        /// What may be meant; may be empty.
        why: String,
    },
    /// A checkpoint does not fit the graph.
    #[error(transparent)]
    Restore(#[from] Box<RestoreFailure>),
    /// The nodes that restore failed, for a reason that nothing was known of before.
    #[error(
        "Restoring from checkpoint failed. This is most likely due to {} from the checkpoint. Please ensure that you have \
         not altered the graph expected based on the checkpoint. Original error:\n\n{source}",
        crate::restore::likely_cause(source.code())
    )]
    RestoreRun {
        /// What they failed with.
        source: flowkeep_runtime::Error,
    },
    /// The graph is at fault.
    #[error(transparent)]
    Graph(#[from] flowkeep_graph::Error),
    /// A run of the session failed.
    #[error(transparent)]
    Runtime(#[from] flowkeep_runtime::Error),
    /// A checkpoint or a state file is at fault.
    #[error(transparent)]
    Bundle(#[from] flowkeep_bundle::Error),
    /// A `.meta` file is at fault.
    #[error(transparent)]
    File(#[from] flowkeep_graph::file::FileError),
    /// A value is not what it is needed for.
    #[error(transparent)]
    Tensor(#[from] flowkeep_tensor::Error),
}

impl Error {
    /// The canonical code of this error.
    pub fn code(&self) -> Code {
        match self {
            Error::Saver(_)
            | Error::NotAVariable(_)
            | Error::NoParentDirectory { .. }
            | Error::NotACheckpoint { .. } => Code::InvalidArgument,
            Error::Unsupported(_) => Code::Unimplemented,
            Error::NotReady(_) => Code::FailedPrecondition,
            Error::Restore(failure) => failure.code(),
            Error::RestoreRun { source } | Error::Runtime(source) => source.code(),
            Error::Graph(error) => error.code(),
            Error::Bundle(error) => error.code(),
            Error::File(error) => error.code(),
            Error::Tensor(error) => error.code(),
        }
    }
}
