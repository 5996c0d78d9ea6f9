//! Arithmetic of more than two operands.

use flowkeep_tensor::{DType, Tensor};

use super::scalar::{Loops, Real, Scalar};
use super::unary::unary;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::{no_type, with_number, with_real};
use crate::ops::list;

/// Elements per task.
const GRAIN: usize = 32 << 10;
/// Elements that are summed at a time.
const BLOCK: usize = 512;

/// The sum of any number of tensors of one shape.
///
/// Shapes: `N` times `inputs [D..]` → `[D..]`.  Types: numbers; lists of numbers, element by element.
/// Errors: `INVALID_ARGUMENT` if the shapes differ: there is no broadcasting.  Source: OpDef `AddN`.
pub(super) fn add_n(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    if dtype == DType::Variant {
        return list::add_n();
    }
    with_number!(dtype, T => kernel(add_all::<T>), else Err(no_type(init, dtype)))
}

fn add_all<T: Scalar>(cx: &mut KernelContext<'_>) -> Result<(), Status> {
    let pool = cx.pool();
    let mut sum = cx.take_input(0)?;
    let rest: Vec<Tensor> =
        (1..cx.n_inputs()).map(|idx| cx.take_input(idx)).collect::<Result<_, _>>()?;
    if let Some(idx) = rest.iter().position(|tensor| tensor.shape() != sum.shape()) {
        return Err(Status::invalid_argument(format!(
            "Inputs to operation {} of type AddN must have the same size and shape.  Input 0: {} != \
             input {}: {}",
            cx.node_name(),
            sum.shape(),
            idx + 1,
            rest[idx].shape()
        )));
    }
    if rest.is_empty() {
        return cx.set_output(0, sum);
    }
    let values: Vec<&[T]> =
        rest.iter().map(|tensor| tensor.as_slice()).collect::<Result<_, _>>()?;
    // TensorFlow adds groups of eight to what comes before them; the first has what is left over.
    let n_first = match (values.len() + 1) % 8 {
        0 => 8,
        1 => 9,
        n => n,
    };
    let (first, groups) = values.split_at(n_first - 1);
    pool.parallel_chunks(sum.make_mut::<T>()?, GRAIN, |chunk_idx, chunk| {
        for (block_idx, sum) in chunk.chunks_mut(BLOCK).enumerate() {
            let start = chunk_idx * GRAIN + block_idx * BLOCK;
            let range = start..start + sum.len();
            first.iter().for_each(|values| add(sum, &values[range.clone()]));
            for group in groups.chunks(8) {
                let mut group_sum = [T::ZERO; BLOCK];
                let group_sum = &mut group_sum[..sum.len()];
                group_sum.copy_from_slice(&group[0][range.clone()]);
                group[1..].iter().for_each(|values| add(group_sum, &values[range.clone()]));
                add(sum, group_sum);
            }
        }
    });
    cx.set_output(0, sum)
}

fn add<T: Scalar>(sum: &mut [T], values: &[T]) {
    sum.iter_mut().zip(values).for_each(|(sum, &value)| *sum = sum.plus(value));
}

/// Each element, but at most `clip_value_max` and then at least `clip_value_min`.
///
/// Shapes: `t [D..]`, bounds `[]` or `[D..]` → `[D..]`.  Types: real numbers. NaN stays.
/// Errors: `INVALID_ARGUMENT` for bounds of another shape.  Source: OpDef `ClipByValue`.
pub(super) fn clip_by_value(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_real!(dtype, T => kernel(clip::<T>), else Err(no_type(init, dtype)))
}

fn clip<T: Real + Loops>(cx: &mut KernelContext<'_>) -> Result<(), Status> {
    let (low, high) = (cx.take_input(1)?, cx.take_input(2)?);
    if low.n_elements() == 1 && high.n_elements() == 1 {
        let (low, high) = (low.to_scalar::<T>()?, high.to_scalar::<T>()?);
        return unary(move |x: T| x.smaller(high).larger(low)).compute(cx);
    }
    let pool = cx.pool();
    let mut clipped = cx.take_input(0)?;
    let fits = |bound: &Tensor| bound.n_elements() == 1 || bound.shape() == clipped.shape();
    if !fits(&low) || !fits(&high) {
        return Err(Status::invalid_argument(format!(
            "clip_value_min and clip_value_max must be either of the same shape as input, or a \
             scalar. input shape: {}clip_value_min shape: {}clip_value_max shape: {}",
            clipped.shape(),
            low.shape(),
            high.shape()
        )));
    }
    let (low, high) = (low.as_slice::<T>()?, high.as_slice::<T>()?);
    let at = |bound: &[T], idx: usize| if bound.len() == 1 { bound[0] } else { bound[idx] };
    pool.parallel_chunks(clipped.make_mut::<T>()?, GRAIN, |chunk_idx, chunk| {
        for (i, x) in chunk.iter_mut().enumerate() {
            let idx = chunk_idx * GRAIN + i;
            *x = x.smaller(at(high, idx)).larger(at(low, idx));
        }
    });
    cx.set_output(0, clipped)
}
