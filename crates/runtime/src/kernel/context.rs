use std::sync::Arc;

use flowkeep_linalg::Pool;
use flowkeep_tensor::{Element, Tensor};

use crate::Value;
use crate::kernel::Status;
use crate::resource::{ResourceHandle, ResourceManager, Variable};

/// What a kernel sees of one step: its inputs, its outputs, the session's resources and threads.
///
/// A kernel cannot see files, sessions or other nodes through it.
#[derive(Debug)]
pub struct KernelContext<'a> {
    pub(crate) node: &'a str,
    pub(crate) inputs: &'a mut [Option<Value>],
    pub(crate) outputs: &'a mut [Option<Value>],
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

    /// The value at input `idx`.
    ///
    /// Errors: `INTERNAL` if there is no such input or it was taken.
    pub fn value(&self, idx: usize) -> Result<&Value, Status> {
        self.inputs.get(idx).and_then(Option::as_ref).ok_or_else(|| self.no_input(idx))
    }

    /// The tensor at input `idx`.
    ///
    /// Errors: `INVALID_ARGUMENT` if the input carries a resource, a variant or a reference.
    pub fn input(&self, idx: usize) -> Result<&Tensor, Status> {
        match self.value(idx)? {
            Value::Host(tensor) => Ok(tensor),
            Value::Resource(_) | Value::Variant(_) | Value::Ref(_) => Err(self.no_tensor(idx)),
        }
    }

    /// The elements of the tensor at input `idx`.
    ///
    /// Errors: as [`KernelContext::input`], and `INVALID_ARGUMENT` if it is not one of `T`.
    pub fn slice<T: Element>(&self, idx: usize) -> Result<&[T], Status> {
        Ok(self.input(idx)?.as_slice::<T>()?)
    }

    /// Takes the tensor at input `idx`. If no other node needs it, its memory may be reused for a
    /// result: [`Tensor::make_mut`] does so by itself.
    ///
    /// Errors: as [`KernelContext::input`].
    pub fn take_input(&mut self, idx: usize) -> Result<Tensor, Status> {
        match self.take_value(idx)? {
            Value::Host(tensor) => Ok(tensor),
            Value::Resource(_) | Value::Variant(_) | Value::Ref(_) => Err(self.no_tensor(idx)),
        }
    }

    /// Takes the value at input `idx`.
    ///
    /// Errors: `INTERNAL` if there is no such input or it was taken.
    pub fn take_value(&mut self, idx: usize) -> Result<Value, Status> {
        let value = self.inputs.get_mut(idx).and_then(Option::take);
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
    pub fn set_output(&mut self, idx: usize, value: impl Into<Value>) -> Result<(), Status> {
        match self.outputs.get_mut(idx) {
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

    fn no_input(&self, idx: usize) -> Status {
        Status::internal(format!("node {} has no input {idx}", self.node))
    }

    fn no_tensor(&self, idx: usize) -> Status {
        Status::invalid_argument(format!("input {idx} is not a tensor"))
    }
}
