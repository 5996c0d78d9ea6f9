//! Ops that reverse or roll parts of dimensions.

use flowkeep_linalg::Pool;

use super::transform::reversed;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};
use crate::ops::cells::{Cell, Move, copy, fill_from};

/// Cells per task.
const GRAIN: usize = 32 << 10;

/// Reverses the first `seq_lengths[i]` elements along `seq_dim` of each slice `i` along `batch_dim`.
///
/// Shapes: `input [D..]`, `seq_lengths [D[batch_dim]]` → `[D..]`.  Types: `T` any; `Tlen` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for dimensions that do not exist, or lengths outside the dimension.
/// Source: OpDef `ReverseSequence`.
pub(super) fn reverse_sequence(init: &KernelInit<'_>) -> Built {
    let (seq_dim, batch_dim) = (init.attr_int("seq_dim")?, init.attr_int("batch_dim")?);
    kernel(move |cx| {
        let (input, lengths) = (cx.input(0)?, cx.input(1)?);
        let (dims, rank) = (input.dims(), input.shape().rank());
        if lengths.shape().rank() != 1 {
            let message = format!("seq_lengths must be 1-dim, not {}", lengths.shape().rank());
            return Err(Status::invalid_argument(message));
        }
        if batch_dim == seq_dim {
            let message = format!("batch_dim == seq_dim == {seq_dim}");
            return Err(Status::invalid_argument(message));
        }
        let axis = |dim: i64, name: &str| {
            usize::try_from(dim).ok().filter(|dim| *dim < rank).ok_or_else(|| {
                Status::invalid_argument(format!("{name} must be < input rank ( {dim} vs. {rank})"))
            })
        };
        let (seq, batch) = (axis(seq_dim, "seq_dim")?, axis(batch_dim, "batch_dim")?);
        if lengths.n_elements() != dims[batch] {
            return Err(Status::invalid_argument(format!(
                "Length of seq_lengths != input.dims({batch}), ({} vs. {})",
                lengths.n_elements(),
                dims[batch]
            )));
        }
        let length = |(idx, length): (usize, i64)| match usize::try_from(length) {
            Ok(length) if length <= dims[seq] => Ok(length),
            Ok(_) => {
                Err(Status::invalid_argument(format!("seq_lens({idx}) > input.dims({seq_dim})")))
            }
            Err(_) => Err(Status::invalid_argument(format!("seq_lens({idx}) < 0"))),
        };
        let lengths: Result<Vec<usize>, Status> =
            args::ints(lengths)?.into_iter().enumerate().map(length).collect();
        let (first, second) = (seq.min(batch), seq.max(batch));
        let job = ReverseSequence {
            lengths: &lengths?,
            seq_is_outer: seq < batch,
            seq: dims[seq],
            between: product(&dims[first + 1..second]),
            inner: product(&dims[second + 1..]),
            pool: cx.pool(),
        };
        let output = fill_from(input.dtype(), &[input], input.shape(), job)?;
        cx.set_output(0, output)
    })
}

/// Copies `[outer, batch, between, seq, inner]`, or, if the sequences are the outer ones, `[outer, seq,
/// between, batch, inner]`.
struct ReverseSequence<'a> {
    lengths: &'a [usize],
    seq_is_outer: bool,
    seq: usize,
    between: usize,
    inner: usize,
    pool: &'a Pool,
}

impl Move for ReverseSequence<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let ReverseSequence { lengths, seq_is_outer, seq, between, inner, pool } = self;
        let Some(from) = from.first().filter(|_| !to.is_empty()) else { return Ok(()) };
        let per_task = (GRAIN / inner).max(1);
        pool.parallel_chunks(to, per_task * inner, |idx, to| {
            for (i, to) in to.chunks_exact_mut(inner).enumerate() {
                let row = idx * per_task + i;
                let last = if seq_is_outer { lengths.len() } else { seq };
                let (rest, low) = (row / last, row % last);
                let high = rest / between % if seq_is_outer { seq } else { lengths.len() };
                let (at, batch) = if seq_is_outer { (high, low) } else { (low, high) };
                // The distance of neighbors in a sequence, in rows.
                let step = if seq_is_outer { between * last } else { 1 };
                let source = match lengths[batch].checked_sub(at + 1) {
                    Some(mirrored) => row - at * step + mirrored * step,
                    None => row,
                };
                copy(&from[source * inner..][..inner], to);
            }
        });
        Ok(())
    }
}

