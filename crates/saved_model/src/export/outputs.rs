use std::collections::{BTreeMap, HashSet};

use flowkeep_graph::builder::Scope;
use flowkeep_graph::{Element, NodeId, Output, Signature};
use flowkeep_tensor::{DType, Tensor};

use super::{ServingInputReceiver, invalid};
use crate::{
    Error, NamedTensors, SignatureTensor, classification_signature_def,
    get_tensor_from_tensor_info, is_valid_signature, predict_signature_def,
    regression_signature_def, supervised_eval_signature_def, supervised_train_signature_def,
};

/// What a model gives, as its head says it: `tf.estimator.export.ExportOutput`.
#[derive(Clone, Debug, PartialEq)]
pub enum ExportOutput {
    /// Any tensors, by key.
    Predict(NamedTensors),
    /// Classes as texts, scores of classes, or both.
    Classification {
        /// The classes.
        classes: Option<Output>,
        /// The scores.
        scores: Option<Output>,
    },
    /// A number for each example.
    Regression(Output),
    /// What training gives.
    Train(Supervised),
    /// What evaluation gives.
    Eval(Supervised),
}

/// What training and evaluation give. Keys of signatures begin with what a tensor is, `loss`,
/// `predictions/…`, `metrics/…/value`, `metrics/…/update_op`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Supervised {
    /// The loss, or several.
    pub loss: NamedTensors,
    /// The predictions.
    pub predictions: NamedTensors,
    /// The metrics: the value, and what brings it up to date.
    pub metrics: BTreeMap<String, (Output, Element)>,
}

/// The signatures of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SignatureDefs {
    /// Signatures by key.
    pub signatures: BTreeMap<String, Signature>,
    /// Outputs that became no signatures, by key, and why.
    pub excluded: BTreeMap<String, String>,
}

