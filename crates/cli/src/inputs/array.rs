//! NumPy arrays as the tensors that a session makes of them.

use bytes::Bytes;
use flowkeep_ckpt::interchange::npy::{Array, Kind};
use flowkeep_tensor::{Complex, DType, Tensor, f16};

use super::cast::Elements;
use super::feed::integer_range;
use crate::error::Error;

/// The tensor of the same elements, where `dtype` is their type.
///
/// Raw bytes serve for the types that NumPy lacks. `None` when the elements must be converted.
pub(super) fn to_same(array: &Array, dtype: DType) -> Result<Option<Tensor>, Error> {
    if !array.descr().can_be(dtype) {
        return Ok(None);
    }
    Ok(Some(array.to_tensor(dtype)?))
}

/// The tensor of the elements converted to another type.
pub(super) fn cast(
    array: &Array,
    dtype: DType,
    warnings: &mut Vec<String>,
) -> Result<Tensor, Error> {
    if dtype == DType::BF16 && matches!(array.descr().kind, Kind::Bytes | Kind::Text) {
        let what = if array.shape().is_scalar() { "scalar" } else { "array data" };
        return Err(Error::invalid(format!(
            "Cannot cast {what} from dtype('{}') to dtype(bfloat16) according to the rule 'unsafe'",
            array.descr().name()
        )));
    }
    elements(array)?.cast(array.shape(), dtype, warnings)
}

/// Whether converting an array can do no more than round floats: integers become integers only where all
/// of them are values of the type.
pub(super) fn is_of_kind(array: &Array, dtype: DType) -> Result<bool, Error> {
    if array.descr().can_be(dtype) {
        return Ok(true);
    }
    Ok(match (array.descr().kind, integer_range(dtype)) {
        (Kind::Int | Kind::UInt, Some(range)) if dtype != DType::Bool => match elements(array)? {
            Elements::Int(values) => values.iter().all(|value| range.contains(&i128::from(*value))),
            Elements::UInt(values) => {
                values.iter().all(|value| range.contains(&i128::from(*value)))
            }
            _ => false,
        },
        (Kind::Float, None) => {
            matches!(dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
        }
        (Kind::Bytes | Kind::Text, None) => dtype == DType::String,
        _ => false,
    })
}

/// The elements as Rust values.
fn elements(array: &Array) -> Result<Elements, Error> {
    let (descr, data) = (array.descr(), array.data());
    Ok(match (descr.kind, descr.size) {
        (Kind::Bool, _) => Elements::Bool(data.iter().map(|byte| *byte != 0).collect()),
        (Kind::Int, 1) => Elements::Int(numbers(data, |[a]| i64::from(i8::from_le_bytes([a])))),
        (Kind::Int, 2) => Elements::Int(numbers(data, |b| i64::from(i16::from_le_bytes(b)))),
        (Kind::Int, 4) => Elements::Int(numbers(data, |b| i64::from(i32::from_le_bytes(b)))),
        (Kind::Int, _) => Elements::Int(numbers(data, i64::from_le_bytes)),
        (Kind::UInt, 1) => Elements::Int(numbers(data, |[a]| i64::from(a))),
        (Kind::UInt, 2) => Elements::Int(numbers(data, |b| i64::from(u16::from_le_bytes(b)))),
        (Kind::UInt, 4) => Elements::Int(numbers(data, |b| i64::from(u32::from_le_bytes(b)))),
        (Kind::UInt, _) => Elements::UInt(numbers(data, u64::from_le_bytes)),
        (Kind::Float, 2) => Elements::Float(numbers(data, |b| f16::from_le_bytes(b).to_f64())),
        (Kind::Float, 4) => Elements::Float(numbers(data, |b| f64::from(f32::from_le_bytes(b)))),
        (Kind::Float, 8) => Elements::Float(numbers(data, f64::from_le_bytes)),
        (Kind::Complex, 8) => pairs(numbers(data, |b| f64::from(f32::from_le_bytes(b)))),
        (Kind::Complex, _) => pairs(numbers(data, f64::from_le_bytes)),
        (Kind::Bytes, _) => Elements::Bytes(array.strings().map(Vec::from).collect()),
        (Kind::Text, _) => Elements::Text(array.texts()?),
        (Kind::Void | Kind::Float, _) => {
            let name = descr.name();
            return Err(Error::invalid(format!("an array of type {name} has no numbers")));
        }
    })
}

fn numbers<const N: usize, T>(data: &Bytes, number: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = data.as_chunks();
    chunks.iter().copied().map(number).collect()
}

fn pairs(parts: Vec<f64>) -> Elements {
    Elements::Complex(
        parts.chunks_exact(2).map(|pair| Complex { re: pair[0], im: pair[1] }).collect(),
    )
}
