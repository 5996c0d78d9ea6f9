//! What can be wrong with a text, or with the wire form of a message to print.

use thiserror::Error;

/// Why a text is not a message, and where.
///
/// Displayed as `line:column : message`, in the words of TensorFlow's reader.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{line}:{column} : {message}")]
pub struct ParseError {
    line: usize,
    column: usize,
    message: String,
}

impl ParseError {
    pub(super) fn new(line: usize, column: usize, message: String) -> Self {
        Self { line, column, message }
    }

    /// An error of the text as a whole.
    pub(super) fn at_start(message: String) -> Self {
        Self::new(1, 1, message)
    }

    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Why bytes cannot be printed as a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PrintError {
    /// No message of that name is known.
    #[error("message type {0:?} is not known")]
    UnknownType(String),
    /// The bytes are not a message of the type.
    #[error("malformed {message}: {reason}")]
    Malformed {
        /// Full name of the message that does not decode.
        message: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}
