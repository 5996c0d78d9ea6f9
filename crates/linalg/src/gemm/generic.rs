//! Products of matrices of any type: plain loops, blocked for the cache.

use half::{bf16, f16};

use super::mat::{Mat, check_sizes};
use crate::pool::Pool;
use crate::simd::{Kernel, dispatch};

/// An element type of [`gemm_generic`], with the type its products are summed in.
pub trait GemmScalar: Copy + Send + Sync {
    /// The type of the running sums.
    type Sum: Copy + Send + Sync;
    /// The sum of nothing.
    const EMPTY: Self::Sum;

    /// `sum + a * b`.
    fn add_product(sum: Self::Sum, a: Self, b: Self) -> Self::Sum;
    /// The sum as an element.
    fn finish(sum: Self::Sum) -> Self;
}

macro_rules! impl_integer {
    ($($t:ident)*) => {$(
        impl GemmScalar for $t {
            type Sum = $t;
            const EMPTY: $t = 0;

            #[inline(always)]
            fn add_product(sum: $t, a: $t, b: $t) -> $t {
                sum.wrapping_add(a.wrapping_mul(b))
            }
            #[inline(always)]
            fn finish(sum: $t) -> $t {
                sum
            }
        }
    )*};
}

impl_integer!(i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! impl_float {
    ($($t:ty, $sum:ty, $widen:expr, $narrow:expr);*) => {$(
        impl GemmScalar for $t {
            type Sum = $sum;
            const EMPTY: $sum = 0.0;

            #[inline(always)]
            fn add_product(sum: $sum, a: $t, b: $t) -> $sum {
                sum + $widen(a) * $widen(b)
            }
            #[inline(always)]
            fn finish(sum: $sum) -> $t {
                $narrow(sum)
            }
        }
    )*};
}

impl_float!(
    f32, f32, std::convert::identity, std::convert::identity;
    f64, f64, std::convert::identity, std::convert::identity;
    f16, f32, f16::to_f32, f16::from_f32;
    bf16, f32, bf16::to_f32, bf16::from_f32
);

/// Computes `c = a·b` for integers (wrapping), halves (summed in `f32`) and floats.
///
/// Shapes: `a [m, k]`, `b [k, n]`, `c [m, n]` row-major.
/// Panics: if the shapes do not fit together.
pub fn gemm_generic<T: GemmScalar>(pool: &Pool, a: Mat<'_, T>, b: Mat<'_, T>, c: &mut [T]) {
    gemm_with(pool, a, b, c, T::EMPTY, T::add_product, T::finish);
}

/// Computes `c = a·b` with arithmetic given by closures, for types this crate does not know.
///
/// `add_product(sum, a, b)` adds a product to a running sum that starts from `empty`; `finish`
/// turns the sum into an element. Shapes as in [`gemm_generic`].
/// Panics: if the shapes do not fit together.
pub fn gemm_with<T: Copy + Send + Sync, S: Copy + Send + Sync>(
    pool: &Pool,
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    c: &mut [T],
    empty: S,
    add_product: impl Fn(S, T, T) -> S + Sync,
    finish: impl Fn(S) -> T + Sync,
) {
    const TASK_SIZE: usize = 64 << 10;
    let (_, n, k) = check_sizes(&a, &b, c);
    let rows_per_task = (TASK_SIZE / k.saturating_mul(n).max(1)).max(1);
    pool.parallel_chunks(c, rows_per_task * n, |i, c| {
        let a = a.block(i * rows_per_task, 0, c.len() / n, k);
        dispatch(Rows { a, b, c, empty, add_product: &add_product, finish: &finish });
    });
}

/// Some rows of `C`.
struct Rows<'a, T, S, A, F> {
    a: Mat<'a, T>,
    b: Mat<'a, T>,
    c: &'a mut [T],
    empty: S,
    add_product: &'a A,
    finish: &'a F,
}

impl<T: Copy, S: Copy, A: Fn(S, T, T) -> S, F: Fn(S) -> T> Kernel for Rows<'_, T, S, A, F> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        /// Columns per pass: the running sums stay in the first-level cache.
        const WIDTH: usize = 64;
        let Rows { a, b, c, empty, add_product, finish } = self;
        let n = b.cols();
        for (i, c) in c.chunks_mut(n).enumerate() {
            for (block_idx, c) in c.chunks_mut(WIDTH).enumerate() {
                let col = block_idx * WIDTH;
                let mut sums = [empty; WIDTH];
                for p in 0..a.cols() {
                    let x = a.at(i, p);
                    if b.has_dense_rows() {
                        let b = &b.row(p)[col..col + c.len()];
                        for (sum, &b) in sums.iter_mut().zip(b) {
                            *sum = add_product(*sum, x, b);
                        }
                    } else {
                        for (j, sum) in sums.iter_mut().enumerate().take(c.len()) {
                            *sum = add_product(*sum, x, b.at(p, col + j));
                        }
                    }
                }
                for (c, &sum) in c.iter_mut().zip(&sums) {
                    *c = finish(sum);
                }
            }
        }
    }
}
