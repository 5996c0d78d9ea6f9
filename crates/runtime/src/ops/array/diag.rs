//! Ops on the diagonals of matrices, and of tensors.

use flowkeep_linalg::Pool;
use flowkeep_tensor::{MAX_RANK, Tensor};

use super::diagonals::{Align, Bounds, Diagonals, bounds};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};
use crate::ops::cells::{Cell, Move, copy, fill_from, fill_zeroed};

/// Cells per task.
const GRAIN: usize = 32 << 10;

/// The main diagonals, or a range of diagonals, of matrices.
///
/// Shapes: `input [B.., m, n]`, `k []`, `[1]` or `[2]`, `padding_value []` → `[B.., l]` for one
/// diagonal of length `l`, else `[B.., k1 - k0 + 1, l]` where `l` is the longest one's.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for another rank, or diagonals that do not exist.
/// Source: OpDefs `MatrixDiagPart` (without `k`), `MatrixDiagPartV2`, `MatrixDiagPartV3`.
pub(super) fn matrix_diag_part(init: &KernelInit<'_>) -> Built {
    let (align, ranged) = (Align::new(init)?, init.n_inputs() > 1);
    kernel(move |cx| {
        let input = cx.input(0)?;
        let k = if ranged { bounds(cx.input(1)?)? } else { Bounds::MAIN };
        let (batch, rows, cols) = matrices(input)?;
        k.check(rows, cols, ". ")?;
        let diagonals = Diagonals::new(k, rows, cols, align);
        let shape = [batch, &diagonals.shape()].concat();
        let job = Part { diagonals: &diagonals, pool: cx.pool() };
        let output = match ranged {
            false => fill_from(input.dtype(), &[input], shape, job)?,
            true => {
                let padding = cx.input(2)?;
                if padding.n_elements() == 0 {
                    return Err(Status::invalid_argument("padding_value must be a scalar"));
                }
                fill_from(input.dtype(), &[input, padding], shape, job)?
            }
        };
        cx.set_output(0, output)
    })
}

/// Matrices that are zero, or `padding_value`, outside the given diagonals.
///
/// Shapes: `diagonal [B.., l]`, or `[B.., k1 - k0 + 1, l]` for several; `k []`, `[1]` or `[2]`;
/// `num_rows`, `num_cols`, `padding_value []` → `[B.., num_rows, num_cols]`; -1 stands for the smallest
/// size.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for sizes that do not fit the diagonals; `RESOURCE_EXHAUSTED` if the
/// result is too large.  Source: OpDefs `MatrixDiag` (of main diagonals), `MatrixDiagV2`, `MatrixDiagV3`.
pub(super) fn matrix_diag(init: &KernelInit<'_>) -> Built {
    let (align, ranged) = (Align::new(init)?, init.n_inputs() > 1);
    kernel(move |cx| {
        let diagonal = cx.input(0)?;
        let k = if ranged { bounds(cx.input(1)?)? } else { Bounds::MAIN };
        let (num_rows, num_cols) = if ranged { sizes(cx)? } else { (-1, -1) };
        let Some((&longest, outer)) = diagonal.dims().split_last() else {
            return Err(Status::invalid_argument(format!(
                "diagonal must be at least 1-dim, received shape: {}",
                diagonal.shape()
            )));
        };
        let batch = match (k.lower == k.upper, outer.split_last()) {
            (true, _) => outer,
            (false, Some((&n, batch))) if u64::try_from(n).ok() == Some(k.n()) => batch,
            _ => {
                return Err(Status::invalid_argument(
                    "The number of diagonals provided in the input does not match the \
                     lower_diag_index and upper_diag_index range.",
                ));
            }
        };
        let (rows, cols) = matrix_sizes(k, longest, num_rows, num_cols)?;
        let shape = args::shape(&[rows, cols])?;
        let shape = [batch, shape.dims()].concat();
        if shape.len() > MAX_RANK {
            let message = format!("{} dimensions are too many", shape.len());
            return Err(Status::invalid_argument(message));
        }
        let diagonals = Diagonals {
            longest,
            ..Diagonals::new(k, shape[batch.len()], shape[batch.len() + 1], align)
        };
        let job = Whole { diagonals: &diagonals, pool: cx.pool(), background: Background::Padding };
        let output = match ranged {
            false => fill_from(diagonal.dtype(), &[diagonal], shape, job)?,
            true => fill_from(diagonal.dtype(), &[diagonal, cx.input(4)?], shape, job)?,
        };
        cx.set_output(0, output)
    })
}

