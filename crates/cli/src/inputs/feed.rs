//! What was given as a tensor of the type and shape that a signature's input has.

use std::ops::RangeInclusive;

use flowkeep_ckpt::interchange::npy::Array;
use flowkeep_graph::TensorInfo;
use flowkeep_saved_model::json_tensor;
use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

use super::cast::too_large_for_long;
use super::{Given, array, json_examples, literal, wanted};
use crate::error::Error;
use crate::python::{Int, Value};

/// Converts an input, as TensorFlow's session does with a value that is fed.
///
/// Errors: `INVALID_ARGUMENT` with TensorFlow's words for values that are not of the type or shape;
/// `UNIMPLEMENTED` for types that have no values.
pub(crate) fn to_tensor(
    key: &str,
    given: &Given,
    info: &TensorInfo,
    warnings: &mut Vec<String>,
) -> Result<Tensor, Error> {
    let Some(dtype) = info.dtype.map(|port| port.dtype) else {
        return Err(Error::invalid(format!(
            "input \"{key}\" is an operation, which takes no value"
        )));
    };
    let name = info.name().unwrap_or(key);
    let tensor = convert(given, dtype, &info.shape, warnings)
        .map_err(|error| named(key, error, &wanted::hint(key, given, dtype, &info.shape)))?;
    if !info.shape.matches(tensor.shape()) {
        return Err(Error::invalid(format!(
            "Cannot feed value of shape {} for Tensor {name}, which has shape {}{}{}",
            tuple(&PartialShape::from(tensor.shape())),
            tuple(&info.shape),
            hint(tensor.shape(), &info.shape),
            other_type(given, dtype),
        )));
    }
    Ok(tensor)
}

/// That an array is of another type than the one that is wanted, as the end of a sentence about its shape: that alone
/// would be no error, but should not be found out in a second try.
fn other_type(given: &Given, dtype: DType) -> String {
    match given {
        Given::Array(array) if !array.descr().can_be(dtype) => {
            format!("; it is of type {}, not {}", array.descr().name(), dtype.python_name())
        }
        _ => String::new(),
    }
}

/// Checks that an array needs no conversion for a tensor but rounding, or a narrower type that holds all of
/// its integers.
///
/// Errors: `INVALID_ARGUMENT`.
pub(crate) fn check_kind(name: &str, array: &Array, dtype: DType) -> Result<(), Error> {
    if array::is_of_kind(array, dtype)? {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{name} is of type {}, and an array of {} cannot be that without loss",
        dtype.python_name(),
        array.descr().name()
    )))
}

/// Adds the input's key, and what is wanted of it, to errors that name no input.
fn named(key: &str, error: Error, wanted: &str) -> Error {
    Error::Failed { code: error.code(), message: format!("input \"{key}\": {error}{wanted}") }
}

fn convert(
    given: &Given,
    dtype: DType,
    shape: &PartialShape,
    warnings: &mut Vec<String>,
) -> Result<Tensor, Error> {
    match given {
        Given::Literal(value) => {
            check_integer(value, dtype)?;
            let (shape, elements) = literal::to_array(value, dtype)?;
            elements.cast(&shape, dtype, warnings)
        }
        Given::Array(array) => match array::to_same(array, dtype)? {
            Some(tensor) => Ok(tensor),
            None => array::cast(array, dtype, warnings),
        },
        Given::Json(value) => match json_examples::serialized(value, dtype) {
            Some(examples) => convert(&Given::Literal(examples?), dtype, shape, warnings),
            None => json_tensor::read(value, dtype, shape)
                .map_err(|error| Error::Failed { code: error.code(), message: error.to_string() }),
        },
        Given::Csv(table) => table.to_tensor(dtype, shape, warnings),
    }
}

