//! Rows without an entry get one, of sparse and of ragged tensors.

use flowkeep_tensor::Tensor;

use super::parts::{index_matrix, picked, sizes};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::arith::Arith;
use crate::ops::dispatch::{no_type, with_number};

/// Gives each row without an entry one at column 0, and sorts entries by row.
///
/// Shapes: `indices [n, r]`, `values [n]`, `dense_shape [r]`, `default_value []` → indices `[m, r]`, values `[m]`,
/// whether each row was empty `[rows]`, where each entry went `[n]`.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for parts that do not fit each other and rows out of bounds; `RESOURCE_EXHAUSTED` for
/// more rows than there is memory for.  Source: OpDef `SparseFillEmptyRows`.
pub(super) fn sparse_fill_empty_rows(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let (indices, values, dims, default) =
            (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?);
        check_ranks(&[
            ("dense_shape", dims, "vector"),
            ("indices", indices, "matrix"),
            ("values", values, "vector"),
            ("default_value", default, "scalar"),
        ])?;
        let (n, rank) = (indices.dims()[0], indices.dims()[1]);
        check_lengths(values, n, "indices")?;
        if dims.n_elements() != rank {
            return Err(Status::invalid_argument(format!(
                "The length of `dense_shape` ({}) must match the second dimension of `indices` ({rank}).",
                dims.n_elements()
            )));
        }
        let n_rows = match sizes(dims.as_slice()?)?[..] {
            [n_rows, ..] => n_rows,
            [] => return Err(Status::invalid_argument("Dense shape cannot be empty.")),
        };
        if n_rows == 0 && n > 0 {
            return Err(Status::invalid_argument(format!(
                "Received SparseTensor with dense_shape[0] = 0 but indices.shape[0] = {n}"
            )));
        }
        let indices = indices.as_slice::<i64>()?;
        let rows: Vec<i64> = indices.iter().step_by(rank).copied().collect();
        let filled = Filled::new(&rows, n_rows, |i| format!("indices({i}, 0)"))?;
        let mut output = Vec::with_capacity(filled.sources.len().saturating_mul(rank));
        for (row, source) in &filled.sources {
            match source {
                Some(i) => output.extend_from_slice(&indices[i * rank..][..rank]),
                None => {
                    output.push(*row);
                    output.resize(output.len() + rank - 1, 0);
                }
            }
        }
        let output = index_matrix(rank, output, filled.sources.len())?;
        filled.set_outputs(cx, output)
    })
}

/// As [`sparse_fill_empty_rows`], of a ragged tensor.
///
/// Shapes: `value_rowids [n]`, `values [n]`, `nrows []`, `default_value []` → row ids `[m]`, values `[m]`, whether
/// each row was empty `[nrows]`, where each value went `[n]`.  Types: `T` any.
/// Errors: as [`sparse_fill_empty_rows`].  Source: OpDef `RaggedFillEmptyRows`.
pub(super) fn ragged_fill_empty_rows(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let (rows, values, n_rows, default) =
            (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?);
        check_ranks(&[
            ("nrows", n_rows, "scalar"),
            ("value_rowids", rows, "vector"),
            ("values", values, "vector"),
            ("default_value", default, "scalar"),
        ])?;
        let n = rows.n_elements();
        check_lengths(values, n, "value_rowids")?;
        let n_rows = sizes(n_rows.as_slice()?)?[0];
        if n_rows == 0 && n > 0 {
            return Err(Status::invalid_argument(format!(
                "Received SparseTensor with dense_shape[0] = 0 but indices.shape[0] = {n}"
            )));
        }
        let filled = Filled::new(rows.as_slice()?, n_rows, |i| format!("indices({i}, 0)"))?;
        let output = filled.sources.iter().map(|(row, _)| *row).collect();
        // Without a row the reference gives a matrix.
        let output = match n_rows {
            0 => Tensor::from_vec([0, 1], output)?,
            _ => Tensor::from_elements(output),
        };
        filled.set_outputs(cx, output)
    })
}

fn check_ranks(parts: &[(&str, &Tensor, &str)]) -> Result<(), Status> {
    for (name, tensor, kind) in parts {
        let rank = match *kind {
            "scalar" => 0,
            "vector" => 1,
            _ => 2,
        };
        if tensor.shape().rank() != rank {
            return Err(Status::invalid_argument(format!(
                "{name} must be a {kind}, saw: {}",
                tensor.shape()
            )));
        }
    }
    Ok(())
}

fn check_lengths(values: &Tensor, n: usize, name: &str) -> Result<(), Status> {
    if values.n_elements() == n {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "The length of `values` ({}) must match the first dimension of `{name}` ({n}).",
        values.n_elements()
    )))
}

