use std::sync::Arc;

use flowkeep_linalg::Pool;
use flowkeep_tensor::{DType, Element, Recycler, Shape, Tensor};

use crate::Value;
use crate::exec::Run;
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
    pub(crate) run: &'a Run,
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
    /// may be anything (where assertions are on, large numbers, so that fixtures tell).
    ///
    /// Errors: as [`Tensor::zeros`]; `RESOURCE_EXHAUSTED` for more than the run may have.
    pub fn allocate(&self, dtype: DType, shape: impl Into<Shape>) -> Result<Tensor, Status> {
        self.make(dtype, shape.into(), |recycler, shape| recycler.tensor(dtype, shape))
    }

    /// A tensor of zeros (empty strings), in memory of the session where there is some.
    ///
    /// Errors: as [`Tensor::zeros`]; `RESOURCE_EXHAUSTED` for more than the run may have.
    pub fn zeros(&self, dtype: DType, shape: impl Into<Shape>) -> Result<Tensor, Status> {
        self.make(dtype, shape.into(), |recycler, shape| recycler.zeros(dtype, shape))
    }

    /// The tensor whose elements `fill` writes, as bytes over zeros; see [`Tensor::from_fill`].
    ///
    /// Errors: those of `fill` and of [`Tensor::from_fill`]; `RESOURCE_EXHAUSTED` for more than the run may have.
    pub fn fill<E: From<flowkeep_tensor::Error> + Into<Status>>(
        &self,
        dtype: DType,
        shape: impl Into<Shape>,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Tensor, Status> {
        self.make(dtype, shape.into(), |recycler, shape| recycler.from_fill(dtype, shape, fill))
    }

    fn make<E: Into<Status>>(
        &self,
        dtype: DType,
        shape: Shape,
        make: impl FnOnce(&Arc<Recycler>, Shape) -> Result<Tensor, E>,
    ) -> Result<Tensor, Status> {
        let recycler = self.resources().recycler();
        self.check_room(dtype, shape.dims())?;
        let mut tensor = make(recycler, shape).map_err(Into::into)?;
        if let Some(meter) = self.run.meter() {
            meter.charge(&mut tensor)?;
        }
        Ok(tensor)
    }

    /// Checks that the run may have a tensor of this type and shape, for a kernel that makes it by other
    /// means than [`KernelContext::allocate`]. Strings are looked at when they are set.
    ///
    /// Errors: `RESOURCE_EXHAUSTED`.
    #[inline]
    pub fn check_room(&self, dtype: DType, dims: &[usize]) -> Result<(), Status> {
        self.run.check_room(dtype, dims)
    }

    /// Counts a tensor that becomes part of a list or of a resource among those of the run, where their
    /// bytes are limited. Outputs and what the context allocates count by themselves.
    ///
    /// Errors: `RESOURCE_EXHAUSTED`.
    pub fn charge(&self, value: &mut Value) -> Result<(), Status> {
        match (self.run.meter(), value) {
            (Some(meter), Value::Host(tensor)) => Ok(meter.charge(tensor)?),
            _ => Ok(()),
        }
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

    /// The only element of the tensor at input `idx`, if it lies in the tensor itself
    /// ([`Tensor::single`]).
    #[inline]
    pub fn single<T: Element>(&self, idx: usize) -> Option<T> {
        match self.values.get(self.inputs.get(idx)?.index())? {
            Some(Value::Host(tensor)) => tensor.single(),
            _ => None,
        }
    }

    /// Sets output 0 to one element, in the shape of the tensor at input `like`, which has one too: in its
    /// place, if nobody else will read it.
    ///
    /// Errors: as [`KernelContext::input`] and [`KernelContext::set_output`].
    #[inline]
    pub fn set_single<T: Element>(&mut self, like: usize, value: T) -> Result<(), Status> {
        if let Some(place) = self.inputs.get(like).filter(|place| place.is_last)
            && let Some(Some(Value::Host(tensor))) = self.values.get_mut(place.index())
            && let Some(own) = tensor.single_mut::<T>()
        {
            *own = value;
            return match self.outputs {
                [to, ..] if to.slot == place.slot => Ok(()),
                _ => self.forward_input(like, 0),
            };
        }
        self.set_new_single(like, value)
    }

    /// Sets output 0 to one element in memory of its own.
    #[inline(never)]
    fn set_new_single<T: Element>(&mut self, like: usize, value: T) -> Result<(), Status> {
        let mut output = Tensor::zeros(T::DTYPE, self.input(like)?.shape())?;
        output.make_mut::<T>()?.fill(value);
        self.set_output(0, output)
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
                // A value that stays is not touched: others wait for what was just written to it.
                if from.slot != to.slot {
                    self.values.swap(from.index(), to.index());
                }
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
        &self.run.host.resources
    }

    /// The session's threads.
    pub fn pool(&self) -> &'a Pool {
        &self.run.host.pool
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