/// Reverses the order along the dimensions that `dims` marks.
///
/// Shapes: `tensor [D..]`, `dims [rank]`, bool → `[D..]`.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for another number of marks, and for a first dimension of 0.
/// Source: OpDef `Reverse`.
pub(super) fn reverse_v1(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let (input, marks) = (cx.input(0)?, cx.input(1)?);
        if marks.shape().rank() != 1 {
            let message = format!("'dims' must be 1-dimension, not {}", marks.shape().rank());
            return Err(Status::invalid_argument(message));
        }
        if input.dims().first() == Some(&0) {
            return Err(Status::invalid_argument("Invalid input first dimension. Found 0."));
        }
        let (rank, n_marks) = (input.shape().rank(), marks.n_elements());
        if rank != n_marks {
            return Err(Status::invalid_argument(format!(
                "'dims' must have the same number of values as 'input' has dimensions. 'input' has \
                 {rank}'dims' has {n_marks} values"
            )));
        }
        let marks = marks.as_slice::<bool>()?.to_vec();
        reversed(cx, &marks)
    })
}

/// Moves elements along dimensions, those that fall off the end to the start.
///
/// Shapes: `input [D..]`, `shift` and `axis` both `[]` or `[n]` → `[D..]`; shifts of one axis add up.
/// Types: `T` any; `Tshift`, `Taxis` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for a scalar, other shapes of `shift` and `axis`, or an axis that does not
/// exist.  Source: OpDef `Roll`.
pub(super) fn roll(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let input = cx.input(0)?;
        let (shift, axis) = (cx.input(1)?, cx.input(2)?);
        if input.shape().is_scalar() {
            return Err(Status::invalid_argument("input must be 1-D or higher"));
        }
        for (name, tensor) in [("shift", shift), ("axis", axis)] {
            if tensor.shape().rank() > 1 {
                return Err(Status::invalid_argument(format!(
                    "{name} must be a scalar or a 1-D vector. Found: {}",
                    tensor.shape()
                )));
            }
        }
        if shift.shape() != axis.shape() {
            return Err(Status::invalid_argument("shift and axis must have the same size"));
        }
        let dims = input.dims();
        let rank = dims.len() as i64;
        let mut shifts = vec![0usize; dims.len()];
        for (shift, axis) in args::ints(shift)?.into_iter().zip(args::ints(axis)?) {
            let axis = if axis < 0 { axis + rank } else { axis };
            let at = usize::try_from(axis)
                .ok()
                .filter(|at| *at < dims.len())
                .ok_or_else(|| Status::invalid_argument(format!("axis {axis} is out of range")))?;
            // A dimension is at most i64::MAX, the sum of two smaller numbers fits.
            let dim = (dims[at].max(1)) as i64;
            let sum = i128::from(shift.rem_euclid(dim)) + shifts[at] as i128;
            shifts[at] = (sum % i128::from(dim)) as usize;
        }
        if shifts.iter().all(|shift| *shift == 0) || input.n_elements() == 0 {
            let input = cx.take_input(0)?;
            return cx.set_output(0, input);
        }
        let job = Roll { dims, shifts: &shifts };
        let output = fill_from(input.dtype(), &[input], input.shape(), job)?;
        cx.set_output(0, output)
    })
}

struct Roll<'a> {
    dims: &'a [usize],
    shifts: &'a [usize],
}

impl Move for Roll<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        if let Some(from) = from.first() {
            rolled(from, to, self.dims, self.shifts);
        }
        Ok(())
    }
}

/// Copies a tensor of these dimensions; there are elements.
fn rolled<C: Cell>(from: &[C], to: &mut [C], dims: &[usize], shifts: &[usize]) {
    let (Some((&dim, dims)), Some((&shift, shifts))) = (dims.split_first(), shifts.split_first())
    else {
        return copy(from, to);
    };
    let row = from.len() / dim;
    if shifts.iter().all(|shift| *shift == 0) {
        let (stay, wrap) = from.split_at((dim - shift) * row);
        copy(wrap, &mut to[..shift * row]);
        return copy(stay, &mut to[shift * row..]);
    }
    for (i, from) in from.chunks_exact(row).enumerate() {
        rolled(from, &mut to[(i + shift) % dim * row..][..row], dims, shifts);
    }
}
