//! Reductions: one value for all elements along some dimensions.
//!
//! Shapes: `input [D..]`, `reduction_indices` `[]` or `[n]` → `[D..]` without those dimensions, or with
//! size 1 there under `keep_dims`.  `Tidx` i32 or i64; negative indices count from the end.
//! Errors of all: `INVALID_ARGUMENT` for a dimension that does not exist or is named twice.
//! Source: the OpDefs of those names, values as on the reference CPU kernels; long sums are joined from
//! parts, so that their error stays small.

use std::convert::identity;

use flowkeep_linalg::{Pool, reduce};
use flowkeep_tensor::{Complex, Element, Tensor, bf16, f16};

use super::scalar::{Real, Scalar};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built, product};
use crate::ops::cells::fill_from;
use crate::ops::dispatch::{no_type, with_type};
use crate::ops::strided::{Strided, dense_strides};

/// Reduces the middle axis of `[outer, reduce, inner]`.
pub(super) type Run = fn(&Pool, &Tensor, [usize; 3], &mut Tensor) -> Result<(), Status>;

struct Reduce {
    keep_dims: bool,
    /// Whether the value of a single element is that element.
    passes_single: bool,
    run: Run,
}

/// A [`Run`] by `linalg::reduce` for the types that models reduce, by [`fold`] for the others.
///
/// `$others` lists the others; `$step` and `$finish` compute in their wide types.
macro_rules! run {
    ($init:ident, $fast:path, $others:tt, $empty:expr, $step:expr, $finish:expr) => {{
        let dtype = $init.attr_type("T")?;
        let run: Run = with_type!(
            dtype,
            T in [F32 => f32, F64 => f64, I32 => i32, I64 => i64] => |pool, x, dims, y| {
                $fast(pool, x.as_slice::<T>()?, dims, y.make_mut::<T>()?);
                Ok(())
            },
            else with_type!(
                dtype,
                T in $others => |_, x, dims, y| {
                    let (x, y) = (x.as_slice::<T>()?, y.make_mut::<T>()?);
                    fold(x, dims, y, $empty, $step, $finish);
                    Ok(())
                },
                else return Err(no_type($init, dtype))
            )
        );
        build($init, run)
    }};
}

/// The sum; of nothing 0; integers wrap.  Types: numbers.
pub(super) fn sum(init: &KernelInit<'_>) -> Built {
    run!(
        init,
        reduce::sum,
        [
            F16 => f16, BF16 => bf16, I8 => i8, I16 => i16, U8 => u8, U16 => u16, U32 => u32, U64 => u64,
            Complex64 => Complex<f32>, Complex128 => Complex<f64>,
        ],
        <T as Widen>::ZERO,
        Scalar::plus,
        |sum, _| sum
    )
}

/// The mean; of nothing NaN; integers are summed in 64 bits, the quotient is truncated.
///
/// Types: numbers.
pub(super) fn mean(init: &KernelInit<'_>) -> Built {
    run!(
        init,
        reduce::mean,
        [
            F16 => f16, BF16 => bf16, I8 => i8, I16 => i16, U8 => u8, U16 => u16, U32 => u32, U64 => u64,
            Complex64 => Complex<f32>, Complex128 => Complex<f64>,
        ],
        <T as Widen>::ZERO,
        Scalar::plus,
        |sum, n| sum.over(<T as Widen>::count(n))
    )
}

/// The product; of nothing 1; integers wrap.  Types: numbers.
pub(super) fn prod(init: &KernelInit<'_>) -> Built {
    run!(
        init,
        reduce::prod,
        [
            F16 => f16, BF16 => bf16, I8 => i8, I16 => i16, U8 => u8, U16 => u16, U32 => u32, U64 => u64,
            Complex64 => Complex<f32>, Complex128 => Complex<f64>,
        ],
        <T as Widen>::ONE,
        Scalar::times,
        |product, _| product
    )
}

/// The largest element; NaN if there is one; of nothing minus infinity, or the smallest integer.
///
/// Types: real numbers.
pub(super) fn max(init: &KernelInit<'_>) -> Built {
    run!(
        init,
        reduce::max,
        [F16 => f16, BF16 => bf16, I8 => i8, I16 => i16, U8 => u8, U16 => u16, U32 => u32, U64 => u64],
        <T as Bounded>::LOWEST,
        Real::larger,
        |largest, _| largest
    )
}

/// The smallest element; NaN if there is one; of nothing infinity, or the largest integer.
///
/// Types: real numbers.
pub(super) fn min(init: &KernelInit<'_>) -> Built {
    run!(
        init,
        reduce::min,
        [F16 => f16, BF16 => bf16, I8 => i8, I16 => i16, U8 => u8, U16 => u16, U32 => u32, U64 => u64],
        <T as Bounded>::HIGHEST,
        Real::smaller,
        |smallest, _| smallest
    )
}

