use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use flowkeep_tensor::{DType, PartialShape, Tensor};

use crate::kernel::Status;
use crate::resource::Resource;

/// A variable, of the resource or of the reference kind.
///
/// Reading gives a snapshot: a later write copies the elements if someone still holds them.
#[derive(Debug)]
pub struct Variable {
    kind: &'static str,
    name: String,
    dtype: DType,
    shape: PartialShape,
    value: RwLock<Option<Tensor>>,
}

impl Variable {
    /// The kind of resource variables.
    pub const KIND: &'static str = "N10tensorflow3VarE";
    /// The kind of reference variables, whose names are a space of their own.
    pub const REF_KIND: &'static str = "N10tensorflow9LegacyVarE";

    /// A resource variable without a value.
    pub fn new(name: impl Into<String>, dtype: DType, shape: PartialShape) -> Variable {
        Variable { kind: Variable::KIND, name: name.into(), dtype, shape, value: RwLock::new(None) }
    }

    /// A reference variable without a value.
    pub fn new_ref(name: impl Into<String>, dtype: DType, shape: PartialShape) -> Variable {
        Variable { kind: Variable::REF_KIND, ..Variable::new(name, dtype, shape) }
    }

    /// The variable's name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The declared shape.
    pub fn shape(&self) -> &PartialShape {
        &self.shape
    }

    /// The present value, if there is one.
    pub fn value(&self) -> Option<Tensor> {
        self.read().clone()
    }

    /// The present value of a reference variable.
    ///
    /// Errors: `FAILED_PRECONDITION` when the variable was never assigned.
    pub fn deref(&self) -> Result<Tensor, Status> {
        self.value().ok_or_else(|| self.uninitialized_ref())
    }

    /// Replaces the value.
    ///
    /// Errors: `INVALID_ARGUMENT` if `value` is of another type.
    pub fn assign(&self, value: Tensor) -> Result<(), Status> {
        self.check_dtype(value.dtype())?;
        *self.write() = Some(value);
        Ok(())
    }

    /// Takes the value away: the variable is uninitialized again.
    pub fn clear(&self) {
        *self.write() = None;
    }

    /// Changes the value in place, under the variable's lock.
    ///
    /// `change` gets the slot that holds the value, or `None` in it while there is none.
    pub fn update<R>(&self, change: impl FnOnce(&mut Option<Tensor>) -> R) -> R {
        change(&mut self.write())
    }

    /// The error of an op that reads an unassigned reference variable.
    pub fn uninitialized_ref(&self) -> Status {
        Status::failed_precondition(format!("Attempting to use uninitialized value {}", self.name))
    }

    /// The error of an op that reads an unassigned resource variable of this container.
    pub fn uninitialized_resource(&self, container: &str) -> Status {
        let name = &self.name;
        Status::failed_precondition(format!(
            "Could not find variable {name}. This could mean that the variable has been deleted. In TF1, it can also \
             mean the variable is uninitialized. Debug info: container={container}, status error message=Resource \
             {container}/{name}/{} does not exist.",
            Variable::KIND
        ))
    }

    fn check_dtype(&self, dtype: DType) -> Result<(), Status> {
        if dtype == self.dtype {
            return Ok(());
        }
        Err(Status::invalid_argument(format!(
            "Trying to assign variable {} with wrong dtype. Expected {} got {dtype}",
            self.name, self.dtype
        )))
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Tensor>> {
        self.value.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Tensor>> {
        self.value.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resource for Variable {
    fn kind(&self) -> &'static str {
        self.kind
    }
}
