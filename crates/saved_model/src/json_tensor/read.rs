use flowkeep_tensor::{Complex, DType, Element, MAX_RANK, PartialShape, Shape, Tensor, bf16, f16};
use serde_json::Value;

use super::{Error, element};

/// The tensor of a JSON value.
///
/// The shape is read along the first items of the lists. Where a list is empty, dimensions that
/// lie below it are taken from `shape`: `[]` for a shape of `[?,3]` is a tensor of shape `[0,3]`.
///
/// Errors: `INVALID_ARGUMENT` for elements of another type, uneven lists, bad base64, and values
/// that are not of `shape`; `UNIMPLEMENTED` for types without JSON form.
pub fn read(value: &Value, dtype: DType, shape: &PartialShape) -> Result<Tensor, Error> {
    let dims = complete(written_dims(value)?, shape);
    let got = Shape::new(&dims);
    if !shape.matches(&got) {
        return Err(Error::WrongShape { expected: shape.clone(), got });
    }
    let float = |value: &Value| element::float(value, dtype);
    let tensor = match dtype {
        DType::F32 => plain(value, dims, |v| float(v).map(|v| v as f32))?,
        DType::F64 => plain(value, dims, float)?,
        DType::F16 => plain(value, dims, |v| float(v).map(f16::from_f64))?,
        DType::BF16 => plain(value, dims, |v| float(v).map(bf16::from_f64))?,
        DType::I8 => plain(value, dims, |v| element::integer::<i8>(v, dtype))?,
        DType::I16 => plain(value, dims, |v| element::integer::<i16>(v, dtype))?,
        DType::I32 => plain(value, dims, |v| element::integer::<i32>(v, dtype))?,
        DType::I64 => plain(value, dims, |v| element::integer::<i64>(v, dtype))?,
        DType::U8 => plain(value, dims, |v| element::integer::<u8>(v, dtype))?,
        DType::U16 => plain(value, dims, |v| element::integer::<u16>(v, dtype))?,
        DType::U32 => plain(value, dims, |v| element::integer::<u32>(v, dtype))?,
        DType::U64 => plain(value, dims, |v| element::integer::<u64>(v, dtype))?,
        DType::QI8 => plain(value, dims, |v| element::integer::<i8>(v, dtype))?.bitcast(dtype)?,
        DType::QU8 => plain(value, dims, |v| element::integer::<u8>(v, dtype))?.bitcast(dtype)?,
        DType::QI16 => plain(value, dims, |v| element::integer::<i16>(v, dtype))?.bitcast(dtype)?,
        DType::QU16 => plain(value, dims, |v| element::integer::<u16>(v, dtype))?.bitcast(dtype)?,
        DType::QI32 => plain(value, dims, |v| element::integer::<i32>(v, dtype))?.bitcast(dtype)?,
        DType::Bool => plain(value, dims, |v| element::boolean(v, dtype))?,
        DType::Complex64 => plain(value, dims, |v| {
            element::complex(v, dtype).map(|v| Complex { re: v.re as f32, im: v.im as f32 })
        })?,
        DType::Complex128 => plain(value, dims, |v| element::complex(v, dtype))?,
        DType::String => {
            let values = flatten(value, &dims, &|v| element::string(v, dtype))?;
            Tensor::from_strings(dims, values)?
        }
        dtype => return Err(Error::Unsupported(dtype)),
    };
    Ok(tensor)
}

/// The lengths of the first lists of each level.
fn written_dims(value: &Value) -> Result<Vec<usize>, Error> {
    let mut dims = Vec::new();
    let mut next = Some(value);
    while let Some(Value::Array(items)) = next {
        if dims.len() == MAX_RANK {
            return Err(Error::WrongLevel {
                value: "[...]".into(),
                level: MAX_RANK,
                expected: MAX_RANK,
            });
        }
        dims.push(items.len());
        next = items.first();
    }
    Ok(dims)
}

/// Adds the dimensions below an empty list, if `shape` knows all of them.
fn complete(mut dims: Vec<usize>, shape: &PartialShape) -> Vec<usize> {
    let below = shape.dims().and_then(|known| known.get(dims.len()..)).unwrap_or_default();
    if dims.last() == Some(&0) {
        let below: Option<Vec<usize>> =
            below.iter().map(|dim| dim.and_then(|dim| usize::try_from(dim).ok())).collect();
        dims.extend(below.unwrap_or_default());
    }
    dims
}

fn plain<T: Element>(
    value: &Value,
    dims: Vec<usize>,
    element: impl Fn(&Value) -> Result<T, Error>,
) -> Result<Tensor, Error> {
    let values = flatten(value, &dims, &element)?;
    Ok(Tensor::from_vec(dims, values)?)
}

/// The elements in row-major order. No room is reserved for more than the lists hold.
fn flatten<T>(
    value: &Value,
    dims: &[usize],
    element: &dyn Fn(&Value) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    push(value, dims, 0, element, &mut values)?;
    Ok(values)
}

fn push<T>(
    value: &Value,
    dims: &[usize],
    level: usize,
    element: &dyn Fn(&Value) -> Result<T, Error>,
    values: &mut Vec<T>,
) -> Result<(), Error> {
    let wrong_level =
        |level| Error::WrongLevel { value: element::excerpt(value), level, expected: dims.len() };
    let Some(expected) = dims.get(level).copied() else {
        if value.is_array() {
            return Err(wrong_level(level + 1));
        }
        values.push(element(value)?);
        return Ok(());
    };
    let Value::Array(items) = value else { return Err(wrong_level(level)) };
    if items.len() != expected {
        return Err(Error::UnexpectedSize { got: items.len(), level, expected });
    }
    items.iter().try_for_each(|item| push(item, dims, level + 1, element, values))
}