/// The inputs `num_rows` and `num_cols`.
fn sizes(cx: &KernelContext<'_>) -> Result<(i64, i64), Status> {
    for (idx, name) in [(2, "num_rows"), (3, "num_cols"), (4, "padding_value")] {
        if !cx.input(idx)?.shape().is_scalar() {
            return Err(Status::invalid_argument(format!("{name} must be a scalar")));
        }
    }
    Ok((args::int(cx.input(2)?, "num_rows")?, args::int(cx.input(3)?, "num_cols")?))
}

/// The rows and columns of matrices whose diagonals `k` are at most `longest` long.
fn matrix_sizes(
    k: Bounds,
    longest: usize,
    num_rows: i64,
    num_cols: i64,
) -> Result<(i64, i64), Status> {
    // The bounds are of 32 bits.
    let longest = i64::try_from(longest).map_err(|_| Status::internal("no such tensor"))?;
    let min_rows = longest.saturating_sub(k.upper.min(0));
    let min_cols = longest.saturating_add(k.lower.max(0));
    let error = |message: &str| Err(Status::invalid_argument(message));
    if num_rows != -1 && num_rows < min_rows {
        return error("The number of rows is too small.");
    }
    if num_cols != -1 && num_cols < min_cols {
        return error("The number of columns is too small.");
    }
    let (rows, cols) = match (num_rows, num_cols) {
        (-1, -1) => (min_rows.max(min_cols), min_rows.max(min_cols)),
        (-1, cols) => (min_rows, cols),
        (rows, -1) => (rows, min_cols),
        sizes => sizes,
    };
    if rows != min_rows && cols != min_cols {
        return error(
            "The number of rows or columns is not consistent with the specified d_lower, d_upper, \
             and diagonal.",
        );
    }
    Ok((rows, cols))
}

/// Matrices with some diagonals replaced.
///
/// Shapes: `input [B.., m, n]`, `diagonal [B.., l]` or `[B.., k1 - k0 + 1, l]`, `k []`, `[1]` or `[2]` →
/// `[B.., m, n]`.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for another shape of `diagonal`, or diagonals that do not exist.
/// Source: OpDefs `MatrixSetDiag` (of main diagonals), `MatrixSetDiagV2`, `MatrixSetDiagV3`.
pub(super) fn matrix_set_diag(init: &KernelInit<'_>) -> Built {
    let (align, ranged) = (Align::new(init)?, init.n_inputs() > 2);
    kernel(move |cx| {
        let (input, diagonal) = (cx.input(0)?, cx.input(1)?);
        let (batch, rows, cols) = matrices(input)?;
        if diagonal.shape().is_scalar() {
            return Err(Status::invalid_argument(format!(
                "diagonal must be at least 1-dim, received shape: {}",
                diagonal.shape()
            )));
        }
        let k = if ranged { bounds(cx.input(2)?)? } else { Bounds::MAIN };
        k.check(rows, cols, " ")?;
        let diagonals = Diagonals::new(k, rows, cols, align);
        let wanted = [batch, &diagonals.shape()].concat();
        if k.lower != k.upper && diagonal.dims().get(batch.len()) != wanted.get(batch.len()) {
            return Err(Status::invalid_argument(
                "The number of diagonals provided in `diag` is not consistent with `lower_diag_index` \
                 and `upper_diag_index`",
            ));
        }
        if diagonal.dims() != wanted {
            let shown: Vec<String> = wanted.iter().map(usize::to_string).collect();
            return Err(Status::invalid_argument(format!(
                "Either first dimensions of diagonal don't match input.shape[:-2], or \
                 diagonal.shape[:-1] is not equal to the longests diagonal in range \
                 [lower_diag_index:upper_diag_index].\nInput shape: {}\nDiagonal shape: {}\nExpected \
                 diagonal shape: [{}]",
                input.shape(),
                diagonal.shape(),
                shown.join(",")
            )));
        }
        let job =
            Whole { diagonals: &diagonals, pool: cx.pool(), background: Background::Matrices };
        let output = fill_from(input.dtype(), &[diagonal, input], input.shape(), job)?;
        cx.set_output(0, output)
    })
}

