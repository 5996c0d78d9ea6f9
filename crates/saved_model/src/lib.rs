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

mod builder;
pub mod constants;
mod error;
mod fingerprint;
pub mod json_tensor;
mod loader;
pub mod main_op;
mod object_restore;
mod python_text;
mod saved_model;
pub mod scan;
mod signature;
mod signature_def;
mod simple_save;
mod suggest;
pub mod surgery;

pub use builder::{AssetForm, MetaGraphOptions, SavedModelBuilder};
pub use error::Error;
pub use fingerprint::Fingerprint;
pub use loader::{LoadOptions, SavedModelBundle, SignatureCallable};
pub use saved_model::SavedModel;
pub use signature_def::{
    NamedTensors, SignatureTensor, SparseTensor, build_signature_def, build_tensor_info,
    build_tensor_info_from_op, classification_signature_def, get_signature_def_by_key,
    get_tensor_from_tensor_info, is_valid_signature, predict_signature_def,
    regression_signature_def, supervised_eval_signature_def, supervised_train_signature_def,
};
pub use simple_save::simple_save;
