use flowkeep_tensor::{Complex, DType, Element, Tensor, bf16, f16};
use serde_json::Value;

use super::{Error, element};

/// The JSON value of a tensor. Floats have the shortest digits that read back as the same value.
///
/// Errors: `UNIMPLEMENTED` for types without JSON form, such as resources.
pub fn write(tensor: &Tensor) -> Result<Value, Error> {
    let dtype = tensor.dtype();
    let values = match dtype {
        DType::F32 => plain::<f32>(tensor, |v| element::from_f32(*v))?,
        DType::F64 => plain::<f64>(tensor, |v| element::from_f64(*v))?,
        DType::F16 => plain::<f16>(tensor, |v| element::from_f32(v.to_f32()))?,
        DType::BF16 => plain::<bf16>(tensor, |v| element::from_f32(v.to_f32()))?,
        DType::I8 => plain::<i8>(tensor, |v| (*v).into())?,
        DType::I16 => plain::<i16>(tensor, |v| (*v).into())?,
        DType::I32 => plain::<i32>(tensor, |v| (*v).into())?,
        DType::I64 => plain::<i64>(tensor, |v| (*v).into())?,
        DType::U8 => plain::<u8>(tensor, |v| (*v).into())?,
        DType::U16 => plain::<u16>(tensor, |v| (*v).into())?,
        DType::U32 => plain::<u32>(tensor, |v| (*v).into())?,
        DType::U64 => plain::<u64>(tensor, |v| (*v).into())?,
        DType::QI8 => return write(&tensor.bitcast(DType::I8)?),
        DType::QU8 => return write(&tensor.bitcast(DType::U8)?),
        DType::QI16 => return write(&tensor.bitcast(DType::I16)?),
        DType::QU16 => return write(&tensor.bitcast(DType::U16)?),
        DType::QI32 => return write(&tensor.bitcast(DType::I32)?),
        DType::Bool => plain::<bool>(tensor, |v| (*v).into())?,
        DType::Complex64 => plain::<Complex<f32>>(tensor, |v| {
            element::from_complex(element::from_f32(v.re), element::from_f32(v.im))
        })?,
        DType::Complex128 => plain::<Complex<f64>>(tensor, |v| {
            element::from_complex(element::from_f64(v.re), element::from_f64(v.im))
        })?,
        DType::String => tensor.as_strings()?.iter().map(element::from_bytes).collect(),
        dtype => return Err(Error::Unsupported(dtype)),
    };
    Ok(nest(values, tensor.dims()))
}

fn plain<T: Element>(tensor: &Tensor, element: impl Fn(&T) -> Value) -> Result<Vec<Value>, Error> {
    Ok(tensor.as_slice::<T>()?.iter().map(element).collect())
}

/// Groups elements into lists, innermost dimension first.
fn nest(mut values: Vec<Value>, dims: &[usize]) -> Value {
    for (axis, dim) in dims.iter().enumerate().skip(1).rev() {
        let n_groups: usize = dims[..axis].iter().product();
        let mut items = values.into_iter();
        values = (0..n_groups).map(|_| Value::Array(items.by_ref().take(*dim).collect())).collect();
    }
    match dims {
        [] => values.into_iter().next().unwrap_or(Value::Null),
        _ => Value::Array(values),
    }
}