/// The batch dimensions, rows and columns of a tensor of matrices.
fn matrices(input: &Tensor) -> Result<(&[usize], usize, usize), Status> {
    match input.dims() {
        [batch @ .., rows, cols] => Ok((batch, *rows, *cols)),
        _ => Err(Status::invalid_argument(format!(
            "input must be at least 2-dim, received shape: {}",
            input.shape()
        ))),
    }
}

/// Copies the diagonals of the first input's matrices; the second, if any, is what fills them up.
struct Part<'a> {
    diagonals: &'a Diagonals,
    pool: &'a Pool,
}

impl Move for Part<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let Diagonals { rows, cols, .. } = *self.diagonals;
        let Some(from_all) = from.first().filter(|_| !to.is_empty()) else { return Ok(()) };
        if let Some(padding) = from.get(1).and_then(|padding| padding.first()) {
            fill_zeroed(to, padding);
        }
        let (found, size) = (self.diagonals.all(), product(&self.diagonals.shape()));
        let per_task = (GRAIN / size).max(1);
        self.pool.parallel_chunks(to, per_task.saturating_mul(size), |idx, to| {
            for (i, to) in to.chunks_exact_mut(size).enumerate() {
                let from = &from_all[(idx * per_task + i) * rows * cols..][..rows * cols];
                for diagonal in &found {
                    let from = from[diagonal.first..].iter().step_by(cols + 1);
                    let to = &mut to[diagonal.at..][..diagonal.len];
                    to.iter_mut().zip(from).for_each(|(to, from)| to.clone_from(from));
                }
            }
        });
        Ok(())
    }
}

/// What is in a matrix beside the diagonals.
#[derive(Clone, Copy)]
enum Background {
    /// The only element of the second input, or zeros.
    Padding,
    /// The matrices of the second input.
    Matrices,
}

/// Copies diagonals, the first input, into matrices.
struct Whole<'a> {
    diagonals: &'a Diagonals,
    pool: &'a Pool,
    background: Background,
}

impl Move for Whole<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let Diagonals { rows, cols, .. } = *self.diagonals;
        let Some(from_all) = from.first().filter(|_| !to.is_empty()) else { return Ok(()) };
        match (self.background, from.get(1)) {
            (Background::Matrices, Some(matrices)) => copy(matrices, to),
            (Background::Padding, Some([padding])) => fill_zeroed(to, padding),
            _ => {}
        }
        let (found, size) = (self.diagonals.all(), product(&self.diagonals.shape()));
        let per_task = (GRAIN / (rows * cols)).max(1);
        self.pool.parallel_chunks(to, per_task * rows * cols, |idx, to| {
            for (i, to) in to.chunks_exact_mut(rows * cols).enumerate() {
                let from = &from_all[(idx * per_task + i) * size..][..size];
                for diagonal in &found {
                    let from = &from[diagonal.at..][..diagonal.len];
                    let to = to[diagonal.first..].iter_mut().step_by(cols + 1);
                    to.zip(from).for_each(|(to, from)| to.clone_from(from));
                }
            }
        });
        Ok(())
    }
}

/// A tensor with the input on its diagonal: `y[i.., i..] = x[i..]`, and zeros elsewhere.
///
/// Shapes: `diagonal [D..]` → `[D.., D..]`.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for a scalar; `RESOURCE_EXHAUSTED` if the result is too large.
/// Source: OpDef `Diag`.
pub(super) fn diag(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let input = cx.input(0)?;
        let dims = input.dims();
        if dims.is_empty() {
            return Err(Status::invalid_argument("Input must be at least rank 1, got 0"));
        }
        if 2 * dims.len() > MAX_RANK {
            let message = format!("{} dimensions are too many", 2 * dims.len());
            return Err(Status::invalid_argument(message));
        }
        let output = fill_from(input.dtype(), &[input], [dims, dims].concat(), Spread)?;
        cx.set_output(0, output)
    })
}

