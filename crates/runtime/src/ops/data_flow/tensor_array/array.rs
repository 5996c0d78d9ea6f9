use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

use crate::Value;
use crate::kernel::Status;
use crate::ops::list::{merge, sum_of};
use crate::resource::{Resource, ResourceHandle};

/// The most elements that an array may have.
const MAX_ELEMENTS: usize = 1 << 27;

/// An array of tensors of one type. Freed with its last handle, at the end of the run.
#[derive(Debug)]
pub(super) struct TensorArray {
    pub(super) name: String,
    pub(super) dtype: DType,
    /// Whether writing to an element twice adds up.
    pub(super) aggregates: bool,
    pub(super) clears_after_read: bool,
    pub(super) has_identical_shapes: bool,
    elements: Mutex<Elements>,
    /// The arrays of its gradients, by who asks for them.
    pub(super) gradients: Mutex<HashMap<String, ResourceHandle>>,
}

/// What changes in an array.
#[derive(Debug, Default)]
pub(super) struct Elements {
    pub(super) elements: Vec<Element>,
    pub(super) element_shape: PartialShape,
    pub(super) is_dynamic: bool,
    pub(super) is_closed: bool,
}

/// An element: what was written, and what became of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    pub(super) value: Option<Value>,
    pub(super) shape: Option<Shape>,
    pub(super) is_written: bool,
    is_read: bool,
    is_cleared: bool,
}

impl Element {
    /// An element without a value, of which the shape may be known.
    pub(super) fn unset(shape: Option<Shape>, is_written: bool) -> Element {
        Element { shape, is_written, ..Element::default() }
    }
}

impl Resource for TensorArray {
    fn kind(&self) -> &'static str {
        "TensorArray"
    }
}

impl TensorArray {
    pub(super) fn new(name: String, dtype: DType, elements: Elements) -> TensorArray {
        TensorArray {
            name,
            dtype,
            aggregates: false,
            clears_after_read: true,
            has_identical_shapes: false,
            elements: Mutex::new(elements),
            gradients: Mutex::default(),
        }
    }

    /// The elements.
    ///
    /// Errors: `INVALID_ARGUMENT` when the array was closed.
    pub(super) fn open(&self) -> Result<MutexGuard<'_, Elements>, Status> {
        let elements = self.lock();
        if elements.is_closed {
            let message = format!("TensorArray {} has already been closed.", self.name);
            return Err(Status::invalid_argument(message));
        }
        Ok(elements)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Elements> {
        self.elements.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Errors: `INVALID_ARGUMENT` when a node writes another type.
    pub(super) fn check_written(&self, dtype: DType) -> Result<(), Status> {
        if dtype == self.dtype {
            return Ok(());
        }
        Err(Status::invalid_argument(format!(
            "TensorArray dtype is {} but Op is trying to write dtype {dtype}.",
            self.dtype
        )))
    }

    /// Errors: `INVALID_ARGUMENT` when a node reads another type.
    pub(super) fn check_read(&self, dtype: DType) -> Result<(), Status> {
        if dtype == self.dtype {
            return Ok(());
        }
        Err(Status::invalid_argument(format!(
            "TensorArray dtype is {} but Op requested dtype {dtype}.",
            self.dtype
        )))
    }

    /// Writes an element, or adds to one.
    pub(super) fn write(
        &self,
        array: &mut Elements,
        index: i64,
        value: Value,
    ) -> Result<(), Status> {
        let n = array.elements.len();
        let idx = usize::try_from(index).ok().filter(|idx| *idx < n || array.is_dynamic);
        let Some(idx) = idx else {
            return Err(self.error(format!(
                "Tried to write to index {index} but array is not resizeable and size is: {n}"
            )));
        };
        array.grow(idx.saturating_add(1))?;
        let shape = value.shape();
        if !array.element_shape.matches(&shape) {
            return Err(self.error(format!(
                "Could not write to TensorArray index {index} because the value shape is {shape} which is \
                 incompatible with the TensorArray's inferred element shape: {} (consider setting \
                 infer_shape=False).",
                array.element_shape
            )));
        }
        if self.has_identical_shapes {
            array.element_shape = PartialShape::from(&shape);
        }
        let element = &mut array.elements[idx];
        let could_not = |why| {
            self.error(format!(
                "Could not write to TensorArray index {index} because it has already been {why}"
            ))
        };
        if element.is_read {
            return Err(could_not("read."));
        }
        if element.is_written && !self.aggregates {
            return Err(could_not("written to."));
        }
        if let Some(present) = element.shape.as_ref().filter(|_| element.is_written)
            && *present != shape
        {
            return Err(self.error(format!(
                "Could not aggregate to TensorArray index {index} because the existing shape is {present} \
                 but the new input shape is {shape}."
            )));
        }
        element.value = Some(match (element.value.take(), value) {
            (Some(Value::Host(sum)), Value::Host(value)) => Value::Host(sum_of(sum, &value)?),
            (_, value) => value,
        });
        element.shape = Some(shape);
        element.is_written = true;
        Ok(())
    }

    /// Reads an element; one that was not written is made of zeros.
    pub(super) fn read(&self, array: &mut Elements, index: i64) -> Result<Value, Status> {
        let n = array.elements.len();
        let element = usize::try_from(index).ok().and_then(|idx| array.elements.get_mut(idx));
        let element = element.ok_or_else(|| {
            Status::invalid_argument(format!(
                "Tried to read from index {index} but array size is: {n}"
            ))
        })?;
        if element.is_cleared {
            return Err(self.error(format!(
                "Could not read index {index} twice because it was cleared after a previous read (perhaps \
                 try setting clear_after_read = false?)."
            )));
        }
        let value = match &element.value {
            Some(value) => value.clone(),
            None => {
                let shape = element.shape.clone().or_else(|| array.element_shape.to_shape());
                let shape = shape.ok_or_else(|| {
                    self.error(format!(
                        "Could not read from TensorArray index {index}.  Furthermore, the element shape is \
                         not fully defined: {}.  It is possible you are working with a resizeable \
                         TensorArray and stop_gradients is not allowing the gradients to be written.  If \
                         you set the full element_shape property on the forward TensorArray, the proper \
                         all-zeros tensor will be returned instead of incurring this error.",
                        array.element_shape
                    ))
                })?;
                Value::Host(Tensor::zeros(self.dtype, shape)?)
            }
        };
        element.is_read = true;
        if self.clears_after_read {
            element.value = None;
            element.is_cleared = true;
        }
        Ok(value)
    }

    fn error(&self, words: String) -> Status {
        Status::invalid_argument(format!("TensorArray {}: {words}", self.name))
    }
}

impl Elements {
    /// Makes the array `n` long, if it is shorter.
    pub(super) fn grow(&mut self, n: usize) -> Result<(), Status> {
        if n <= self.elements.len() {
            return Ok(());
        }
        let n_new = n - self.elements.len();
        if n > MAX_ELEMENTS || self.elements.try_reserve(n_new).is_err() {
            let message = format!("a TensorArray of {n} elements is too long");
            return Err(Status::resource_exhausted(message));
        }
        self.elements.resize(n, Element::default());
        Ok(())
    }

    /// Learns about the shape of the elements.
    pub(super) fn learn_shape(&mut self, shape: &PartialShape) -> Result<(), Status> {
        self.element_shape = merge(&self.element_shape, shape)?;
        Ok(())
    }
}
