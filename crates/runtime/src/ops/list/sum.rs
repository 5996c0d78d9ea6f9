//! What other families' ops do with lists: zeros, sums.

use flowkeep_tensor::Tensor;

use super::{merge, sum_of, take_list};
use crate::Value;
use crate::kernel::Status;
use crate::ops::args::{Built, kernel};
use crate::variant::{TensorList, Variant, VariantTensor};

/// The list with zeros in the place of every element; those that were not set stay so.
pub(in crate::ops) fn zeros_like() -> Built {
    kernel(|cx| {
        let list = take_list(cx, 0)?;
        cx.set_output(0, zeros(&list)?)
    })
}

fn zeros(list: &TensorList) -> Result<TensorList, Status> {
    let element = |element: &Option<Value>| match element {
        None => Ok(None),
        Some(Value::Host(tensor)) => {
            Ok(Some(Value::Host(Tensor::zeros(tensor.dtype(), tensor.shape())?)))
        }
        Some(Value::Variant(variant)) => {
            let items = variant.items().iter().map(|Variant::List(list)| zeros(list).map(Variant::List));
            let items = items.collect::<Result<Vec<_>, _>>()?;
            Ok(Some(Value::Variant(VariantTensor::new(variant.shape(), items)?)))
        }
        Some(Value::Resource(_) | Value::Ref(_)) => {
            Err(Status::invalid_argument("there are no zeros of resources"))
        }
    };
    let elements = list.elements().iter().map(element).collect::<Result<Vec<_>, Status>>()?;
    let zeros = TensorList::new(list.dtype, list.element_shape.clone(), elements);
    Ok(zeros.with_max_elements(list.max_elements))
}

/// The sum of lists, element by element; one that was not set counts as nothing.
///
/// Errors: `INVALID_ARGUMENT` for lists of different lengths, types or shapes.
pub(in crate::ops) fn add_n() -> Built {
    kernel(|cx| {
        let mut sum = take_list(cx, 0)?;
        for idx in 1..cx.n_inputs() {
            let list = take_list(cx, idx)?;
            add(&mut sum, &list)?;
        }
        cx.set_output(0, sum)
    })
}

fn add(sum: &mut TensorList, list: &TensorList) -> Result<(), Status> {
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
                Some(Value::Host(sum_of(sum, other)?))
            }
            (Some(Value::Variant(sum)), Some(Value::Variant(other))) => {
                let mut sum = sum.into_list()?;
                add(&mut sum, &other.clone().into_list()?)?;
                Some(sum.into())
            }
            _ => return Err(Status::invalid_argument("there is no sum of resources")),
        };
    }
    Ok(())
}
