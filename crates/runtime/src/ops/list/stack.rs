use flowkeep_tensor::{DType, Shape, Tensor};

use super::access::{find, known_shape, out_of_range};
use super::{as_shape, check_type, cut, join, take_list};
use crate::Value;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::variant::TensorList;

/// All elements as one tensor; those that were not set are zeros.
///
/// Shapes: list of elements `[E..]`, `element_shape [r]` or -1 → `[n, E..]`.
/// Errors: `INVALID_ARGUMENT` if the shapes differ, nothing says what they are, or there are not
/// `num_elements` elements (-1 is any number).
/// Source: OpDef `TensorListStack`.
pub(super) fn stack(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    let num_elements = init.attr_int("num_elements")?;
    kernel(move |cx| {
        let list = take_list(cx, 0)?;
        check_type(&list, dtype)?;
        let n = list.elements().len();
        if num_elements != -1 && usize::try_from(num_elements) != Ok(n) {
            return Err(Status::invalid_argument(format!(
                "Operation expected a list with {num_elements} elements but got a list with {n} \
                 elements."
            )));
        }
        let shape = known_shape(&as_shape(cx.input(1)?)?, &list, list.elements().iter())?;
        let shape = shape.to_shape().ok_or_else(|| {
            let what = match n {
                0 => "Tried to stack elements of an empty list with",
                _ => "Tried to stack list which only contains uninitialized tensors and has a",
            };
            let message = format!("{what} non-fully-defined element_shape: {shape}");
            Status::invalid_argument(message)
        })?;
        let elements: Vec<_> = list.elements().iter().collect();
        let stacked = stack_all(dtype, &elements, &shape)?;
        cx.set_output(0, stacked)
    })
}

/// The elements at `indices` as one tensor; those that were not set are zeros.
///
/// Shapes: list of elements `[E..]`, `indices [n]`, `element_shape [r]` or -1 → `[n, E..]`.
/// Errors: `INVALID_ARGUMENT` if there is no such element, the shapes differ, or nothing says what
/// they are.
/// Source: OpDef `TensorListGather`.
pub(super) fn gather(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let list = take_list(cx, 0)?;
        check_type(&list, dtype)?;
        let indices = args::ints(cx.input(1)?)?;
        let n = list.elements().len();
        let element = |index: &i64| {
            find(list.elements(), *index)
                .ok_or_else(|| out_of_range("Trying to gather element", *index, n))
        };
        let elements = indices.iter().map(element).collect::<Result<Vec<_>, _>>()?;
        let asked = as_shape(cx.input(2)?)?;
        let shape = known_shape(&asked, &list, elements.iter().copied())?;
        let shape = shape.to_shape().ok_or_else(|| {
            let what = if indices.is_empty() { "0-elements" } else { "uninitialized tensors" };
            Status::invalid_argument(format!(
                "Tried to gather {what} from a list with non-fully-defined element_shape: {shape}"
            ))
        })?;
        let gathered = stack_all(dtype, &elements, &shape)?;
        cx.set_output(0, gathered)
    })
}

/// A list whose elements are the rows of a tensor.
///
/// Shapes: `tensor [n, E..]`, `element_shape [r]` or -1 → list.
/// Errors: `INVALID_ARGUMENT` for a scalar, or rows of another shape than is asked for.
/// Source: OpDef `TensorListFromTensor`.
pub(super) fn from_tensor(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let asked = as_shape(cx.input(1)?)?;
        let value = cx.take_value(0)?;
        let rows = rows_of(cx, &value)?;
        let shape = Shape::new(&value.shape().dims()[1..]);
        if !asked.matches(&shape) {
            return Err(Status::invalid_argument(format!(
                "Specified a list with shape {asked} from a tensor with shape {shape}"
            )));
        }
        cx.set_output(0, TensorList::new(dtype, asked, rows.into_iter().map(Some).collect()))
    })
}

/// The rows of a tensor.
///
/// Errors: `INVALID_ARGUMENT` for a scalar.
pub(super) fn rows_of(cx: &KernelContext<'_>, value: &Value) -> Result<Vec<Value>, Status> {
    match value.shape().dims().first() {
        Some(n) => (0..*n).map(|idx| cut(cx, value, idx..idx + 1, false)).collect(),
        None => {
            Err(Status::invalid_argument("Tensor must be at least a vector, but saw shape: []"))
        }
    }
}

/// Elements of one shape as one tensor, zeros for those that were not set.
fn stack_all(dtype: DType, elements: &[&Option<Value>], shape: &Shape) -> Result<Value, Status> {
    let zeros = match elements.iter().any(|element| element.is_none()) {
        true => Some(Value::Host(Tensor::zeros(dtype, shape)?)),
        false => None,
    };
    let parts: Vec<&Value> =
        elements.iter().filter_map(|element| element.as_ref().or(zeros.as_ref())).collect();
    join(dtype, &parts, Shape::from([&[elements.len()], shape.dims()].concat()))
}
