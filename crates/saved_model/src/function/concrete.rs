use flowkeep_proto::pb;

use crate::Error;
use crate::structured::{StructuredValue, bad, n_tensors};

/// A trace of a function: one graph, for arguments of certain types.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConcreteFunction {
    /// The name of the function in the graph's library.
    pub name: String,
    /// The objects that it captures: they supply its last arguments, in order.
    pub bound_inputs: Vec<usize>,
    /// What it takes: a tuple of the positional arguments and a dict of those by keyword.
    ///
    /// Tensors are specs; anything else is a literal that an argument must equal.
    pub input_signature: StructuredValue,
    /// What it gives; tensors are specs.
    pub output_signature: StructuredValue,
}

impl ConcreteFunction {
    pub(crate) fn from_proto(
        name: &str,
        def: &pb::SavedConcreteFunction,
        n_objects: usize,
    ) -> Result<ConcreteFunction, Error> {
        let object = |id: &i32| {
            usize::try_from(*id).ok().filter(|id| *id < n_objects).ok_or_else(|| {
                bad(format!(
                    "object graph: function {name} captures node {id} of {n_objects} nodes"
                ))
            })
        };
        let value = |value: &Option<pb::StructuredValue>| match value {
            Some(value) => StructuredValue::from_proto(value),
            None => Ok(StructuredValue::None),
        };
        let function = ConcreteFunction {
            name: name.to_owned(),
            bound_inputs: def.bound_inputs.iter().map(object).collect::<Result<_, _>>()?,
            input_signature: value(&def.canonicalized_input_signature)?,
            output_signature: value(&def.output_signature)?,
        };
        if !matches!(function.input_signature, StructuredValue::None)
            && function.arguments().is_none()
        {
            let what = "is no tuple of a tuple and a dict";
            return Err(bad(format!(
                "object graph: the input signature of function {name} {what}"
            )));
        }
        Ok(function)
    }

    /// The positional arguments, and those by keyword.
    pub fn arguments(&self) -> Option<(&[StructuredValue], &StructuredValue)> {
        match &self.input_signature {
            StructuredValue::Tuple(both) => match both.as_slice() {
                [StructuredValue::Tuple(positional), keyword @ StructuredValue::Dict(_)] => {
                    Some((positional, keyword))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// How many tensors it takes, captures not counted.
    pub fn n_inputs(&self) -> usize {
        n_tensors(&self.input_signature)
    }

    /// How many tensors it gives.
    pub fn n_outputs(&self) -> usize {
        n_tensors(&self.output_signature)
    }
}

/// A trace that is an object of its own, such as a signature: called with tensors by their names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BareConcreteFunction {
    /// The name of the trace.
    pub concrete_function: String,
    /// The names of its tensors, in the order in which the function takes them.
    pub argument_keywords: Vec<String>,
    /// How many of them may be passed without their names.
    pub allowed_positional_arguments: usize,
    /// The Python function that was traced, if it is told.
    pub function_spec: Option<super::FunctionSpec>,
}
