//! Python values as arrays: the shape of nested lists, and a common type of their items.

use flowkeep_tensor::{Complex, DType, Shape};

use super::cast::Elements;
use crate::error::Error;
use crate::python::{Int, Value};

/// Dimensions of an array, at most; NumPy's own limit.
const MAX_DIMS: usize = 64;

/// The array of a Python value that is wanted as `dtype`.
///
/// Errors: `INVALID_ARGUMENT` for lists of uneven lengths.
pub(super) fn to_array(value: &Value, dtype: DType) -> Result<(Shape, Elements), Error> {
    let (dims, is_even) = discover(value);
    if !is_even && dtype != DType::String {
        let dims_text: Vec<String> = dims.iter().map(usize::to_string).collect();
        let comma = if dims.len() == 1 { "," } else { "" };
        return Err(Error::invalid(format!(
            "setting an array element with a sequence. The requested array has an inhomogeneous shape after {} \
             dimensions. The detected shape was ({}{comma}) + inhomogeneous part.",
            dims.len(),
            dims_text.join(", "),
        )));
    }
    let mut leaves = Vec::new();
    collect(value, dims.len(), &mut leaves);
    let elements = match dtype {
        // These types take the items one by one.
        DType::Bool | DType::BF16 | DType::String => objects(&leaves),
        _ => common(&leaves),
    };
    Ok((Shape::from(dims), elements))
}

/// The Python type of the items, and the shape of the lists that they are in; `None` if these are uneven or hold
/// nothing.
pub(super) fn kind(value: &Value) -> Option<(&'static str, Shape)> {
    let (dims, is_even) = discover(value);
    let mut leaves = Vec::new();
    collect(value, dims.len(), &mut leaves);
    let name = leaves.first().filter(|_| is_even)?.type_name();
    leaves.iter().all(|leaf| leaf.type_name() == name).then(|| (name, Shape::from(dims)))
}

/// The dimensions that all lists agree on, and whether no list lies below them.
fn discover(value: &Value) -> (Vec<usize>, bool) {
    let mut dims = Vec::new();
    let mut first = Some(value);
    while let Some(items) = first.and_then(Value::sequence) {
        if dims.len() == MAX_DIMS {
            return (dims, false);
        }
        dims.push(items.len());
        first = items.first();
    }
    let mut is_even = true;
    let n_agreed = agreed(value, &dims, &mut is_even);
    is_even &= n_agreed == dims.len();
    dims.truncate(n_agreed);
    (dims, is_even)
}

/// How many of the dimensions hold for the whole value; notes lists that lie below all of them.
fn agreed(value: &Value, dims: &[usize], is_even: &mut bool) -> usize {
    match (value.sequence(), dims.split_first()) {
        (Some(items), Some((dim, below))) if items.len() == *dim => {
            1 + items.iter().map(|item| agreed(item, below, is_even)).min().unwrap_or(below.len())
        }
        (Some(_), None) => {
            *is_even = false;
            0
        }
        _ => 0,
    }
}

/// The items that lie `depth` lists deep.
fn collect<'a>(value: &'a Value, depth: usize, leaves: &mut Vec<&'a Value>) {
    match value.sequence() {
        Some(items) if depth > 0 => items.iter().for_each(|item| collect(item, depth - 1, leaves)),
        _ => leaves.push(value),
    }
}

fn objects(leaves: &[&Value]) -> Elements {
    Elements::Objects(leaves.iter().copied().cloned().collect())
}

/// The items in the narrowest type that holds them all.
fn common(leaves: &[&Value]) -> Elements {
    let any = |is: fn(&Value) -> bool| leaves.iter().any(|leaf| is(leaf));
    if any(|leaf| matches!(leaf, Value::None | Value::Dict(_) | Value::Set(_))) {
        objects(leaves)
    } else if any(|leaf| matches!(leaf, Value::Str(_))) {
        // Arrays of text drop zeros at the end.
        Elements::Text(
            leaves.iter().map(|leaf| text(leaf).trim_end_matches('\0').to_owned()).collect(),
        )
    } else if any(|leaf| matches!(leaf, Value::Bytes(_))) {
        Elements::Bytes(leaves.iter().map(|leaf| bytes(leaf)).collect())
    } else if any(|leaf| matches!(leaf, Value::Complex(_))) {
        Elements::Complex(leaves.iter().map(|leaf| complex(leaf)).collect())
    } else if any(|leaf| matches!(leaf, Value::Float(_))) || leaves.is_empty() {
        Elements::Float(leaves.iter().map(|leaf| complex(leaf).re).collect())
    } else if leaves.iter().all(|leaf| matches!(leaf, Value::Bool(_))) {
        Elements::Bool(leaves.iter().map(|leaf| **leaf == Value::Bool(true)).collect())
    } else {
        integers(leaves)
    }
}

/// Signed integers if they fit, unsigned ones if none is signed, else floats if a mix of both holds them.
fn integers(leaves: &[&Value]) -> Elements {
    let values: Option<Vec<i128>> = leaves.iter().map(|leaf| integer(leaf)).collect();
    let Some(values) = values else { return objects(leaves) };
    let signed: Option<Vec<i64>> = values.iter().map(|value| i64::try_from(*value).ok()).collect();
    if let Some(signed) = signed {
        return Elements::Int(signed);
    }
    let large =
        |value: &i128| u64::try_from(*value).ok().filter(|value| i64::try_from(*value).is_err());
    if let Some(unsigned) = values.iter().map(large).collect() {
        return Elements::UInt(unsigned);
    }
    let in_range = |value: &i128| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(value);
    if values.iter().all(in_range) {
        return Elements::Float(values.iter().map(|value| *value as f64).collect());
    }
    objects(leaves)
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Bool(value) => Some(i128::from(*value)),
        Value::Int(Int::Small(value)) => Some(*value),
        _ => None,
    }
}

fn complex(value: &Value) -> Complex<f64> {
    let re = match value {
        Value::Complex(value) => return *value,
        Value::Float(value) => *value,
        Value::Int(value) => value.to_f64(),
        Value::Bool(value) => f64::from(u8::from(*value)),
        _ => f64::NAN,
    };
    Complex { re, im: 0.0 }
}

fn text(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        value => value.str(),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = match value {
        Value::Bytes(bytes) => bytes.clone(),
        value => value.str().into_bytes(),
    };
    let len = bytes.iter().rposition(|byte| *byte != 0).map(|last| last + 1).unwrap_or(0);
    bytes.truncate(len);
    bytes
}
