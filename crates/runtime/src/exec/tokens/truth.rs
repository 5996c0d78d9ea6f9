use flowkeep_tensor::{DType, Tensor};

use crate::Value;
use crate::kernel::Status;

/// Whether a condition holds: a scalar that is not zero or, if it is a string, not empty; a tensor
/// of another rank that has elements.
///
/// Errors: `INVALID_ARGUMENT` for types that are neither.
pub(super) fn is_true(value: Option<&Value>) -> Result<bool, Status> {
    let Some(Value::Host(tensor)) = value else {
        let dtype = value.map_or(DType::Resource, Value::dtype);
        return Err(cannot(dtype));
    };
    if !tensor.dims().is_empty() {
        return Ok(tensor.n_elements() > 0);
    }
    if tensor.dtype() == DType::String {
        return Ok(tensor.as_strings()?.iter().any(|value| !value.is_empty()));
    }
    scalar_is_true(tensor)
}

fn scalar_is_true(tensor: &Tensor) -> Result<bool, Status> {
    match tensor.dtype() {
        DType::Bool
        | DType::U8
        | DType::I8
        | DType::I16
        | DType::I32
        | DType::I64
        | DType::U16
        | DType::U32
        | DType::U64 => Ok(tensor.as_bytes()?.iter().any(|byte| *byte != 0)),
        DType::F16 | DType::BF16 => {
            // All but the sign: the highest bit of the last byte.
            Ok(matches!(tensor.to_le_bytes()?[..], [low, high] if low != 0 || high & 0x7f != 0))
        }
        DType::F32 => Ok(tensor.to_scalar::<f32>()? != 0.0),
        DType::F64 => Ok(tensor.to_scalar::<f64>()? != 0.0),
        dtype => Err(cannot(dtype)),
    }
}

fn cannot(dtype: DType) -> Status {
    Status::invalid_argument(format!("{dtype} cannot be converted to a bool"))
}

/// Which of `n` branches an index means: any that is out of range means the last.
///
/// Errors: `INVALID_ARGUMENT` if it is no scalar.
pub(super) fn branch(value: Option<&Value>, n: usize) -> Result<usize, Status> {
    let Some(Value::Host(tensor)) = value else {
        return Err(Status::invalid_argument("branch_index is not a tensor"));
    };
    if !tensor.dims().is_empty() {
        return Err(Status::invalid_argument("branch_index must be scalar"));
    }
    let idx = usize::try_from(tensor.to_scalar::<i32>()?).ok();
    Ok(idx.filter(|idx| *idx < n).unwrap_or(n.saturating_sub(1)))
}
