//! Where sets come from: sparse tensors, whose entries of one group are a set.

use std::ops::Range;

use bytes::Bytes;
use flowkeep_tensor::{Shape, Tensor};

use crate::kernel::{KernelContext, Status};
use crate::ops::args;

/// What sets can be made of.
pub(super) trait Member: Ord + Clone + Send + Sync + 'static {
    /// The elements of a tensor.
    fn all(tensor: &Tensor) -> Result<&[Self], Status>;

    /// The vector of these elements.
    fn vector(values: Vec<Self>) -> Result<Tensor, Status>;
}

macro_rules! integers {
    ($($t:ty)*) => {$(
        impl Member for $t {
            fn all(tensor: &Tensor) -> Result<&[$t], Status> {
                Ok(tensor.as_slice()?)
            }

            fn vector(values: Vec<$t>) -> Result<Tensor, Status> {
                Ok(Tensor::from_elements(values))
            }
        }
    )*};
}

integers!(i8 i16 i32 i64 u8 u16);

impl Member for Bytes {
    fn all(tensor: &Tensor) -> Result<&[Bytes], Status> {
        Ok(tensor.as_strings()?)
    }

    fn vector(values: Vec<Bytes>) -> Result<Tensor, Status> {
        Ok(Tensor::from_strings([values.len()], values)?)
    }
}

/// Evaluates an expression with a type alias that stands for a type of members.
macro_rules! with_member {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        $crate::ops::dispatch::with_type!(
            $dtype,
            $T in [
                I8 => i8, I16 => i16, I32 => i32, I64 => i64, U8 => u8, U16 => u16,
                String => bytes::Bytes,
            ] => $body,
            else $other
        )
    };
}

pub(super) use with_member;

/// A sparse tensor of at least two dimensions, whose entries lie inside of it.
pub(super) struct Sparse<'a, T> {
    /// The dimensions.
    pub(super) dims: Vec<usize>,
    /// The index of each entry, one after the other.
    indices: &'a [i64],
    values: &'a [T],
}

impl<'a, T: Member> Sparse<'a, T> {
    /// Reads the inputs `first` to `first + 2`: indices, values and dimensions.
    ///
    /// Errors: `INVALID_ARGUMENT` if they do not fit each other, for indices out of bounds and, where `ordered` is
    /// asked for, for entries that are out of order or repeated; without that, some bounds give `INTERNAL`.
    pub(super) fn read(
        cx: &'a KernelContext<'_>,
        first: usize,
        ordered: bool,
    ) -> Result<Sparse<'a, T>, Status> {
        let error = |message: String| Err(Status::invalid_argument(message));
        let (indices, values, dims) =
            (cx.input(first)?, cx.input(first + 1)?, cx.input(first + 2)?);
        if dims.shape().rank() != 1 {
            return error("Shape must be a 1D tensor.".into());
        }
        let dims = dims.as_slice::<i64>()?;
        if let Some(dim) = dims.iter().find(|dim| **dim < 0) {
            return error(format!("Expected shape dimensions to be non-negative, got {dim}"));
        }
        let dims = args::shape(dims)?.dims().to_vec();
        if dims.len() < 2 {
            return error(format!("Invalid rank {}.", dims.len()));
        }
        let &[n, columns] = indices.dims() else {
            return error(format!("indices must be a matrix, but got: {}", indices.shape()));
        };
        if values.shape().rank() != 1 {
            return error(format!("vals must be a vec, but got: {}", values.shape()));
        }
        if n != values.n_elements() {
            return error(format!(
                "indices and values rows (indexing dimension) must match. (indices = {n}, values = {})",
                values.n_elements()
            ));
        }
        if columns != dims.len() {
            return error("Order length must be SparseTensor rank.".into());
        }
        let sparse = Sparse { dims, indices: indices.as_slice::<i64>()?, values: T::all(values)? };
        sparse.check(ordered)?;
        Ok(sparse)
    }

    /// The index of entry `i`.
    fn index(&self, i: usize) -> &[i64] {
        &self.indices[i * self.dims.len()..][..self.dims.len()]
    }

    fn check(&self, ordered: bool) -> Result<(), Status> {
        let error = |message: String| Err(Status::invalid_argument(message));
        let mut start = 0;
        for i in 0..self.values.len() {
            let index = self.index(i);
            if self.group(start) != self.group(i) {
                start = i;
            }
            let inside = |(at, dim): (&i64, &usize)| usize::try_from(*at).is_ok_and(|at| at < *dim);
            if let Some(j) = index.iter().zip(&self.dims).position(|at| !inside(at)) {
                let (at, dim) = (index[j], self.dims[j]);
                if !ordered && at >= 0 {
                    return Err(Status::internal(format!(
                        "indices[{}, {j}] expected < {dim}, got {at}.",
                        i - start
                    )));
                }
                return error(format!(
                    "indices[{i}] = {} is out of bounds: need 0 <= index < {}",
                    text(index),
                    Shape::from(self.dims.clone())
                ));
            }
            match i.checked_sub(1).map(|before| self.index(before).cmp(index)) {
                Some(std::cmp::Ordering::Equal) if ordered => {
                    return error(format!("indices[{i}] = {} is repeated", text(index)));
                }
                Some(std::cmp::Ordering::Greater) if ordered => {
                    return error(format!(
                        "indices[{i}] = {} is out of order. Many sparse ops require sorted indices.\n    Use \
                         `tf.sparse.reorder` to create a correctly ordered copy.\n\n",
                        text(index)
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The group that entry `i` belongs to: all of its index but the last.
    fn group(&self, i: usize) -> &[i64] {
        &self.index(i)[..self.dims.len() - 1]
    }

    /// The sets: each run of entries of one group.
    pub(super) fn sets(&self) -> impl Iterator<Item = (&[i64], &[T])> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let n = self.values.len();
            if start == n {
                return None;
            }
            let group = self.group(start);
            let end = (start + 1..n).find(|i| self.group(*i) != group).unwrap_or(n);
            let run: Range<usize> = start..end;
            start = end;
            Some((group, &self.values[run]))
        })
    }
}

/// An index as TensorFlow prints it.
fn text(index: &[i64]) -> String {
    let numbers: Vec<String> = index.iter().map(i64::to_string).collect();
    format!("[{}]", numbers.join(","))
}

/// The dimensions of groups: all but the last.
///
/// Errors: `INVALID_ARGUMENT` for fewer than two dimensions.
pub(super) fn groups_of(dims: &[usize]) -> Result<&[usize], Status> {
    match dims {
        [groups @ .., _] if !groups.is_empty() => Ok(groups),
        _ => Err(Status::invalid_argument(format!(
            "Shape {} has rank {} < 2",
            Shape::from(dims.to_vec()),
            dims.len()
        ))),
    }
}

/// The number of a group among those of these dimensions; it lies inside.
pub(super) fn number(group: &[i64], groups: &[usize]) -> usize {
    let add = |number: usize, (at, dim): (&i64, &usize)| {
        number * dim + usize::try_from(*at).unwrap_or_default()
    };
    group.iter().zip(groups).fold(0, add)
}
