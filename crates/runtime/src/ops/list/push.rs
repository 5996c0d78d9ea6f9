use flowkeep_tensor::{DType, Tensor};

use super::{as_shape, check_type, cut, merge, take_list};
use crate::Value;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::variant::{TensorList, Variant, VariantTensor};

/// The list with one more element.
///
/// Shapes: list, `tensor` as the list's elements → list.
/// Errors: `INVALID_ARGUMENT` for another type or shape, and when the list is full.
/// Source: OpDef `TensorListPushBack`.
pub(super) fn push_back(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let mut list = take_list(cx, 0)?;
        let value = cx.take_value(1)?;
        push(&mut list, dtype, value)?;
        cx.set_output(0, list)
    })
}

fn push(list: &mut TensorList, dtype: DType, value: Value) -> Result<(), Status> {
    if list.dtype != dtype {
        return Err(Status::invalid_argument(format!(
            "Invalid data types; list elements {} but tried to append {dtype}",
            list.dtype
        )));
    }
    if !list.element_shape.matches(&value.shape()) {
        return Err(Status::invalid_argument(format!(
            "Tried to append a tensor with incompatible shape to a list. Op element shape: {} list \
             shape: {}",
            value.shape(),
            list.element_shape
        )));
    }
    let n = list.elements().len();
    if let Some(max) = list.max_elements.filter(|max| n >= *max) {
        return Err(Status::invalid_argument(format!(
            "Tried to push item into a full list list size: {n} max_num_elements: {max}"
        )));
    }
    list.put(n, value)
}

/// The list without its last element, and that element; one that was not set is made of zeros.
///
/// Shapes: list, `element_shape [r]` or -1 → list, the element's.
/// Errors: `INVALID_ARGUMENT` if the list is empty, or nothing says which shape the element has.
/// Source: OpDef `TensorListPopBack`.
pub(super) fn pop_back(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let mut list = take_list(cx, 0)?;
        check_type(&list, dtype)?;
        if list.elements().is_empty() {
            return Err(Status::invalid_argument("Trying to pop from an empty list."));
        }
        let element = match list.elements_mut().pop().flatten() {
            Some(value) => value,
            None => {
                let shape = merge(&as_shape(cx.input(1)?)?, &list.element_shape)?;
                let shape = shape.to_shape().ok_or_else(|| {
                    Status::invalid_argument(format!(
                        "Trying to read an uninitialized tensor but element_shape is not fully \
                         defined.{shape}"
                    ))
                })?;
                Value::Host(Tensor::zeros(dtype, shape)?)
            }
        };
        cx.set_output(0, list)?;
        cx.set_output(1, element)
    })
}

/// Each of a batch of lists with one row more.
///
/// Shapes: lists `[D..]`, `tensor [n, E..]` with `n` the number of lists → lists `[D..]`.
/// Errors: `INVALID_ARGUMENT` as for one list, and if there are more or fewer rows than lists.
/// Source: OpDef `TensorListPushBackBatch`.
pub(super) fn push_back_batch(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let rows = cx.take_value(1)?;
        let Value::Variant(lists) = cx.take_value(0)? else {
            return Err(Status::invalid_argument("input_handles are no lists"));
        };
        let shape = rows.shape();
        let Some(n_rows) = shape.dims().first() else {
            return Err(Status::invalid_argument(
                "Expected tensor to be at least a vector, but saw shape: []",
            ));
        };
        let n_lists = lists.items().len();
        if *n_rows != n_lists {
            return Err(Status::invalid_argument(format!(
                "Expected tensor.shape[0] == input_handles.size, but saw {n_rows} vs. {n_lists}"
            )));
        }
        let mut pushed = Vec::with_capacity(n_lists);
        for (idx, item) in lists.items().iter().enumerate() {
            let mut list = list_of(item)?.clone();
            push(&mut list, dtype, cut(cx, &rows, idx..idx + 1, false)?)?;
            pushed.push(Variant::List(list));
        }
        cx.set_output(0, Value::Variant(VariantTensor::new(lists.shape(), pushed)?))
    })
}

/// The elements of two lists in one.
///
/// Shapes: lists `[D..]`, lists `[D..]` → lists `[D..]`.
/// Errors: `INVALID_ARGUMENT` if types or element shapes differ.
/// Source: OpDef `TensorListConcatLists`.
pub(super) fn concat_lists(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let (Value::Variant(a), Value::Variant(b)) = (cx.take_value(0)?, cx.take_value(1)?) else {
            return Err(Status::invalid_argument("the inputs are no lists"));
        };
        if a.shape() != b.shape() {
            return Err(Status::invalid_argument(format!(
                "input_a and input_b must have the same shape, got {} and {}",
                a.shape(),
                b.shape()
            )));
        }
        let mut joined = Vec::with_capacity(a.items().len());
        for (a, b) in a.items().iter().zip(b.items()) {
            let (a, b) = (list_of(a)?, list_of(b)?);
            check_type(a, dtype)?;
            check_type(b, dtype)?;
            let shape = merge(&a.element_shape, &b.element_shape)?;
            let elements = [a.elements(), b.elements()].concat();
            let list = TensorList::new(dtype, shape, elements);
            joined.push(Variant::List(list.with_max_elements(a.max_elements)));
        }
        cx.set_output(0, Value::Variant(VariantTensor::new(a.shape(), joined)?))
    })
}

fn list_of(item: &Variant) -> Result<&TensorList, Status> {
    match item {
        Variant::List(list) => Ok(list),
        _ => Err(Status::invalid_argument("Input handle is not a list.")),
    }
}
