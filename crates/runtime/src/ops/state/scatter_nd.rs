//! Parts of a variable that are named by their first indices.

use flowkeep_tensor::Tensor;

use super::scatter::Rows;
use crate::kernel::Status;
use crate::ops::args::{ints, product};

/// The parts of `params [A.., R..]` that `indices [I.., k]` mean, with `k` the rank of `A`; each is
/// as large as `R`, and `updates [I.., R..]` has one for each.
///
/// Errors: `INVALID_ARGUMENT` if the shapes do not fit, or an index is out of range.
/// Source: OpDefs `ScatterNdAdd` and its like.
pub(super) fn rows(params: &Tensor, indices: &Tensor, updates: &Tensor) -> Result<Rows, Status> {
    let (dims, update_dims) = (params.dims(), updates.dims());
    let (depth, outer) = indices.dims().split_last().map_or((1, &[][..]), |(k, rest)| (*k, rest));
    let n_outer = outer.len();
    if indices.dims().is_empty() || !update_dims.starts_with(outer) {
        return Err(Status::invalid_argument(format!(
            "Dimensions [0,{n_outer}) of indices[shape={}] must match dimensions [0,{n_outer}) of \
             updates[shape={}]",
            indices.shape(),
            updates.shape()
        )));
    }
    if dims.get(depth..).is_none_or(|rest| update_dims[n_outer..] != *rest) {
        return Err(Status::invalid_argument(format!(
            "Dimensions [{depth},{}) of input[shape={}] must match dimensions [{depth},{}) of \
             updates[shape={}]",
            dims.len(),
            params.shape(),
            update_dims.len(),
            updates.shape()
        )));
    }
    if params.dtype() != updates.dtype() {
        let message = "DType of scatter resource and updates does not match.";
        return Err(Status::invalid_argument(message));
    }
    let (outer_dims, row_dims) = dims.split_at(depth);
    let indices_of = ints(indices)?;
    let mut numbers = Vec::with_capacity(product(outer));
    for n in 0..product(outer) {
        let index = &indices_of[n * depth..(n + 1) * depth];
        let number = index.iter().zip(outer_dims).try_fold(0usize, |number, (index, dim)| {
            let index = usize::try_from(*index).ok().filter(|index| index < dim)?;
            Some(number * dim + index)
        });
        numbers.push(number.ok_or_else(|| {
            let index: Vec<String> = index.iter().map(ToString::to_string).collect();
            Status::invalid_argument(format!(
                "indices[{n}] = [{}] does not index into shape {}",
                index.join(", "),
                params.shape()
            ))
        })?);
    }
    Ok(Rows { numbers, len: product(row_dims), scalar_update: false })
}
