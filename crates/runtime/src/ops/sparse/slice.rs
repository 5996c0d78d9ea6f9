//! Sparse tensors cut out of others, cut into several, and joined.

use flowkeep_tensor::Tensor;

use super::parts::{Parts, index_matrix, picked, sizes, sorted};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::arith::Arith;
use crate::ops::dispatch::{no_type, with_number};

/// The entries inside of a box.
///
/// Shapes: `indices [n, r]`, `values [n]`, `shape [r]`, `start [r]`, `size [r]` → the parts of a sparse tensor, which
/// ends where the input does.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for parts that do not fit each other and a negative size.
/// Source: OpDef `SparseSlice`.
pub(super) fn sparse_slice(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let parts = Parts::read(cx, 0)?;
        let mut bounds = Vec::new();
        for (idx, name) in [(3, "start"), (4, "size")] {
            let tensor = cx.input(idx)?;
            if tensor.shape().rank() != 1 {
                return Err(Status::invalid_argument(format!(
                    "Input {name} should be a vector but received shape {}",
                    tensor.shape()
                )));
            }
            check_length(name, tensor.n_elements(), parts.rank())?;
            bounds.push(tensor.as_slice::<i64>()?);
        }
        sizes(parts.dims)?;
        let (start, size) = (bounds[0], bounds[1]);
        if let Some(negative) = size.iter().find(|size| **size < 0) {
            let message = format!("Expected a non-negative size, got {negative}");
            return Err(Status::invalid_argument(message));
        }
        let dims = parts.dims.iter().zip(start).zip(size).map(|((dim, start), size)| {
            // From the start on; beyond the end there is nothing.
            if start < dim { dim.saturating_sub(*start).min(*size) } else { 0 }
        });
        let dims: Vec<i64> = dims.collect();
        let chosen: Vec<usize> = (0..parts.n())
            .filter(|i| {
                let place = parts.index(*i).iter().zip(start).zip(size);
                place
                    .into_iter()
                    .all(|((at, start), size)| at >= start && *at < start.saturating_add(*size))
            })
            .collect();
        let indices = chosen.iter().flat_map(|i| {
            parts.index(*i).iter().zip(start).map(|(at, start)| at.wrapping_sub(*start))
        });
        let indices = index_matrix(parts.rank(), indices.collect(), chosen.len())?;
        let picks: Vec<_> = chosen.iter().map(|i| (0, *i)).collect();
        let values = picked(parts.values.dtype(), &[parts.values], &picks)?;
        cx.set_output(0, indices)?;
        cx.set_output(1, values)?;
        cx.set_output(2, Tensor::from_elements(dims))
    })
}

fn check_length(name: &str, got: usize, rank: usize) -> Result<(), Status> {
    if got == rank {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "Expected {name} to be a vector of length {rank} but got length {got}"
    )))
}

/// Gives each entry of a sparse tensor the gradient that it has in a slice, or 0.
///
/// Shapes: `backprop_val_grad [m]`, `input_indices [n, r]`, `input_start [r]`, `output_indices [m, r]` → `[n]`.
/// Types: `T` numbers.
/// Errors: `INVALID_ARGUMENT` for other shapes; `INTERNAL` if entries of the slice are not found in their order.
/// Source: OpDef `SparseSliceGrad`.
pub(super) fn sparse_slice_grad(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_number!(dtype, T => kernel(slice_gradient::<T>), else Err(no_type(init, dtype)))
}

