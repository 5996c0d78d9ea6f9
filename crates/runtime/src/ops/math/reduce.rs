//! Ops that reduce dimensions: sums, extremes, means, logical joins, and the places of extremes.

use flowkeep_linalg::{Number, Pool, reduce};
use flowkeep_tensor::{Complex, DType, Element, Shape, Tensor, bf16, f16};

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};
use crate::ops::dispatch::{no_type, with_type};

/// Sums over the dimensions `reduction_indices`; integers wrap, halves are summed in float.
///
/// Shapes: `input [D..]`, `reduction_indices []` or `[n]` → the other dimensions; with `keep_dims`
/// the reduced ones stay as 1.  Types: `T` numbers; `Tidx` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for a dimension outside `[-rank, rank)`, or named twice.
/// Source: OpDef `Sum`.
pub(super) fn sum(init: &KernelInit<'_>) -> Built {
    build(init, Fold::Sum)
}

/// The mean over dimensions; integers are summed in 64 bits and the quotient is truncated.
///
/// Shapes, types and errors as [`sum`].  Source: OpDef `Mean`.
pub(super) fn mean(init: &KernelInit<'_>) -> Built {
    build(init, Fold::Mean)
}

/// The product over dimensions; integers wrap.
///
/// Shapes, types and errors as [`sum`].  Source: OpDef `Prod`.
pub(super) fn prod(init: &KernelInit<'_>) -> Built {
    build(init, Fold::Prod)
}

/// The maximum over dimensions; NaN wins, nothing gives minus infinity or the lowest integer.
///
/// Shapes and errors as [`sum`].  Types: `T` real numbers.  Source: OpDef `Max`.
pub(super) fn max(init: &KernelInit<'_>) -> Built {
    build(init, Fold::Max)
}

/// The minimum over dimensions; NaN wins, nothing gives infinity or the highest integer.
///
/// Shapes and errors as [`sum`].  Types: `T` real numbers.  Source: OpDef `Min`.
pub(super) fn min(init: &KernelInit<'_>) -> Built {
    build(init, Fold::Min)
}

/// Whether all elements along dimensions are true; nothing gives true.
///
/// Shapes and errors as [`sum`].  Types: bool.  Source: OpDef `All`.
pub(super) fn all(init: &KernelInit<'_>) -> Built {
    logical(init, true, |a, b| a && b)
}

/// Whether any element along dimensions is true; nothing gives false.
///
/// Shapes and errors as [`sum`].  Types: bool.  Source: OpDef `Any`.
pub(super) fn any(init: &KernelInit<'_>) -> Built {
    logical(init, false, |a, b| a || b)
}

#[derive(Clone, Copy)]
enum Fold {
    Sum,
    Mean,
    Prod,
    Max,
    Min,
}

fn build(init: &KernelInit<'_>, fold: Fold) -> Built {
    let keep_dims = init.attr_bool("keep_dims")?;
    let dtype = init.attr_type("T")?;
    with_type!(
        dtype,
        T in [F32 => f32, F64 => f64, I8 => i8, I16 => i16, I32 => i32, I64 => i64, U8 => u8, U16 => u16,
              U32 => u32, U64 => u64] => kernel(move |cx| run::<T, T>(cx, keep_dims, |pool, x, dims, y| {
            match fold {
                Fold::Sum => reduce::sum(pool, x, dims, y),
                Fold::Mean => reduce::mean(pool, x, dims, y),
                Fold::Prod => reduce::prod(pool, x, dims, y),
                Fold::Max => reduce::max(pool, x, dims, y),
                Fold::Min => reduce::min(pool, x, dims, y),
            }
        })),
        else match dtype {
            DType::F16 => halves(keep_dims, fold, f16::to_f32, f16::from_f32),
            DType::BF16 => halves(keep_dims, fold, bf16::to_f32, bf16::from_f32),
            DType::Complex64 => complex::<f32>(init, keep_dims, fold),
            DType::Complex128 => complex::<f64>(init, keep_dims, fold),
            dtype => Err(no_type(init, dtype)),
        }
    )
}

