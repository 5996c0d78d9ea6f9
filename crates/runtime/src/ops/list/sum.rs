//! What other families' ops do with lists: zeros, sums.

use std::sync::Arc;

use super::{merge, sum_of, take_list};
use crate::Value;
use crate::kernel::{KernelContext, Status};
use crate::ops::args::{Built, kernel};
use crate::variant::{TensorList, Variant, VariantTensor};

/// The list with zeros in the place of every element; those that were not set stay so.
pub(in crate::ops) fn zeros_like() -> Built {
    kernel(|cx| {
        let value = cx.take_value(0)?;
        let zeros = zeros(cx, &value)?;
        cx.set_output(0, zeros)
    })
}

fn zeros(cx: &KernelContext<'_>, value: &Value) -> Result<Value, Status> {
    match value {
        Value::Host(tensor) => Ok(cx.zeros(tensor.dtype(), tensor.shape())?.into()),
        Value::Variant(variant) => {
            let items = variant
                .items()
                .iter()
                .map(|item| zeros_of(cx, item))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Value::Variant(VariantTensor::new(variant.shape(), items)?))
        }
        Value::Resource(_) | Value::Ref(_) => {
            Err(Status::invalid_argument("there are no zeros of resources"))
        }
    }
}

fn zeros_of(cx: &KernelContext<'_>, item: &Variant) -> Result<Variant, Status> {
    match item {
        Variant::List(list) => {
            let zeros_of = |element: &Option<Value>| {
                element.as_ref().map(|element| zeros(cx, element)).transpose()
            };
            let elements = list.elements().iter().map(zeros_of);
            let elements = elements.collect::<Result<Vec<_>, _>>()?;
            let zeros = TensorList::new(list.dtype, list.element_shape.clone(), elements);
            Ok(Variant::List(zeros.with_max_elements(list.max_elements)))
        }
        Variant::Optional(None) => Ok(Variant::Optional(None)),
        Variant::Optional(Some(parts)) => {
            let parts = parts.iter().map(|part| zeros(cx, part)).collect::<Result<Vec<_>, _>>()?;
            Ok(Variant::Optional(Some(Arc::new(parts))))
        }
    }
}

/// The sum of lists, element by element; one that was not set counts as nothing.
///
/// Errors: `INVALID_ARGUMENT` for lists of different lengths, types or shapes.
pub(in crate::ops) fn add_n() -> Built {
    kernel(|cx| {
        let mut sum = take_list(cx, 0)?;
        for idx in 1..cx.n_inputs() {
            let list = take_list(cx, idx)?;
            add(cx, &mut sum, &list)?;
        }
        cx.set_output(0, sum)
    })
}

fn add(cx: &KernelContext<'_>, sum: &mut TensorList, list: &TensorList) -> Result<(), Status> {
    if sum.dtype != list.dtype {
        return Err(Status::invalid_argument(
            "Trying to add two lists of tensors of different dtypes.",
        ));
    }
    let (n, n_other) = (sum.elements().len(), list.elements().len());
    if n != n_other {
        return Err(Status::invalid_argument(format!(
            "Trying to add two lists of tensors with different lengths. One is {n} and the other is \
             {n_other}"
        )));
    }
    sum.element_shape = merge(&sum.element_shape, &list.element_shape)?;
    for (sum, other) in sum.elements_mut().iter_mut().zip(list.elements()) {
        *sum = match (sum.take(), other) {
            (sum, None) => sum,
            (None, Some(other)) => Some(other.clone()),
            (Some(Value::Host(sum)), Some(Value::Host(other))) => {
                let mut sum = Value::Host(sum_of(sum, other)?);
                cx.charge(&mut sum)?;
                Some(sum)
            }
            (Some(Value::Variant(sum)), Some(Value::Variant(other))) => {
                let mut sum = sum.into_list()?;
                add(cx, &mut sum, &other.clone().into_list()?)?;
                Some(sum.into())
            }
            _ => return Err(Status::invalid_argument("there is no sum of resources")),
        };
    }
    Ok(())
}
