//! The `.npy` format: an array's type and shape as a Python literal, then its elements.
//!
//! ```text
//! \x93NUMPY  major u8  minor u8  header length u16 (u32 from version 2)  header  elements
//! header = {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } blanks \n
//! ```
//!
//! # Types
//!
//! | NumPy's `descr` | read as | written for |
//! |---|---|---|
//! | `b1`, `i1` to `i8`, `u1` to `u8`, `f2` to `f8`, `c8`, `c16` | the type of that name | the same, little-endian; quantized types as their integers |
//! | `S5` | string, without zeros at the end | string, as wide as the longest |
//! | `U5` | string, in UTF-8 | – |
//! | `V2` | bfloat16 | bfloat16 |
//! | `f1` | float8_e5m2 | – |
//! | `V1` | the caller must say | other types of one byte: 8-bit floats, int4, ... |
//!
//! The last three rows are what `numpy.save` makes of arrays of the package `ml_dtypes`. NumPy reads
//! them back as raw bytes, which `numpy.load(file).view(ml_dtypes.bfloat16)` gives their meaning.
//!
//! NumPy's byte strings lose zeros at their ends, so string tensors with such strings are refused,
//! and so are those that would take more than 1 GiB because one string is much longer than the
//! others. Arrays of Python objects are pickles, and neither read nor written.

mod array;
mod c_order;
mod descr;
mod encode;
mod header;
mod literal;
mod store;

pub use array::Array;
pub use descr::{Descr, Kind};
pub use encode::Encoded;
pub use header::{Header, MAGIC};

pub(super) use store::{ArrayStore, Content, member};