/// Reduces halves in float.
fn halves<T: Element>(keep_dims: bool, fold: Fold, to_f32: fn(T) -> f32, from_f32: fn(f32) -> T) -> Built {
    kernel(move |cx| {
        run::<T, T>(cx, keep_dims, |pool, x, dims, y| {
            let (empty, step): (f32, fn(f32, f32) -> f32) = match fold {
                Fold::Sum | Fold::Mean => (0.0, |a, b| a + b),
                Fold::Prod => (1.0, |a, b| a * b),
                Fold::Max => (f32::NEG_INFINITY, Number::larger),
                Fold::Min => (f32::INFINITY, Number::smaller),
            };
            let n = if matches!(fold, Fold::Mean) { dims[1] as f32 } else { 1.0 };
            reduce::fold(pool, x, dims, y, empty, |a, x| step(a, to_f32(x)), step, |a| from_f32(a / n));
        })
    })
}

/// Reduces complex numbers; they have no order.
fn complex<F>(init: &KernelInit<'_>, keep_dims: bool, fold: Fold) -> Built
where
    F: flowkeep_linalg::Float,
    Complex<F>: Element,
{
    if matches!(fold, Fold::Max | Fold::Min) {
        return Err(no_type(init, Complex::<F>::DTYPE));
    }
    kernel(move |cx| {
        run::<Complex<F>, Complex<F>>(cx, keep_dims, |pool, x, dims, y| {
            let plus = |a: Complex<F>, b: Complex<F>| Complex { re: a.re.plus(b.re), im: a.im.plus(b.im) };
            let times = |a: Complex<F>, b: Complex<F>| Complex {
                re: a.re.times(b.re).minus(a.im.times(b.im)),
                im: a.re.times(b.im).plus(a.im.times(b.re)),
            };
            let zero = Complex { re: F::ZERO, im: F::ZERO };
            let one = Complex { re: F::ONE, im: F::ZERO };
            let n = if matches!(fold, Fold::Mean) { dims[1] } else { 1 };
            let finish = |a: Complex<F>| if n == 1 { a } else { Complex { re: a.re.over(n), im: a.im.over(n) } };
            match fold {
                Fold::Prod => reduce::fold(pool, x, dims, y, one, times, times, finish),
                _ => reduce::fold(pool, x, dims, y, zero, plus, plus, finish),
            }
        })
    })
}

fn logical(init: &KernelInit<'_>, empty: bool, join: fn(bool, bool) -> bool) -> Built {
    let keep_dims = init.attr_bool("keep_dims")?;
    kernel(move |cx| {
        run::<bool, bool>(cx, keep_dims, |pool, x, dims, y| {
            reduce::fold(pool, x, dims, y, empty, join, join, |a| a);
        })
    })
}

/// Reduces input 0 along the dimensions that input 1 names. `reduce` gets `[outer, reduce, inner]`.
fn run<T: Element, O: Element>(
    cx: &mut KernelContext<'_>,
    keep_dims: bool,
    reduce: impl Fn(&Pool, &[T], [usize; 3], &mut [O]),
) -> Result<(), Status> {
    let (input, axes) = (cx.input(0)?, cx.input(1)?);
    let is_reduced = reduced_axes(input.shape(), axes)?;
    let dims = input.dims();
    let kept = dims.iter().zip(&is_reduced).filter(|(_, reduced)| keep_dims || !**reduced);
    let out_dims: Vec<usize> = kept.map(|(dim, reduced)| if *reduced { 1 } else { *dim }).collect();
    if !is_reduced.contains(&true) && T::DTYPE == O::DTYPE {
        let same = input.clone();
        return cx.set_output(0, same);
    }
    let mut out = Tensor::zeros(O::DTYPE, out_dims)?;
    let x = input.as_slice::<T>()?;
    match neighbors(dims, &is_reduced) {
        Some(grouped) => reduce(cx.pool(), x, grouped, out.make_mut()?),
        None => {
            let (moved, n_kept, n_reduced) = kept_first(x, dims, &is_reduced);
            reduce(cx.pool(), &moved, [n_kept, n_reduced, 1], out.make_mut()?);
        }
    }
    cx.set_output(0, out)
}

/// For each dimension, whether it is reduced.
fn reduced_axes(shape: &Shape, axes: &Tensor) -> Result<Vec<bool>, Status> {
    let rank = shape.rank();
    let mut is_reduced = vec![false; rank];
    for index in args::ints(axes)? {
        let axis = args::axis(index, rank).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Invalid reduction dimension ({index} for input with {rank} dimension(s)"
            ))
        })?;
        if std::mem::replace(&mut is_reduced[axis], true) {
            let message = "Invalid reduction arguments: Axes contains duplicate dimension: ";
            return Err(Status::invalid_argument(format!("{message}{axis}")));
        }
    }
    Ok(is_reduced)
}