/// The signatures of all outputs, each with the tensors of the receiver as its inputs; alternatives have
/// the keys `<alternative>:<key>`. An output that cannot be a signature, such as a classification without
/// a single input of strings, is left out, and told of; with `serving_only`, also one that TensorFlow
/// Serving does not serve.
///
/// Errors: those of the nodes that are added for metrics.
pub fn build_all_signature_defs(
    scope: &mut Scope,
    receiver: &ServingInputReceiver,
    export_outputs: &BTreeMap<String, ExportOutput>,
    serving_only: bool,
) -> Result<SignatureDefs, Error> {
    let mut defs = SignatureDefs::default();
    let alternatives = receiver.receiver_tensors_alternatives.iter();
    let alternatives = alternatives.map(|(name, tensors)| (format!("{name}:"), tensors));
    for (prefix, tensors) in
        [(String::new(), &receiver.receiver_tensors)].into_iter().chain(alternatives)
    {
        for (key, output) in export_outputs {
            let key = format!("{prefix}{key}");
            let signature = output.signature(scope, tensors);
            match signature.and_then(|signature| servable(scope, tensors, signature)) {
                Ok(signature) if serving_only && !is_valid_signature(&signature) => {
                    let why = format!("method {} is not for serving", signature.method_name);
                    defs.excluded.insert(key, why);
                }
                Ok(signature) => {
                    defs.signatures.insert(key, signature);
                }
                Err(Error::Build { message, .. }) => {
                    defs.excluded.insert(key, message);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(defs)
}

impl ExportOutput {
    /// The signature of an output.
    fn signature(&self, scope: &mut Scope, receiver: &NamedTensors) -> Result<Signature, Error> {
        match self {
            ExportOutput::Predict(outputs) => {
                predict_signature_def(scope, receiver.clone(), outputs.clone())
            }
            ExportOutput::Classification { classes, scores } => {
                let examples = single_string(scope, receiver, "Classification")?;
                classification_signature_def(scope, examples, *classes, *scores)
            }
            ExportOutput::Regression(value) => {
                let examples = single_string(scope, receiver, "Regression")?;
                regression_signature_def(scope, examples, *value)
            }
            ExportOutput::Train(outputs) => {
                let [loss, predictions, metrics] = outputs.named(scope)?;
                let inputs = receiver.clone();
                supervised_train_signature_def(scope, inputs, loss, predictions, metrics)
            }
            ExportOutput::Eval(outputs) => {
                let [loss, predictions, metrics] = outputs.named(scope)?;
                let inputs = receiver.clone();
                supervised_eval_signature_def(scope, inputs, loss, predictions, metrics)
            }
        }
    }
}

impl Supervised {
    /// Loss, predictions and metrics by the keys of signatures.
    fn named(&self, scope: &mut Scope) -> Result<[NamedTensors; 3], Error> {
        let prefixed = |tensors: &NamedTensors, prefix: &str| -> NamedTensors {
            let tensors = tensors.0.iter();
            tensors.map(|(key, tensor)| (with_prefix(key, prefix), tensor.clone())).collect()
        };
        let mut metrics = BTreeMap::new();
        for (key, (value, update)) in &self.metrics {
            let key = with_prefix(key, "metrics");
            let update = match update {
                Element::Output(tensor) => *tensor,
                Element::Node(id) => {
                    let nothing = Tensor::from_elements(Vec::<f32>::new());
                    let mut after = scope.control_dependencies([*id])?;
                    after.with_op_name("metric_op_wrapper").constant(nothing)?
                }
            };
            metrics.insert(format!("{key}/value"), SignatureTensor::from(*value));
            metrics.insert(format!("{key}/update_op"), SignatureTensor::from(update));
        }
        let [loss, predictions] =
            [(&self.loss, "loss"), (&self.predictions, "predictions")].map(|(t, p)| prefixed(t, p));
        Ok([loss, predictions, NamedTensors(metrics)])
    }
}

fn with_prefix(key: &str, prefix: &str) -> String {
    if key.starts_with(prefix) { key.to_owned() } else { format!("{prefix}/{key}") }
}

/// The only tensor of a receiver, which is of strings.
fn single_string(scope: &Scope, receiver: &NamedTensors, what: &str) -> Result<Output, Error> {
    if let [SignatureTensor::Dense(tensor)] = receiver.0.values().collect::<Vec<_>>()[..] {
        let node = scope.graph().get(tensor.node);
        if node.and_then(|node| node.output_dtype(tensor.index)) == Some(DType::String) {
            return Ok(*tensor);
        }
    }
    let keys: Vec<&str> = receiver.0.keys().map(String::as_str).collect();
    Err(invalid(format!(
        "{what} signatures can only accept a single tensor input of type tf.string. Please check to make sure that you have \
         structured the serving_input_receiver_fn so that it creates a single string placeholder. If your model function \
         expects multiple inputs, then use `tf.io.parse_example()` to parse the string into multiple tensors.\n Received: {}",
        keys.join(", ")
    )))
}

/// The signature, if its outputs need no placeholder that is not among its inputs.
fn servable(
    scope: &Scope,
    receiver: &NamedTensors,
    signature: Signature,
) -> Result<Signature, Error> {
    let fed: HashSet<Output> = receiver.0.values().flat_map(parts).collect();
    let mut todo: Vec<Output> = Vec::new();
    for info in signature.outputs.values() {
        todo.extend(parts(&get_tensor_from_tensor_info(info, scope.graph(), None)?));
    }
    let mut seen: HashSet<NodeId> = HashSet::new();
    while let Some(tensor) = todo.pop() {
        if fed.contains(&tensor) || !seen.insert(tensor.node) {
            continue;
        }
        let node = scope.graph().node(tensor.node);
        if node.op() == "Placeholder" {
            let name = |tensor: &Output| format!("'{}'", scope.graph().tensor_name(*tensor));
            let mut inputs: Vec<String> = fed.iter().map(name).collect();
            inputs.sort();
            let keys: Vec<String> =
                signature.outputs.keys().map(|key| format!("'{key}'")).collect();
            return Err(invalid(format!(
                "The signature's input tensors [{}] are insufficient to compute its output keys [{}] because of the \
                 dependency on `{}` which is not given as a signature input",
                inputs.join(", "),
                keys.join(", "),
                node.name()
            )));
        }
        todo.extend(node.inputs());
    }
    Ok(signature)
}

/// The tensors that make up a value.
fn parts(tensor: &SignatureTensor) -> Vec<Output> {
    match tensor {
        SignatureTensor::Dense(tensor) => vec![*tensor],
        SignatureTensor::Variable(variable) => vec![variable.handle()],
        SignatureTensor::Sparse(sparse) => {
            vec![sparse.indices, sparse.values, sparse.dense_shape]
        }
        SignatureTensor::Composite { components, .. } => components.clone(),
    }
}
