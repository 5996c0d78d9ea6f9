use std::sync::Arc;

use flowkeep_linalg::Pool;
use flowkeep_tensor::{DType, Element, Shape, Tensor};

use crate::Value;
use crate::kernel::Status;
use crate::resource::{ResourceHandle, ResourceManager, Variable};

/// Where a value is among those of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: u32,
    /// Of an input: whether it may be taken, since nobody reads it later. Of an output: whether
    /// nobody wants it.
    pub(crate) is_last: bool,
}

impl Place {
    #[inline]
    pub(crate) fn index(self) -> usize {
        self.slot as usize
    }
}

/// What a kernel sees of one step: its inputs, its outputs, the session's resources and threads.
///
/// A kernel cannot see files, sessions or other nodes through it.
#[derive(Debug)]
pub struct KernelContext<'a> {
    pub(crate) node: &'a Arc<str>,
    /// The values of the run, among them those of this step.
    pub(crate) values: &'a mut [Option<Value>],
    pub(crate) inputs: &'a [Place],
    pub(crate) outputs: &'a [Place],
    pub(crate) resources: &'a ResourceManager,
    pub(crate) pool: &'a Pool,
}

impl<'a> KernelContext<'a> {
    /// The name of the node, for messages.
    pub fn node_name(&self) -> &str {
        self.node
    }

    /// The number of data inputs.
    pub fn n_inputs(&self) -> usize {
        self.inputs.len()
    }

    /// The number of outputs.
    pub fn n_outputs(&self) -> usize {
        self.outputs.len()
    }

    /// A tensor of this type and shape, for a kernel that writes each of its elements: until then they
    /// are zeros or what another tensor of the session left.
    ///
    /// Errors: as [`Tensor::zeros`].
    pub fn allocate(&self, dtype: DType, shape: impl Into<Shape>) -> Result<Tensor, Status> {
        Ok(self.resources.recycler().tensor(dtype, shape)?)
    }

    /// A tensor of zeros (empty strings), in memory of the session where there is some.
    ///
    /// Errors: as [`Tensor::zeros`].
    pub fn zeros(&self, dtype: DType, shape: impl Into<Shape>) -> Result<Tensor, Status> {
        Ok(self.resources.recycler().zeros(dtype, shape)?)
    }

    /// The value at input `idx`.
    ///
    /// Errors: `INTERNAL` if there is no such input or it was taken.
    #[inline]
    pub fn value(&self, idx: usize) -> Result<&Value, Status> {
        let place = self.inputs.get(idx);
        let value = place.and_then(|place| self.values.get(place.index())?.as_ref());
        value.ok_or_else(|| self.no_input(idx))
    }

    /// Whether there is a value at input `idx`: all have one, but for those of a `Merge`.
    pub fn has_input(&self, idx: usize) -> bool {
        let place = self.inputs.get(idx);
        place.is_some_and(|place| self.values.get(place.index()).is_some_and(Option::is_some))
    }

    /// The tensor at input `idx`.
    ///
    /// Errors: `INVALID_ARGUMENT` if the input carries a resource, a variant or a reference.
    #[inline]
    pub fn input(&self, idx: usize) -> Result<&Tensor, Status> {
        match self.value(idx)? {
            Value::Host(tensor) => Ok(tensor),
            Value::Resource(_) | Value::Variant(_) | Value::Ref(_) => Err(self.no_tensor(idx)),
        }
    }

    /// The elements of the tensor at input `idx`.
    ///
    /// Errors: as [`KernelContext::input`], and `INVALID_ARGUMENT` if it is not one of `T`.
    #[inline]
    pub fn slice<T: Element>(&self, idx: usize) -> Result<&[T], Status> {
        Ok(self.input(idx)?.as_slice::<T>()?)
    }