/// Whether all elements are true; of none, true.
pub(super) fn all(init: &KernelInit<'_>) -> Built {
    build(init, |_, x, dims, y| {
        let (x, y) = (x.as_slice::<bool>()?, y.make_mut::<bool>()?);
        fold(x, dims, y, true, |a, x| a & x, |a, _| a);
        Ok(())
    })
}

/// Whether any element is true; of none, false.
pub(super) fn any(init: &KernelInit<'_>) -> Built {
    build(init, |_, x, dims, y| {
        let (x, y) = (x.as_slice::<bool>()?, y.make_mut::<bool>()?);
        fold(x, dims, y, false, |a, x| a | x, |a, _| a);
        Ok(())
    })
}

fn build(init: &KernelInit<'_>, run: Run) -> Built {
    Ok(Box::new(Reduce { keep_dims: init.attr_bool("keep_dims")?, passes_single: true, run }))
}

/// The kernel of a reduction that changes single elements too.
pub(super) fn build_each(init: &KernelInit<'_>, run: Run) -> Built {
    Ok(Box::new(Reduce { keep_dims: init.attr_bool("keep_dims")?, passes_single: false, run }))
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
        if self.passes_single
            && dims.iter().zip(&reduced).all(|(dim, reduced)| !reduced || *dim == 1)
        {
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
    let Some(first) = (0..dims.len()).filter(counts).find(|&idx| reduced[idx]) else {
        // Each element alone.
        return Some([product(dims), 1, 1]);
    };
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

/// Reduces the middle axis of `[outer, reduce, inner]`, element after element.
fn fold<T: Widen>(
    x: &[T],
    [_, reduce, inner]: [usize; 3],
    y: &mut [T],
    empty: T::Wide,
    step: impl Fn(T::Wide, T::Wide) -> T::Wide,
    finish: impl Fn(T::Wide, usize) -> T::Wide,
) {
    if y.is_empty() {
        return;
    }
    let mut row = vec![empty; inner];
    for (outer, y) in y.chunks_exact_mut(inner).enumerate() {
        row.fill(empty);
        for x in x[outer * reduce * inner..][..reduce * inner].chunks_exact(inner) {
            row.iter_mut().zip(x).for_each(|(a, x)| *a = step(*a, x.widen()));
        }
        y.iter_mut().zip(&row).for_each(|(y, a)| *y = T::narrow(finish(*a, reduce)));
    }
}

/// A type that is reduced in a wider one, or in itself.
trait Widen: Element {
    type Wide: Copy;
    const ZERO: Self::Wide;
    const ONE: Self::Wide;

    fn widen(self) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self;
    fn count(n: usize) -> Self::Wide;
}

/// A [`Widen`] type with an order.
trait Bounded: Widen {
    /// Minus infinity, or the smallest integer of the type.
    const LOWEST: Self::Wide;
    /// Infinity, or the largest integer of the type.
    const HIGHEST: Self::Wide;
}

macro_rules! impl_widen {
    ($($t:ty as $wide:ty: $zero:expr, $one:expr, $widen:expr, $narrow:expr, $count:expr;)*) => {$(
        impl Widen for $t {
            type Wide = $wide;
            const ZERO: $wide = $zero;
            const ONE: $wide = $one;

            #[inline(always)]
            fn widen(self) -> $wide {
                $widen(self)
            }
            #[inline(always)]
            fn narrow(wide: $wide) -> $t {
                $narrow(wide)
            }
            fn count(n: usize) -> $wide {
                $count(n)
            }
        }
    )*};
}

macro_rules! impl_bounded {
    ($($t:ty as $wide:ty: $lowest:expr, $highest:expr;)*) => {$(
        impl Bounded for $t {
            const LOWEST: $wide = $lowest;
            const HIGHEST: $wide = $highest;
        }
    )*};
}

macro_rules! impl_integers {
    ($($t:ident as $wide:ident)*) => {$(
        impl_widen! { $t as $wide: 0, 1, $wide::from, |x| x as $t, |n| n as $wide; }
        impl_bounded! { $t as $wide: $t::MIN as $wide, $t::MAX as $wide; }
    )*};
}

impl_integers! { i8 as i64 i16 as i64 u8 as u64 u16 as u64 u32 as u64 u64 as u64 }
impl_bounded! {
    f16 as f32: f32::NEG_INFINITY, f32::INFINITY;
    bf16 as f32: f32::NEG_INFINITY, f32::INFINITY;
}
impl_widen! {
    f16 as f32: 0.0, 1.0, f16::to_f32, f16::from_f32, |n| n as f32;
    bf16 as f32: 0.0, 1.0, bf16::to_f32, bf16::from_f32, |n| n as f32;
    bool as bool: false, true, identity, identity, |n| n > 0;
    Complex<f32> as Complex<f32>: Scalar::ZERO, Scalar::ONE, identity, identity,
        |n| Complex { re: n as f32, im: 0.0 };
    Complex<f64> as Complex<f64>: Scalar::ZERO, Scalar::ONE, identity, identity,
        |n| Complex { re: n as f64, im: 0.0 };
}
