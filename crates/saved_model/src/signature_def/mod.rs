//! Signatures from the tensors of a graph, and back: `tf.compat.v1.saved_model.signature_def_utils` and
//! `utils`.
//!
//! Modules in reading order: `tensors` ([`SignatureTensor`]), `tensor_info` (how signatures describe
//! them), `make` (signatures of each kind), `valid` (which of them can be served).

mod make;
mod tensor_info;
mod tensors;
mod valid;

pub use self::make::{
    build_signature_def, classification_signature_def, get_signature_def_by_key,
    predict_signature_def, regression_signature_def, supervised_eval_signature_def,
    supervised_train_signature_def,
};
pub use self::tensor_info::{
    build_tensor_info, build_tensor_info_from_op, get_tensor_from_tensor_info,
};
pub use self::tensors::{NamedTensors, SignatureTensor, SparseTensor};
pub use self::valid::is_valid_signature;

use flowkeep_tensor::Code;

use crate::Error;

fn invalid(message: impl Into<String>) -> Error {
    Error::Build { code: Code::InvalidArgument, message: message.into() }
}
