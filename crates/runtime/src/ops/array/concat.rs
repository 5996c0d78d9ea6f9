//! Ops that join tensors along a dimension.

use std::ops::Range;

use flowkeep_linalg::Pool;
use flowkeep_tensor::Tensor;

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};
use crate::ops::cells::{Cell, Move, copy, fill_in};

/// Cells per task of a long copy.
const GRAIN: usize = 64 << 10;

/// Joins tensors along the dimension `axis`, the last input.
///
/// Shapes: `n` times `values [D0.., A_i, ..]`, `axis []` → `[D0.., A_0 + A_1 + .., ..]`.
/// Types: `T` any; `axis` i32 or i64.
/// Errors: `INVALID_ARGUMENT` if ranks or other dimensions differ, or `axis` is no dimension.
/// Source: OpDef `ConcatV2`.
pub(super) fn concat_v2(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let last = cx.n_inputs().saturating_sub(1);
        concat_inputs(cx, 0..last, (last, "axis"))
    })
}

/// As [`concat_v2`], with the dimension as the first input.
///
/// Source: OpDef `Concat`.
pub(super) fn concat_v1(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let n = cx.n_inputs();
        concat_inputs(cx, 1..n, (0, "concat_dim"))
    })
}

fn concat_inputs(
    cx: &mut KernelContext<'_>,
    values: Range<usize>,
    (axis, axis_name): (usize, &str),
) -> Result<(), Status> {
    let axis_input = cx.input(axis)?;
    if axis_input.n_elements() != 1 {
        return Err(Status::invalid_argument(format!(
            "{axis_name} tensor should be a scalar integer, but got shape {}",
            axis_input.shape()
        )));
    }
    let axis = args::int(axis_input, axis_name)?;
    let values: Vec<&Tensor> = values.map(|idx| cx.input(idx)).collect::<Result<_, _>>()?;
    let Some(first) = values.first() else {
        return Err(Status::invalid_argument("nothing to concatenate"));
    };
    let rank = first.shape().rank();
    if rank == 0 {
        let message = "ConcatOp : Can't concatenate scalars (use tf.stack instead)";
        return Err(Status::invalid_argument(message));
    }
    let axis = args::axis(axis, rank).ok_or_else(|| {
        Status::invalid_argument(format!(
            "ConcatOp : Expected concatenating dimensions in the range [-{rank}, {rank}), but got {axis}"
        ))
    })?;
    let mut size = 0usize;
    for (idx, value) in values.iter().enumerate() {
        check_fits(idx, first, value, axis)?;
        size = size.saturating_add(value.dims()[axis]);
    }
    let mut shape = first.dims().to_vec();
    shape[axis] = size;
    let outer = product(&shape[..axis]);
    let output = fill_in(cx, first.dtype(), &values, shape, Join { outer, pool: cx.pool() })?;
    cx.set_output(0, output)
}

fn check_fits(idx: usize, first: &Tensor, value: &Tensor, axis: usize) -> Result<(), Status> {
    let (dims, first_dims) = (value.dims(), first.dims());
    if dims.len() != first_dims.len() {
        return Err(Status::invalid_argument(format!(
            "ConcatOp : Ranks of all input tensors should match: shape[0] = {} vs. shape[{idx}] = {}",
            first.shape(),
            value.shape()
        )));
    }
    match (0..dims.len()).find(|&dim| dim != axis && dims[dim] != first_dims[dim]) {
        None => Ok(()),
        Some(dim) => Err(Status::invalid_argument(format!(
            "ConcatOp : Dimension {dim} in both shapes must be equal: shape[0] = {} vs. shape[{idx}] = {}",
            first.shape(),
            value.shape()
        ))),
    }
}

/// Joins tensors of one shape along a new dimension.
///
/// Shapes: `N` times `values [D..]` → `[D0.., N, ..]`, the new dimension at `axis`.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` if the shapes differ or `axis` is outside `[-1 - rank, rank]`.
/// Source: OpDef `Pack`.
pub(super) fn pack(init: &KernelInit<'_>) -> Built {
    let axis = init.attr_int("axis")?;
    kernel(move |cx| {
        let values: Vec<&Tensor> =
            (0..cx.n_inputs()).map(|idx| cx.input(idx)).collect::<Result<_, _>>()?;
        let Some(first) = values.first() else {
            return Err(Status::invalid_argument("nothing to pack"));
        };
        let mut shape = first.dims().to_vec();
        let axis = args::axis(axis, shape.len() + 1).ok_or_else(|| {
            let n = shape.len() + 1;
            Status::invalid_argument(format!("axis = {axis} not in [-{n}, {n})"))
        })?;
        if let Some(idx) = values.iter().position(|value| value.shape() != first.shape()) {
            return Err(Status::invalid_argument(format!(
                "Shapes of all inputs must match: values[0].shape = {} != values[{idx}].shape = {}",
                first.shape(),
                values[idx].shape()
            )));
        }
        shape.insert(axis, values.len());
        let outer = product(&shape[..axis]);
        let output = fill_in(cx, first.dtype(), &values, shape, Join { outer, pool: cx.pool() })?;
        cx.set_output(0, output)
    })
}

/// Interleaves blocks of the inputs, each of which has `outer` of them.
struct Join<'a> {
    outer: usize,
    pool: &'a Pool,
}

impl Move for Join<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        if to.is_empty() {
            return Ok(());
        }
        let row = to.len() / self.outer;
        let rows = (GRAIN / row).clamp(1, self.outer);
        self.pool.parallel_chunks(to, rows * row, |idx, to| {
            for (i, to) in to.chunks_exact_mut(row).enumerate() {
                let mut rest = to;
                for from in from {
                    let len = from.len() / self.outer;
                    let (block, others) = rest.split_at_mut(len);
                    copy(&from[(idx * rows + i) * len..][..len], block);
                    rest = others;
                }
            }
        });
        Ok(())
    }
}
