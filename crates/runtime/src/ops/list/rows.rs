//! Tensors cut into pieces and put together along the first dimension.

use std::ops::Range;

use flowkeep_tensor::{DType, Element, Shape, Tensor};

use crate::Value;
use crate::kernel::{KernelContext, Status};
use crate::ops::args::product;
use crate::ops::arith::Arith;
use crate::ops::cells::{Cell, Move, copy, fill_from};
use crate::ops::dispatch::with_number;
use crate::variant::VariantTensor;

/// The tensor of shape `shape` whose elements are those of `parts`, one after another.
///
/// Errors: `INVALID_ARGUMENT` if a part is of another type or the elements do not fit the shape.
pub(in crate::ops) fn join(dtype: DType, parts: &[&Value], shape: Shape) -> Result<Value, Status> {
    let n_elements =
        parts.iter().map(|part| part.shape().n_elements()).fold(0, usize::saturating_add);
    if shape.checked_n_elements() != Some(n_elements) {
        let message = format!("{n_elements} elements do not make a tensor of shape {shape}");
        return Err(Status::invalid_argument(message));
    }
    if dtype == DType::Variant {
        let mut items = Vec::with_capacity(n_elements);
        for part in parts {
            match part {
                Value::Variant(variant) => items.extend_from_slice(variant.items()),
                other => return Err(wrong_type(dtype, other.dtype())),
            }
        }
        return Ok(Value::Variant(VariantTensor::new(shape, items)?));
    }
    let tensors = parts.iter().map(|part| match part {
        Value::Host(tensor) => Ok(tensor),
        other => Err(wrong_type(dtype, other.dtype())),
    });
    let tensors = tensors.collect::<Result<Vec<_>, _>>()?;
    Ok(Value::Host(fill_from(dtype, &tensors, shape, Join)?))
}

/// The elements `range` of the first dimension, as a tensor with (or without) that dimension, to become
/// part of a list or an array of the run.
///
/// Errors: `INVALID_ARGUMENT` for resources; the range must lie within the dimension. `RESOURCE_EXHAUSTED` for
/// more than the run may have.
pub(in crate::ops) fn cut(
    cx: &KernelContext<'_>,
    value: &Value,
    range: Range<usize>,
    keeps_dim: bool,
) -> Result<Value, Status> {
    let shape = value.shape();
    let Some((_, rest)) = shape.dims().split_first() else {
        return Err(Status::invalid_argument("a scalar has no rows"));
    };
    let n_row = product(rest);
    let dims = if keeps_dim { [&[range.len()], rest].concat() } else { rest.to_vec() };
    let range = range.start.saturating_mul(n_row)..range.end.saturating_mul(n_row);
    match value {
        Value::Host(tensor) => {
            let mut part = Value::Host(fill_from(tensor.dtype(), &[tensor], dims, Cut(range))?);
            cx.charge(&mut part)?;
            Ok(part)
        }
        Value::Variant(variant) => {
            let items = variant.items().get(range).unwrap_or_default();
            Ok(Value::Variant(VariantTensor::new(dims, items.to_vec())?))
        }
        Value::Resource(_) | Value::Ref(_) => Err(wrong_type(DType::Variant, value.dtype())),
    }
}

/// The sum of two tensors of one shape.
///
/// Errors: `INVALID_ARGUMENT` for different shapes, `UNIMPLEMENTED` for what is no number.
pub(in crate::ops) fn sum_of(a: Tensor, b: &Tensor) -> Result<Tensor, Status> {
    if a.shape() != b.shape() {
        return Err(Status::invalid_argument(format!(
            "Cannot add tensors with different shapes: {} vs. {}",
            a.shape(),
            b.shape()
        )));
    }
    with_number!(a.dtype(), T => add::<T>(a, b), else {
        Err(Status::unimplemented(format!("Trying to add unsupported dtype {}", a.dtype())))
    })
}

fn add<T: Arith + Element>(mut a: Tensor, b: &Tensor) -> Result<Tensor, Status> {
    let others = b.as_slice::<T>()?;
    a.make_mut::<T>()?.iter_mut().zip(others).for_each(|(a, b)| *a = a.add(*b));
    Ok(a)
}

fn wrong_type(expected: DType, got: DType) -> Status {
    flowkeep_tensor::Error::DTypeMismatch { expected, got }.into()
}

struct Join;

impl Move for Join {
    fn run<C: Cell>(self, from: &[&[C]], mut to: &mut [C]) -> Result<(), Status> {
        for part in from {
            let (head, rest) = to.split_at_mut(part.len());
            copy(part, head);
            to = rest;
        }
        Ok(())
    }
}

struct Cut(Range<usize>);

impl Move for Cut {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let cells = from.first().and_then(|from| from.get(self.0));
        copy(cells.unwrap_or_default(), to);
        Ok(())
    }
}
