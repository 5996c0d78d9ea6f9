//! Tensors to and from the files of other tools: `.npy`, `.npz`, `.safetensors`, raw bytes.
//!
//! A [`Reader`] lists what a file holds without reading it, and reads one tensor at a time; where the
//! file is mapped and a tensor lies aligned in it, the tensor is a view. [`write()`] asks for one
//! tensor after another and holds no more than one.
//!
//! ```
//! use flowkeep_ckpt::interchange::{Format, Reader, TensorSpec, WriterOptions, write};
//! use flowkeep_tensor::{DType, Tensor};
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("weights.npz");
//! let specs = [TensorSpec::new("dense/kernel", DType::F32, [2])];
//! write(&path, Format::Npz, &specs, &WriterOptions::default(), |_| {
//!     Ok::<_, flowkeep_ckpt::Error>(Tensor::from_elements(vec![1.0f32, 2.0]))
//! })?;
//!
//! let reader = Reader::open(&path)?;
//! assert_eq!(reader.members()[0].name, "dense/kernel");
//! assert_eq!(reader.tensor("dense/kernel")?.as_slice::<f32>()?, &[1.0, 2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Formats
//!
//! | | holds | names | checksums |
//! |---|---|---|---|
//! | [`npy`] | one array | none | none |
//! | [`npz`] | arrays of all plain types, and strings that NumPy keeps | any without zero bytes | CRC-32 |
//! | [`safetensors`] | plain types but complex128, quantized and 4-bit ones | any but `__metadata__` | none |
//! | [`raw`] | all plain types and all strings | any | none |
//!
//! Resources and variants have no place in any of them. What a format cannot hold is refused with an
//! `UNIMPLEMENTED` that names tensor and type, before anything is written where the type alone tells
//! it.
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

mod error;
mod format;
pub mod npy;
pub mod npz;
mod plain;
pub mod raw;
mod reader;
mod region;
mod replace;
pub mod safetensors;
mod unique;
mod writer;

use flowkeep_tensor::{DType, Shape, Tensor};

pub use error::FormatError;
pub use format::Format;
pub use reader::Reader;
pub use writer::{TensorSpec, WriterOptions, write, write_to};

/// What a file says about one of its tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The tensor's name; of a `.npy` file, which has none, the file's without `.npy`.
    pub name: String,
    /// The type of its elements; `None` if the file does not tell, or no tensor has such elements.
    pub dtype: Option<DType>,
    /// The type in the format's own words: `<f4`, `|O`, `BF16`, `float32`.
    pub stored_type: String,
    /// The shape.
    pub shape: Shape,
    /// The length of the elements in the file in bytes, unpacked.
    pub len_bytes: u64,
}

/// A file that is open: what is in it, and how to get at it.
struct Opened {
    members: Vec<Member>,
    metadata: Vec<(String, String)>,
    store: Box<dyn Store>,
}

/// Reads the tensors of a file.
trait Store: Send + Sync {
    /// Reads the tensor of the member `idx` as one of type `dtype`.
    ///
    /// Errors: `UNIMPLEMENTED` if its elements cannot be of that type.
    fn read(&self, idx: usize, dtype: DType) -> Result<Tensor, FormatError>;
}