fn slice_gradient<T: Arith>(cx: &mut KernelContext<'_>) -> Result<(), Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let (gradient, input, start, output) = (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?);
    let (&[n, rank], &[m, other_rank]) = (input.dims(), output.dims()) else {
        return error(format!(
            "Input and output indices should be matrices but received shapes: {} and {}",
            input.shape(),
            output.shape()
        ));
    };
    if gradient.shape().rank() != 1 {
        return error(format!(
            "Input backprop_val_grad should be a vector but received shape: {}",
            gradient.shape()
        ));
    }
    if rank != other_rank {
        return error(format!(
            "The input and output should have the same ndims: got: {rank} and {other_rank}"
        ));
    }
    if gradient.n_elements() != m {
        return error(format!(
            "# elements of backprop_val_grad and # rows of output_indices should match (#nnz of sum): got {} \
             and {m}",
            gradient.n_elements()
        ));
    }
    if start.shape().rank() != 1 {
        return error(format!(
            "The input_start should be a vector but received shape {}",
            start.shape()
        ));
    }
    check_length("input_start", start.n_elements(), rank)?;
    let (from, start) = (gradient.as_slice::<T>()?, start.as_slice::<i64>()?);
    let (input, slice) = (input.as_slice::<i64>()?, output.as_slice::<i64>()?);
    let mut output = Tensor::zeros(T::DTYPE, [n])?;
    let mut used = 0;
    for (i, to) in output.make_mut::<T>()?.iter_mut().enumerate() {
        let index = &input[i * rank..][..rank];
        let is_next = used < m
            && index
                .iter()
                .zip(start)
                .map(|(at, start)| at.wrapping_sub(*start))
                .eq(slice[used * rank..][..rank].iter().copied());
        if is_next {
            *to = from[used];
            used += 1;
        }
    }
    if used < m {
        return Err(Status::internal(format!(
            "Elements of backprop_val_grad aren't all propagated. Num elements:{m}, used: {used}"
        )));
    }
    cx.set_output(0, output)
}

/// Cuts a sparse tensor into parts along a dimension; the first ones have one more where it is not even.
///
/// Shapes: `split_dim []`, `indices [n, r]`, `values [n]`, `shape [r]` → `num_split` times the parts of a sparse
/// tensor.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for other ranks, a dimension out of range, more parts than the dimension has
/// elements, and indices out of bounds.  Source: OpDef `SparseSplit`.
pub(super) fn sparse_split(init: &KernelInit<'_>) -> Built {
    let n_parts = init.attr_int("num_split")?;
    kernel(move |cx| {
        let error = |message: String| Err(Status::invalid_argument(message));
        let (axis, indices, values, dims) =
            (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?);
        let wanted = [
            ("axis", axis, 0, "scalar"),
            ("indices", indices, 2, "matrix"),
            ("values", values, 1, "vector"),
            ("shape", dims, 1, "vector"),
        ];
        for (name, tensor, rank, kind) in wanted {
            if tensor.shape().rank() != rank {
                // The reference names the shape of the indices for that of the values.
                let got = if name == "values" { indices } else { tensor };
                return error(format!(
                    "Input {name} should be a {kind} but received shape {}",
                    got.shape()
                ));
            }
        }
        let parts = Parts::fitting(indices, values, dims)?;
        let rank = parts.rank();
        let wanted = args::int(axis, "axis")?;
        let Some(axis) = args::axis(wanted, rank) else {
            return error(format!("Input axis should be in range [-{rank}, {rank}), got {wanted}"));
        };
        let size = parts.dims[axis];
        if n_parts < 1 || n_parts > size {
            return error(format!(
                "Input num_split should be between 1 and the splitting dimension size ({size}), got {n_parts}"
            ));
        }
        parts.check_inside()?;
        let (small, n_large) = (size / n_parts, size % n_parts);
        let first_small = n_large * (small + 1);
        let mut chosen = vec![(Vec::new(), Vec::new()); usize::try_from(n_parts).unwrap_or(0)];
        for i in 0..parts.n() {
            let mut index = parts.index(i).to_vec();
            let at = index[axis];
            let (number, offset) = match at < first_small {
                true => (at / (small + 1), at % (small + 1)),
                false => (n_large + (at - first_small) / small, (at - first_small) % small),
            };
            index[axis] = offset;
            let (indices, picks) = &mut chosen[usize::try_from(number).unwrap_or_default()];
            indices.extend(index);
            picks.push((0, i));
        }
        let mut outputs = Vec::with_capacity(chosen.len());
        for (number, (indices, picks)) in (0..).zip(chosen) {
            let mut dims = parts.dims.to_vec();
            dims[axis] = if number < n_large { small + 1 } else { small };
            outputs.push([
                index_matrix(rank, indices, picks.len())?,
                picked(values.dtype(), &[values], &picks)?,
                Tensor::from_elements(dims),
            ]);
        }
        let n = outputs.len();
        for (number, output) in outputs.into_iter().enumerate() {
            for (part, tensor) in output.into_iter().enumerate() {
                cx.set_output(part * n + number, tensor)?;
            }
        }
        Ok(())
    })
}

