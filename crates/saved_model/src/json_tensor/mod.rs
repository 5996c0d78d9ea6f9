//! Tensors as JSON, in TensorFlow Serving's form.
//!
//! A tensor is nested lists of its elements, a scalar its bare value. Numbers are JSON numbers,
//! truth values `true` and `false`, byte strings `{"b64": "<base64>"}`.
//!
//! Beyond Serving's form: NaN and infinities are the strings `"NaN"`, `"Infinity"`, `"-Infinity"`
//! (JSON has no numbers for them; bare they are read by [`parse`]); complex numbers are
//! `{"re": 1.0, "im": 2.0}`; and narrow integers that do not fit their type are refused.
//!
//! ```
//! use flowkeep_saved_model::json_tensor;
//! use flowkeep_tensor::{DType, PartialShape};
//!
//! let value = json_tensor::parse("[[1, 2.5], [NaN, 4]]")?;
//! let tensor = json_tensor::read(&value, DType::F32, &PartialShape::unknown())?;
//! assert_eq!(tensor.dims(), [2, 2]);
//! assert_eq!(json_tensor::write(&tensor)?.to_string(), r#"[[1.0,2.5],["NaN",4.0]]"#);
//! # Ok::<(), json_tensor::Error>(())
//! ```

mod element;
mod lenient;
mod read;
mod write;

use flowkeep_tensor::{Code, DType, PartialShape, Shape};

pub use lenient::parse;
pub use read::read;
pub use write::write;

/// Why a JSON value is no tensor, or a tensor has no JSON form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not JSON.
    #[error("JSON Parse error: {0}")]
    Parse(serde_json::Error),
    /// An element is of another kind, or a number outside the range of the type.
    #[error("JSON Value: {value} Type: {kind} is not of expected type: {dtype}")]
    NotOfType {
        /// The element, cut short.
        value: String,
        /// The kind of JSON value that it is.
        kind: &'static str,
        /// The type of the tensor.
        dtype: DType,
    },
    /// A list is longer or shorter than the first of its level.
    #[error(
        "Encountered list at unexpected size: {got} at level: {level} expected size: {expected}"
    )]
    UnexpectedSize {
        /// The length of the list.
        got: usize,
        /// How many lists it lies in.
        level: usize,
        /// The length of the first list of that level.
        expected: usize,
    },
    /// An element lies higher or deeper than the first one, or deeper than any tensor has dimensions.
    #[error("JSON Value: {value} found at incorrect level: {level} expected at: {expected}")]
    WrongLevel {
        /// The value, cut short.
        value: String,
        /// How many lists it lies in.
        level: usize,
        /// How many lists the first element lies in.
        expected: usize,
    },
    /// A `b64` text is not base64.
    #[error("Unable to base64 decode: {0}")]
    Base64(base64::DecodeError),
    /// The value has another shape than was asked for.
    #[error("expected a value of shape {expected}, got {got}")]
    WrongShape {
        /// The shape asked for.
        expected: PartialShape,
        /// The value's shape.
        got: Shape,
    },
    /// Values of this type have no JSON form.
    #[error("tensors of type {0} have no JSON form")]
    Unsupported(DType),
    /// The tensor cannot be made.
    #[error(transparent)]
    Tensor(#[from] flowkeep_tensor::Error),
}

impl Error {
    /// The canonical code of this error.
    pub fn code(&self) -> Code {
        match self {
            Error::Unsupported(_) => Code::Unimplemented,
            Error::Tensor(error) => error.code(),
            _ => Code::InvalidArgument,
        }
    }
}

#[cfg(test)]
mod tests;
