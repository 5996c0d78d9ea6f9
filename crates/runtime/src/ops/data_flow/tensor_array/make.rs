use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use flowkeep_tensor::{PartialShape, Shape, Tensor};

use super::array::{Element, Elements, TensorArray};
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::resource::ResourceHandle;

/// A new array of `size` elements.
///
/// Shapes: `size []` → handle, in V3 `flow []`.  Types: `dtype` any.
/// Errors: `INVALID_ARGUMENT` for a size that is negative or no scalar.
/// Source: OpDefs `TensorArrayV2`, `TensorArrayV3`.
pub(in super::super) fn make(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    let element_shape = init.attr_shape("element_shape")?;
    let is_dynamic = init.attr_bool("dynamic_size")?;
    let clears_after_read = init.attr_bool("clear_after_read")?;
    // TensorFlow 1.3 brought it.
    let has_identical_shapes = init.attr_bool("identical_element_shapes").unwrap_or(false);
    let name = match init.attr_str("tensor_array_name")? {
        "" => init.base_name(),
        name => name,
    };
    let (name, n_made) = (name.to_owned(), AtomicU64::new(0));
    kernel(move |cx| {
        let size = cx.input(0)?;
        if !size.dims().is_empty() {
            let shape = size.shape();
            let message = format!("TensorArray size must be scalar, but had shape: {shape}");
            return Err(Status::invalid_argument(message));
        }
        let size = usize::try_from(args::int(size, "size")?)
            .map_err(|_| Status::invalid_argument("Size should be >= 0."))?;
        let mut elements =
            Elements { element_shape: element_shape.clone(), is_dynamic, ..Elements::default() };
        elements.grow(size)?;
        let name = format!("{name}_{}", n_made.fetch_add(1, Ordering::Relaxed));
        let mut array = TensorArray::new(name.clone(), dtype, elements);
        array.clears_after_read = clears_after_read;
        array.has_identical_shapes = has_identical_shapes;
        cx.set_output(0, ResourceHandle::private(name, Arc::new(array)))?;
        if cx.n_outputs() > 1 {
            cx.set_output(1, Tensor::scalar(0f32))?;
        }
        Ok(())
    })
}

/// The array of an array's gradients, the same one for the same `source`: writes to it add up, and
/// what was not written reads as zeros.
///
/// Shapes: handle, `flow_in []`, and `shape_to_prepend [r]` of dimensions that its elements have
/// beyond those of the array → handle, `flow_out []`.
/// Errors: `INVALID_ARGUMENT` when the array was closed.
/// Source: OpDefs `TensorArrayGradV2`, `TensorArrayGradV3`, `TensorArrayGradWithShape`.
pub(in super::super) fn gradient(init: &KernelInit<'_>) -> Built {
    let source = init.attr_str("source")?.to_owned();
    kernel(move |cx| {
        let forward = cx.resource(0)?.get::<TensorArray>()?;
        let prepended = match cx.n_inputs() {
            3 => args::shape(&args::int_vector(cx.input(2)?, "shape_to_prepend")?)?,
            _ => Shape::SCALAR,
        };
        let mut gradients = forward.gradients.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = match gradients.get(&source) {
            Some(handle) => handle.clone(),
            None => {
                let name = format!("{}@{source}", forward.name);
                let array = gradient_of(&forward, name.clone(), &prepended)?;
                let handle = ResourceHandle::private(name, Arc::new(array));
                gradients.insert(source.clone(), handle.clone());
                handle
            }
        };
        drop(gradients);
        let flow = cx.take_value(1)?;
        cx.set_output(0, handle)?;
        if cx.n_outputs() > 1 {
            cx.set_output(1, flow)?;
        }
        Ok(())
    })
}

fn gradient_of(
    forward: &TensorArray,
    name: String,
    prepended: &Shape,
) -> Result<TensorArray, Status> {
    let mut array = forward.open()?;
    // Its gradients would not know elements that came later.
    array.is_dynamic = false;
    let with_prepended = |shape: &Shape| Shape::from([prepended.dims(), shape.dims()].concat());
    let element = |element: &Element| {
        Element::unset(element.shape.as_ref().map(with_prepended), element.is_written)
    };
    let element_shape = match array.element_shape.dims() {
        None => PartialShape::unknown(),
        Some(dims) => {
            let first = prepended.dims().iter().map(|dim| Some(*dim as u64));
            PartialShape::new(first.chain(dims.iter().copied()).collect())
        }
    };
    let elements = Elements {
        elements: array.elements.iter().map(element).collect(),
        element_shape,
        ..Elements::default()
    };
    let mut gradient = TensorArray::new(name, forward.dtype, elements);
    gradient.aggregates = true;
    gradient.has_identical_shapes = forward.has_identical_shapes;
    Ok(gradient)
}