/// Joins sparse tensors along a dimension, and sorts the entries by index.
///
/// Shapes: `N` times `indices [n, r]`, values `[n]`, dimensions `[r]`, which are the same but along `concat_dim` →
/// the parts of a sparse tensor.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for other shapes, and a dimension out of range; `INTERNAL` for dimensions that are too
/// large together.  Source: OpDef `SparseConcat`.
pub(super) fn sparse_concat(init: &KernelInit<'_>) -> Built {
    let wanted = init.attr_int("concat_dim")?;
    let n = init.n_inputs() / 3;
    kernel(move |cx| {
        let error = |message: String| Err(Status::invalid_argument(message));
        for (part, (name, kind, rank)) in
            [("indices", "matrix", 2), ("values", "vector", 1), ("shapes", "vector", 1)]
                .into_iter()
                .enumerate()
        {
            for i in 0..n {
                let tensor = cx.input(part * n + i)?;
                if tensor.shape().rank() != rank {
                    return error(format!(
                        "Input {name} should be a {kind} but received shape {} at position {i}",
                        tensor.shape()
                    ));
                }
            }
        }
        let rank = cx.input(2 * n)?.n_elements();
        let Some(axis) = args::axis(wanted, rank) else {
            return error(format!(
                "Concat dimension must be in range [-{rank}, {rank}), got {wanted}"
            ));
        };
        for i in 0..n {
            let dims = cx.input(2 * n + i)?.as_slice::<i64>()?;
            let first = cx.input(2 * n)?.as_slice::<i64>()?;
            if dims.len() != rank {
                return error(format!(
                    "Ranks of all input tensors must match: expected {rank} but got {} at position {i}",
                    dims.len()
                ));
            }
            let others = |(at, (dim, first)): &(usize, (&i64, &i64))| *at != axis && dim != first;
            if let Some((at, (dim, first))) = dims.iter().zip(first).enumerate().find(others) {
                return error(format!(
                    "Input shapes must match: expected {first} for dimension {at} but got {dim} at position {i}"
                ));
            }
        }
        let mut dims = cx.input(2 * n)?.as_slice::<i64>()?.to_vec();
        dims[axis] = 0;
        let (mut entries, mut values) = (Vec::new(), Vec::new());
        for i in 0..n {
            let (indices, value) = (cx.input(i)?, cx.input(n + i)?);
            if indices.dims()[0] != value.n_elements() {
                return error(format!(
                    "indices and values rows (indexing dimension) must match. (indices = {}, values = {})",
                    indices.dims()[0],
                    value.n_elements()
                ));
            }
            if indices.dims()[1] != rank {
                return error("Order length must be SparseTensor rank.".into());
            }
            let indices = indices.as_slice::<i64>()?;
            for at in 0..value.n_elements() {
                let mut index = indices[at * rank..][..rank].to_vec();
                index[axis] = index[axis].wrapping_add(dims[axis]);
                entries.push((index, (i, at)));
            }
            values.push(value);
            let size = cx.input(2 * n + i)?.as_slice::<i64>()?[axis];
            let overflow = || Status::internal("Encountered overflow from large input shape.");
            dims[axis] = dims[axis].checked_add(size).filter(|_| size >= 0).ok_or_else(overflow)?;
        }
        if sizes(&dims).is_err() {
            return Err(Status::internal("Encountered overflow from large input shape."));
        }
        let order = sorted(entries.len(), |i| entries[i].0.clone());
        let picks: Vec<_> = order.iter().map(|i| entries[*i].1).collect();
        let indices = order.iter().flat_map(|i| entries[*i].0.iter().copied()).collect();
        let indices = index_matrix(rank, indices, order.len())?;
        let dtype = cx.input(n)?.dtype();
        let values = picked(dtype, &values, &picks)?;
        cx.set_output(0, indices)?;
        cx.set_output(1, values)?;
        cx.set_output(2, Tensor::from_elements(dims))
    })
}
