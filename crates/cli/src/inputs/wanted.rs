//! What a signature wants of an input, for messages about one that is of another type.

use flowkeep_graph::TensorInfo;
use flowkeep_tensor::{DType, PartialShape};

use super::Given;
use super::feed::tuple;

/// More elements make no readable example.
const MAX_EXAMPLE: u64 = 6;

/// The type and shape that are wanted and how such a value is given, as the end of a sentence.
pub(super) fn hint(key: &str, given: &Given, dtype: DType, shape: &PartialShape) -> String {
    let name = dtype.python_name();
    let how = match given {
        Given::Array(_) => match dtype {
            DType::String => None,
            _ => Some(format!("; save the array with .astype('{name}')")),
        },
        Given::Literal(_) => {
            example(dtype, shape).map(|value| format!(", such as --input_exprs '{key}={value}'"))
        }
        Given::Json(_) | Given::Csv(_) => None,
    };
    let got = given.described().map(|got| format!(", got {got}")).unwrap_or_default();
    let shape = tuple(shape);
    format!(" (the signature wants {name} of shape {shape}{got}{})", how.unwrap_or_default())
}

/// The inputs of a signature, with types and shapes.
pub(crate) fn listed<'i>(inputs: impl IntoIterator<Item = (&'i String, &'i TensorInfo)>) -> String {
    let one = |(key, info): (&String, &TensorInfo)| match info.dtype {
        Some(port) => format!("{key} ({} {})", port.dtype.python_name(), tuple(&info.shape)),
        None => key.clone(),
    };
    inputs.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A Python literal of this type and shape, with one element where the size is open.
fn example(dtype: DType, shape: &PartialShape) -> Option<String> {
    let element = match dtype {
        DType::String => "\"text\"",
        DType::Bool => "True",
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => "0.5",
        DType::Complex64 | DType::Complex128 => "1+2j",
        dtype if super::feed::integer_range(dtype).is_some() => "1",
        _ => return None,
    };
    let dims: Vec<u64> = shape.dims()?.iter().map(|dim| dim.unwrap_or(1)).collect();
    let n = dims.iter().try_fold(1u64, |n, dim| n.checked_mul(*dim))?;
    if !(1..=MAX_EXAMPLE).contains(&n) {
        return None;
    }
    let nest = |inner: String, dim: &u64| {
        let all: Vec<&str> = (0..*dim).map(|_| inner.as_str()).collect();
        format!("[{}]", all.join(","))
    };
    Some(dims.iter().rev().fold(element.to_owned(), nest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::Value;

    #[test]
    fn a_value_that_fits_is_shown() {
        let literal = Given::Literal(Value::Bool(true));
        let shape = |dims: &[Option<u64>]| PartialShape::new(dims.to_vec());
        for (dtype, shape, text) in [
            (
                DType::F32,
                shape(&[None, Some(2)]),
                " (the signature wants float32 of shape (None, 2), got bool of shape (), such as --input_exprs 'x=[[0.5,0.5]]')",
            ),
            (
                DType::String,
                shape(&[None]),
                " (the signature wants string of shape (None,), got bool of shape (), such as --input_exprs 'x=[\"text\"]')",
            ),
            (
                DType::I64,
                shape(&[]),
                " (the signature wants int64 of shape (), got bool of shape (), such as --input_exprs 'x=1')",
            ),
            (
                DType::F32,
                shape(&[None, Some(784)]),
                " (the signature wants float32 of shape (None, 784), got bool of shape ())",
            ),
        ] {
            assert_eq!(hint("x", &literal, dtype, &shape), text);
        }
    }
}