/// A bare Python integer, unlike those in lists, must be a value of the type.
fn check_integer(value: &Value, dtype: DType) -> Result<(), Error> {
    let integer = match value {
        Value::Int(value) => value.clone(),
        Value::Bool(value) => Int::Small(i128::from(*value)),
        _ => return Ok(()),
    };
    let is_in = |range: &RangeInclusive<i128>| matches!(integer, Int::Small(value) if range.contains(&value));
    let class = match (dtype, integer_range(dtype)) {
        (DType::String, _) => "object".to_owned(),
        (_, Some(range)) if !is_in(&range) => format!("numpy.{}", dtype.python_name()),
        _ => return Ok(()),
    };
    let machine = match dtype {
        DType::Bool => i128::from(i64::MIN)..=i128::from(i64::MAX),
        _ => i128::from(i64::MIN)..=i128::from(u64::MAX),
    };
    if dtype != DType::String && !is_in(&machine) {
        return Err(too_large_for_long());
    }
    Err(Error::invalid(format!(
        "Type of feed value {} with type <class '{}'> is not compatible with Tensor type <class '{class}'>. Try \
         explicitly setting the type of the feed tensor to a larger type (e.g. int64).",
        value.repr(),
        value.type_name(),
    )))
}

/// The integers that are values of the type; `None` for types that are not of integers.
pub(super) fn integer_range(dtype: DType) -> Option<RangeInclusive<i128>> {
    Some(match dtype {
        DType::Bool => 0..=1,
        DType::I8 | DType::QI8 => i128::from(i8::MIN)..=i128::from(i8::MAX),
        DType::I16 | DType::QI16 => i128::from(i16::MIN)..=i128::from(i16::MAX),
        DType::I32 | DType::QI32 => i128::from(i32::MIN)..=i128::from(i32::MAX),
        DType::I64 => i128::from(i64::MIN)..=i128::from(i64::MAX),
        DType::U8 | DType::QU8 => 0..=i128::from(u8::MAX),
        DType::U16 | DType::QU16 => 0..=i128::from(u16::MAX),
        DType::U32 => 0..=i128::from(u32::MAX),
        DType::U64 => 0..=i128::from(u64::MAX),
        _ => return None,
    })
}

/// A shape that would fit, as the end of a sentence: the same elements, or one example as a batch of one.
fn hint(got: &Shape, wanted: &PartialShape) -> String {
    let fitting = |dims: Vec<usize>| Some(Shape::new(&dims)).filter(|shape| wanted.matches(shape));
    let batch = fitting([&[1][..], got.dims()].concat());
    let rows = || {
        let dims = wanted.dims()?;
        let known = dims.iter().flatten().try_fold(1u64, |n, dim| n.checked_mul(*dim))?;
        let n = u64::try_from(got.n_elements()).ok()?;
        let open = match dims.iter().filter(|dim| dim.is_none()).count() {
            0 if known == n => 1,
            1 if known > 0 && n % known == 0 => n / known,
            _ => return None,
        };
        let dims = dims.iter().map(|dim| usize::try_from(dim.unwrap_or(open)).ok());
        fitting(dims.collect::<Option<_>>()?)
    };
    match batch.or_else(rows) {
        Some(shape) => format!(" (did you mean {}?)", tuple(&PartialShape::from(&shape))),
        None => String::new(),
    }
}

/// The shape as a Python tuple, with None for unknown dimensions.
pub(super) fn tuple(shape: &PartialShape) -> String {
    let Some(dims) = shape.dims() else { return "<unknown>".into() };
    let dims: Vec<String> = dims
        .iter()
        .map(|dim| dim.map(|dim| dim.to_string()).unwrap_or_else(|| "None".into()))
        .collect();
    match &dims[..] {
        [dim] => format!("({dim},)"),
        dims => format!("({})", dims.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_would_fit_is_named() {
        let image: &[Option<u64>] = &[None, Some(2), Some(2)];
        for (got, wanted, expected) in [
            (&[2, 2][..], image, " (did you mean (1, 2, 2)?)"),
            (&[8], image, " (did you mean (2, 2, 2)?)"),
            (&[4], &[Some(2), Some(2)], " (did you mean (2, 2)?)"),
            (&[1, 3], &[Some(3)], " (did you mean (3,)?)"),
            (&[5], image, ""),
            (&[4], &[None, None, Some(2)], ""),
        ] {
            let wanted = PartialShape::new(wanted.to_vec());
            assert_eq!(hint(&Shape::new(got), &wanted), expected, "{got:?}");
        }
    }
}
