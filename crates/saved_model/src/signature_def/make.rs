use std::collections::BTreeMap;

use flowkeep_graph::builder::Scope;
use flowkeep_graph::{Output, Signature, TensorAttr, TensorInfo};
use flowkeep_proto::pb;
use flowkeep_tensor::{Code, DType};

use super::{NamedTensors, build_tensor_info, invalid};
use crate::Error;
use crate::constants::{
    CLASSIFY_INPUTS, CLASSIFY_METHOD_NAME, CLASSIFY_OUTPUT_CLASSES, CLASSIFY_OUTPUT_SCORES,
    PREDICT_METHOD_NAME, REGRESS_INPUTS, REGRESS_METHOD_NAME, REGRESS_OUTPUTS,
    SUPERVISED_EVAL_METHOD_NAME, SUPERVISED_TRAIN_METHOD_NAME,
};
use crate::python_text::python_tensor;

/// A signature of any kind. `defaults` are constants that stand for inputs that a caller leaves out.
///
/// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for tensors that are not in the graph, and for
/// defaults that are no constants.
pub fn build_signature_def(
    scope: &Scope,
    inputs: impl Into<NamedTensors>,
    outputs: impl Into<NamedTensors>,
    method_name: &str,
    defaults: &[(&str, Output)],
) -> Result<Signature, Error> {
    let default = |(key, tensor): &(&str, Output)| {
        let node = scope.graph().get(tensor.node).filter(|node| node.op() == "Const");
        let value = node.and_then(|node| node.attr("value")?.as_tensor().cloned());
        let value: TensorAttr = value.ok_or_else(|| {
            invalid(format!(
                "Unable to convert object {} of type <class 'tensorflow.python.framework.ops.SymbolicTensor'> to \
                 TensorProto.",
                python_tensor(scope, *tensor)
            ))
        })?;
        Ok(((*key).to_owned(), value))
    };
    Ok(Signature {
        inputs: infos(scope, inputs.into())?,
        outputs: infos(scope, outputs.into())?,
        method_name: method_name.to_owned(),
        defaults: defaults.iter().map(default).collect::<Result<_, Error>>()?,
    })
}

/// A signature that takes and gives any tensors, by keys: for TensorFlow Serving's Predict.
///
/// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` without inputs or without outputs, and for tensors
/// that are not in the graph.
pub fn predict_signature_def(
    scope: &Scope,
    inputs: impl Into<NamedTensors>,
    outputs: impl Into<NamedTensors>,
) -> Result<Signature, Error> {
    let (inputs, outputs) = (inputs.into(), outputs.into());
    for (tensors, what) in [(&inputs, "inputs"), (&outputs, "outputs")] {
        if tensors.0.is_empty() {
            return Err(invalid(format!("Prediction `{what}` cannot be None or empty.")));
        }
    }
    build_signature_def(scope, inputs, outputs, PREDICT_METHOD_NAME, &[])
}

/// A signature that takes serialized examples and gives classes, scores or both, for TensorFlow
/// Serving's Classify.
///
/// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for other types than strings, of scores `float`,
/// and without classes and scores.
pub fn classification_signature_def(
    scope: &Scope,
    examples: Output,
    classes: Option<Output>,
    scores: Option<Output>,
) -> Result<Signature, Error> {
    if classes.is_none() && scores.is_none() {
        return Err(invalid("Classification `classes` and `scores` cannot both be None."));
    }
    let examples = of_type(scope, examples, DType::String, |found| {
        format!(
            "Classification input tensors must be of type string. Found tensors of type {found}"
        )
    })?;
    let mut outputs = BTreeMap::new();
    if let Some(classes) = classes {
        let info = of_type(scope, classes, DType::String, |found| {
            format!(
                "Classification classes must be of type string Tensor. Found tensors of type {found}.`"
            )
        })?;
        outputs.insert(CLASSIFY_OUTPUT_CLASSES.to_owned(), info);
    }
    if let Some(scores) = scores {
        let info = of_type(scope, scores, DType::F32, |_| {
            "Classification scores must be a float Tensor.".to_owned()
        })?;
        outputs.insert(CLASSIFY_OUTPUT_SCORES.to_owned(), info);
    }
    Ok(Signature {
        inputs: BTreeMap::from([(CLASSIFY_INPUTS.to_owned(), examples)]),
        outputs,
        method_name: CLASSIFY_METHOD_NAME.to_owned(),
        ..Signature::default()
    })
}

