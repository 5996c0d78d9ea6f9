//! Reference variables: TensorFlow 1's, whose outputs are the variable itself.

use std::sync::{Arc, OnceLock};

use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

use crate::Value;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::resource::Variable;

/// Gives a reference to a variable, which is made on the first run and has no value then.
///
/// Shapes: any.  Types: `dtype` any.
/// Errors: `INTERNAL` if a variable of that name has another type.
/// Source: OpDefs `Variable`, `VariableV2`. An empty `shared_name` stands for the node's name.
struct VariableRef {
    container: String,
    name: String,
    dtype: DType,
    shape: PartialShape,
    variable: OnceLock<Arc<Variable>>,
}

pub(super) fn variable(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let name = match init.attr_str("shared_name")? {
        "" => init.node_name(),
        name => name,
    };
    Ok(Box::new(VariableRef {
        container: init.attr_str("container")?.to_owned(),
        name: name.to_owned(),
        dtype: init.attr_type("dtype")?,
        shape: init.attr_shape("shape")?,
        variable: OnceLock::new(),
    }))
}

impl OpKernel for VariableRef {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let variable = match self.variable.get() {
            Some(variable) => variable.clone(),
            None => {
                let variable = self.find(cx)?;
                self.variable.get_or_init(|| variable).clone()
            }
        };
        cx.set_output(0, Value::Ref(variable))
    }
}

impl VariableRef {
    fn find(&self, cx: &KernelContext<'_>) -> Result<Arc<Variable>, Status> {
        let name = &*self.name;
        let make = || Arc::new(Variable::new_ref(name, self.dtype, self.shape.clone())) as Arc<_>;
        let resources = cx.resources();
        let variable = resources
            .lookup_or_create(&self.container, Variable::REF_KIND, name, make)
            .get::<Variable>()?;
        if variable.dtype() != self.dtype {
            return Err(Status::internal(format!(
                "Output 0 of type {}_ref does not match declared output type {}_ref for node {}",
                variable.dtype(),
                self.dtype,
                cx.node_name()
            )));
        }
        Ok(variable)
    }
}

/// Replaces a reference variable's value and gives the reference.
///
/// Shapes: with `validate_shape` that of the present value, or the declared one before the first
/// assignment; else any.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for another type, or a shape that must not change.
/// Source: OpDef `Assign`.
struct Assign {
    validate_shape: bool,
}

pub(super) fn assign(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Assign { validate_shape: init.attr_bool("validate_shape")? }))
}

impl OpKernel for Assign {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let variable = cx.variable_ref(0)?.clone();
        let value = cx.take_input(1)?;
        if value.dtype() != variable.dtype() {
            return Err(Status::invalid_argument(format!(
                "Trying to assign variable with wrong dtype. Expected {} got {}",
                variable.dtype(),
                value.dtype()
            )));
        }
        variable.update(|slot| {
            let shape = slot.as_ref().map(|old| old.shape().clone());
            let shape = shape.or_else(|| variable.shape().to_shape()).unwrap_or(Shape::SCALAR);
            if self.validate_shape && shape != *value.shape() {
                return Err(Status::invalid_argument(format!(
                    "Assign requires shapes of both tensors to match. lhs shape= {shape} rhs \
                     shape= {}",
                    value.shape()
                )));
            }
            *slot = Some(value);
            Ok(())
        })?;
        cx.set_output(0, Value::Ref(variable))
    }
}

/// Tells whether a reference variable has a value.
///
/// Shapes: a scalar.  Errors: none.  Source: OpDef `IsVariableInitialized`.
struct IsVariableInitialized;

pub(super) fn is_variable_initialized(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(IsVariableInitialized))
}

impl OpKernel for IsVariableInitialized {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let initialized = cx.variable_ref(0)?.update(|slot| slot.is_some());
        cx.set_output(0, Tensor::scalar(initialized))
    }
}
