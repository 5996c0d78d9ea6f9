use std::collections::BTreeMap;

use flowkeep_graph::{PortType, Signature, TensorInfo};
use flowkeep_tensor::DType;

use crate::constants::{
    CLASSIFY_INPUTS, CLASSIFY_METHOD_NAME, CLASSIFY_OUTPUT_CLASSES, CLASSIFY_OUTPUT_SCORES,
    PREDICT_METHOD_NAME, REGRESS_INPUTS, REGRESS_METHOD_NAME, REGRESS_OUTPUTS,
};

/// Whether TensorFlow Serving can serve a signature: one that predicts, with any inputs and outputs, or
/// one that classifies or regresses, with exactly the keys and types that these have.
pub fn is_valid_signature(signature: &Signature) -> bool {
    let Signature { inputs, outputs, .. } = signature;
    match &*signature.method_name {
        PREDICT_METHOD_NAME => !inputs.is_empty() && !outputs.is_empty(),
        REGRESS_METHOD_NAME => {
            is_only(inputs, REGRESS_INPUTS, DType::String)
                && is_only(outputs, REGRESS_OUTPUTS, DType::F32)
        }
        CLASSIFY_METHOD_NAME => {
            let allowed = |(key, info): (&String, &TensorInfo)| match &**key {
                CLASSIFY_OUTPUT_CLASSES => is_of(info, DType::String),
                CLASSIFY_OUTPUT_SCORES => is_of(info, DType::F32),
                _ => false,
            };
            is_only(inputs, CLASSIFY_INPUTS, DType::String)
                && !outputs.is_empty()
                && outputs.iter().all(allowed)
        }
        _ => false,
    }
}

/// Whether there is nothing but a tensor of this key and type.
fn is_only(infos: &BTreeMap<String, TensorInfo>, key: &str, dtype: DType) -> bool {
    infos.len() == 1 && infos.get(key).is_some_and(|info| is_of(info, dtype))
}

fn is_of(info: &TensorInfo, dtype: DType) -> bool {
    info.dtype == Some(PortType::value(dtype))
}
