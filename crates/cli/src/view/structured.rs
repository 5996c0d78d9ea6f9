//! Values of function signatures as Python prints them.

use flowkeep_proto::pb;
use flowkeep_tensor::{DType, Tensor};
use pb::structured_value::Kind;

use crate::python::{Value, str_repr};

/// The name of the value's Python type.
pub(super) fn type_name(value: &pb::StructuredValue) -> String {
    match &value.kind {
        None | Some(Kind::NoneValue(_)) => "NoneType".into(),
        Some(Kind::Float64Value(_)) => "float".into(),
        Some(Kind::Int64Value(_)) => "int".into(),
        Some(Kind::StringValue(_)) => "str".into(),
        Some(Kind::BoolValue(_)) => "bool".into(),
        Some(Kind::TensorShapeValue(_)) => "TensorShape".into(),
        Some(Kind::TensorDtypeValue(_)) => "DType".into(),
        Some(Kind::TensorSpecValue(_)) => "TensorSpec".into(),
        Some(Kind::TypeSpecValue(spec)) => spec_class(spec).into(),
        Some(Kind::BoundedTensorSpecValue(_)) => "BoundedTensorSpec".into(),
        Some(Kind::ListValue(_)) => "list".into(),
        Some(Kind::TupleValue(_)) => "tuple".into(),
        Some(Kind::DictValue(_)) => "dict".into(),
        Some(Kind::NamedTupleValue(tuple)) => tuple.name.clone(),
        Some(Kind::TensorValue(_)) => "EagerTensor".into(),
        Some(Kind::NumpyValue(_)) => "ndarray".into(),
    }
}

/// Python's `repr()` of the value.
pub(super) fn repr(value: &pb::StructuredValue) -> String {
    match &value.kind {
        None | Some(Kind::NoneValue(_)) => "None".into(),
        Some(Kind::Float64Value(value)) => Value::Float(*value).repr(),
        Some(Kind::Int64Value(value)) => value.to_string(),
        Some(Kind::StringValue(text)) => str_repr(text),
        Some(Kind::BoolValue(value)) => Value::Bool(*value).repr(),
        Some(Kind::TensorShapeValue(shape)) => match dims(shape) {
            Some(dims) => format!("TensorShape([{}])", dims.join(", ")),
            None => "TensorShape(None)".into(),
        },
        Some(Kind::TensorDtypeValue(number)) => format!("tf.{}", dtype_name(*number)),
        Some(Kind::TensorSpecValue(spec)) => {
            format!("TensorSpec({})", spec_fields(&spec.name, spec.shape.as_ref(), spec.dtype))
        }
        Some(Kind::BoundedTensorSpecValue(spec)) => {
            let fields = spec_fields(&spec.name, spec.shape.as_ref(), spec.dtype);
            let bound =
                |bound: Option<&pb::TensorProto>| bound.map(array).unwrap_or_else(|| "None".into());
            let (minimum, maximum) = (bound(spec.minimum.as_ref()), bound(spec.maximum.as_ref()));
            format!("BoundedTensorSpec({fields}, minimum={minimum}, maximum={maximum})")
        }
        Some(Kind::TypeSpecValue(spec)) => {
            let state = spec.type_state.as_deref().map(repr).unwrap_or_else(|| "()".into());
            format!("{}{state}", spec_class(spec))
        }
        Some(Kind::ListValue(list)) => format!("[{}]", joined(&list.values)),
        Some(Kind::TupleValue(tuple)) => match &tuple.values[..] {
            [item] => format!("({},)", repr(item)),
            items => format!("({})", joined(items)),
        },
        Some(Kind::DictValue(dict)) => {
            let entries: Vec<String> = dict
                .fields
                .iter()
                .map(|(key, value)| format!("{}: {}", str_repr(key), repr(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Some(Kind::NamedTupleValue(tuple)) => {
            let none = pb::StructuredValue::default();
            let fields: Vec<String> = tuple
                .values
                .iter()
                .map(|pair| format!("{}={}", pair.key, repr(pair.value.as_ref().unwrap_or(&none))))
                .collect();
            format!("{}({})", tuple.name, fields.join(", "))
        }
        Some(Kind::TensorValue(tensor) | Kind::NumpyValue(tensor)) => array(tensor),
    }
}

/// Python's `str()` of the value.
pub(super) fn str(value: &pb::StructuredValue) -> String {
    match &value.kind {
        Some(Kind::StringValue(text)) => text.clone(),
        Some(Kind::TensorShapeValue(shape)) => shape_text(shape),
        Some(Kind::TensorDtypeValue(number)) => format!("<dtype: '{}'>", dtype_name(*number)),
        _ => repr(value),
    }
}

/// As [`str()`], but strings stand between single quotes, with nothing escaped.
pub(super) fn quoted(value: &pb::StructuredValue) -> String {
    match &value.kind {
        Some(Kind::StringValue(text)) => format!("'{text}'"),
        _ => str(value),
    }
}

/// The items of a value that Python can iterate over.
pub(super) fn items(value: &pb::StructuredValue) -> Option<Vec<String>> {
    match &value.kind {
        Some(Kind::ListValue(list)) => Some(list.values.iter().map(quoted).collect()),
        Some(Kind::TupleValue(tuple)) => Some(tuple.values.iter().map(quoted).collect()),
        Some(Kind::NamedTupleValue(tuple)) => {
            let none = pb::StructuredValue::default();
            Some(
                tuple
                    .values
                    .iter()
                    .map(|pair| quoted(pair.value.as_ref().unwrap_or(&none)))
                    .collect(),
            )
        }
        Some(Kind::TensorShapeValue(shape)) => dims(shape),
        _ => None,
    }
}

fn joined(items: &[pb::StructuredValue]) -> String {
    items.iter().map(repr).collect::<Vec<_>>().join(", ")
}

fn spec_fields(name: &str, shape: Option<&pb::TensorShapeProto>, dtype: i32) -> String {
    let shape = shape.map(shape_text).unwrap_or_else(|| "()".into());
    let name = if name.is_empty() { "None".into() } else { str_repr(name) };
    format!("shape={shape}, dtype=tf.{}, name={name}", dtype_name(dtype))
}

/// The class of a type specification, without its module.
fn spec_class(spec: &pb::TypeSpecProto) -> &str {
    spec.type_spec_class_name.rsplit('.').next().unwrap_or_default()
}

fn dims(shape: &pb::TensorShapeProto) -> Option<Vec<String>> {
    let dim = |size: i64| if size < 0 { "None".into() } else { size.to_string() };
    (!shape.unknown_rank).then(|| shape.dim.iter().map(|d| dim(d.size)).collect())
}

/// A shape as Python prints a tuple.
fn shape_text(shape: &pb::TensorShapeProto) -> String {
    match dims(shape).as_deref() {
        None => "<unknown>".into(),
        Some([dim]) => format!("({dim},)"),
        Some(dims) => format!("({})", dims.join(", ")),
    }
}

fn dtype_name(number: i32) -> String {
    DType::from_number(number)
        .map(|dtype| dtype.python_name().to_owned())
        .unwrap_or_else(|_| number.to_string())
}

fn array(tensor: &pb::TensorProto) -> String {
    match Tensor::try_from(tensor) {
        Ok(tensor) => {
            format!("array({}, dtype={})", tensor.numpy_str(), tensor.dtype().python_name())
        }
        Err(_) => "array(...)".into(),
    }
}
