//! Variables plus or minus a tensor, in place.

use std::marker::PhantomData;

use flowkeep_linalg::elementwise;
use flowkeep_tensor::{DType, Tensor};

use super::handle;
use crate::Value;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args;
use crate::ops::arith::Arith;
use crate::ops::dispatch::{no_type, with_number};
use crate::resource::Variable;

/// Adds a tensor to a variable's value, or subtracts it.
///
/// The elements are changed in place unless a snapshot of them is still held.
/// Shapes: `value` as the variable.  Types: `dtype` a number.
/// Errors: `NOT_FOUND` without a value, `INVALID_ARGUMENT` for another type or shape.
/// Source: OpDefs `AssignAddVariableOp`, `AssignSubVariableOp`.
struct UpdateResource<T, const SUB: bool>(PhantomData<T>);

impl<T: Arith, const SUB: bool> OpKernel for UpdateResource<T, SUB> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let resource = cx.resource(0)?;
        let value = cx.input(1)?;
        resource.get::<Variable>()?.update(|slot| {
            let old = slot.as_mut().ok_or_else(|| handle::not_found(resource))?;
            if old.dtype() != value.dtype() {
                return Err(Status::invalid_argument(
                    "DType of variable handle and value does not match.",
                ));
            }
            if old.shape() != value.shape() {
                return Err(Status::invalid_argument(format!(
                    "Cannot update variable with shape {} using a Tensor with shape {}, shapes must \
                     be equal.",
                    old.shape(),
                    value.shape()
                )));
            }
            update::<T, SUB>(cx, old, value)
        })
    }
}

/// Adds a tensor to a reference variable's value, or subtracts it; gives the reference.
///
/// Shapes: `value` as the variable.  Types: `T` a number.
/// Errors: `FAILED_PRECONDITION` without a value, `INVALID_ARGUMENT` for another shape.
/// Source: OpDefs `AssignAdd`, `AssignSub`.
struct UpdateRef<T, const SUB: bool>(PhantomData<T>);

impl<T: Arith, const SUB: bool> OpKernel for UpdateRef<T, SUB> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let variable = cx.variable_ref(0)?.clone();
        let value = cx.input(1)?;
        variable.update(|slot| {
            let old = slot.as_mut().ok_or_else(|| variable.uninitialized_ref())?;
            if old.shape() != value.shape() {
                return Err(Status::invalid_argument(
                    "Parameters and update must be the same size",
                ));
            }
            update::<T, SUB>(cx, old, value)
        })?;
        cx.set_output(0, Value::Ref(variable))
    }
}

fn update<T: Arith, const SUB: bool>(
    cx: &KernelContext<'_>,
    old: &mut Tensor,
    value: &Tensor,
) -> Result<(), Status> {
    let value = value.as_slice::<T>()?;
    let old = old.make_mut::<T>()?;
    if SUB {
        elementwise::zip_in_place(cx.pool(), old, value, T::sub);
    } else {
        elementwise::zip_in_place(cx.pool(), old, value, T::add);
    }
    Ok(())
}

fn resource<const SUB: bool>(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("dtype")?;
    with_number!(
        dtype,
        T => Ok(Box::new(UpdateResource::<T, SUB>(PhantomData))),
        else Err(no_type(init, dtype))
    )
}

fn reference<const SUB: bool>(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    with_number!(
        dtype,
        T => Ok(Box::new(UpdateRef::<T, SUB>(PhantomData))),
        else Err(no_type(init, dtype))
    )
}

/// Adds 1 to a scalar variable, and gives what it was.
///
/// Shapes: → `[]`.  Types: `T` i32 or i64.
/// Errors: `OUT_OF_RANGE` if the variable is `limit` or more, and stays; `NOT_FOUND` without a value,
/// `INVALID_ARGUMENT` if it is no scalar of this type.  Source: OpDef `ResourceCountUpTo`.
pub(super) fn count_up_to(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let (limit, dtype) = (init.attr_int("limit")?, init.attr_type("T")?);
    args::kernel(move |cx| {
        let resource = cx.resource(0)?;
        let before = resource.get::<Variable>()?.update(|slot| {
            let value = slot.as_mut().ok_or_else(|| handle::not_found(resource))?;
            if value.dtype() != dtype {
                return Err(Status::invalid_argument(format!(
                    "Trying to read variable with wrong dtype. Expected {} got {dtype}",
                    value.dtype()
                )));
            }
            if !value.shape().is_scalar() {
                let message = format!("input is not a scalar: {}", value.shape());
                return Err(Status::invalid_argument(message));
            }
            let before = value.clone();
            if args::int(value, "the variable")? >= limit {
                return Err(Status::out_of_range(format!("Reached limit of {limit}")));
            }
            match dtype {
                DType::I64 => value.make_mut::<i64>()?.iter_mut().for_each(|x| *x += 1),
                _ => value.make_mut::<i32>()?.iter_mut().for_each(|x| *x = x.wrapping_add(1)),
            }
            Ok(before)
        })?;
        cx.set_output(0, before)
    })
}

pub(super) fn add_resource(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    resource::<false>(init)
}

pub(super) fn sub_resource(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    resource::<true>(init)
}

pub(super) fn add_ref(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    reference::<false>(init)
}

pub(super) fn sub_ref(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    reference::<true>(init)
}
