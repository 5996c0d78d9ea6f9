//! Rows of ragged tensors, gathered.

use std::ops::Range;

use flowkeep_tensor::{Shape, Tensor};

use super::splits_tensor;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, index_text, ints, kernel, product};
use crate::ops::cells::{Cell, Move, copy, fill_from};

/// The rows of a ragged tensor that indices name.
///
/// Shapes: `PARAMS_RAGGED_RANK` times row splits, values `[n, r..]`, indices `[i..]` → row splits, those of the indices
/// first, and values.  Types: `Tvalues` any; indices and row splits i32 or i64.
/// Errors: `INVALID_ARGUMENT` for indices out of range, row splits that decrease or point past what they split.
/// Source: OpDef `RaggedGather`.
pub(super) fn ragged_gather(init: &KernelInit<'_>) -> Built {
    let n_splits = init.n_inputs() - 2;
    let dtype = init.attr_type("Tsplits")?;
    let n_outputs = init.n_outputs() - 1;
    kernel(move |cx| {
        let error = |message: String| Err(Status::invalid_argument(message));
        let (values, indices) = (cx.input(n_splits)?, cx.input(n_splits + 1)?);
        if values.shape().rank() == 0 {
            return error("params.rank must be nonzero".into());
        }
        let splits: Vec<Vec<i64>> =
            (0..n_splits).map(|idx| ints(cx.input(idx)?)).collect::<Result<_, Status>>()?;
        let n_values = values.dims()[0];
        let n_rows = splits[0].len() as i64 - 1;
        let wanted = ints(indices)?;
        for (at, index) in wanted.iter().enumerate() {
            if !(0..n_rows).contains(index) {
                let place = index_text(at, indices.dims());
                return error(format!("indices{place} = {index} is not in [0, {n_rows})"));
            }
        }
        let lengths = splits.iter().skip(1).map(|splits| splits.len() as i64 - 1);
        for (splits, length) in splits.iter().zip(lengths.chain([n_values as i64])) {
            if splits.iter().any(|split| *split < 0) {
                return error("Ragged splits must be non-negative".into());
            }
            if splits.iter().any(|split| *split > length) {
                return error("Ragged splits must not point past values".into());
            }
            if !splits.is_sorted() {
                return error("Ragged splits must be sorted".into());
            }
        }
        let n_dims = indices.shape().rank();
        if n_outputs + 1 != n_splits + n_dims {
            return error(
                "OUTPUT_RAGGED_RANK must be indices.rank - 1 + PARAMS_RAGGED_RANK".into(),
            );
        }
        let mut outputs = Vec::new();
        // Those of the indices: rows of the same length.
        let mut n = indices.dims().first().copied().unwrap_or(1);
        for dim in indices.dims().iter().skip(1) {
            let Some(end) = n.checked_mul(*dim).filter(|end| *end <= wanted.len() || *dim == 0)
            else {
                return error("the indices are too many".into());
            };
            outputs.push((0..=n).map(|row| (row * dim) as i64).collect::<Vec<i64>>());
            n = end;
        }
        let mut rows: Vec<Range<usize>> =
            wanted.iter().map(|index| *index as usize..*index as usize + 1).collect();
        for (level, splits) in splits.iter().enumerate() {
            let mut ends = vec![0];
            let mut inner = Vec::with_capacity(rows.len());
            for range in rows {
                for row in range.clone() {
                    let last = ends.last().copied().unwrap_or(0);
                    ends.push(last + splits[row + 1] - splits[row]);
                }
                inner.push(splits[range.start] as usize..splits[range.end] as usize);
            }
            rows = inner;
            // A scalar takes one row, which has no splits of its own.
            if level > 0 || n_dims > 0 {
                outputs.push(ends);
            }
        }
        let n = rows.iter().map(Range::len).sum();
        let row_dims = &values.dims()[1..];
        let shape = Shape::from([&[n], row_dims].concat());
        let job = Rows { rows: &rows, len: product(row_dims) };
        let gathered: Tensor = fill_from(values.dtype(), &[values], shape, job)?;
        for (idx, splits) in outputs.into_iter().enumerate() {
            cx.set_output(idx, splits_tensor(splits, dtype)?)?;
        }
        cx.set_output(n_outputs, gathered)
    })
}

/// Copies stretches of rows.
struct Rows<'a> {
    rows: &'a [Range<usize>],
    len: usize,
}

impl Move for Rows<'_> {
    fn run<C: Cell>(self, from: &[&[C]], mut to: &mut [C]) -> Result<(), Status> {
        let Some(from) = from.first() else { return Ok(()) };
        for range in self.rows {
            let (next, rest) = to.split_at_mut(range.len() * self.len);
            copy(&from[range.start * self.len..range.end * self.len], next);
            to = rest;
        }
        Ok(())
    }
}
