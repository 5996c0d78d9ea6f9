//! Reductions: one value for all elements along some dimensions.
//!
//! Shapes: `input [D..]`, `reduction_indices` `[]` or `[n]` → `[D..]` without those dimensions, or with
//! size 1 there under `keep_dims`.  `Tidx` i32 or i64; negative indices count from the end.
//! Errors of all: `INVALID_ARGUMENT` for a dimension that does not exist or is named twice.
//! Source: the OpDefs of those names, values as on the reference CPU kernels; sums are joined in
//! halves, so that their error stays small.

use flowkeep_linalg::{Pool, reduce};
use flowkeep_tensor::{Complex, Tensor, bf16, f16};

use super::scalar::{Real, Scalar};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built, product};
use crate::ops::cells::fill_from;
use crate::ops::dispatch::{no_type, with_type};
use crate::ops::strided::{Strided, dense_strides};

/// Reduces the middle axis of `[outer, reduce, inner]`.
type Run = fn(&Pool, &Tensor, [usize; 3], &mut Tensor) -> Result<(), Status>;

struct Reduce {
    keep_dims: bool,
    run: Run,
}

/// As `with_type!`, for the types that `linalg::reduce` takes.
macro_rules! with_primitive {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        with_type!(
            $dtype,
            $T in [
                F32 => f32,
                F64 => f64,
                I8 => i8,
                I16 => i16,
                I32 => i32,
                I64 => i64,
                U8 => u8,
                U16 => u16,
                U32 => u32,
                U64 => u64,
            ] => $body,
            else $other
        )
    };
}

/// A [`Run`] of primitive types, of narrow floats by an `f32` fold, and of other types.
macro_rules! run {
    ($dtype:expr, $primitive:path, narrow($empty:expr, $step:expr, $finish:expr), else $other:expr) => {
        with_primitive!(
            $dtype,
            T => |pool, x, dims, y| {
                $primitive(pool, x.as_slice::<T>()?, dims, y.make_mut::<T>()?);
                Ok(())
            },
            else with_type!(
                $dtype,
                T in [F16 => f16, BF16 => bf16] => |pool, x, dims, y| {
                    let (x, y) = (x.as_slice::<T>()?, y.make_mut::<T>()?);
                    let step = |a: f32, x: T| $step(a, x.to_f32());
                    let finish = |a: f32| T::from_f32($finish(a, dims[1]));
                    reduce::fold(pool, x, dims, y, $empty, step, $step, finish);
                    Ok(())
                },
                else $other
            )
        )
    };
}

/// A [`Run`] of complex numbers.
macro_rules! complex_run {
    ($init:ident, $dtype:expr, $empty:ident, $step:expr, $finish:expr) => {
        with_type!(
            $dtype,
            T in [Complex64 => Complex<f32>, Complex128 => Complex<f64>] => |pool, x, dims, y| {
                let (x, y) = (x.as_slice::<T>()?, y.make_mut::<T>()?);
                let n = T { re: dims[1] as _, im: 0.0 };
                reduce::fold(pool, x, dims, y, T::$empty, $step, $step, |a: T| $finish(a, n));
                Ok(())
            },
            else return Err(no_type($init, $dtype))
        )
    };
}

/// The sum; of nothing 0; integers wrap.  Types: numbers.
pub(super) fn sum(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let run: Run = run!(
        dtype,
        reduce::sum,
        narrow(0.0, |a, x| a + x, |a, _| a),
        else complex_run!(init, dtype, ZERO, Scalar::plus, |a, _| a)
    );
    build(init, run)
}

/// The mean; of nothing NaN; integers are summed in 64 bits, the quotient is truncated.
///
/// Types: numbers.
pub(super) fn mean(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let run: Run = run!(
        dtype,
        reduce::mean,
        narrow(0.0, |a, x| a + x, |a, n| a / n as f32),
        else complex_run!(init, dtype, ZERO, Scalar::plus, Scalar::over)
    );
    build(init, run)
}

/// The product; of nothing 1; integers wrap.  Types: numbers.
pub(super) fn prod(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let run: Run = run!(
        dtype,
        reduce::prod,
        narrow(1.0, |a, x| a * x, |a, _| a),
        else complex_run!(init, dtype, ONE, Scalar::times, |a, _| a)
    );
    build(init, run)
}

/// The largest element; NaN if there is one; of nothing minus infinity, or the smallest integer.
///
/// Types: real numbers.
pub(super) fn max(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let run: Run = run!(
        dtype,
        reduce::max,
        narrow(f32::NEG_INFINITY, Real::larger, |a, _| a),
        else return Err(no_type(init, dtype))
    );
    build(init, run)
}