/// `[outer, reduce, inner]`, if all reduced dimensions (longer than 1) are neighbors.
fn neighbors(dims: &[usize], is_reduced: &[bool]) -> Option<[usize; 3]> {
    let counts = |axis: &usize| is_reduced[*axis] && dims[*axis] != 1;
    let first = (0..dims.len()).find(counts).unwrap_or(0);
    let last = (0..dims.len()).rfind(counts).map_or(first, |last| last + 1);
    let inside = first..last;
    let is_run = inside.clone().all(|axis| is_reduced[axis] || dims[axis] == 1);
    is_run.then(|| [product(&dims[..first]), product(&dims[inside]), product(&dims[last..])])
}

/// The elements with the kept dimensions first, and how many cells and reduced elements there are.
fn kept_first<T: Copy>(x: &[T], dims: &[usize], is_reduced: &[bool]) -> (Vec<T>, usize, usize) {
    let mut order: Vec<usize> = (0..dims.len()).collect();
    order.sort_by_key(|axis| is_reduced[*axis]);
    let strides: Vec<usize> = (0..dims.len()).map(|axis| product(&dims[axis + 1..])).collect();
    let moved_dims: Vec<(usize, usize)> = order.iter().map(|axis| (dims[*axis], strides[*axis])).collect();
    let mut moved = Vec::with_capacity(x.len());
    if !x.is_empty() {
        gather(x, 0, &moved_dims, &mut moved);
    }
    let size = |reduced: bool| {
        let dims = dims.iter().zip(is_reduced).filter(|(_, is)| **is == reduced);
        dims.fold(1usize, |n, (dim, _)| n.saturating_mul(*dim))
    };
    (moved, size(false), size(true))
}

fn gather<T: Copy>(x: &[T], start: usize, dims: &[(usize, usize)], out: &mut Vec<T>) {
    match dims {
        [] => out.push(x[start]),
        [(dim, stride)] => out.extend((0..*dim).map(|idx| x[start + idx * stride])),
        [(dim, stride), rest @ ..] => (0..*dim).for_each(|idx| gather(x, start + idx * stride, rest, out)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighboring_axes_need_no_copy() {
        assert_eq!(neighbors(&[2, 3, 4], &[false, true, false]), Some([2, 3, 4]));
        assert_eq!(neighbors(&[2, 3, 4], &[true, true, true]), Some([1, 24, 1]));
        assert_eq!(neighbors(&[2, 1, 4], &[true, false, true]), Some([1, 8, 1]));
        assert_eq!(neighbors(&[2, 3, 4], &[true, false, true]), None);
    }

    #[test]
    fn kept_dimensions_come_first() {
        let x: Vec<i32> = (0..12).collect();
        let (moved, n_kept, n_reduced) = kept_first(&x, &[2, 3, 2], &[true, false, true]);
        assert_eq!((n_kept, n_reduced), (3, 4));
        assert_eq!(moved, [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
    }
}
