//! Variables that count.

use flowkeep_tensor::{Element, Tensor};

use super::handle;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::{no_type, with_type};
use crate::resource::Variable;

/// Adds 1 to a scalar variable and gives what it was before.
///
/// Shapes: `ref []` → `[]`.  Types: i32, i64.
/// Errors: `OUT_OF_RANGE` when the limit is reached, `FAILED_PRECONDITION` without a value.
/// Source: OpDefs `CountUpTo`, `ResourceCountUpTo`.
pub(super) fn count_up_to(init: &KernelInit<'_>) -> Built {
    let (dtype, limit) = (init.attr_type("T")?, init.attr_int("limit")?);
    with_type!(dtype, T in [I32 => i32, I64 => i64] => kernel(move |cx| count::<T>(cx, limit)),
        else Err(no_type(init, dtype)))
}

fn count<T: Element + Into<i64> + TryFrom<i64>>(
    cx: &mut KernelContext<'_>,
    limit: i64,
) -> Result<(), Status> {
    let before = match cx.value(0)? {
        crate::Value::Resource(resource) => resource.get::<Variable>()?.update(|slot| {
            step::<T>(slot.as_mut().ok_or_else(|| handle::not_found(resource))?, limit)
        })?,
        _ => {
            let variable = cx.variable_ref(0)?;
            variable.update(|slot| {
                step::<T>(slot.as_mut().ok_or_else(|| variable.uninitialized_ref())?, limit)
            })?
        }
    };
    cx.set_output(0, Tensor::scalar(before))
}

fn step<T: Element + Into<i64> + TryFrom<i64>>(
    value: &mut Tensor,
    limit: i64,
) -> Result<T, Status> {
    if !value.dims().is_empty() {
        let message = format!("input is not a scalar: {}", value.shape());
        return Err(Status::invalid_argument(message));
    }
    let before = value.to_scalar::<T>()?;
    let after = before.into().checked_add(1).and_then(|after| T::try_from(after).ok());
    match after {
        Some(after) if before.into() < limit => {
            *value = Tensor::scalar(after);
            Ok(before)
        }
        _ => Err(Status::out_of_range(format!("Reached limit of {limit}"))),
    }
}