    /// Takes the tensor at input `idx`. If no other node needs it, its memory may be reused for a
    /// result: [`Tensor::make_mut`] does so by itself.
    ///
    /// Errors: as [`KernelContext::input`].
    #[inline]
    pub fn take_input(&mut self, idx: usize) -> Result<Tensor, Status> {
        match self.take_value(idx)? {
            Value::Host(tensor) => Ok(tensor),
            Value::Resource(_) | Value::Variant(_) | Value::Ref(_) => Err(self.no_tensor(idx)),
        }
    }

    /// The tensor at input `idx` for writing, if nobody else will read its elements: the result may
    /// be computed in its memory and handed on by [`KernelContext::forward_input`].
    #[inline]
    pub fn input_mut(&mut self, idx: usize) -> Option<&mut Tensor> {
        let place = self.inputs.get(idx).filter(|place| place.is_last)?;
        let Some(Value::Host(tensor)) = self.values.get_mut(place.index())? else { return None };
        tensor.is_unique().then_some(tensor)
    }

    /// Hands the value at input `idx` on as output `output`.
    ///
    /// Errors: `INTERNAL` if there is no such input, it was taken, or there is no such output.
    #[inline]
    pub fn forward_input(&mut self, idx: usize, output: usize) -> Result<(), Status> {
        match (self.inputs.get(idx), self.outputs.get(output)) {
            (Some(from), Some(to)) if from.is_last && self.value(idx).is_ok() => {
                self.values.swap(from.index(), to.index());
                Ok(())
            }
            _ => {
                let value = self.take_value(idx)?;
                self.set_output(output, value)
            }
        }
    }

    /// Takes the value at input `idx`.
    ///
    /// Errors: `INTERNAL` if there is no such input or it was taken.
    #[inline]
    pub fn take_value(&mut self, idx: usize) -> Result<Value, Status> {
        let place = self.inputs.get(idx);
        let value = place.and_then(|place| {
            let value = self.values.get_mut(place.index())?;
            if place.is_last { value.take() } else { value.clone() }
        });
        value.ok_or_else(|| self.no_input(idx))
    }

    /// The resource handle at input `idx`.
    ///
    /// Errors: `INVALID_ARGUMENT` if the input carries something else.
    pub fn resource(&self, idx: usize) -> Result<&ResourceHandle, Status> {
        match self.value(idx)? {
            Value::Resource(handle) => Ok(handle),
            Value::Host(_) | Value::Variant(_) | Value::Ref(_) => {
                Err(Status::invalid_argument(format!("input {idx} is not a resource handle")))
            }
        }
    }

    /// The reference variable at input `idx`.
    ///
    /// Errors: `INVALID_ARGUMENT` if the input carries something else.
    pub fn variable_ref(&self, idx: usize) -> Result<&Arc<Variable>, Status> {
        match self.value(idx)? {
            Value::Ref(variable) => Ok(variable),
            Value::Host(_) | Value::Variant(_) | Value::Resource(_) => {
                Err(Status::invalid_argument(format!("input {idx} is not a reference")))
            }
        }
    }

    /// Sets output `idx`.
    ///
    /// Errors: `INTERNAL` if there is no such output.
    #[inline]
    pub fn set_output(&mut self, idx: usize, value: impl Into<Value>) -> Result<(), Status> {
        let place = self.outputs.get(idx);
        match place.and_then(|place| self.values.get_mut(place.index())) {
            Some(output) => {
                *output = Some(value.into());
                Ok(())
            }
            None => Err(Status::internal(format!("node {} has no output {idx}", self.node))),
        }
    }

    /// The session's named resources.
    pub fn resources(&self) -> &'a ResourceManager {
        self.resources
    }

    /// The session's threads.
    pub fn pool(&self) -> &'a Pool {
        self.pool
    }

    #[cold]
    fn no_input(&self, idx: usize) -> Status {
        Status::internal(format!("node {} has no input {idx}", self.node))
    }

    #[cold]
    fn no_tensor(&self, idx: usize) -> Status {
        Status::invalid_argument(format!("input {idx} is not a tensor"))
    }
}
