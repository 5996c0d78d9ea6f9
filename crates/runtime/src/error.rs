use std::fmt;

use flowkeep_tensor::Code;

use crate::kernel::{FileUse, Status};

/// Why a session could not be made, planned or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name or a function of the graph is wrong.
    #[error(transparent)]
    Graph(#[from] flowkeep_graph::Error),
    /// A node failed.
    #[error("{status} (node {node}, op {op})")]
    Node {
        /// The node's name, with those of the calls that lead to it.
        node: String,
        /// The node's op.
        op: String,
        /// What its kernel said.
        status: Status,
    },
    /// A fetch has no value.
    #[error("{status} (fetch {name})")]
    Fetch {
        /// The fetch's name.
        name: String,
        /// What is wrong.
        status: Status,
    },
    /// What was asked for holds ops or types that no kernel stands for, or ops that are denied.
    #[error("{}", display_missing(.0))]
    Unsupported(Vec<MissingKernel>),
    /// A feed, fetch or target is wrong.
    #[error("{message}")]
    Request {
        /// The canonical code.
        code: Code,
        /// What is wrong.
        message: String,
    },
}

impl Error {
    /// The canonical code of this error.
    pub fn code(&self) -> Code {
        match self {
            Error::Graph(error) => error.code(),
            Error::Node { status, .. } | Error::Fetch { status, .. } => status.code(),
            Error::Unsupported(missing)
                if missing.iter().all(|missing| missing.denied.is_some()) =>
            {
                Code::PermissionDenied
            }
            Error::Unsupported(_) => Code::Unimplemented,
            Error::Request { code, .. } => *code,
        }
    }

    pub(crate) fn request(code: Code, message: impl Into<String>) -> Error {
        Error::Request { code, message: message.into() }
    }
}

/// A node that no kernel of the registry can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingKernel {
    /// The op.
    pub op: String,
    /// The type attributes that the registered kernel does not take, such as `T=complex64`; empty
    /// when there is no kernel of that op at all.
    pub types: Vec<String>,
    /// The first node that needs it.
    pub node: String,
    /// How many nodes need it.
    pub n_nodes: usize,
    /// What it would do to files, if there is a kernel that may not do so
    /// ([`FileAccess`](crate::kernel::FileAccess)).
    pub denied: Option<FileUse>,
}

impl fmt::Display for MissingKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.op)?;
        if !self.types.is_empty() {
            write!(f, "[{}]", self.types.join(", "))?;
        }
        write!(f, " (node {}", self.node)?;
        if self.n_nodes > 1 {
            write!(f, " and {} more", self.n_nodes - 1)?;
        }
        f.write_str(")")
    }
}

fn display_missing(missing: &[MissingKernel]) -> String {
    let list = |denied: bool| {
        let list = missing.iter().filter(|missing| missing.denied.is_some() == denied);
        list.map(MissingKernel::to_string).collect::<Vec<_>>().join(", ")
    };
    match (list(false), list(true)) {
        (missing, denied) if denied.is_empty() => format!("no CPU kernel for {missing}"),
        (missing, denied) if missing.is_empty() => {
            format!("file access is not allowed to this graph: {denied}")
        }
        (missing, denied) => {
            format!(
                "no CPU kernel for {missing}; file access is not allowed to this graph: {denied}"
            )
        }
    }
}
