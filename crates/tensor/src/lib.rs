//! Data types, shapes and tensors of TensorFlow, in host memory.
//!
//! This crate computes nothing and opens nothing: it is what checkpoints, graphs and the runtime
//! exchange.
//!
//! ```
//! use flowkeep_tensor::{DType, Tensor};
//!
//! let tensor = Tensor::from_vec([2, 2], vec![1.0f32, 2.0, 3.0, 4.0])?;
//! assert_eq!(tensor.dtype(), DType::F32);
//! assert_eq!(tensor.as_slice::<f32>()?[3], 4.0);
//! # Ok::<(), flowkeep_tensor::Error>(())
//! ```
//!
//! Reading order: [`DType`] and [`Element`] (kinds of data), [`Shape`] and [`PartialShape`],
//! [`Tensor`], [`TensorSlice`] and [`TensorIndex`] (parts of tensors), [`PrintOptions`], [`mod@glob`]
//! (patterns of file names), [`Code`] and [`Error`].
//!
//! **Invariants.** A [`Tensor`]'s elements always fit its shape and type; its memory is immutable
//! while it is shared; elements that are still to be read are an error on every way to them when they
//! cannot be read; `unsafe` is confined to the module `buffer`.
#![deny(unsafe_code)]

mod buffer;
mod code;
mod convert;
mod deferred;
mod display;
mod dtype;
mod element;
mod error;
pub mod glob;
mod index;
mod meter;
mod recycler;
mod shape;
mod slice;
mod tensor;

pub use buffer::Backing;
pub use code::Code;
pub use display::{FloatMode, PrintOptions, PrintSign, bytes_repr, narrow_value};
pub use dtype::{DType, REF_OFFSET};
pub use element::{Complex, Element};
pub use error::Error;
pub use half::{bf16, f16};
pub use index::{IndexItem, Selection, Steps, TensorIndex};
pub use meter::Meter;
pub use recycler::Recycler;
pub use shape::{MAX_RANK, PartialShape, Shape};
pub use slice::{Extent, TensorSlice};
pub use tensor::Tensor;
