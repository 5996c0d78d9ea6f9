use std::io;

use flowkeep_tensor::Code;

/// What is wrong with a file of arrays, or with a tensor for it; the file is named by
/// [`crate::Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes are not what the format promises.
    #[error("{0}")]
    Corrupt(String),
    /// The bytes are sound, but of a kind that no tensor has; or a tensor is of a kind that the
    /// format does not have.
    #[error("{0}")]
    Unsupported(String),
    /// The bytes cannot be read, or not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes make no tensor.
    #[error(transparent)]
    Tensor(#[from] flowkeep_tensor::Error),
}

impl FormatError {
    /// The canonical code of this error.
    pub fn code(&self) -> Code {
        match self {
            FormatError::Corrupt(_) => Code::DataLoss,
            FormatError::Unsupported(_) => Code::Unimplemented,
            FormatError::Io(source) => Code::of_io(source),
            FormatError::Tensor(source) => source.code(),
        }
    }
}

pub(super) fn corrupt(what: impl Into<String>) -> FormatError {
    FormatError::Corrupt(what.into())
}

pub(super) fn unsupported(what: impl Into<String>) -> FormatError {
    FormatError::Unsupported(what.into())
}
