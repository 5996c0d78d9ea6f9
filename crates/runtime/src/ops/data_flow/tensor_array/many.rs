//! Many elements at once, as one tensor.

use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

use super::array::TensorArray;
use crate::Value;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::list::{cut, join, merge};

/// The elements at `indices` as one tensor.
///
/// Shapes: handle, `indices [n]`, `flow_in []` → `[n, D..]`.
/// Errors: `INVALID_ARGUMENT` as for reading one, and if the shapes differ; `UNIMPLEMENTED` if there
/// are no indices and nothing says which shape the elements have.
/// Source: OpDefs `TensorArrayGatherV2`, `TensorArrayGatherV3`.
pub(in super::super) fn gather(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    let stated = init.attr_shape("element_shape")?;
    kernel(move |cx| {
        let indices = args::int_vector(cx.input(1)?, "indices")?;
        let array = cx.resource(0)?.get::<TensorArray>()?;
        array.check_read(dtype)?;
        let mut elements = array.open()?;
        if indices.is_empty() {
            let shape = empty_shape(&merge(&stated, &elements.element_shape)?)?;
            let dims = [&[0], shape.dims()].concat();
            return cx.set_output(0, Tensor::zeros(dtype, dims)?);
        }
        let values = indices.iter().map(|index| array.read(&mut elements, *index));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        drop(elements);
        let shape = values[0].shape();
        if !stated.matches(&shape) {
            return Err(Status::invalid_argument(format!(
                "TensorArray was passed element_shape {stated} which does not match the Tensor at index 0: \
                 {shape}"
            )));
        }
        if let Some(idx) = values.iter().position(|value| value.shape() != shape) {
            return Err(Status::invalid_argument(format!(
                "TensorArray has inconsistent shapes.  Index 0 has shape: {shape} but index {idx} has shape: \
                 {}",
                values[idx].shape()
            )));
        }
        let parts: Vec<&Value> = values.iter().collect();
        let shape = Shape::from([&[values.len()], shape.dims()].concat());
        cx.set_output(0, join(dtype, &parts, shape)?)
    })
}

/// All elements, one after another along their first dimension, and how long each is.
///
/// Shapes: handle of elements `[k_i, D..]`, `flow_in []` → `[sum of k_i, D..]`, `[n]`.
/// Errors: `INVALID_ARGUMENT` as for reading one, for scalars, and if the other dimensions differ.
/// Source: OpDefs `TensorArrayConcatV2`, `TensorArrayConcatV3`.
pub(in super::super) fn concat(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    let stated = init.attr_shape("element_shape_except0")?;
    kernel(move |cx| {
        let array = cx.resource(0)?.get::<TensorArray>()?;
        array.check_read(dtype)?;
        let mut elements = array.open()?;
        let n = elements.elements.len();
        if n == 0 {
            let known = elements.element_shape.dims().and_then(<[_]>::split_first);
            let known = known.map(|(_, dims)| PartialShape::new(dims.to_vec())).unwrap_or_default();
            let shape = empty_shape(&merge(&stated, &known)?)?;
            cx.set_output(0, Tensor::zeros(dtype, [&[0], shape.dims()].concat())?)?;
            return cx.set_output(1, Tensor::from_elements(Vec::<i64>::new()));
        }
        let values = (0..n as i64).map(|index| array.read(&mut elements, index));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        drop(elements);
        let mut lengths = Vec::with_capacity(n);
        let mut rest: Option<Shape> = None;
        for (idx, value) in values.iter().enumerate() {
            let shape = value.shape();
            let Some((length, dims)) = shape.dims().split_first() else {
                return Err(Status::invalid_argument(format!(
                    "Concat saw a scalar shape at index {idx} but requires at least vectors.  Did you mean \
                     to call pack?"
                )));
            };
            lengths.push(*length);
            let dims = Shape::new(dims);
            match &rest {
                None => rest = Some(dims),
                Some(first) if *first == dims => {}
                Some(first) => {
                    return Err(Status::invalid_argument(format!(
                        "TensorArray has inconsistent shapes.  Index 0 has (excepting dimension 0) shape: \
                         {first} but index {idx} has (excepting dimension 0) shape: {dims}"
                    )));
                }
            }
        }
        let rest = rest.unwrap_or(Shape::SCALAR);
        if !stated.matches(&rest) {
            return Err(Status::invalid_argument(format!(
                "TensorArray was passed element_shape_except0 {stated} but index 0 has (excepting dimension \
                 0) shape: {rest} which does not match."
            )));
        }
        let parts: Vec<&Value> = values.iter().collect();
        let total = lengths.iter().fold(0usize, |total, length| total.saturating_add(*length));
        let joined = join(dtype, &parts, Shape::from([&[total], rest.dims()].concat()))?;
        cx.set_output(0, joined)?;
        cx.set_output(1, args::dims_tensor(&lengths, DType::I64)?)
    })
}

