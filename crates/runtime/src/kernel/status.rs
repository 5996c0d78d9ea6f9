use std::fmt;
use std::sync::Arc;

use flowkeep_tensor::Code;

/// What a kernel reports when it fails: a canonical code and a message.
///
/// The executor adds which node failed; a kernel says only what was wrong, in TensorFlow's words
/// where users search for them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Status {
    code: Code,
    message: String,
    origin: Option<Arc<Origin>>,
}

/// A node that failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) node: Arc<str>,
    pub(crate) op: Arc<str>,
}

impl Status {
    /// A status of any code.
    pub fn new(code: Code, message: impl Into<String>) -> Status {
        Status { code, message: message.into(), origin: None }
    }

    /// `INVALID_ARGUMENT`.
    pub fn invalid_argument(message: impl Into<String>) -> Status {
        Status::new(Code::InvalidArgument, message)
    }

    /// `FAILED_PRECONDITION`.
    pub fn failed_precondition(message: impl Into<String>) -> Status {
        Status::new(Code::FailedPrecondition, message)
    }

    /// `NOT_FOUND`.
    pub fn not_found(message: impl Into<String>) -> Status {
        Status::new(Code::NotFound, message)
    }

    /// `UNIMPLEMENTED`.
    pub fn unimplemented(message: impl Into<String>) -> Status {
        Status::new(Code::Unimplemented, message)
    }

    /// `OUT_OF_RANGE`.
    pub fn out_of_range(message: impl Into<String>) -> Status {
        Status::new(Code::OutOfRange, message)
    }

    /// `RESOURCE_EXHAUSTED`.
    pub fn resource_exhausted(message: impl Into<String>) -> Status {
        Status::new(Code::ResourceExhausted, message)
    }

    /// `INTERNAL`.
    pub fn internal(message: impl Into<String>) -> Status {
        Status::new(Code::Internal, message)
    }

    /// The status of another node than the one that runs.
    pub(crate) fn of(self, origin: Option<&Arc<Origin>>) -> Status {
        Status { origin: origin.cloned(), ..self }
    }

    /// The node that failed, if it is another one than the one that runs.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
    }

    /// The canonical code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<flowkeep_tensor::Error> for Status {
    fn from(error: flowkeep_tensor::Error) -> Status {
        let message = match &error {
            // The only meter of a run.
            flowkeep_tensor::Error::OverLimit { .. } => format!("{error} (max_live_bytes)"),
            error => error.to_string(),
        };
        Status::new(error.code(), message)
    }
}

impl From<flowkeep_graph::Error> for Status {
    fn from(error: flowkeep_graph::Error) -> Status {
        Status::new(error.code(), error.to_string())
    }
}
