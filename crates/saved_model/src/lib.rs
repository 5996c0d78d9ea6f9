//! Open, load and call TensorFlow SavedModels.
//!
//! ```no_run
//! use flowkeep_saved_model::{LoadOptions, SavedModelBundle};
//! use flowkeep_tensor::Tensor;
//!
//! let bundle = SavedModelBundle::load("models/half_plus_two/1", &["serve"], LoadOptions::default())?;
//! let x = Tensor::from_vec([3], vec![1.0f32, 2.0, 5.0])?;
//! for (key, tensor) in bundle.call("serving_default", &[("x", x)])? {
//!     println!("{key}: {:?}", tensor.as_slice::<f32>()?);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Reading order: [`SavedModel`] (an opened directory), [`SavedModelBundle`] (loaded, with a
//! session), [`SignatureCallable`] (planned once, called often).
//!
//! **Invariants.** Opening reads one file and runs nothing. Loading runs the restore op and the init
//! op, nothing else. This crate names no device and no op.
#![forbid(unsafe_code)]

pub mod constants;
mod error;
pub mod json_tensor;
mod loader;
mod object_restore;
mod saved_model;
pub mod scan;
mod signature;
mod suggest;
pub mod surgery;

pub use error::Error;
pub use loader::{LoadOptions, SavedModelBundle, SignatureCallable};
pub use saved_model::SavedModel;
