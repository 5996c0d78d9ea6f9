//! Rows of a variable changed by index.

use std::marker::PhantomData;

use flowkeep_tensor::{DType, Element, Tensor};

use super::gather::out_of_range;
use super::{handle, scatter_nd};
use crate::Value;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{ints, product};
use crate::ops::arith::{Arith, Ordered};
use crate::ops::dispatch::{no_type, with_number, with_real};
use crate::resource::Variable;

/// How an element of a variable and one of the updates make the new one.
pub(super) trait Combine<T>: Send + Sync + 'static {
    /// The new element, or `None` for an integer division by zero.
    fn combine(old: T, update: T) -> Option<T>;
}

/// `old + update`.
pub(super) struct Add;
/// `old - update`.
pub(super) struct Sub;
/// `old * update`.
pub(super) struct Mul;
/// `old / update`.
pub(super) struct Div;
/// The larger of the two.
pub(super) struct Max;
/// The smaller of the two.
pub(super) struct Min;

impl<T: Arith> Combine<T> for Add {
    fn combine(old: T, update: T) -> Option<T> {
        Some(old.add(update))
    }
}

impl<T: Arith> Combine<T> for Sub {
    fn combine(old: T, update: T) -> Option<T> {
        Some(old.sub(update))
    }
}

impl<T: Arith> Combine<T> for Mul {
    fn combine(old: T, update: T) -> Option<T> {
        Some(old.mul(update))
    }
}

impl<T: Arith> Combine<T> for Div {
    fn combine(old: T, update: T) -> Option<T> {
        old.div(update)
    }
}

impl<T: Ordered> Combine<T> for Max {
    fn combine(old: T, update: T) -> Option<T> {
        Some(if old < update { update } else { old })
    }
}

impl<T: Ordered> Combine<T> for Min {
    fn combine(old: T, update: T) -> Option<T> {
        Some(if update < old { update } else { old })
    }
}

/// What is done to the rows of a value.
trait ScatterInto: Send + Sync {
    fn scatter(&self, value: &mut Tensor, rows: &Rows, updates: &Tensor) -> Result<(), Status>;
}

/// Combines elements by `C`.
struct Combined<T, C>(PhantomData<(T, C)>);

impl<T: Element, C: Combine<T>> ScatterInto for Combined<T, C> {
    fn scatter(&self, value: &mut Tensor, rows: &Rows, updates: &Tensor) -> Result<(), Status> {
        let updates = updates.as_slice::<T>()?;
        let value = value.make_mut::<T>()?;
        let zero = || Status::invalid_argument("Integer division by zero");
        for (n, at) in rows.numbers.iter().enumerate() {
            let row = &mut value[at * rows.len..][..rows.len];
            if rows.scalar_update {
                for old in row {
                    *old = C::combine(*old, updates[0]).ok_or_else(zero)?;
                }
            } else {
                for (old, update) in row.iter_mut().zip(&updates[n * rows.len..]) {
                    *old = C::combine(*old, *update).ok_or_else(zero)?;
                }
            }
        }
        Ok(())
    }
}

/// Replaces elements, of any type.
struct Replaced;

impl ScatterInto for Replaced {
    fn scatter(&self, value: &mut Tensor, rows: &Rows, updates: &Tensor) -> Result<(), Status> {
        match value.dtype() {
            DType::String => {
                let updates = updates.as_strings()?;
                let value = value.make_mut_strings()?;
                for (n, at) in rows.numbers.iter().enumerate() {
                    let row = &mut value[at * rows.len..][..rows.len];
                    match rows.scalar_update {
                        true => row.fill(updates[0].clone()),
                        false => row.clone_from_slice(&updates[n * rows.len..][..rows.len]),
                    }
                }
                Ok(())
            }
            _ => replace_plain(value, rows, updates),
        }
    }
}

fn replace_plain(value: &mut Tensor, rows: &Rows, updates: &Tensor) -> Result<(), Status> {
    fn typed<T: Element>(value: &mut Tensor, rows: &Rows, updates: &Tensor) -> Result<(), Status> {
        let updates = updates.as_slice::<T>()?;
        let value = value.make_mut::<T>()?;
        for (n, at) in rows.numbers.iter().enumerate() {
            let row = &mut value[at * rows.len..][..rows.len];
            match rows.scalar_update {
                true => row.fill(updates[0]),
                false => row.copy_from_slice(&updates[n * rows.len..][..rows.len]),
            }
        }
        Ok(())
    }
    let dtype = value.dtype();
    let unsupported = || Status::unimplemented(format!("no CPU kernel scatters type {dtype}"));
    match dtype {
        DType::Bool => typed::<bool>(value, rows, updates),
        _ => with_number!(dtype, T => typed::<T>(value, rows, updates), else Err(unsupported())),
    }
}

/// Which rows are changed: checked against the value.
pub(super) struct Rows {
    pub(super) numbers: Vec<usize>,
    /// Elements per row.
    pub(super) len: usize,
    /// Whether one element stands for all updates.
    pub(super) scalar_update: bool,
}

/// Finds the rows of a value that indices mean: value, indices, updates.
type FindRows = fn(&Tensor, &Tensor, &Tensor) -> Result<Rows, Status>;

