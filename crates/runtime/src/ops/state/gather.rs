//! Rows of a resource variable by index.

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor};

use super::handle;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, ints, kernel, product};
use crate::ops::array::nd_gathered;
use crate::resource::Variable;

/// Gathers rows of a variable.
///
/// Shapes: `resource [B.., A, R..]`, `indices [B.., I..]` → `[B.., I.., R..]` with `batch_dims`
/// dimensions `B..`.  Types: `dtype` any; `indices` i32 or i64.
/// Errors: `NOT_FOUND` without a value; `INVALID_ARGUMENT` for a scalar variable, another type, and
/// an index out of range. As in TensorFlow, the bounds are those of all batches together: an index
/// beyond the end of its batch reads the next one.
/// Source: OpDef `ResourceGather`; bounds behavior as on the reference CPU kernel.
struct ResourceGather {
    dtype: DType,
    batch_dims: i64,
}

pub(super) fn resource_gather(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(ResourceGather {
        dtype: init.attr_type("dtype")?,
        batch_dims: init.attr_int("batch_dims")?,
    }))
}

impl OpKernel for ResourceGather {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let params = value(cx, self.dtype)?;
        let gathered = gather(&params, cx.input(1)?, self.batch_dims)?;
        cx.set_output(0, gathered)
    }
}

/// Gathers the slices of a variable that the vectors in the last dimension of `indices` point at.
///
/// Shapes: `resource [P0.., P_k-1, R..]`, `indices [I.., k]` → `[I.., R..]`.  Types: `dtype` any; `indices` i32 or
/// i64.
/// Errors: `NOT_FOUND` without a value; `INVALID_ARGUMENT` for another type, or an index outside the variable.
/// Source: OpDef `ResourceGatherNd`; bounds behavior as on the reference CPU kernel.
pub(super) fn resource_gather_nd(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    kernel(move |cx| {
        let params = value(cx, dtype)?;
        let output = nd_gathered(cx, &params, cx.input(1)?)?;
        cx.set_output(0, output)
    })
}

/// The value of the variable at input 0.
fn value(cx: &KernelContext<'_>, dtype: DType) -> Result<Tensor, Status> {
    let resource = cx.resource(0)?;
    let params = resource.get::<Variable>()?.value().ok_or_else(|| handle::not_found(resource))?;
    if params.dtype() != dtype {
        return Err(Status::invalid_argument(format!(
            "Trying to read variable with wrong dtype. Expected {} got {dtype}",
            params.dtype()
        )));
    }
    Ok(params)
}

fn gather(params: &Tensor, indices: &Tensor, batch_dims: i64) -> Result<Tensor, Status> {
    if params.shape().is_scalar() {
        return Err(Status::invalid_argument("params must be at least 1 dimensional"));
    }
    let (dims, index_dims) = (params.dims(), indices.dims());
    let n_batch_dims = usize::try_from(batch_dims)
        .ok()
        .filter(|n| *n < dims.len() && dims[..*n] == index_dims[..(*n).min(index_dims.len())])
        .ok_or_else(|| {
            Status::invalid_argument(format!(
                "batch_dims {batch_dims} does not fit params.shape {} and indices.shape {}",
                params.shape(),
                indices.shape()
            ))
        })?;
    let n_batches = product(&dims[..n_batch_dims]);
    let axis = dims[n_batch_dims];
    let row = product(&dims[n_batch_dims + 1..]);
    let rows = row_numbers(indices, n_batches, axis)?;
    let out_dims = [&dims[..n_batch_dims], &index_dims[n_batch_dims..], &dims[n_batch_dims + 1..]];
    let shape = Shape::from(out_dims.concat());
    if params.dtype() == DType::String {
        let too_large =
            || flowkeep_tensor::Error::TooLarge { dtype: DType::String, shape: shape.clone() };
        let mut out: Vec<Bytes> = Vec::new();
        out.try_reserve_exact(shape.checked_n_elements().ok_or_else(too_large)?)
            .map_err(|_| too_large())?;
        let values = params.as_strings()?;
        rows.iter().for_each(|at| out.extend_from_slice(&values[at * row..][..row]));
        return Ok(Tensor::from_strings(shape, out)?);
    }
    let bytes = params.as_bytes()?;
    let len = row * params.dtype().size_bytes().unwrap_or(1);
    Tensor::from_fill(params.dtype(), shape, |out| {
        if len > 0 {
            for (out, at) in out.chunks_exact_mut(len).zip(&rows) {
                out.copy_from_slice(&bytes[at * len..][..len]);
            }
        }
        Ok(())
    })
}

