//! The parts of a sparse tensor, and values picked from others.

use flowkeep_tensor::{DType, Tensor};

use crate::kernel::{KernelContext, Status};
use crate::ops::cells::{Cell, Move, fill_from};

/// A sparse tensor as three tensors: indices, one a row, values and dimensions.
pub(super) struct Parts<'a> {
    /// The indices, one after the other.
    pub(super) indices: &'a [i64],
    pub(super) values: &'a Tensor,
    /// The dimensions, of which no more is known than how many they are.
    pub(super) dims: &'a [i64],
}

impl<'a> Parts<'a> {
    /// Reads inputs `first` to `first + 2`.
    ///
    /// Errors: `INVALID_ARGUMENT` for parts that are no matrix, vector and vector, or do not fit each other.
    pub(super) fn read(cx: &'a KernelContext<'_>, first: usize) -> Result<Parts<'a>, Status> {
        let (indices, values, dims) =
            (cx.input(first)?, cx.input(first + 1)?, cx.input(first + 2)?);
        let wanted = [("indices", indices, 2), ("values", values, 1), ("shape", dims, 1)];
        for (name, part, rank) in wanted {
            let got = part.shape().rank();
            if got != rank {
                return Err(Status::invalid_argument(format!(
                    "Sparse {name} must be rank {rank} but is rank {got}"
                )));
            }
        }
        Parts::fitting(indices, values, dims)
    }

    /// As [`Parts::read`], with the words of other ops.
    ///
    /// Errors: as there.
    pub(super) fn created(cx: &'a KernelContext<'_>, first: usize) -> Result<Parts<'a>, Status> {
        let error = |message: String| Err(Status::invalid_argument(message));
        let (indices, values, dims) =
            (cx.input(first)?, cx.input(first + 1)?, cx.input(first + 2)?);
        if values.shape().rank() != 1 {
            return error(format!("vals must be a vec, but got: {}", values.shape()));
        }
        let n = indices.dims().first().copied().unwrap_or(1);
        if n != values.n_elements() {
            return error(format!(
                "indices and values rows (indexing dimension) must match. (indices = {n}, values = {})",
                values.n_elements()
            ));
        }
        let &[_, rank] = indices.dims() else {
            return error(format!("indices must be a matrix, but got: {}", indices.shape()));
        };
        if dims.shape().rank() != 1 {
            return error(format!("shape must be a vector, but got: {}", dims.shape()));
        }
        if rank != dims.n_elements() {
            return error("Order length must be SparseTensor rank.".into());
        }
        Parts::fitting(indices, values, dims)
    }

    /// Checks that all entries lie inside.
    ///
    /// Errors: `INVALID_ARGUMENT` naming the first that does not.
    pub(super) fn check_inside(&self) -> Result<(), Status> {
        match (0..self.n()).find(|i| !is_inside(self.index(*i), self.dims)) {
            Some(i) => Err(Status::invalid_argument(format!(
                "Sparse index tuple indices[{i}, :] = [{}] is out of bounds",
                joined(self.index(i), ", ")
            ))),
            None => Ok(()),
        }
    }

    /// The parts, whose ranks were checked.
    ///
    /// Errors: `INVALID_ARGUMENT` for parts that do not fit each other.
    pub(super) fn fitting(
        indices: &'a Tensor,
        values: &'a Tensor,
        dims: &'a Tensor,
    ) -> Result<Parts<'a>, Status> {
        let (n, rank) = (indices.dims()[0], indices.dims()[1]);
        if n != values.n_elements() {
            return Err(Status::invalid_argument(format!(
                "Number of elements in indices ({n}) and values ({}) do not match",
                values.n_elements()
            )));
        }
        if rank != dims.n_elements() {
            return Err(Status::invalid_argument(format!(
                "Index rank ({rank}) and shape rank ({}) do not match",
                dims.n_elements()
            )));
        }
        Ok(Parts { indices: indices.as_slice()?, values, dims: dims.as_slice()? })
    }

    /// The number of entries.
    pub(super) fn n(&self) -> usize {
        self.values.n_elements()
    }

    /// The number of dimensions.
    pub(super) fn rank(&self) -> usize {
        self.dims.len()
    }

    /// The index of entry `i`.
    pub(super) fn index(&self, i: usize) -> &'a [i64] {
        &self.indices[i * self.rank()..][..self.rank()]
    }
}

