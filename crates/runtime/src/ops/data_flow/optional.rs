use std::sync::Arc;

use flowkeep_tensor::Tensor;

use crate::Value;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::variant::{Variant, VariantTensor, check_depth};

/// An optional value that holds the inputs.
///
/// Source: OpDef `OptionalFromValue`.
pub(super) fn from_value(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let parts = (0..cx.n_inputs()).map(|idx| cx.take_value(idx));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        parts.iter().try_for_each(check_depth)?;
        let optional = Variant::Optional(Some(Arc::new(parts)));
        cx.set_output(0, Value::Variant(VariantTensor::scalar(optional)))
    })
}

/// An optional value that holds nothing.
///
/// Source: OpDef `OptionalNone`.
pub(super) fn none(_: &KernelInit<'_>) -> Built {
    kernel(|cx| cx.set_output(0, Value::Variant(VariantTensor::scalar(Variant::Optional(None)))))
}

/// Whether an optional value holds something.
///
/// Source: OpDef `OptionalHasValue`.
pub(super) fn has_value(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let parts = take(cx)?;
        cx.set_output(0, Tensor::scalar(parts.is_some()))
    })
}

/// What an optional value holds.
///
/// Errors: `INVALID_ARGUMENT` if it holds nothing, or values of other types or shapes.
/// Source: OpDef `OptionalGetValue`.
pub(super) fn get_value(init: &KernelInit<'_>) -> Built {
    let types = init.attr_types("output_types")?.to_vec();
    let shapes = init.attr_shapes("output_shapes")?;
    kernel(move |cx| {
        let parts = take(cx)?
            .ok_or_else(|| Status::invalid_argument("The given optional does not have a value."))?;
        if parts.len() != types.len() {
            return Err(Status::invalid_argument(format!(
                "The given optional has {} components, expected {}",
                parts.len(),
                types.len()
            )));
        }
        for (idx, (part, expected)) in parts.iter().zip(&types).enumerate() {
            if part.dtype() != *expected {
                return Err(Status::invalid_argument(format!(
                    "The given optional does not match the expected type for component {idx}. Expected: \
                     {expected}. Actual: {}.",
                    part.dtype()
                )));
            }
            if let Some(expected) = shapes.get(idx).filter(|shape| !shape.matches(&part.shape())) {
                return Err(Status::invalid_argument(format!(
                    "The given optional does not match the expected shape for component {idx}. Expected: \
                     {expected}. Actual: {}.",
                    part.shape()
                )));
            }
        }
        for (idx, part) in parts.iter().enumerate() {
            cx.set_output(idx, part.clone())?;
        }
        Ok(())
    })
}

fn take(cx: &mut KernelContext<'_>) -> Result<Option<Arc<Vec<Value>>>, Status> {
    let Value::Variant(variant) = cx.take_value(0)? else {
        return Err(Status::invalid_argument("the input is no optional value"));
    };
    match variant.items() {
        [Variant::Optional(parts)] => Ok(parts.clone()),
        _ => Err(Status::invalid_argument("the input is no optional value")),
    }
}
