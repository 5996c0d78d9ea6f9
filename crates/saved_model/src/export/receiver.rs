use std::collections::BTreeMap;

use flowkeep_graph::builder::Scope;
use flowkeep_tensor::{DType, PartialShape};

use super::{FeatureSpec, parse_example};
use crate::{Error, NamedTensors, SignatureTensor};

/// What a served model is fed with, and the features that this gives:
/// `tf.estimator.export.ServingInputReceiver`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServingInputReceiver {
    /// What the model is built on, by name.
    pub features: BTreeMap<String, SignatureTensor>,
    /// What is fed: the inputs of signatures.
    pub receiver_tensors: NamedTensors,
    /// Other tensors that may be fed instead, such as the features themselves, by a name that comes
    /// before the keys of their signatures.
    pub receiver_tensors_alternatives: BTreeMap<String, NamedTensors>,
}

/// A receiver of serialized examples: a placeholder `input_example_tensor` of strings, with the input key
/// `examples`, out of which the features are read.
///
/// Errors: as [`parse_example`].
pub fn build_parsing_serving_input_receiver(
    scope: &mut Scope,
    features: &BTreeMap<String, FeatureSpec>,
    default_batch_size: Option<u64>,
) -> Result<ServingInputReceiver, Error> {
    let shape = PartialShape::new(vec![default_batch_size]);
    let mut named = scope.with_op_name("input_example_tensor");
    let serialized = named.placeholder_of(DType::String, shape)?;
    drop(named);
    Ok(ServingInputReceiver {
        features: parse_example(scope, serialized, features)?,
        receiver_tensors: [("examples", serialized)].into(),
        receiver_tensors_alternatives: BTreeMap::new(),
    })
}

/// A receiver of the features themselves: a placeholder for each, called like it, of these types and
/// shapes.
///
/// Errors: `INVALID_ARGUMENT` for names that nodes cannot have.
pub fn build_raw_serving_input_receiver(
    scope: &mut Scope,
    features: &BTreeMap<String, (DType, PartialShape)>,
) -> Result<ServingInputReceiver, Error> {
    let mut tensors = BTreeMap::new();
    for (name, (dtype, shape)) in features {
        let tensor = scope.with_op_name(name).placeholder_of(*dtype, shape.clone())?;
        tensors.insert(name.clone(), SignatureTensor::from(tensor));
    }
    Ok(ServingInputReceiver {
        features: tensors.clone(),
        receiver_tensors: NamedTensors(tensors),
        receiver_tensors_alternatives: BTreeMap::new(),
    })
}