/// The checked numbers of rows among all `n_batches * axis` ones, as the indices are within their
/// batches.
fn row_numbers(indices: &Tensor, n_batches: usize, axis: usize) -> Result<Vec<usize>, Status> {
    let per_batch = indices.n_elements().checked_div(n_batches).unwrap_or(0).max(1);
    let n_rows = n_batches.saturating_mul(axis);
    let row = |(flat, index): (usize, i64)| {
        let offset = (flat / per_batch).saturating_mul(axis);
        let index = index.saturating_add(i64::try_from(offset).unwrap_or(i64::MAX));
        usize::try_from(index)
            .ok()
            .filter(|row| *row < n_rows)
            .ok_or_else(|| out_of_range(indices.dims(), flat, index, n_rows))
    };
    ints(indices)?.into_iter().enumerate().map(row).collect()
}

/// The error of a bad index: its place, itself, and the bound.
pub(super) fn out_of_range(dims: &[usize], flat: usize, index: i64, bound: usize) -> Status {
    let mut rest = flat;
    let mut place = vec![0; dims.len()];
    for (place, dim) in place.iter_mut().zip(dims).rev() {
        *place = rest % dim.max(&1);
        rest /= dim.max(&1);
    }
    let place: Vec<_> = place.iter().map(usize::to_string).collect();
    let place = if place.is_empty() { String::new() } else { format!("[{}]", place.join(",")) };
    Status::invalid_argument(format!("indices{place} = {index} is not in [0, {bound})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> Tensor {
        Tensor::from_vec([2, 3, 4], (0..24).map(|x| x as f32).collect()).unwrap()
    }

    fn indices(dims: &[usize], values: &[i32]) -> Tensor {
        Tensor::from_vec(dims, values.to_vec()).unwrap()
    }

    #[test]
    fn batches_gather_from_their_own_rows() {
        let out = gather(&params(), &indices(&[2, 1], &[1, 0]), 1).unwrap();
        assert_eq!(out.dims(), [2, 1, 4]);
        assert_eq!(out.as_slice::<f32>().unwrap(), [4., 5., 6., 7., 12., 13., 14., 15.]);
    }

    #[test]
    fn an_index_beyond_its_batch_reads_the_next_one() {
        let out = gather(&params(), &indices(&[2, 1], &[3, 0]), 1).unwrap();
        assert_eq!(out.as_slice::<f32>().unwrap()[..4], [12., 13., 14., 15.]);
    }

    #[test]
    fn bad_indices_and_shapes_are_errors() {
        let status = gather(&params(), &indices(&[1, 1], &[7]), 0).unwrap_err();
        assert_eq!(status.message(), "indices[0,0] = 7 is not in [0, 2)");
        let status = gather(&params(), &indices(&[], &[-1]), 0).unwrap_err();
        assert_eq!(status.message(), "indices = -1 is not in [0, 2)");
        assert!(gather(&params(), &indices(&[3, 1], &[0, 1, 1]), 1).is_err());
        assert!(gather(&params(), &indices(&[1], &[0]), -1).is_err());
        assert!(gather(&params(), &indices(&[1], &[0]), 9).is_err());
        let status = gather(&Tensor::scalar(1f32), &indices(&[1], &[0]), 0).unwrap_err();
        assert_eq!(status.message(), "params must be at least 1 dimensional");
    }

    #[test]
    fn empty_rows_and_strings_are_gathered() {
        let empty = Tensor::zeros(DType::F32, [3, 0]).unwrap();
        assert_eq!(gather(&empty, &indices(&[2], &[2, 0]), 0).unwrap().dims(), [2, 0]);
        let strings = Tensor::from_strings([2], vec!["a".into(), "b".into()]).unwrap();
        let out = gather(&strings, &indices(&[1], &[1]), 0).unwrap();
        assert_eq!(out.as_strings().unwrap(), ["b"]);
    }
}
