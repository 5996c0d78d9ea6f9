use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use flowkeep_graph::file::{FileError, path_meant};
use flowkeep_tensor::Code;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An input or flag is wrong; the message says how.
    #[error("{message}")]
    Failed { code: Code, message: String },
    /// What was asked for was done, and its result, already written, is bad news.
    #[error("{message}")]
    Reported { code: Code, message: String },
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(std::io::Error),
    /// The model cannot be opened, loaded or called.
    #[error("{error}{hint}", error = .0, hint = plannable(saver_error(.0)))]
    SavedModel(#[from] flowkeep_saved_model::Error),
    /// An array cannot be read.
    #[error(transparent)]
    Format(#[from] flowkeep_ckpt::interchange::FormatError),
    /// The checkpoint toolkit failed.
    #[error("{error}{hint}", error = .0, hint = overwritable(matches!(.0, flowkeep_ckpt::Error::AlreadyExists { .. })))]
    Ckpt(#[from] flowkeep_ckpt::Error),
    /// A file with a graph cannot be read or written.
    #[error("{error}{hint}", error = .0, hint = overwritable(matches!(.0, FileError::AlreadyExists { .. })))]
    GraphFile(#[from] FileError),
    /// A graph has not what is asked for.
    #[error(transparent)]
    Graph(#[from] flowkeep_graph::Error),
    /// A Saver, or a training with one, failed.
    #[error("{error}{hint}", error = .0, hint = plannable(Some(.0)))]
    Saver(#[from] flowkeep_saver::Error),
    /// A tensor cannot be made.
    #[error(transparent)]
    Tensor(#[from] flowkeep_tensor::Error),
}

/// What helps where something is in the way: all commands that write have the flag.
fn overwritable(exists: bool) -> &'static str {
    if exists { "; --overwrite replaces it" } else { "" }
}

/// The error of a Saver, if a model failed by one.
fn saver_error(error: &flowkeep_saved_model::Error) -> Option<&flowkeep_saver::Error> {
    match error {
        flowkeep_saved_model::Error::Saver(error) => Some(error),
        _ => None,
    }
}

/// What tells more where a checkpoint does not fit a graph.
fn plannable(error: Option<&flowkeep_saver::Error>) -> &'static str {
    match error {
        Some(flowkeep_saver::Error::Restore(_)) => {
            "\n\n'flowkeep ckpt plan CHECKPOINT GRAPH' shows what would be restored."
        }
        _ => "",
    }
}

impl Error {
    /// An error about what the caller gave.
    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::Failed { code: Code::InvalidArgument, message: message.into() }
    }

    /// An error about what TensorFlow has and we have not.
    pub(crate) fn not_offered(message: impl Into<String>) -> Error {
        Error::Failed { code: Code::Unimplemented, message: message.into() }
    }

    /// The canonical code of this error.
    pub(crate) fn code(&self) -> Code {
        match self {
            Error::Failed { code, .. } | Error::Reported { code, .. } => *code,
            Error::Io { source, .. } | Error::Output(source) => Code::of_io(source),
            Error::SavedModel(error) => error.code(),
            Error::Format(error) => error.code(),
            Error::Ckpt(error) => error.code(),
            Error::GraphFile(error) => error.code(),
            Error::Graph(error) => error.code(),
            Error::Saver(error) => error.code(),
            Error::Tensor(error) => error.code(),
        }
    }

    /// The same error; of a path that leads nowhere, with what it was probably meant to be.
    pub(crate) fn with_path_meant(self) -> Error {
        let message = self.to_string();
        let mut meant = self.missing_path().map(path_meant).unwrap_or_default();
        if message.contains("there is no directory ") {
            // It tells of the folder itself.
            meant = meant.find("; did you mean").map(|at| meant.split_off(at)).unwrap_or_default();
        }
        match meant.is_empty() {
            true => self,
            // TensorFlow's sentences may end with a period.
            false => Error::Failed {
                code: self.code(),
                message: format!("{}{meant}", message.trim_end_matches('.')),
            },
        }
    }

    /// The path that leads nowhere, if that is what is wrong.
    fn missing_path(&self) -> Option<&Path> {
        fn if_missing<'e>(path: &'e Path, source: &std::io::Error) -> Option<&'e Path> {
            (source.kind() == ErrorKind::NotFound).then_some(path)
        }
        fn of_bundle(error: &flowkeep_bundle::Error) -> Option<&Path> {
            match error {
                flowkeep_bundle::Error::NoCheckpoint { prefix: path }
                | flowkeep_bundle::Error::CheckpointNotFound { path, .. } => Some(path),
                _ => None,
            }
        }
        match self {
            Error::Io { path, source } => if_missing(path, source),
            Error::Ckpt(flowkeep_ckpt::Error::Io { path, source }) => if_missing(path, source),
            Error::Ckpt(flowkeep_ckpt::Error::GraphFile(FileError::Io { path, source })) => {
                if_missing(path, source)
            }
            Error::Ckpt(flowkeep_ckpt::Error::Bundle(error)) => of_bundle(error),
            Error::GraphFile(FileError::Io { path, source }) => if_missing(path, source),
            Error::GraphFile(FileError::NoMetaGraph { path }) => Some(path),
            Error::Saver(flowkeep_saver::Error::Bundle(error))
            | Error::SavedModel(flowkeep_saved_model::Error::Saver(
                flowkeep_saver::Error::Bundle(error),
            )) => of_bundle(error),
            _ => None,
        }
    }

    /// The process's exit status: 10 more than the canonical code.
    pub(crate) fn exit_status(&self) -> u8 {
        10 + u8::try_from(self.code().number()).unwrap_or(2)
    }

    /// Whether whoever read our output stopped listening, which is no failure.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Output(source) if source.kind() == std::io::ErrorKind::BrokenPipe)
    }
}