/// The entries of a tensor of which no row is empty.
struct Filled {
    /// The row of each entry, and which entry it was.
    sources: Vec<(i64, Option<usize>)>,
    empty: Vec<bool>,
    /// Where each entry went.
    places: Vec<i64>,
}

impl Filled {
    fn new(rows: &[i64], n_rows: u64, name: impl Fn(usize) -> String) -> Result<Filled, Status> {
        for (i, row) in rows.iter().enumerate() {
            if u64::try_from(*row).is_ok_and(|row| row < n_rows) {
                continue;
            }
            let message = format!("{} is invalid: {row} >= {n_rows}", name(i));
            return Err(Status::invalid_argument(message));
        }
        let too_many = || Status::resource_exhausted(format!("{n_rows} rows are too many"));
        let n = usize::try_from(n_rows).map_err(|_| too_many())?;
        let mut empty = Vec::new();
        let mut sources = Vec::new();
        empty.try_reserve_exact(n).map_err(|_| too_many())?;
        sources.try_reserve(n.max(rows.len())).map_err(|_| too_many())?;
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|i| rows[*i]);
        let mut places = vec![0; rows.len()];
        let mut order = order.into_iter().peekable();
        for row in 0..n as i64 {
            let before = sources.len();
            while let Some(i) = order.next_if(|i| rows[*i] == row) {
                places[i] = sources.len() as i64;
                sources.push((row, Some(i)));
            }
            empty.push(sources.len() == before);
            if sources.len() == before {
                sources.push((row, None));
            }
        }
        Ok(Filled { sources, empty, places })
    }

    /// Sets the outputs; values and default are inputs 1 and 3.
    fn set_outputs(self, cx: &mut KernelContext<'_>, rows: Tensor) -> Result<(), Status> {
        let (values, default) = (cx.input(1)?, cx.input(3)?);
        let picks: Vec<_> =
            self.sources.iter().map(|(_, from)| from.map_or((1, 0), |i| (0, i))).collect();
        let values = picked(values.dtype(), &[values, default], &picks)?;
        cx.set_output(0, rows)?;
        cx.set_output(1, values)?;
        cx.set_output(2, Tensor::from_elements(self.empty))?;
        cx.set_output(3, Tensor::from_elements(self.places))
    }
}

/// Gives each entry the gradient of its place, and the default that of all others.
///
/// Shapes: `reverse_index_map [n]`, `grad_values [m]` → `[n]`, `[]`.  Types: `T` numbers.
/// Errors: `INVALID_ARGUMENT` for other ranks and places out of bounds.
/// Source: OpDefs `SparseFillEmptyRowsGrad`, `RaggedFillEmptyRowsGrad`.
pub(super) fn fill_empty_rows_grad(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_number!(dtype, T => kernel(gradient::<T>), else Err(no_type(init, dtype)))
}

fn gradient<T: Arith>(cx: &mut KernelContext<'_>) -> Result<(), Status> {
    let (places, gradient) = (cx.input(0)?, cx.input(1)?);
    check_ranks(&[("reverse_index_map", places, "vector"), ("grad_values", gradient, "vector")])?;
    let from = gradient.as_slice::<T>()?;
    let mut is_used = vec![false; from.len()];
    let mut output = Vec::with_capacity(places.n_elements());
    for place in places.as_slice::<i64>()? {
        let at = usize::try_from(*place).ok().filter(|at| *at < from.len()).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Elements in reverse index must be in [0, {}) but got {place}",
                from.len()
            ))
        })?;
        is_used[at] = true;
        output.push(from[at]);
    }
    let rest = from.iter().zip(&is_used).filter(|(_, is_used)| !**is_used);
    let zero = Tensor::zeros(T::DTYPE, [])?.to_scalar::<T>()?;
    let rest = rest.fold(zero, |sum, (value, _)| sum.add(*value));
    cx.set_output(0, Tensor::from_elements(output))?;
    cx.set_output(1, Tensor::scalar(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_empty_ones_filled() {
        let filled = Filled::new(&[2, 0, 2], 4, |_| String::new()).unwrap();
        assert_eq!(
            filled.sources,
            [(0, Some(1)), (1, None), (2, Some(0)), (2, Some(2)), (3, None)]
        );
        assert_eq!(filled.empty, [false, true, false, true]);
        assert_eq!(filled.places, [2, 0, 3]);
    }

    #[test]
    fn more_rows_than_memory_are_refused() {
        let status = Filled::new(&[], 1 << 62, |_| String::new()).err().unwrap();
        assert_eq!(status.code(), flowkeep_tensor::Code::ResourceExhausted);
    }
}
