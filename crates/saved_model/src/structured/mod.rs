//! Values of nested Python structures: what functions of TF2 models take, give, and say of both.

use std::collections::BTreeMap;

use flowkeep_proto::pb;
use flowkeep_proto::pb::structured_value::Kind;
use flowkeep_tensor::{Code, DType, PartialShape, Tensor};

use crate::Error;

mod convert;
mod equal;
mod flatten;
mod python;
mod type_spec;

pub(crate) use convert::convert_to_tensor;
pub(crate) use equal::literals_are_equal;
pub(crate) use flatten::{n_tensors, pack};
pub(crate) use python::argument;
pub use type_spec::{TensorSpec, TypeSpec, TypeSpecClass};

/// How deep structures may nest.
const MAX_DEPTH: usize = 64;

/// A value of a nested structure.
///
/// The same type holds arguments and results, with [`StructuredValue::Tensor`] and
/// [`StructuredValue::Composite`] as leaves, and the signatures of functions, with specs as leaves.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum StructuredValue {
    /// `None`.
    #[default]
    None,
    /// A Python float.
    Float(f64),
    /// A Python integer.
    Int(i64),
    /// A Python string.
    Str(String),
    /// A Python bool.
    Bool(bool),
    /// A `tf.TensorShape`.
    Shape(PartialShape),
    /// A `tf.DType`.
    DType(DType),
    /// A list.
    List(Vec<StructuredValue>),
    /// A tuple.
    Tuple(Vec<StructuredValue>),
    /// A dict with strings for keys.
    Dict(BTreeMap<String, StructuredValue>),
    /// A named tuple: the name of its class, and its fields in order.
    NamedTuple(String, Vec<(String, StructuredValue)>),
    /// A tensor, or a NumPy array.
    Tensor(Tensor),
    /// A composite tensor, such as a ragged one: what it is, and its components in the order that its
    /// class defines.
    Composite(TypeSpec, Vec<Tensor>),
    /// In a signature: a tensor of this type and shape.
    TensorSpec(TensorSpec),
    /// In a signature: a composite tensor.
    TypeSpec(TypeSpec),
}

impl StructuredValue {
    /// The value of a message; one without a kind is `None`.
    ///
    /// Errors: `DATA_LOSS` for types, shapes and tensors that do not exist, and for structures that nest
    /// deeper than 64 levels.
    pub fn from_proto(value: &pb::StructuredValue) -> Result<StructuredValue, Error> {
        decode(value, MAX_DEPTH)
    }

