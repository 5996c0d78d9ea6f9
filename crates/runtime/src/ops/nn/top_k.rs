//! The largest elements of rows, and whether a class is among them.

use std::cmp::Ordering;
use std::marker::PhantomData;

use flowkeep_tensor::{DType, Element, Shape, Tensor};

use super::real::zeros;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{int, ints, product};
use crate::ops::dispatch::{no_type, with_real};

/// The `k` largest elements along the last dimension, largest first, and their indices.
///
/// Equal elements come in the order of their indices; NaN counts as larger than any number.
/// Shapes: `[.., C]` → values and indices `[.., k]`.  Types: real numbers; indices i32 (i16 or i64
/// where `index_type` says so).
/// Errors: `INVALID_ARGUMENT` for a scalar input, a `k` that is no scalar, negative, or above `C`.
/// Source: OpDefs `TopK` (`k` an attribute), `TopKV2`. Unsorted results are sorted as well.
struct TopK<T> {
    /// `None`: the second input.
    k: Option<i64>,
    index_type: DType,
    dtype: PhantomData<T>,
}

pub(super) fn top_k(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let k = init.attr("k").map(|_| init.attr_int("k")).transpose()?;
    let index_type = match init.attr("index_type") {
        Some(_) => init.attr_type("index_type")?,
        None => DType::I32,
    };
    let dtype = init.attr_type("T")?;
    with_real!(
        dtype,
        T => Ok(Box::new(TopK::<T> { k, index_type, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Element + PartialOrd> OpKernel for TopK<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let input = cx.input(0)?;
        let k = match self.k {
            Some(k) => k,
            None => scalar_k(cx.input(1)?, "scalar")?,
        };
        let k = usize::try_from(k)
            .map_err(|_| Status::invalid_argument(format!("Need k >= 0, got {k}")))?;
        let Some((&cols, outer)) = input.dims().split_last() else {
            return Err(Status::invalid_argument("input must be >= 1-D, got shape []"));
        };
        if cols < k {
            return Err(Status::invalid_argument(format!(
                "input must have at least k columns. Had {cols}, needed {k}"
            )));
        }
        let shape = Shape::from([outer, &[k]].concat());
        let mut values = Tensor::zeros(T::DTYPE, &shape)?;
        let mut indices = zeros::<u64>(values.n_elements())?;
        if values.n_elements() > 0 {
            let x = input.as_slice::<T>()?;
            let per_task = ((32 << 10) / cols).max(1);
            let n_rows = product(outer);
            debug_assert_eq!(x.len(), n_rows * cols);
            let out = values.make_mut::<T>()?;
            cx.pool().parallel_chunks2(
                (out, per_task * k),
                (&mut indices, per_task * k),
                |i, values, indices| {
                    let rows = x[i * per_task * cols..].chunks(cols);
                    let outs = values.chunks_mut(k).zip(indices.chunks_mut(k));
                    let mut order = Vec::with_capacity(cols);
                    for (row, (values, indices)) in rows.zip(outs) {
                        largest(row, &mut order, values, indices);
                    }
                },
            );
        }
        let indices = index_tensor(self.index_type, shape, &indices)?;
        cx.set_output(0, values)?;
        cx.set_output(1, indices)
    }
}

fn scalar_k(k: &Tensor, word: &str) -> Result<i64, Status> {
    if !k.shape().is_scalar() {
        let message = format!("k must be {word}, got shape {}", k.shape());
        return Err(Status::invalid_argument(message));
    }
    int(k, "k")
}

/// Writes the `values.len()` largest elements of a row and their indices.
fn largest<T: Element + PartialOrd>(
    row: &[T],
    order: &mut Vec<usize>,
    values: &mut [T],
    indices: &mut [u64],
) {
    let k = values.len();
    let before = |a: &usize, b: &usize| descending(&row[*a], &row[*b]).then(a.cmp(b));
    order.clear();
    order.extend(0..row.len());
    if k < row.len() {
        order.select_nth_unstable_by(k, before);
        order.truncate(k);
    }
    order.sort_unstable_by(before);
    for ((value, index), at) in values.iter_mut().zip(indices).zip(order) {
        (*value, *index) = (row[*at], *at as u64);
    }
}

/// Larger numbers first, NaN before all.
fn descending<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    let is_nan = |x: &T| x.partial_cmp(x).is_none();
    b.partial_cmp(a).unwrap_or_else(|| is_nan(b).cmp(&is_nan(a)))
}

fn index_tensor(dtype: DType, shape: Shape, indices: &[u64]) -> Result<Tensor, Status> {
    fn typed<I: Element + TryFrom<u64>>(shape: Shape, indices: &[u64]) -> Result<Tensor, Status> {
        let too_large = |_| Status::invalid_argument("an index does not fit index_type");
        let indices: Result<Vec<I>, _> = indices.iter().map(|at| I::try_from(*at)).collect();
        Ok(Tensor::from_vec(shape, indices.map_err(too_large)?)?)
    }
    match dtype {
        DType::I64 => typed::<i64>(shape, indices),
        DType::I16 => typed::<i16>(shape, indices),
        _ => typed::<i32>(shape, indices),
    }
}

/// Tells for each row whether fewer than `k` classes are predicted above the target.
///
/// A row with a prediction that is not finite, or a target that is no class, is false.
/// Shapes: `predictions [B, C]`, `targets [B]` → `[B]`.  Types: predictions f32, targets and `k` i32
/// or i64.
/// Errors: `INVALID_ARGUMENT` for other ranks or lengths.
/// Source: OpDefs `InTopK` (`k` an attribute), `InTopKV2`.
struct InTopK {
    /// `None`: the third input.
    k: Option<i64>,
}

pub(super) fn in_top_k(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let k = init.attr("k").map(|_| init.attr_int("k")).transpose()?;
    Ok(Box::new(InTopK { k }))
}

impl OpKernel for InTopK {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (predictions, targets) = (cx.input(0)?, cx.input(1)?);
        let k = match self.k {
            Some(k) => k,
            None => scalar_k(cx.input(2)?, "0-D")?,
        };
        let &[rows, cols] = predictions.dims() else {
            return Err(Status::invalid_argument("predictions must be 2-dimensional"));
        };
        let &[n_targets] = targets.dims() else {
            return Err(Status::invalid_argument("targets must be 1-dimensional"));
        };
        if rows != n_targets {
            return Err(Status::invalid_argument(format!(
                "First dimension of predictions {rows} must match length of targets {n_targets}"
            )));
        }
        let x = predictions.as_slice::<f32>()?;
        let in_top = |(row, target): (usize, &i64)| {
            let row = x.get(row * cols..(row + 1) * cols)?;
            let at_target = row.get(usize::try_from(*target).ok()?)?;
            let n_above = row.iter().filter(|x| *x > at_target).count();
            Some(row.iter().all(|x| x.is_finite()) && (n_above as i64) < k)
        };
        let targets = ints(targets)?;
        let out = targets.iter().enumerate().map(|row| in_top(row).unwrap_or(false)).collect();
        cx.set_output(0, Tensor::from_elements(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top<T: Element + PartialOrd>(row: &[T], k: usize) -> (Vec<T>, Vec<u64>) {
        let (mut values, mut indices) = (vec![T::default(); k], vec![0; k]);
        largest(row, &mut Vec::new(), &mut values, &mut indices);
        (values, indices)
    }

    #[test]
    fn equal_elements_keep_their_order() {
        assert_eq!(top(&[1, 3, 3, 2, 3], 3), (vec![3, 3, 3], vec![1, 2, 4]));
        assert_eq!(top(&[0, 0, 0], 3), (vec![0, 0, 0], vec![0, 1, 2]));
        assert_eq!(top(&[5], 0), (vec![], vec![]));
    }

    #[test]
    fn nan_comes_first_and_the_order_is_total() {
        let (values, indices) = top(&[1.0, f32::NAN, 3.0, 2.0, f32::NAN], 5);
        assert_eq!(indices, [1, 4, 2, 3, 0]);
        assert_eq!(values[2..], [3.0, 2.0, 1.0]);
    }
}
