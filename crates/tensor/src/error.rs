use crate::{Code, DType, Shape};

/// What can be wrong with a tensor or with its stored form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Elements of one type were asked of a tensor of another.
    #[error("expected a tensor of type {expected}, got {got}")]
    DTypeMismatch {
        /// The type asked for.
        expected: DType,
        /// The tensor's type.
        got: DType,
    },
    /// The number of elements does not fit the shape.
    #[error("shape {shape} holds {} elements, but {n_elements} were given", .shape.n_elements())]
    LengthMismatch {
        /// The shape.
        shape: Shape,
        /// The number of elements given.
        n_elements: usize,
    },
    /// A tensor of this shape cannot exist in memory.
    #[error("a tensor of type {dtype} and shape {shape} is too large")]
    TooLarge {
        /// The element type.
        dtype: DType,
        /// The shape.
        shape: Shape,
    },
    /// A tensor has more bytes than a [`Meter`](crate::Meter) allows.
    #[error(
        "a tensor of type {dtype} and shape {shape} has {len_bytes} bytes, which with the {used_bytes} of others are \
         more than the {max_bytes} that are allowed"
    )]
    OverLimit {
        /// The element type.
        dtype: DType,
        /// The shape.
        shape: Box<Shape>,
        /// The tensor's bytes.
        len_bytes: usize,
        /// The bytes that are counted already.
        used_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// A `DataType` number that names no data type.
    #[error("{0} is not a data type")]
    UnknownDType(i32),
    /// The data type has no values in host memory of the asked kind.
    #[error("a tensor of type {0} has no plain elements")]
    NotPlain(DType),
    /// A stored shape has a dimension that is negative or unknown, or too many dimensions.
    #[error("{0}")]
    BadShape(String),
    /// A `TensorProto` contradicts itself.
    #[error("Cannot parse tensor from proto: {0}")]
    BadProto(String),
    /// A slice specification is malformed.
    #[error("{0}")]
    BadSlice(String),
    /// A well-formed slice has another rank than its shape, or reaches out of it.
    #[error("{0}")]
    SliceMismatch(String),
    /// An index is malformed, or does not fit its shape.
    #[error("{0}")]
    BadIndex(String),
    /// A print option that does not exist, or a value that it does not take.
    #[error("{0}")]
    BadPrintOption(String),
    /// The elements of a deferred tensor cannot be read.
    #[error("{message}")]
    Unreadable {
        /// The canonical code.
        code: Code,
        /// What is wrong, naming tensor and file.
        message: String,
    },
}

impl Error {
    /// The canonical code of this error.
    pub fn code(&self) -> Code {
        match self {
            Error::TooLarge { .. } | Error::OverLimit { .. } => Code::ResourceExhausted,
            Error::NotPlain(_) => Code::Unimplemented,
            Error::SliceMismatch(_) => Code::Internal,
            Error::Unreadable { code, .. } => *code,
            _ => Code::InvalidArgument,
        }
    }
}