    /// The item of a key in a dict or a named tuple.
    pub fn get(&self, key: &str) -> Option<&StructuredValue> {
        match self {
            StructuredValue::Dict(fields) => fields.get(key),
            StructuredValue::NamedTuple(_, fields) => {
                fields.iter().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The items of a list, a tuple or a named tuple, in order.
    pub fn items(&self) -> Option<Vec<&StructuredValue>> {
        match self {
            StructuredValue::List(items) | StructuredValue::Tuple(items) => {
                Some(items.iter().collect())
            }
            StructuredValue::NamedTuple(_, fields) => {
                Some(fields.iter().map(|(_, value)| value).collect())
            }
            _ => None,
        }
    }

    /// The tensor that this is.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        match self {
            StructuredValue::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The string that this is.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            StructuredValue::Str(text) => Some(text),
            _ => None,
        }
    }
}

impl From<Tensor> for StructuredValue {
    fn from(tensor: Tensor) -> StructuredValue {
        StructuredValue::Tensor(tensor)
    }
}

impl From<bool> for StructuredValue {
    fn from(value: bool) -> StructuredValue {
        StructuredValue::Bool(value)
    }
}

impl From<i64> for StructuredValue {
    fn from(value: i64) -> StructuredValue {
        StructuredValue::Int(value)
    }
}

impl From<f64> for StructuredValue {
    fn from(value: f64) -> StructuredValue {
        StructuredValue::Float(value)
    }
}

impl From<&str> for StructuredValue {
    fn from(text: &str) -> StructuredValue {
        StructuredValue::Str(text.to_owned())
    }
}

pub(crate) fn bad(what: impl Into<String>) -> Error {
    Error::Model { code: Code::DataLoss, message: what.into() }
}

pub(crate) fn dtype(number: i32) -> Result<DType, Error> {
    DType::from_number(number).map_err(|error| bad(format!("structured value: {error}")))
}

pub(crate) fn shape(proto: Option<&pb::TensorShapeProto>) -> Result<PartialShape, Error> {
    let shape = proto.map_or(Ok(PartialShape::unknown()), PartialShape::from_proto);
    shape.map_err(|error| bad(format!("structured value: {error}")))
}

fn decode(value: &pb::StructuredValue, depth: usize) -> Result<StructuredValue, Error> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(bad(format!("structured value nests deeper than {MAX_DEPTH} levels")));
    };
    let all = |values: &[pb::StructuredValue]| {
        values.iter().map(|value| decode(value, depth)).collect::<Result<Vec<_>, Error>>()
    };
    let tensor = |proto: &pb::TensorProto| {
        let tensor = Tensor::try_from(proto);
        tensor.map_err(|error| bad(format!("structured value: {error}")))
    };
    Ok(match &value.kind {
        None | Some(Kind::NoneValue(_)) => StructuredValue::None,
        Some(Kind::Float64Value(value)) => StructuredValue::Float(*value),
        Some(Kind::Int64Value(value)) => StructuredValue::Int(*value),
        Some(Kind::StringValue(value)) => StructuredValue::Str(value.clone()),
        Some(Kind::BoolValue(value)) => StructuredValue::Bool(*value),
        Some(Kind::TensorShapeValue(value)) => StructuredValue::Shape(shape(Some(value))?),
        Some(Kind::TensorDtypeValue(value)) => StructuredValue::DType(dtype(*value)?),
        Some(Kind::TensorSpecValue(spec)) => {
            StructuredValue::TensorSpec(TensorSpec::from_proto(spec)?)
        }
        Some(Kind::BoundedTensorSpecValue(spec)) => {
            StructuredValue::TensorSpec(TensorSpec::from_bounded(spec)?)
        }
        Some(Kind::TypeSpecValue(spec)) => {
            let state = match &spec.type_state {
                Some(state) => decode(state, depth)?,
                None => StructuredValue::None,
            };
            StructuredValue::TypeSpec(TypeSpec::new(spec, state)?)
        }
        Some(Kind::ListValue(list)) => StructuredValue::List(all(&list.values)?),
        Some(Kind::TupleValue(tuple)) => StructuredValue::Tuple(all(&tuple.values)?),
        Some(Kind::DictValue(dict)) => {
            let fields = dict.fields.iter();
            let fields = fields.map(|(key, value)| Ok((key.clone(), decode(value, depth)?)));
            StructuredValue::Dict(fields.collect::<Result<_, Error>>()?)
        }
        Some(Kind::NamedTupleValue(tuple)) => {
            let fields = tuple.values.iter().map(|pair| {
                let value = pair.value.as_ref();
                let value =
                    value.map_or(Ok(StructuredValue::None), |value| decode(value, depth))?;
                Ok((pair.key.clone(), value))
            });
            StructuredValue::NamedTuple(tuple.name.clone(), fields.collect::<Result<_, Error>>()?)
        }
        Some(Kind::TensorValue(proto) | Kind::NumpyValue(proto)) => {
            StructuredValue::Tensor(tensor(proto)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> pb::StructuredValue {
        (0..levels).fold(pb::StructuredValue::default(), |value, _| pb::StructuredValue {
            kind: Some(Kind::ListValue(pb::ListValue { values: vec![value] })),
        })
    }

    #[test]
    fn structures_nest_so_deep_and_no_deeper() {
        assert!(StructuredValue::from_proto(&nested(MAX_DEPTH - 1)).is_ok());
        let error = StructuredValue::from_proto(&nested(MAX_DEPTH)).unwrap_err();
        assert_eq!(error.code(), Code::DataLoss);
        assert_eq!(error.to_string(), "structured value nests deeper than 64 levels");
    }

    #[test]
    fn types_that_do_not_exist_are_refused() {
        let value = pb::StructuredValue { kind: Some(Kind::TensorDtypeValue(1234)) };
        assert_eq!(StructuredValue::from_proto(&value).unwrap_err().code(), Code::DataLoss);
    }
}