/// A signature that takes serialized examples and gives a number for each, for TensorFlow Serving's
/// Regress.
///
/// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for other types than strings and `float`.
pub fn regression_signature_def(
    scope: &Scope,
    examples: Output,
    predictions: Output,
) -> Result<Signature, Error> {
    let examples = of_type(scope, examples, DType::String, |found| {
        format!("Regression input tensors must be of type string. Found tensors with type {found}.")
    })?;
    let predictions = of_type(scope, predictions, DType::F32, |found| {
        format!("Regression output tensors must be of type float. Found tensors with type {found}.")
    })?;
    Ok(Signature {
        inputs: BTreeMap::from([(REGRESS_INPUTS.to_owned(), examples)]),
        outputs: BTreeMap::from([(REGRESS_OUTPUTS.to_owned(), predictions)]),
        method_name: REGRESS_METHOD_NAME.to_owned(),
        ..Signature::default()
    })
}

/// A signature of a graph that trains; its outputs are loss, predictions and metrics together.
///
/// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` without inputs, and for tensors that are not in
/// the graph.
pub fn supervised_train_signature_def(
    scope: &Scope,
    inputs: impl Into<NamedTensors>,
    loss: impl Into<NamedTensors>,
    predictions: impl Into<NamedTensors>,
    metrics: impl Into<NamedTensors>,
) -> Result<Signature, Error> {
    let outputs = [loss.into(), predictions.into(), metrics.into()];
    supervised(scope, SUPERVISED_TRAIN_METHOD_NAME, inputs.into(), outputs)
}

/// A signature of a graph that evaluates; its outputs are loss, predictions and metrics together.
///
/// Errors: as [`supervised_train_signature_def`].
pub fn supervised_eval_signature_def(
    scope: &Scope,
    inputs: impl Into<NamedTensors>,
    loss: impl Into<NamedTensors>,
    predictions: impl Into<NamedTensors>,
    metrics: impl Into<NamedTensors>,
) -> Result<Signature, Error> {
    let outputs = [loss.into(), predictions.into(), metrics.into()];
    supervised(scope, SUPERVISED_EVAL_METHOD_NAME, inputs.into(), outputs)
}

fn supervised(
    scope: &Scope,
    method_name: &str,
    inputs: NamedTensors,
    outputs: [NamedTensors; 3],
) -> Result<Signature, Error> {
    if inputs.0.is_empty() {
        return Err(invalid(format!("{method_name} `inputs` cannot be None or empty.")));
    }
    let outputs: NamedTensors = outputs.into_iter().flat_map(|tensors| tensors.0).collect();
    build_signature_def(scope, inputs, outputs, method_name, &[])
}

/// The signature of a MetaGraph by its key.
///
/// Errors: `NOT_FOUND`, with TensorFlow's text; `INVALID_ARGUMENT` for shapes and types that do not exist.
pub fn get_signature_def_by_key(
    meta_graph_def: &pb::MetaGraphDef,
    key: &str,
) -> Result<Signature, Error> {
    match meta_graph_def.signature_def.get(key) {
        Some(def) => Ok(Signature::from_proto(def.clone())?),
        None => Err(Error::Build {
            code: Code::NotFound,
            message: format!("No SignatureDef with key '{key}' found in MetaGraphDef."),
        }),
    }
}

fn infos(scope: &Scope, tensors: NamedTensors) -> Result<BTreeMap<String, TensorInfo>, Error> {
    let infos = tensors.0.into_iter();
    infos.map(|(key, tensor)| Ok((key, build_tensor_info(scope, tensor)?))).collect()
}

/// The description of a tensor that is to be of this type; `otherwise` says what to tell of the number of
/// another one.
fn of_type(
    scope: &Scope,
    tensor: Output,
    dtype: DType,
    otherwise: impl Fn(i32) -> String,
) -> Result<TensorInfo, Error> {
    let info = build_tensor_info(scope, tensor)?;
    match info.to_proto().dtype {
        number if number == dtype.number() => Ok(info),
        number => Err(invalid(otherwise(number))),
    }
}
