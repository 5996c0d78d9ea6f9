use flowkeep_tensor::{PartialShape, Tensor};

use super::make::grow;
use super::merge::merge_with;
use super::{as_shape, check_type, merge, take_list};
use crate::Value;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::variant::TensorList;

/// The element at `index`; one that was not set is made of zeros.
///
/// Shapes: list, `index []`, `element_shape [r]` or -1 → the element's.
/// Errors: `INVALID_ARGUMENT` if there is no such element, or nothing says which shape it has.
/// Source: OpDef `TensorListGetItem`.
pub(super) fn get_item(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let list = take_list(cx, 0)?;
        check_type(&list, dtype)?;
        let index = args::int(cx.input(1)?, "index")?;
        let element = find(list.elements(), index).ok_or_else(|| {
            out_of_range("Trying to access element", index, list.elements().len())
        })?;
        if let Some(value) = element {
            let value = value.clone();
            return cx.set_output(0, value);
        }
        let asked = as_shape(cx.input(2)?)?;
        let mut shape = merge(&asked, &list.element_shape)?;
        if shape.to_shape().is_none() {
            for element in list.elements().iter().flatten() {
                shape = merge_with(&shape, &element.shape())?;
            }
        }
        let shape = shape.to_shape().ok_or_else(|| {
            Status::invalid_argument(format!(
                "Trying to read an uninitialized tensor but element_shape is not fully defined: \
                 {shape} and no list element is set."
            ))
        })?;
        cx.set_output(0, cx.zeros(dtype, shape)?)
    })
}

/// The list with `item` as the element at `index`.
///
/// Shapes: list, `index []`, `item` as the list's elements → list.
/// Errors: `INVALID_ARGUMENT` if there is no such element (unless `resize_if_index_out_of_bounds`),
/// or the item has another type or shape.
/// Source: OpDef `TensorListSetItem`.
pub(super) fn set_item(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    let resizes = init.attr_bool("resize_if_index_out_of_bounds")?;
    kernel(move |cx| {
        let mut list = take_list(cx, 0)?;
        check_type(&list, dtype)?;
        let index = args::int(cx.input(1)?, "index")?;
        let n = list.elements().len();
        let idx = usize::try_from(index).ok().filter(|idx| *idx < n || resizes);
        let idx = idx.ok_or_else(|| out_of_range("Trying to modify element", index, n))?;
        let item = cx.take_value(2)?;
        if !list.element_shape.matches(&item.shape()) {
            return Err(Status::invalid_argument(format!(
                "Tried to set a tensor with incompatible shape at a list index. Item element shape: {} \
                 list shape: {}",
                item.shape(),
                list.element_shape
            )));
        }
        if idx >= n {
            grow(list.elements_mut(), idx.saturating_add(1))?;
        }
        list.put(idx, item)?;
        cx.set_output(0, list)
    })
}

/// The number of elements.
///
/// Shapes: list → `[]`.  Source: OpDef `TensorListLength`.
pub(super) fn length(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let list = take_list(cx, 0)?;
        let n = i32::try_from(list.elements().len())
            .map_err(|_| Status::invalid_argument("the list is too long"))?;
        cx.set_output(0, Tensor::scalar(n))
    })
}

/// The shape of the elements, -1 for what is not known.
///
/// Shapes: list → `[r]`, or `[]` if the rank is unknown.  Types: `shape_type` i32 or i64.
/// Source: OpDef `TensorListElementShape`.
pub(super) fn element_shape(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("shape_type")?;
    kernel(move |cx| {
        let list = take_list(cx, 0)?;
        let output = match (list.element_shape.dims(), dtype) {
            (None, flowkeep_tensor::DType::I64) => Tensor::scalar(-1i64),
            (None, _) => Tensor::scalar(-1i32),
            (Some(dims), flowkeep_tensor::DType::I64) => {
                Tensor::from_elements(dims.iter().map(|dim| known(*dim)).collect::<Vec<i64>>())
            }
            (Some(dims), _) => {
                let dims: Result<Vec<i32>, _> =
                    dims.iter().map(|dim| i32::try_from(known(*dim))).collect();
                Tensor::from_elements(dims.map_err(|_| {
                    Status::invalid_argument("a dimension of the elements does not fit int32")
                })?)
            }
        };
        cx.set_output(0, output)
    })
}

fn known(dim: Option<u64>) -> i64 {
    dim.and_then(|dim| i64::try_from(dim).ok()).unwrap_or(-1)
}

/// The list with `size` elements: the first ones, or all and some that are not set.
///
/// Shapes: list, `size []` → list.  Errors: `INVALID_ARGUMENT` for a negative size.
/// Source: OpDef `TensorListResize`.
pub(super) fn resize(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let mut list = take_list(cx, 0)?;
        let size = args::int(cx.input(1)?, "size")?;
        let n = usize::try_from(size).map_err(|_| {
            Status::invalid_argument(format!(
                "TensorListSlice expects size to be non-negative. Got: {size}"
            ))
        })?;
        let elements = list.elements_mut();
        elements.truncate(n);
        grow(elements, n)?;
        cx.set_output(0, list)
    })
}

/// The element at `index`, if there is one.
pub(super) fn find(elements: &[Option<Value>], index: i64) -> Option<&Option<Value>> {
    elements.get(usize::try_from(index).ok()?)
}

pub(super) fn out_of_range(what: &str, index: i64, n: usize) -> Status {
    Status::invalid_argument(format!("{what} {index} in a list with {n} elements."))
}

/// What is known about the shape of a list's elements: what is asked for, what the list says, what
/// its elements are.
pub(super) fn known_shape<'a>(
    asked: &PartialShape,
    list: &TensorList,
    elements: impl Iterator<Item = &'a Option<Value>>,
) -> Result<PartialShape, Status> {
    let mut shape = merge(asked, &list.element_shape)?;
    for element in elements.flatten() {
        shape = merge_with(&shape, &element.shape())?;
    }
    Ok(shape)
}
