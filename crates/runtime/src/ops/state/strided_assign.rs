//! Parts of a variable that a Python subscript names.

use flowkeep_tensor::{DType, Element, Tensor};

use super::handle;
use crate::Value;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::product;
use crate::ops::array::{Part, SliceSpec};
use crate::ops::dispatch::with_number;
use crate::ops::strided::dense_strides;
use crate::resource::Variable;

/// Puts `value` in the place of a part of a variable; a dimension of size 1 stands for all.
///
/// Shapes: variable `[D..]`, `begin`, `end`, `strides` `[n]`, `value` as the part or broadcast to it.
/// Types: `T` any; `Index` i32 or i64.
/// Errors: those of `StridedSlice`; `INVALID_ARGUMENT` for another shape or type;
/// `FAILED_PRECONDITION` or `NOT_FOUND` without a value.
/// Source: OpDefs `StridedSliceAssign`, `ResourceStridedSliceAssign`.
struct StridedAssign(SliceSpec);

pub(super) fn strided_slice_assign(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(StridedAssign(SliceSpec::from_attrs(init)?)))
}

impl OpKernel for StridedAssign {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let assign = |params: &mut Tensor| {
            let part = self.0.resolve(params.dims(), cx.input(1)?, cx.input(2)?, cx.input(3)?)?;
            put(params, &part, cx.input(4)?)
        };
        if let Value::Resource(resource) = cx.value(0)? {
            return resource
                .get::<Variable>()?
                .update(|slot| assign(slot.as_mut().ok_or_else(|| handle::not_found(resource))?));
        }
        let variable = cx.variable_ref(0)?.clone();
        variable
            .update(|slot| assign(slot.as_mut().ok_or_else(|| variable.uninitialized_ref())?))?;
        cx.set_output(0, Value::Ref(variable))
    }
}

/// Where each element of a part lies, and which element of the value it gets.
struct Places {
    targets: Vec<usize>,
    sources: Vec<usize>,
}

fn put(params: &mut Tensor, part: &Part, value: &Tensor) -> Result<(), Status> {
    if params.dtype() != value.dtype() {
        return Err(flowkeep_tensor::Error::DTypeMismatch {
            expected: params.dtype(),
            got: value.dtype(),
        }
        .into());
    }
    let places = Places { targets: targets(params.dims(), part), sources: sources(part, value)? };
    let dtype = params.dtype();
    match dtype {
        DType::String => {
            let values = value.as_strings()?;
            let params = params.make_mut_strings()?;
            for (target, source) in places.targets.iter().zip(&places.sources) {
                params[*target] = values[*source].clone();
            }
            Ok(())
        }
        DType::Bool => put_plain::<bool>(params, &places, value),
        _ => with_number!(dtype, T => put_plain::<T>(params, &places, value), else {
            Err(Status::unimplemented(format!("no CPU kernel assigns slices of type {dtype}")))
        }),
    }
}

fn put_plain<T: Element>(
    params: &mut Tensor,
    places: &Places,
    value: &Tensor,
) -> Result<(), Status> {
    let values = value.as_slice::<T>()?;
    let params = params.make_mut::<T>()?;
    for (target, source) in places.targets.iter().zip(&places.sources) {
        params[*target] = values[*source];
    }
    Ok(())
}

/// The elements of the part, in row-major order.
fn targets(dims: &[usize], part: &Part) -> Vec<usize> {
    let mut targets = vec![0isize];
    for (axis, stride) in part.axes.iter().zip(dense_strides(dims)) {
        let mut next = Vec::with_capacity(targets.len().saturating_mul(axis.len));
        for target in &targets {
            next.extend((0..axis.len).map(|idx| {
                let at = axis.begin as isize + idx as isize * axis.step as isize;
                target + at * stride
            }));
        }
        targets = next;
    }
    // Each lies within the tensor: the part was resolved against its shape.
    targets.into_iter().map(isize::unsigned_abs).collect()
}

/// The elements of the value, repeated where a dimension stands for all.
fn sources(part: &Part, value: &Tensor) -> Result<Vec<usize>, Status> {
    let dims = value.dims();
    let n_new = part.shape.len().checked_sub(dims.len());
    let fits = n_new.is_some_and(|n_new| {
        dims.iter().zip(&part.shape[n_new..]).all(|(dim, part)| *dim == 1 || dim == part)
    });
    if !fits {
        return Err(Status::invalid_argument(format!(
            "Cannot broadcast input shape {} into final shape {}",
            value.shape(),
            flowkeep_tensor::Shape::new(&part.shape)
        )));
    }
    let n_new = n_new.unwrap_or(0);
    let mut sources = vec![0usize];
    for (idx, len) in part.shape.iter().enumerate() {
        let own = idx.checked_sub(n_new);
        let stride = own.map_or(0, |own| match dims[own] {
            1 => 0,
            _ => product(&dims[own + 1..]),
        });
        let mut next = Vec::with_capacity(sources.len().saturating_mul(*len));
        for source in &sources {
            next.extend((0..*len).map(|idx| source + idx * stride));
        }
        sources = next;
    }
    Ok(sources)
}
