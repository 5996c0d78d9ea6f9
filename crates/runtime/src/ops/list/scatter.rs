use super::make::grow;
use super::stack::rows_of;
use super::{as_shape, check_type, take_list};
use crate::Value;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::variant::TensorList;

/// A list with the rows of a tensor at `indices`, other elements not set.
///
/// Shapes: `tensor [n, E..]`, `indices [n]`, `element_shape [r]` or -1, and in V2 `num_elements []`
/// → list of `num_elements` elements, or as many as the largest index says.
/// Errors: `INVALID_ARGUMENT` for indices that are negative or too large, and rows of another shape
/// than is asked for.
/// Source: OpDefs `TensorListScatter`, `TensorListScatterV2`.
pub(super) fn scatter(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let asked = as_shape(cx.input(2)?)?;
        let num_elements = match cx.n_inputs() {
            4 => args::int(cx.input(3)?, "num_elements")?,
            _ => -1,
        };
        if num_elements < -1 {
            return Err(Status::invalid_argument(format!(
                "TensorListScatter expects num_elements >= -1, found: {num_elements}"
            )));
        }
        let (rows, indices) = rows_and_indices(cx, 0)?;
        if let Some(row) = rows.first().filter(|row| !asked.matches(&row.shape())) {
            return Err(Status::invalid_argument(format!(
                "Specified a list with shape {asked} from a tensor with shape {}",
                row.shape()
            )));
        }
        let mut list = TensorList::new(dtype, asked, Vec::new());
        let n = usize::try_from(num_elements).ok();
        if let (Some(n), Some(index)) = (n, indices.iter().find(|idx| Some(**idx) >= n)) {
            return Err(Status::invalid_argument(format!(
                "TensorListScatter: Trying to scatter at index {index} in list with size {n}"
            )));
        }
        put_all(&mut list, n.unwrap_or(0), rows, &indices)?;
        cx.set_output(0, list)
    })
}

/// The list with the rows of a tensor at `indices`, longer where that is needed.
///
/// Shapes: list, `tensor [n, E..]`, `indices [n]` → list.
/// Errors: `INVALID_ARGUMENT` for negative indices, and rows of another shape than the list's.
/// Source: OpDef `TensorListScatterIntoExistingList`.
pub(super) fn scatter_into(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let mut list = take_list(cx, 0)?;
        check_type(&list, dtype)?;
        let (rows, indices) = rows_and_indices(cx, 1)?;
        if let Some(row) = rows.first().filter(|row| !list.element_shape.matches(&row.shape())) {
            return Err(Status::invalid_argument(format!(
                "Tried to set a tensor with incompatible shape at a list index. Item element shape: {} \
                 list shape: {}",
                row.shape(),
                list.element_shape
            )));
        }
        put_all(&mut list, 0, rows, &indices)?;
        cx.set_output(0, list)
    })
}

/// The rows of the tensor at input `idx`, and the indices at the next input.
fn rows_and_indices(
    cx: &mut KernelContext<'_>,
    idx: usize,
) -> Result<(Vec<Value>, Vec<usize>), Status> {
    let indices = args::int_vector(cx.input(idx + 1)?, "indices")?;
    let value = cx.take_value(idx)?;
    let n_rows = value.shape().dims().first().copied();
    if n_rows.is_some_and(|n| n != indices.len()) {
        return Err(Status::invalid_argument(format!(
            "Invalid number of rows in input tensor. Expected: {} Actual: {}",
            indices.len(),
            n_rows.unwrap_or(0)
        )));
    }
    let indices = indices.iter().map(|index| usize::try_from(*index)).collect::<Result<_, _>>();
    let indices = indices.map_err(|_| {
        Status::invalid_argument("Indices in TensorListScatter must all be non-negative.")
    })?;
    Ok((rows_of(cx, &value)?, indices))
}

fn put_all(
    list: &mut TensorList,
    n_least: usize,
    rows: Vec<Value>,
    indices: &[usize],
) -> Result<(), Status> {
    let n = indices.iter().map(|idx| idx.saturating_add(1)).max().unwrap_or(0);
    let n = n.max(n_least).max(list.elements().len());
    grow(list.elements_mut(), n)?;
    for (row, idx) in rows.into_iter().zip(indices) {
        list.put(*idx, row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

    use super::*;

    #[test]
    fn a_list_too_long_for_any_memory_is_refused() {
        let mut list = TensorList::new(DType::F32, PartialShape::unknown(), Vec::new());
        let row = Value::Host(Tensor::zeros(DType::F32, Shape::SCALAR).unwrap());
        let error = put_all(&mut list, 0, vec![row], &[usize::MAX]).unwrap_err();
        assert!(error.message().contains("too long"), "{error}");
    }
}
