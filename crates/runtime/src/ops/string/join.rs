//! Strings put together.

use bytes::{Bytes, BytesMut};
use flowkeep_tensor::{DType, Shape, Tensor};

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};

/// Joins the strings at the same place of all inputs, with a separator between them.
///
/// Shapes: `inputs` all `[D..]`, or scalars, which belong to every place → `[D..]`.  Types: string.
/// Errors: `INVALID_ARGUMENT` if two inputs that are no scalars differ in shape.
/// Source: OpDef `StringJoin`.
pub(super) fn string_join(init: &KernelInit<'_>) -> Built {
    let separator = init.attr_str("separator")?.as_bytes().to_vec();
    kernel(move |cx| {
        let inputs: Vec<&Tensor> =
            (0..cx.n_inputs()).map(|idx| cx.input(idx)).collect::<Result<_, _>>()?;
        let mut shape = Shape::SCALAR;
        for input in inputs.iter().filter(|input| !input.shape().is_scalar()) {
            if shape.is_scalar() {
                shape = input.shape().clone();
            } else if shape != *input.shape() {
                return Err(Status::invalid_argument(format!(
                    "Input shapes do not match: {shape} vs. {}",
                    input.shape()
                )));
            }
        }
        let columns: Vec<&[Bytes]> =
            inputs.iter().map(|input| input.as_strings()).collect::<Result<_, _>>()?;
        let mut output = Tensor::zeros(DType::String, shape)?;
        for (place, joined) in output.make_mut_strings()?.iter_mut().enumerate() {
            let parts = columns.iter().map(|column| match column {
                [scalar] => scalar,
                column => &column[place],
            });
            *joined = join(parts, &separator);
        }
        cx.set_output(0, output)
    })
}

/// Joins the strings along some dimensions; neighbors in the first named one stay neighbors.
///
/// Shapes: `inputs [D..]`, `reduction_indices` a scalar or vector of dimensions, negative ones
/// counted from the end → the other dimensions; with `keep_dims` also the joined ones, of size 1.
/// Types: string; `reduction_indices` i32.
/// Errors: `OUT_OF_RANGE` for a dimension that does not exist, `INVALID_ARGUMENT` for one that is
/// named twice.
/// Source: OpDef `ReduceJoin`.
pub(super) fn reduce_join(init: &KernelInit<'_>) -> Built {
    let separator = init.attr_str("separator")?.as_bytes().to_vec();
    let keep_dims = init.attr_bool("keep_dims")?;
    kernel(move |cx| {
        let input = cx.input(0)?;
        let mut axes = axes(&args::ints(cx.input(1)?)?, input.shape().rank())?;
        axes.reverse();
        let (dims, strings) = (input.dims(), input.as_strings()?);
        let is_joined = |axis: &usize| axes.contains(axis);
        let kept: Vec<usize> = (0..dims.len()).filter(|axis| !is_joined(axis)).collect();
        let shape: Vec<usize> = match keep_dims {
            true => (0..dims.len()).map(|i| if is_joined(&i) { 1 } else { dims[i] }).collect(),
            false => kept.iter().map(|&axis| dims[axis]).collect(),
        };
        let mut output = Tensor::zeros(DType::String, shape)?;
        let outer = offsets(dims, &kept)?;
        let inner = offsets(dims, &axes)?;
        for (joined, start) in output.make_mut_strings()?.iter_mut().zip(outer) {
            *joined = join(inner.iter().map(|offset| &strings[start + offset]), &separator);
        }
        cx.set_output(0, output)
    })
}

fn axes(indices: &[i64], rank: usize) -> Result<Vec<usize>, Status> {
    let mut axes = Vec::with_capacity(indices.len());
    for &index in indices {
        let axis = args::axis(index, rank).ok_or_else(|| {
            Status::out_of_range(format!(
                "Invalid reduction dimension {index} for input with {rank} dimension(s)"
            ))
        })?;
        if axes.contains(&axis) {
            return Err(Status::invalid_argument(format!("Duplicate reduction dimension {index}")));
        }
        axes.push(axis);
    }
    Ok(axes)
}

/// The offsets of all elements that differ in the dimensions `axes` only, the last one fastest.
///
/// Errors: `RESOURCE_EXHAUSTED` if there is no memory for them; their number is checked, since the
/// other dimensions of an empty tensor can be of any size.
fn offsets(dims: &[usize], axes: &[usize]) -> Result<Vec<usize>, Status> {
    let too_many = || Status::resource_exhausted("there are too many strings to join");
    let n = axes.iter().try_fold(1_usize, |n, &axis| n.checked_mul(dims[axis]));
    let mut offsets = Vec::new();
    offsets.try_reserve_exact(n.ok_or_else(too_many)?).map_err(|_| too_many())?;
    offsets.push(0);
    for &axis in axes {
        let stride = product(&dims[axis + 1..]);
        let previous = std::mem::take(&mut offsets);
        offsets.reserve_exact(previous.len() * dims[axis]);
        for start in previous {
            offsets.extend((0..dims[axis]).map(|i| start + i * stride));
        }
    }
    Ok(offsets)
}

/// Joins strings; a single one is not copied.
fn join<'a>(parts: impl ExactSizeIterator<Item = &'a Bytes>, separator: &[u8]) -> Bytes {
    let mut parts = parts;
    if parts.len() == 1 {
        return parts.next().cloned().unwrap_or_default();
    }
    let mut joined = BytesMut::new();
    for (idx, part) in parts.enumerate() {
        if idx > 0 {
            joined.extend_from_slice(separator);
        }
        joined.extend_from_slice(part);
    }
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_follow_the_named_order() {
        assert_eq!(offsets(&[2, 3], &[]).unwrap(), [0]);
        assert_eq!(offsets(&[2, 3], &[0, 1]).unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(offsets(&[2, 3], &[1, 0]).unwrap(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(offsets(&[2, 0], &[1]).unwrap(), [0_usize; 0]);
    }

    #[test]
    fn absurd_sizes_beside_an_empty_dimension_are_refused() {
        let huge = usize::MAX / 2;
        assert!(offsets(&[0, huge, huge], &[1, 2]).is_err());
        assert!(offsets(&[0, huge], &[1]).is_err());
    }
}