impl Rows {
    fn new(params: &Tensor, indices: &Tensor, updates: &Tensor) -> Result<Rows, Status> {
        let scalar_update = updates.shape().is_scalar();
        let row_dims = params.dims().get(1..);
        let fits =
            |row: &[usize]| scalar_update || *updates.dims() == [indices.dims(), row].concat();
        let row_dims = row_dims.filter(|row| fits(row)).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Must have updates.shape = indices.shape + params.shape[1:] or updates.shape = [], \
                 got updates.shape {}, indices.shape {}, params.shape {}",
                updates.shape(),
                indices.shape(),
                params.shape()
            ))
        })?;
        if params.dtype() != updates.dtype() {
            return Err(Status::invalid_argument(
                "DType of scatter resource and updates does not match.",
            ));
        }
        let n_rows = params.dims()[0];
        let numbers = check_indices(indices, n_rows)?;
        Ok(Rows { numbers, len: product(row_dims), scalar_update })
    }
}

fn check_indices(indices: &Tensor, bound: usize) -> Result<Vec<usize>, Status> {
    let row = |(flat, index): (usize, i64)| {
        usize::try_from(index)
            .ok()
            .filter(|row| *row < bound)
            .ok_or_else(|| out_of_range(indices.dims(), flat, index, bound))
    };
    ints(indices)?.into_iter().enumerate().map(row).collect()
}

/// Changes rows of a resource variable; rows that are named twice are changed twice, in order.
///
/// Shapes: `resource [A, R..]`, `indices [I..]`, `updates [I.., R..]` or a scalar.  Types: a number,
/// for Min and Max a real one, for Update any; `indices` i32 or i64.
/// Errors: `NOT_FOUND` without a value; `INVALID_ARGUMENT` for other shapes or types, for an index
/// out of range (nothing is changed then) and for an integer division by zero.
/// Source: OpDefs `ResourceScatterAdd` and its like.
struct ResourceScatter<S>(S, FindRows);

impl<S: ScatterInto> OpKernel for ResourceScatter<S> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let resource = cx.resource(0)?;
        let (indices, updates) = (cx.input(1)?, cx.input(2)?);
        resource.get::<Variable>()?.update(|slot| {
            let value = slot.as_mut().ok_or_else(|| handle::not_found(resource))?;
            let rows = (self.1)(value, indices, updates)?;
            self.0.scatter(value, &rows, updates)
        })
    }
}

/// Changes rows of a reference variable and gives the reference; else as [`ResourceScatter`].
///
/// Errors: `FAILED_PRECONDITION` without a value.
/// Source: OpDefs `ScatterAdd` and its like.
struct RefScatter<S>(S, FindRows);

impl<S: ScatterInto> OpKernel for RefScatter<S> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let variable = cx.variable_ref(0)?.clone();
        let (indices, updates) = (cx.input(1)?, cx.input(2)?);
        variable.update(|slot| {
            let value = slot.as_mut().ok_or_else(|| variable.uninitialized_ref())?;
            let rows = (self.1)(value, indices, updates)?;
            self.0.scatter(value, &rows, updates)
        })?;
        cx.set_output(0, Value::Ref(variable))
    }
}

macro_rules! builders {
    ($resource:ident, $reference:ident, $bound:ident, $with:ident, $rows:expr) => {
        /// Builds the kernel of a resource scatter op that combines by `C`.
        pub(super) fn $resource<C>(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status>
        where
            C: bounds::$bound,
        {
            // Those by rows call it `dtype`, those by parts `T`.
            let dtype = init.attr_type("dtype").or_else(|_| init.attr_type("T"))?;
            $with!(
                dtype,
                T => Ok(Box::new(ResourceScatter(Combined::<T, C>(PhantomData), $rows))),
                else Err(no_type(init, dtype))
            )
        }

        /// Builds the kernel of a reference scatter op that combines by `C`.
        pub(super) fn $reference<C>(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status>
        where
            C: bounds::$bound,
        {
            let dtype = init.attr_type("T")?;
            $with!(
                dtype,
                T => Ok(Box::new(RefScatter(Combined::<T, C>(PhantomData), $rows))),
                else Err(no_type(init, dtype))
            )
        }
    };
}

builders!(resource, reference, AllNumbers, with_number, Rows::new);
builders!(resource_ordered, reference_ordered, AllReals, with_real, Rows::new);
builders!(resource_nd, reference_nd, AllNumbers, with_number, scatter_nd::rows);
builders!(resource_nd_ordered, reference_nd_ordered, AllReals, with_real, scatter_nd::rows);

/// Shorthands for "combines each of these types".
mod bounds {
    use flowkeep_tensor::{Complex, bf16, f16};

    use super::Combine;

    macro_rules! bound {
        ($(#[$doc:meta])* $name:ident: $($t:ty),*) => {
            $(#[$doc])*
            pub(in super::super) trait $name: $(Combine<$t> +)* {}
            impl<C: $(Combine<$t> +)*> $name for C {}
        };
    }

    bound!(
        /// Combines real numbers.
        AllReals: f16, bf16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64
    );
    bound!(
        /// Combines numbers.
        AllNumbers: f16, bf16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, Complex<f32>, Complex<f64>
    );
}

/// Builds the kernel of `ResourceScatterUpdate`.
pub(super) fn resource_update(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(ResourceScatter(Replaced, Rows::new)))
}

/// Builds the kernel of `ScatterUpdate`.
pub(super) fn reference_update(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(RefScatter(Replaced, Rows::new)))
}

/// Builds the kernel of `ResourceScatterNdUpdate`.
pub(super) fn resource_nd_update(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(ResourceScatter(Replaced, scatter_nd::rows)))
}

/// Builds the kernel of `ScatterNdUpdate`.
pub(super) fn reference_nd_update(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(RefScatter(Replaced, scatter_nd::rows)))
}
