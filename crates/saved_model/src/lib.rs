//! Open, load, call and write TensorFlow SavedModels.
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
//! nodes of a graph that is built). For models as objects: [`SavedObjects`] (what the objects of TensorFlow
//! 2 are), [`LoadedObjects`] (with their state: variables, functions, signatures; also of models of
//! TensorFlow 1), [`StructuredValue`] (what functions take and give). To write models: [`SavedModelBuilder`] and [`simple_save`], [`predict_signature_def`]
//! and the other signatures, [`Fingerprint`], [`mod@main_op`], [`export`].
//!
//! **Invariants.** Opening reads one file and runs nothing. Loading runs the restore op and the init
//! op, or the functions that create and initialize tables, nothing else, and names no device and no op.
//! A model that is written is there whole or not at all, and the same model gives the same bytes.
#![forbid(unsafe_code)]

mod access;
mod assets;
mod builder;
mod checkpoint;
mod chunked;
pub mod constants;
mod error;
pub mod export;
mod extras;
mod fingerprint;
mod function;
mod import;
pub mod json_tensor;
mod loaded;
mod loader;
pub mod main_op;
mod object_restore;
mod objects;
mod outline;
mod python_text;
mod saved_model;
pub mod scan;
mod signature;
mod signature_def;
mod simple_save;
mod structured;
mod suggest;
pub mod surgery;
mod validate;
mod variable;

pub use builder::{AssetForm, MetaGraphOptions, SavedModelBuilder};
pub use error::Error;
pub use extras::contains_saved_model;
pub use fingerprint::Fingerprint;
pub use flowkeep_saver::Verify;
pub use function::{BareConcreteFunction, ConcreteFunction, FunctionSpec};
pub use import::ImportedSavedModel;
pub use loaded::{LoadedObjects, ObjectLoadOptions, PrunedFunction};
pub use loader::{LoadOptions, SavedModelBundle, SignatureCallable};
pub use objects::{ObjectKind, SaveableFunctions, SavedObject, SavedObjects, VariableSpec};
pub use outline::SavedModelOutline;
pub use saved_model::SavedModel;
pub use signature_def::{
    NamedTensors, SignatureTensor, SparseTensor, build_signature_def, build_tensor_info,
    build_tensor_info_from_op, classification_signature_def, get_signature_def_by_key,
    get_tensor_from_tensor_info, is_valid_signature, predict_signature_def,
    regression_signature_def, supervised_eval_signature_def, supervised_train_signature_def,
};
pub use simple_save::simple_save;
pub use structured::{StructuredValue, TensorSpec, TypeSpec, TypeSpecClass};
pub use variable::variable_of;
