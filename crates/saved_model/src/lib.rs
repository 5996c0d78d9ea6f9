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
//! session), [`SignatureCallable`] (planned once, called often), [`ImportedSavedModel`] (among other
//! nodes of a graph that is built). For models of TensorFlow 2: [`SavedObjects`] (what their objects
//! are), [`LoadedObjects`] (with their state: variables, functions), [`StructuredValue`] (what functions
//! take and give).
//!
//! **Invariants.** Opening reads one file and runs nothing. Loading runs the restore op and the init
//! op, or the functions that create and initialize tables, nothing else. This crate names no device and no op.
#![forbid(unsafe_code)]

mod assets;
pub mod constants;
mod error;
mod extras;
mod function;
mod import;
pub mod json_tensor;
mod loaded;
mod loader;
mod object_restore;
mod objects;
mod saved_model;
mod signature;
mod structured;
mod suggest;
pub mod surgery;

pub use error::Error;
pub use extras::contains_saved_model;
pub use function::{BareConcreteFunction, ConcreteFunction, FunctionSpec};
pub use import::ImportedSavedModel;
pub use loaded::{LoadedObjects, ObjectLoadOptions};
pub use loader::{LoadOptions, SavedModelBundle, SignatureCallable};
pub use objects::{ObjectKind, SaveableFunctions, SavedObject, SavedObjects, VariableSpec};
pub use saved_model::SavedModel;
pub use structured::{StructuredValue, TensorSpec, TypeSpec, TypeSpecClass};
