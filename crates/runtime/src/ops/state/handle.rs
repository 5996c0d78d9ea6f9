//! Resource variables as wholes: their handles, reading, assigning, forgetting.

use std::sync::{Arc, OnceLock};

use flowkeep_tensor::{DType, PartialShape, Tensor};

use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::dims_tensor;
use crate::resource::{ResourceHandle, Variable};

/// Gives the handle of a variable, which is made on the first run and has no value then.
///
/// Shapes: the handle is a scalar.  Types: `dtype` any.
/// Errors: none. An empty `shared_name` is a name like any other.
/// Source: OpDef `VarHandleOp`.
struct VarHandle {
    container: String,
    name: String,
    dtype: DType,
    shape: PartialShape,
    handle: OnceLock<ResourceHandle>,
}

pub(super) fn var_handle(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(VarHandle {
        container: init.attr_str("container")?.to_owned(),
        name: init.attr_str("shared_name")?.to_owned(),
        dtype: init.attr_type("dtype")?,
        shape: init.attr_shape("shape")?,
        handle: OnceLock::new(),
    }))
}

impl OpKernel for VarHandle {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let make =
            || Arc::new(Variable::new(&*self.name, self.dtype, self.shape.clone())) as Arc<_>;
        let handle = self.handle.get_or_init(|| {
            cx.resources().lookup_or_create(&self.container, Variable::KIND, &self.name, make)
        });
        let handle = handle.clone();
        cx.set_output(0, handle)
    }
}

/// The error of an op that changes or measures a variable without a value.
pub(crate) fn not_found(handle: &ResourceHandle) -> Status {
    Status::not_found(format!(
        "Resource {}/{}/{} does not exist.",
        handle.container(),
        handle.name(),
        Variable::KIND
    ))
}

/// Gives a snapshot of a variable's value; later writes do not change it.
///
/// Shapes: that of the value.  Types: `dtype` any.
/// Errors: `FAILED_PRECONDITION` without a value, `INVALID_ARGUMENT` for one of another type.
/// Source: OpDef `ReadVariableOp`.
struct ReadVariable {
    dtype: DType,
}

pub(super) fn read_variable(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(ReadVariable { dtype: init.attr_type("dtype")? }))
}

impl OpKernel for ReadVariable {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let handle = cx.resource(0)?;
        let value = read(handle, self.dtype)?;
        cx.set_output(0, value)
    }
}

/// The value behind `handle`, which must be of type `dtype`.
pub(super) fn read(handle: &ResourceHandle, dtype: DType) -> Result<Tensor, Status> {
    let variable = handle.get::<Variable>()?;
    let value =
        variable.value().ok_or_else(|| variable.uninitialized_resource(handle.container()))?;
    if value.dtype() != dtype {
        return Err(Status::invalid_argument(format!(
            "Trying to read variable with wrong dtype. Expected {dtype} got {}",
            value.dtype()
        )));
    }
    Ok(value)
}

/// Replaces a variable's value; the tensor is shared, not copied.
///
/// Shapes: any; with `validate_shape`, that of the present value if there is one.  Types: `dtype`
/// any.
/// Errors: `INVALID_ARGUMENT` for a variable of another type or a shape that must not change.
/// Source: OpDef `AssignVariableOp`.
struct AssignVariable {
    validate_shape: bool,
}

pub(super) fn assign_variable(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(AssignVariable { validate_shape: init.attr_bool("validate_shape")? }))
}

impl OpKernel for AssignVariable {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let variable = cx.resource(0)?.get::<Variable>()?;
        let value = cx.take_input(1)?;
        if value.dtype() != variable.dtype() {
            return Err(Status::invalid_argument(format!(
                "Trying to assign variable with wrong dtype. Expected {} got {}",
                variable.dtype(),
                value.dtype()
            )));
        }
        variable.update(|slot| {
            if let Some(old) = slot
                && self.validate_shape
                && old.shape() != value.shape()
            {
                return Err(Status::invalid_argument(format!(
                    "Trying to assign to variable with tensor with wrong shape. Expected {} got {}",
                    old.shape(),
                    value.shape()
                )));
            }
            *slot = Some(value);
            Ok(())
        })
    }
}

/// Tells whether a variable has a value.
///
/// Shapes: a scalar.  Errors: none.  Source: OpDef `VarIsInitializedOp`.
struct VarIsInitialized;

pub(super) fn var_is_initialized(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(VarIsInitialized))
}

impl OpKernel for VarIsInitialized {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let variable = cx.resource(0)?.get::<Variable>()?;
        let initialized = variable.update(|slot| slot.is_some());
        cx.set_output(0, Tensor::scalar(initialized))
    }
}

/// Gives the shape of a variable's value.
///
/// Shapes: `[rank]`.  Types: `out_type` i32 or i64.
/// Errors: `NOT_FOUND` without a value; `INVALID_ARGUMENT` for a dimension beyond `out_type`.
/// Source: OpDef `VariableShape`.
struct VariableShape {
    out_type: DType,
}

pub(super) fn variable_shape(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(VariableShape { out_type: init.attr_type("out_type")? }))
}

impl OpKernel for VariableShape {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let handle = cx.resource(0)?;
        let value = handle.get::<Variable>()?.value().ok_or_else(|| not_found(handle))?;
        let shape = dims_tensor(value.dims(), self.out_type)?;
        cx.set_output(0, shape)
    }
}

/// Forgets a resource: a variable loses its value, anything else its name.
///
/// Errors: `NOT_FOUND` if there is nothing to forget, unless `ignore_lookup_error`.
/// Source: OpDef `DestroyResourceOp`.
struct DestroyResource {
    ignore_lookup_error: bool,
}

pub(super) fn destroy_resource(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(DestroyResource { ignore_lookup_error: init.attr_bool("ignore_lookup_error")? }))
}

impl OpKernel for DestroyResource {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let handle = cx.resource(0)?;
        let found = match handle.get::<Variable>() {
            Ok(variable) => variable.update(Option::take).is_some(),
            Err(_) => cx.resources().remove(handle),
        };
        if found || self.ignore_lookup_error {
            return Ok(());
        }
        Err(Status::not_found(format!(
            "Resource {}/{}/<unknown> does not exist.",
            handle.container(),
            handle.name()
        )))
    }
}

/// Does nothing but look: reads share memory with the variable until it is written anyway.
///
/// Errors: `FAILED_PRECONDITION` for a variable without a value.  Source: OpDef
/// `DisableCopyOnRead`.
struct DisableCopyOnRead;

pub(super) fn disable_copy_on_read(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(DisableCopyOnRead))
}

impl OpKernel for DisableCopyOnRead {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let handle = cx.resource(0)?;
        let variable = handle.get::<Variable>()?;
        match variable.value() {
            Some(_) => Ok(()),
            None => Err(variable.uninitialized_resource(handle.container())),
        }
    }
}