/// Checks that the parts are a matrix, a vector and a vector, in the words of ops on a sparse and a dense tensor.
pub(super) fn check_ranks(indices: &Tensor, values: &Tensor, dims: &Tensor) -> Result<(), Status> {
    if indices.shape().rank() != 2 {
        return Err(Status::invalid_argument(format!(
            "Input sp_indices should be a matrix but received shape: {}",
            indices.shape()
        )));
    }
    if (values.shape().rank(), dims.shape().rank()) != (1, 1) {
        return Err(Status::invalid_argument(format!(
            "Inputs sp_values and sp_shape should be vectors but received shapes: {} and {}",
            values.shape(),
            dims.shape()
        )));
    }
    Ok(())
}

/// The dimensions as sizes.
///
/// Errors: `INVALID_ARGUMENT` for a negative one, or too many elements.
pub(super) fn sizes(dims: &[i64]) -> Result<Vec<u64>, Status> {
    let size = |dim: &i64| {
        u64::try_from(*dim).map_err(|_| {
            Status::invalid_argument(format!(
                "Expected shape dimensions to be non-negative, got {dim}"
            ))
        })
    };
    let sizes: Vec<u64> = dims.iter().map(size).collect::<Result<_, _>>()?;
    let mut n = 1u64;
    for size in &sizes {
        let product = n.checked_mul(*size).filter(|n| i64::try_from(*n).is_ok());
        n = product.ok_or_else(|| {
            Status::invalid_argument(format!(
                "Encountered overflow when multiplying {n} with {size}, result: -1"
            ))
        })?;
    }
    Ok(sizes)
}

/// Whether an index lies inside of these dimensions.
pub(super) fn is_inside(index: &[i64], dims: &[i64]) -> bool {
    index.iter().zip(dims).all(|(at, dim)| (0..*dim).contains(at))
}

/// The order of entries by index; equal ones stay as they are.
pub(super) fn sorted(n: usize, index: impl Fn(usize) -> Vec<i64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_cached_key(|i| index(*i));
    order
}

/// Numbers as TensorFlow prints them within brackets, with this separator.
pub(super) fn joined<T: ToString>(numbers: &[T], separator: &str) -> String {
    numbers.iter().map(T::to_string).collect::<Vec<_>>().join(separator)
}

/// The vector of the elements that `picks` names: the number of an input, and a place in it.
///
/// Errors: as [`fill_from`].
pub(in crate::ops) fn picked(
    dtype: DType,
    inputs: &[&Tensor],
    picks: &[(usize, usize)],
) -> Result<Tensor, Status> {
    fill_from(dtype, inputs, [picks.len()], Picked(picks))
}

struct Picked<'a>(&'a [(usize, usize)]);

impl Move for Picked<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        for (to, (input, at)) in to.iter_mut().zip(self.0) {
            to.clone_from(&from[*input][*at]);
        }
        Ok(())
    }
}

/// The matrix of these indices.
pub(super) fn index_matrix(rank: usize, indices: Vec<i64>, n: usize) -> Result<Tensor, Status> {
    Ok(Tensor::from_vec([n, rank], indices)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_not_negative_and_their_product_fits() {
        assert_eq!(sizes(&[2, 0, 3]).unwrap(), [2, 0, 3]);
        assert!(sizes(&[2, -1]).is_err());
        assert!(sizes(&[1 << 40, 1 << 40]).is_err());
    }

    #[test]
    fn entries_are_sorted_by_index_and_equal_ones_stay() {
        let indices = [[1, 0], [0, 2], [1, 0], [0, 1]];
        assert_eq!(sorted(4, |i| indices[i].to_vec()), [3, 1, 0, 2]);
    }
}
