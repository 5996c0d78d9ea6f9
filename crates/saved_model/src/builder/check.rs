//! What signatures must say before they are stored.

use std::collections::BTreeMap;

use flowkeep_graph::{Encoding, Signature, TensorInfo};
use flowkeep_tensor::Code;

use crate::Error;
use crate::constants::{INIT_OP_SIGNATURE_KEY, TRAIN_OP_SIGNATURE_KEY};

/// Checks signatures as TensorFlow's builder does.
///
/// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, for inputs and outputs that name no tensor or no
/// type, and for keys that are reserved.
pub(super) fn check_signatures(signatures: &BTreeMap<String, Signature>) -> Result<(), Error> {
    for signature in signatures.values() {
        for info in signature.inputs.values().chain(signature.outputs.values()) {
            check_tensor_info(info)?;
        }
    }
    for (key, purpose) in
        [(INIT_OP_SIGNATURE_KEY, "initialization"), (TRAIN_OP_SIGNATURE_KEY, "the train op")]
    {
        if signatures.contains_key(key) {
            return Err(invalid(format!(
                "SignatureDef map key \"{key}\" is reserved for {purpose}. Please use a different key."
            )));
        }
    }
    Ok(())
}

fn check_tensor_info(info: &TensorInfo) -> Result<(), Error> {
    let lacks = |what: &str| {
        let text = flowkeep_proto::text::print_message(&info.to_proto()).unwrap_or_default();
        Err(invalid(format!(
            "Invalid `tensor_info`: {text}. All TensorInfo protos used in the SignatureDefs must have {what} set."
        )))
    };
    match &info.encoding {
        Encoding::Missing => lacks("one of the 'encoding' fields (e.g., name or coo_sparse)"),
        Encoding::Composite { components, .. } => components.iter().try_for_each(check_tensor_info),
        Encoding::Dense(_) | Encoding::CooSparse { .. } if info.dtype.is_none() => {
            lacks("the dtype field")
        }
        Encoding::Dense(_) | Encoding::CooSparse { .. } => Ok(()),
    }
}

fn invalid(message: String) -> Error {
    Error::Build { code: Code::InvalidArgument, message }
}

#[cfg(test)]
mod tests {
    use flowkeep_graph::PortType;
    use flowkeep_tensor::{DType, PartialShape};

    use super::*;

    fn info(encoding: Encoding, dtype: Option<DType>) -> TensorInfo {
        let dtype = dtype.map(|dtype| PortType { dtype, is_ref: false });
        TensorInfo { encoding, dtype, shape: PartialShape::unknown() }
    }

    fn error_of(key: &str, info: TensorInfo) -> Option<String> {
        let inputs = BTreeMap::from([("x".to_owned(), info)]);
        let signature = Signature { inputs, ..Signature::default() };
        let checked = check_signatures(&BTreeMap::from([(key.to_owned(), signature)]));
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn signatures_are_refused_in_tensorflows_words() {
        let dense = || Encoding::Dense("x:0".to_owned());
        let float = Some(DType::F32);
        let composite = |components| Encoding::Composite { type_spec: None, components };
        assert_eq!(error_of("k", info(dense(), float)), None);
        assert_eq!(error_of("k", info(composite(vec![info(dense(), float)]), None)), None);
        let no_encoding = "Invalid `tensor_info`: dtype: DT_FLOAT\ntensor_shape {\n  unknown_rank: true\n}\n. All TensorInfo \
            protos used in the SignatureDefs must have one of the 'encoding' fields (e.g., name or coo_sparse) set.";
        let no_dtype = "Invalid `tensor_info`: name: \"x:0\"\ntensor_shape {\n  unknown_rank: true\n}\n. All TensorInfo \
            protos used in the SignatureDefs must have the dtype field set.";
        let missing = || info(Encoding::Missing, float);
        for (info, text) in [
            (missing(), no_encoding),
            (info(composite(vec![missing()]), None), no_encoding),
            (info(dense(), None), no_dtype),
        ] {
            assert_eq!(error_of("k", info).as_deref(), Some(text));
        }
        for (key, text) in [
            (
                "__saved_model_init_op",
                "SignatureDef map key \"__saved_model_init_op\" is reserved for initialization. Please use a different key.",
            ),
            (
                "__saved_model_train_op",
                "SignatureDef map key \"__saved_model_train_op\" is reserved for the train op. Please use a different key.",
            ),
        ] {
            assert_eq!(error_of(key, info(dense(), float)).as_deref(), Some(text));
        }
    }
}
