use flowkeep_tensor::{PartialShape, Shape, Tensor};

use super::merge::{merge_with, without_first};
use super::{as_shape, check_type, cut, join, merge, take_list};
use crate::Value;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::variant::TensorList;

/// All elements, one after another along their first dimension, and how long each is.
///
/// Elements that were not set are zeros, as long as `leading_dims` says, or the element shape.
/// Shapes: list of elements `[k_i, E..]`, and in V2 `element_shape [r]` or -1 and `leading_dims [m]`
/// → `[sum of k_i, E..]`, `[n]`.
/// Errors: `INVALID_ARGUMENT` for scalars, if the other dimensions differ, or nothing says what
/// they are.
/// Source: OpDefs `TensorListConcat`, `TensorListConcatV2`.
pub(super) fn concat(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    let has_inputs = init.n_inputs() == 3;
    let stated =
        if has_inputs { PartialShape::unknown() } else { init.attr_shape("element_shape")? };
    kernel(move |cx| {
        let list = take_list(cx, 0)?;
        check_type(&list, dtype)?;
        let (stated, leading_dims) = match has_inputs {
            true => (as_shape(cx.input(1)?)?, args::ints(cx.input(2)?)?),
            false => (stated.clone(), Vec::new()),
        };
        let (rest, lengths) = shapes_of(&list, &stated, &leading_dims)?;
        let zeros = list.elements().iter().zip(&lengths).map(|(element, length)| {
            let dims = [&[*length], rest.dims()].concat();
            match element {
                Some(_) => Ok(None),
                None => Tensor::zeros(dtype, dims).map(|zeros| Some(Value::Host(zeros))),
            }
        });
        let zeros = zeros.collect::<Result<Vec<_>, _>>()?;
        let elements = list.elements().iter().zip(&zeros);
        let parts: Vec<&Value> =
            elements.filter_map(|(element, zeros)| element.as_ref().or(zeros.as_ref())).collect();
        let total = lengths.iter().fold(0usize, |total, length| total.saturating_add(*length));
        let joined = join(dtype, &parts, Shape::from([&[total], rest.dims()].concat()))?;
        cx.set_output(0, joined)?;
        cx.set_output(1, args::dims_tensor(&lengths, flowkeep_tensor::DType::I64)?)
    })
}

/// The elements' shape without the first dimension, and the first dimension of each.
fn shapes_of(
    list: &TensorList,
    stated: &PartialShape,
    leading_dims: &[i64],
) -> Result<(Shape, Vec<usize>), Status> {
    let mut rest = merge(&without_first(stated), &without_first(&list.element_shape))?;
    let first =
        |shape: &PartialShape| shape.dims().and_then(|dims| dims.first().copied().flatten());
    let first = first(stated).or(first(&list.element_shape)).filter(|_| leading_dims.is_empty());
    let mut lengths = Vec::with_capacity(list.elements().len());
    for (idx, element) in list.elements().iter().enumerate() {
        let Some(element) = element else {
            let length = leading_dims.get(idx).and_then(|dim| usize::try_from(*dim).ok());
            let length = length.or(first.and_then(|dim| usize::try_from(dim).ok()));
            lengths.push(length.ok_or_else(|| {
                Status::invalid_argument(format!(
                    "List contains uninitialized tensor at index {idx} but leading_dims has only {} \
                     elements.",
                    leading_dims.len()
                ))
            })?);
            continue;
        };
        let shape = element.shape();
        let Some((length, dims)) = shape.dims().split_first() else {
            return Err(Status::invalid_argument(format!(
                "Concat saw a scalar shape at index {idx} but requires at least vectors."
            )));
        };
        rest = merge_with(&rest, &Shape::new(dims))?;
        lengths.push(*length);
    }
    let known = rest.to_shape().ok_or_else(|| {
        Status::invalid_argument(format!(
            "All except the first dimension must be fully defined when concating an empty tensor \
             list. element_shape: {rest}"
        ))
    })?;
    Ok((known, lengths))
}

/// A list of pieces of a tensor, as long along its first dimension as `lengths` says.
///
/// Shapes: `tensor [n, E..]`, `element_shape [r]` or -1, `lengths [m]` → list.
/// Errors: `INVALID_ARGUMENT` for a scalar, and if the lengths do not add up to `n`.
/// Source: OpDef `TensorListSplit`.
pub(super) fn split(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("element_dtype")?;
    kernel(move |cx| {
        let asked = as_shape(cx.input(1)?)?;
        let lengths = args::int_vector(cx.input(2)?, "lengths")?;
        let value = cx.take_value(0)?;
        let shape = value.shape();
        let Some((n, rest)) = shape.dims().split_first() else {
            let message = "Tensor must be at least a vector, but saw shape: []";
            return Err(Status::invalid_argument(message));
        };
        if !without_first(&asked).matches(&Shape::new(rest)) {
            return Err(Status::invalid_argument(format!(
                "tensor shape {shape} is not compatible with element_shape {asked}"
            )));
        }
        let mut start = 0;
        let mut pieces = Vec::with_capacity(lengths.len());
        for length in lengths {
            let length = usize::try_from(length).map_err(|_| {
                Status::invalid_argument(format!("Invalid value in lengths: {length}"))
            })?;
            let end = start + length.min(usize::MAX - start);
            if end > *n {
                return Err(Status::invalid_argument(format!(
                    "Attempting to slice [{start}, {end}] from tensor with length {n}"
                )));
            }
            pieces.push(Some(cut(cx, &value, start..end, true)?));
            start = end;
        }
        if start != *n {
            return Err(Status::invalid_argument(format!(
                "Unused values in tensor. Length of tensor: {n} Values used: {start}"
            )));
        }
        cx.set_output(0, TensorList::new(dtype, asked, pieces))
    })
}
