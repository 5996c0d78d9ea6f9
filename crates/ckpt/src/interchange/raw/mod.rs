//! A folder of bare bytes: one `.bin` file for each tensor, and `manifest.json`, which says what they
//! are. For tools that know none of the other formats.
//!
//! ```json
//! {
//!   "format": "flowkeep-raw-1",
//!   "metadata": {"step": "100"},
//!   "tensors": [
//!     {"name": "dense/kernel", "dtype": "float32", "shape": [2, 3], "file": "00000-dense_kernel.bin"}
//!   ]
//! }
//! ```
//!
//! Types have the names that TensorFlow's Python has for them. A file is the elements alone,
//! little-endian, in row-major order: types of less than a byte take one byte for each element, bool
//! is 0 or 1. A string tensor of n elements is the lengths of all, then the bytes of all:
//!
//! ```text
//! len[0] u64 … len[n-1] u64 | bytes[0] … bytes[n-1]
//! ```
//!
//! In Python, `numpy.fromfile(file, dtype).reshape(shape)` reads a file of numbers. Files are named
//! after the tensor's place in the list and, as far as letters are harmless everywhere, its name;
//! readers must go by the manifest, which may name the files in other ways.

mod file_name;
mod manifest;
mod strings;
mod writer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_bundle::source::{self, Source};
use flowkeep_tensor::{DType, Tensor};

pub(super) use writer::RawWriter;

use super::error::{FormatError, corrupt, unsupported};
use super::region::Region;
use super::{Member, Opened, Store, plain};
use manifest::Manifest;

/// The name of the file that says what the others are.
pub const MANIFEST: &str = "manifest.json";

/// Opens a folder: reads its manifest, and looks whether the files are as long as they must be.
pub(super) fn open(dir: &Path, mmap: bool) -> Result<Opened, FormatError> {
    let manifest = Manifest::parse(&fs::read(dir.join(MANIFEST)).map_err(named(MANIFEST))?)?;
    let (mut members, mut tensors) = (Vec::new(), Vec::new());
    for entry in manifest.entries {
        let len = fs::metadata(dir.join(&entry.file)).map_err(named(&entry.file))?.len();
        let n = entry.shape.checked_n_elements();
        let is_sound = match entry.dtype.size_bytes() {
            Some(size) => {
                let expected = n.and_then(|n| n.checked_mul(size));
                expected.and_then(|expected| u64::try_from(expected).ok()) == Some(len)
            }
            None => n.and_then(|n| u64::try_from(n).ok()).is_some_and(|n| n <= len / 8),
        };
        if !is_sound {
            return Err(corrupt(format!(
                "{} has {len} bytes, which are no tensor of type {} and shape {}",
                entry.file, entry.dtype, entry.shape
            )));
        }
        members.push(Member {
            name: entry.name,
            dtype: Some(entry.dtype),
            stored_type: entry.dtype.python_name().to_owned(),
            shape: entry.shape.clone(),
            len_bytes: len,
        });
        tensors.push((entry.file, entry.dtype, entry.shape));
    }
    let store = Box::new(Files { dir: dir.to_owned(), mmap, tensors });
    Ok(Opened { members, metadata: manifest.metadata, store })
}

/// Adds the file's name to an error about it.
fn named(file: &str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{file}: {error}"))
}

/// The files of a folder.
struct Files {
    dir: PathBuf,
    mmap: bool,
    tensors: Vec<(String, DType, flowkeep_tensor::Shape)>,
}

impl Store for Files {
    fn read(&self, idx: usize, dtype: DType) -> Result<Tensor, FormatError> {
        let (file, stored, shape) =
            self.tensors.get(idx).ok_or_else(|| corrupt("the tensor is not there"))?;
        if *stored != dtype {
            return Err(unsupported(format!("its elements are not of type {dtype}")));
        }
        let path = self.dir.join(file);
        let source: Arc<dyn Source> = source::open(&path, self.mmap).map_err(named(file))?;
        let region = Region::of(source);
        let Some(size) = dtype.size_bytes() else {
            return strings::read(shape, &region);
        };
        let len = shape.checked_n_elements().and_then(|n| n.checked_mul(size));
        if len.and_then(|len| u64::try_from(len).ok()) != Some(region.len()) {
            return Err(corrupt(format!("{file} has another length than when it was opened")));
        }
        plain::read_region(dtype, shape, &region)
    }
}