/// The smallest element; NaN if there is one; of nothing infinity, or the largest integer.
///
/// Types: real numbers.
pub(super) fn min(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let run: Run = run!(
        dtype,
        reduce::min,
        narrow(f32::INFINITY, Real::smaller, |a, _| a),
        else return Err(no_type(init, dtype))
    );
    build(init, run)
}

/// Whether all elements are true; of none, true.
pub(super) fn all(init: &KernelInit<'_>) -> Built {
    build(init, |pool, x, dims, y| {
        let (x, y) = (x.as_slice::<bool>()?, y.make_mut::<bool>()?);
        reduce::fold(pool, x, dims, y, true, |a, x| a & x, |a, b| a & b, |a| a);
        Ok(())
    })
}

/// Whether any element is true; of none, false.
pub(super) fn any(init: &KernelInit<'_>) -> Built {
    build(init, |pool, x, dims, y| {
        let (x, y) = (x.as_slice::<bool>()?, y.make_mut::<bool>()?);
        reduce::fold(pool, x, dims, y, false, |a, x| a | x, |a, b| a | b, |a| a);
        Ok(())
    })
}

fn build(init: &KernelInit<'_>, run: Run) -> Built {
    Ok(Box::new(Reduce { keep_dims: init.attr_bool("keep_dims")?, run }))
}

impl OpKernel for Reduce {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let axes = args::ints(cx.input(1)?)?;
        let input = cx.take_input(0)?;
        let pool = cx.pool();
        let reduced = reduced_dims(&axes, input.shape().rank())?;
        let dims = input.dims();
        let mut shape = Vec::with_capacity(dims.len());
        for (&dim, &reduced) in dims.iter().zip(&reduced) {
            match (reduced, self.keep_dims) {
                (false, _) => shape.push(dim),
                (true, true) => shape.push(1),
                (true, false) => {}
            }
        }
        // The value of a single element is the element, whatever the reduction.
        if dims.iter().zip(&reduced).all(|(dim, reduced)| !reduced || *dim == 1) {
            let output = input.reshape(shape)?;
            return cx.set_output(0, output);
        }
        let mut output = Tensor::zeros(input.dtype(), shape)?;
        match joined(dims, &reduced) {
            Some(three) => (self.run)(pool, &input, three, &mut output)?,
            None => {
                let (moved, three) = reduced_last(pool, &input, &reduced)?;
                (self.run)(pool, &moved, three, &mut output)?;
            }
        }
        cx.set_output(0, output)
    }
}

/// Which dimensions `axes` names.
fn reduced_dims(axes: &[i64], rank: usize) -> Result<Vec<bool>, Status> {
    let mut reduced = vec![false; rank];
    for &axis in axes {
        let dim = args::axis(axis, rank).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Invalid reduction dimension ({axis} for input with {rank} dimension(s)"
            ))
        })?;
        if std::mem::replace(&mut reduced[dim], true) {
            return Err(Status::invalid_argument(format!(
                "Invalid reduction arguments: Axes contains duplicate dimension: {dim}"
            )));
        }
    }
    Ok(reduced)
}

/// The dimensions as `[outer, reduce, inner]`, if the reduced ones are neighbors.
fn joined(dims: &[usize], reduced: &[bool]) -> Option<[usize; 3]> {
    let counts = |idx: &usize| dims[*idx] != 1;
    let first = (0..dims.len()).filter(counts).find(|&idx| reduced[idx])?;
    let end = (first..dims.len()).filter(counts).find(|&idx| !reduced[idx]).unwrap_or(dims.len());
    if (end..dims.len()).filter(counts).any(|idx| reduced[idx]) {
        return None;
    }
    Some([product(&dims[..first]), product(&dims[first..end]), product(&dims[end..])])
}

/// The tensor with the reduced dimensions moved to the end.
fn reduced_last(
    pool: &Pool,
    input: &Tensor,
    reduced: &[bool],
) -> Result<(Tensor, [usize; 3]), Status> {
    let dims = input.dims();
    let strides = dense_strides(dims);
    let (last, first): (Vec<usize>, Vec<usize>) = (0..dims.len()).partition(|&idx| reduced[idx]);
    let order = first.iter().chain(&last);
    let walk = Strided::new(0, order.clone().map(|&idx| (dims[idx], strides[idx])));
    let shape: Vec<usize> = order.map(|&idx| dims[idx]).collect();
    let three = [product(&shape[..first.len()]), product(&shape[first.len()..]), 1];
    Ok((fill_from(input.dtype(), &[input], shape, walk.on(pool))?, three))
}
