use flowkeep_tensor::DType;

use super::as_shape;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::variant::TensorList;

/// The most elements that a list may be asked to have at once.
pub(super) const MAX_ELEMENTS: usize = 1 << 27;

/// An empty list.
///
/// Shapes: `element_shape [r]` or the scalar -1, `max_num_elements []`, -1 for any number → `[]`.
/// Types: `element_dtype` any.
/// Source: OpDef `EmptyTensorList`.
pub(super) fn empty(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let max = cx.input(1)?;
        if !max.dims().is_empty() {
            return Err(Status::invalid_argument(format!(
                "max_num_elements expected to be a scalar but got shape: {}",
                max.shape()
            )));
        }
        let max_elements = usize::try_from(args::int(max, "max_num_elements")?).ok();
        let shape = as_shape(cx.input(0)?)?;
        let list = TensorList::new(dtype, shape, Vec::new());
        cx.set_output(0, list.with_max_elements(max_elements))
    })
}

/// A list of `num_elements` elements that are not set.
///
/// Shapes: `element_shape [r]` or the scalar -1, `num_elements []` → `[]`.
/// Types: `element_dtype` any.
/// Errors: `INVALID_ARGUMENT` for a negative number.
/// Source: OpDef `TensorListReserve`.
pub(super) fn reserve(init: &KernelInit<'_>) -> Built {
    let dtype: DType = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let shape = as_shape(cx.input(0)?)?;
        let n = cx.input(1)?;
        if !n.dims().is_empty() {
            return Err(Status::invalid_argument(format!(
                "The num_elements to reserve must be a tensor size 1, but got {}",
                n.shape()
            )));
        }
        let n = args::int(n, "num_elements")?;
        let n = usize::try_from(n).map_err(|_| {
            Status::invalid_argument(format!(
                "The num_elements to reserve must be a non negative number, but got {n}"
            ))
        })?;
        cx.set_output(0, TensorList::new(dtype, shape, unset(n)?))
    })
}

/// `n` elements that are not set.
pub(super) fn unset(n: usize) -> Result<Vec<Option<crate::Value>>, Status> {
    let mut elements = Vec::new();
    grow(&mut elements, n)?;
    Ok(elements)
}

/// Makes a list of elements `n` long.
pub(super) fn grow(elements: &mut Vec<Option<crate::Value>>, n: usize) -> Result<(), Status> {
    let n_new = n.saturating_sub(elements.len());
    if n > MAX_ELEMENTS || elements.try_reserve_exact(n_new).is_err() {
        return Err(Status::resource_exhausted(format!("a list of {n} elements is too long")));
    }
    elements.resize(n, None);
    Ok(())
}