/// The diagonal of a tensor: `y[i..] = x[i.., i..]`.
///
/// Shapes: `input [D.., D..]` → `[D..]`.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` if the dimensions are not the same twice.  Source: OpDef `DiagPart`.
pub(super) fn diag_part(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let input = cx.input(0)?;
        let (first, second) = input.dims().split_at(input.shape().rank() / 2);
        if first.len() != second.len() {
            return Err(Status::invalid_argument(format!(
                "The rank of the tensor should be                                          even \
                 and positive, got shape {}",
                input.shape()
            )));
        }
        if let Some(dim) = (0..first.len()).find(|&dim| first[dim] != second[dim]) {
            return Err(Status::invalid_argument(format!(
                "Invalid shape {}: dimensions {dim} and {} do not match.",
                input.shape(),
                dim + first.len()
            )));
        }
        let output = fill_from(input.dtype(), &[input], first, Collect)?;
        cx.set_output(0, output)
    })
}

/// Copies each cell onto the diagonal of a square.
struct Spread;

impl Move for Spread {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        if let Some(from) = from.first() {
            let to = to.iter_mut().step_by(from.len() + 1);
            to.zip(*from).for_each(|(to, from)| to.clone_from(from));
        }
        Ok(())
    }
}

/// Copies the diagonal of a square.
struct Collect;

impl Move for Collect {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        if let Some(from) = from.first() {
            let from = from.iter().step_by(to.len() + 1);
            to.iter_mut().zip(from).for_each(|(to, from)| to.clone_from(from));
        }
        Ok(())
    }
}

/// Keeps a band around the main diagonal of matrices, and zeros elsewhere.
///
/// Shapes: `input [B.., m, n]`, `num_lower`, `num_upper []` → `[B.., m, n]`; a negative number keeps the
/// whole triangle.  Types: `T` any; numbers i32 or i64.
/// Errors: `INVALID_ARGUMENT` for another rank, or more diagonals than there are.
/// Source: OpDef `MatrixBandPart`.
pub(super) fn matrix_band_part(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let input = cx.input(0)?;
        let (_, rows, cols) = matrices(input)?;
        let number = |idx: usize, name: &str, most: usize, of: &str| {
            let tensor = cx.input(idx)?;
            if !tensor.shape().is_scalar() {
                return Err(Status::invalid_argument(format!(
                    "{name} must be scalar, got shape {}",
                    tensor.shape()
                )));
            }
            let number = args::int(tensor, name)?;
            let Ok(n) = usize::try_from(number) else { return Ok(None) };
            if n > most {
                return Err(Status::invalid_argument(format!(
                    "{name} must be negative or less or equal to number of {of} ({most}) got: {n}"
                )));
            }
            Ok(Some(n))
        };
        let lower = number(1, "num_lower", rows, "rows")?;
        let upper = number(2, "num_upper", cols, "columns")?;
        if (lower, upper) == (None, None) || input.n_elements() == 0 {
            let input = cx.take_input(0)?;
            return cx.set_output(0, input);
        }
        let job = Band { rows, cols, lower, upper, pool: cx.pool() };
        let output = fill_from(input.dtype(), &[input], input.shape(), job)?;
        cx.set_output(0, output)
    })
}

/// Copies what of each row lies within a band; there is at least one element.
struct Band<'a> {
    rows: usize,
    cols: usize,
    lower: Option<usize>,
    upper: Option<usize>,
    pool: &'a Pool,
}

impl Move for Band<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let Band { rows, cols, lower, upper, pool } = self;
        let Some(from) = from.first() else { return Ok(()) };
        let per_task = (GRAIN / cols).max(1);
        pool.parallel_chunks(to, per_task * cols, |idx, to| {
            for (i, to) in to.chunks_exact_mut(cols).enumerate() {
                let line = idx * per_task + i;
                let row = line % rows;
                let start = lower.map_or(0, |lower| row.saturating_sub(lower)).min(cols);
                let end = upper.map_or(cols, |upper| cols.min(row + upper + 1));
                if start < end {
                    copy(&from[line * cols..][start..end], &mut to[start..end]);
                }
            }
        });
        Ok(())
    }
}