/// The shape of the elements when there are none.
fn empty_shape(shape: &PartialShape) -> Result<Shape, Status> {
    shape.to_shape().ok_or_else(|| {
        Status::unimplemented(format!(
            "TensorArray has size zero, but element shape {shape} is not fully defined. Currently only static \
             shapes are supported when packing zero-size TensorArrays."
        ))
    })
}

/// Writes the rows of a tensor to the elements at `indices`.
///
/// Shapes: handle, `indices [n]`, `value [n, D..]`, `flow_in []` → `flow_out []`.
/// Errors: `INVALID_ARGUMENT` as for writing one, and if there are more or fewer rows than indices.
/// Source: OpDefs `TensorArrayScatterV2`, `TensorArrayScatterV3`.
pub(in super::super) fn scatter(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let array = cx.resource(0)?.get::<TensorArray>()?;
        let value = cx.take_value(2)?;
        array.check_written(value.dtype())?;
        let shape = value.shape();
        let Some((n, dims)) = shape.dims().split_first() else {
            return Err(Status::invalid_argument(
                "Input value for unpack must be at least a vector but received shape: []",
            ));
        };
        let indices = args::int_vector(cx.input(1)?, "indices")?;
        if indices.len() != *n {
            return Err(Status::invalid_argument(format!(
                "Expected len(indices) == values.shape[0], but saw: {} vs. {n}",
                indices.len()
            )));
        }
        let mut elements = array.open()?;
        let (max, size) = (indices.iter().copied().max().unwrap_or(-1), elements.elements.len());
        if usize::try_from(max).is_ok_and(|max| max >= size) && !elements.is_dynamic {
            return Err(Status::invalid_argument(format!(
                "Max scatter index must be < array size ({max} vs. {size})"
            )));
        }
        elements.learn_shape(&PartialShape::from(&Shape::new(dims)))?;
        for (row, index) in indices.iter().enumerate() {
            array.write(&mut elements, *index, cut(cx, &value, row..row + 1, false)?)?;
        }
        drop(elements);
        let flow = cx.take_value(3)?;
        cx.set_output(0, flow)
    })
}

/// Writes pieces of a tensor, as long along its first dimension as `lengths` says.
///
/// Shapes: handle, `value [n, D..]`, `lengths [m]`, `flow_in []` → `flow_out []`.
/// Errors: `INVALID_ARGUMENT` as for writing one, and if the lengths do not add up to `n` or are not
/// as many as the elements.
/// Source: OpDefs `TensorArraySplitV2`, `TensorArraySplitV3`.
pub(in super::super) fn split(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let array = cx.resource(0)?.get::<TensorArray>()?;
        let value = cx.take_value(1)?;
        array.check_written(value.dtype())?;
        let lengths = args::int_vector(cx.input(2)?, "lengths")?;
        let shape = value.shape();
        let Some(n) = shape.dims().first() else {
            return Err(Status::invalid_argument(
                "Expected value to be at least a vector, but received shape: []",
            ));
        };
        let total = lengths.iter().fold(0i64, |total, length| total.saturating_add(*length));
        let lengths: Result<Vec<usize>, _> =
            lengths.iter().map(|length| usize::try_from(*length)).collect();
        let lengths = lengths.ok().filter(|_| usize::try_from(total) == Ok(*n)).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Expected sum of lengths to be equal to values.shape[0], but sum of lengths is {total} and \
                 value's shape is: {shape}"
            ))
        })?;
        let mut elements = array.open()?;
        let size = elements.elements.len();
        if size != lengths.len() && !elements.is_dynamic {
            return Err(Status::invalid_argument(format!(
                "TensorArray's size is not equal to the size of lengths ({size} vs. {}), and the TensorArray \
                 is not marked as dynamically resizeable",
                lengths.len()
            )));
        }
        let mut start = 0;
        for (index, length) in lengths.iter().enumerate() {
            let piece = cut(cx, &value, start..start + length, true)?;
            array.write(&mut elements, index as i64, piece)?;
            start += length;
        }
        drop(elements);
        let flow = cx.take_value(3)?;
        cx.set_output(0, flow)
    })
}
