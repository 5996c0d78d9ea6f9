//! Reductions of the middle axis of `[outer, reduce, inner]`.
//!
//! Any reduction of a dense tensor over neighboring axes has this form. Long axes are summed in
//! halves (pairwise), so that rounding errors grow with the logarithm of the length; the order
//! depends on the shape alone, never on the number of threads.

use crate::number::Number;
use crate::pool::Pool;
use crate::simd::{Kernel, dispatch_moderate};

/// Elements per task, and the longest run that is reduced without being halved.
const TASK_ELEMENTS: usize = 32 << 10;
const RUN: usize = 1024;
/// Running values that are kept side by side.
const LANES: usize = 32;

/// Sums over the middle axis; integers wrap. The sum of nothing is 0.
///
/// Shapes: `x [outer, reduce, inner]` → `y [outer, inner]`. Panics: if the lengths do not fit.
pub fn sum<T: Number>(pool: &Pool, x: &[T], dims: [usize; 3], y: &mut [T]) {
    fold(pool, x, dims, y, T::ZERO, |a, x| a.plus(x), |a, b| a.plus(b), |a| a);
}

/// The mean over the middle axis; integers are summed in 64 bits, the quotient is truncated.
///
/// The mean of nothing is NaN, or 0 for integers. Shapes and panics as in [`sum`].
pub fn mean<T: Number>(pool: &Pool, x: &[T], dims: [usize; 3], y: &mut [T]) {
    let n = dims[1];
    let finish = |a: T::Wide| T::narrow(a.over(n));
    fold(pool, x, dims, y, T::Wide::ZERO, |a, x: T| a.plus(x.widen()), |a, b| a.plus(b), finish);
}

/// Multiplies over the middle axis; integers wrap. The product of nothing is 1.
///
/// Shapes and panics as in [`sum`].
pub fn prod<T: Number>(pool: &Pool, x: &[T], dims: [usize; 3], y: &mut [T]) {
    fold(pool, x, dims, y, T::ONE, |a, x| a.times(x), |a, b| a.times(b), |a| a);
}

/// The maximum over the middle axis; NaN wins.
///
/// The maximum of nothing is minus infinity, or the smallest integer. Shapes and panics as in
/// [`sum`].
pub fn max<T: Number>(pool: &Pool, x: &[T], dims: [usize; 3], y: &mut [T]) {
    fold(pool, x, dims, y, T::LOWEST, |a, x| a.larger(x), |a, b| a.larger(b), |a| a);
}

/// The minimum over the middle axis; NaN wins.
///
/// The minimum of nothing is plus infinity, or the largest integer. Shapes and panics as in
/// [`sum`].
pub fn min<T: Number>(pool: &Pool, x: &[T], dims: [usize; 3], y: &mut [T]) {
    fold(pool, x, dims, y, T::HIGHEST, |a, x| a.smaller(x), |a, b| a.smaller(b), |a| a);
}

/// Reduces the middle axis with arithmetic given by closures.
///
/// `step` adds an element to a running value, `merge` joins two running values, both starting
/// from `empty`, which must be neutral; `finish` makes the result. `merge` must be associative up
/// to rounding and commutative. Shapes and panics as in [`sum`].
#[expect(clippy::too_many_arguments, reason = "three sizes of data and the four parts of a fold")]
pub fn fold<T, A, O>(
    pool: &Pool,
    x: &[T],
    [outer, reduce, inner]: [usize; 3],
    y: &mut [O],
    empty: A,
    step: impl Fn(A, T) -> A + Copy + Sync,
    merge: impl Fn(A, A) -> A + Copy + Sync,
    finish: impl Fn(A) -> O,
) where
    T: Copy + Sync,
    A: Copy + Send + Sync,
{
    let len = outer.checked_mul(reduce).and_then(|n| n.checked_mul(inner));
    assert!(len == Some(x.len()), "{} elements are not {outer}x{reduce}x{inner}", x.len());
    assert!(y.len() == outer * inner, "{outer}x{inner} results do not fit {} places", y.len());
    if y.is_empty() {
        return;
    }
    // Each task reduces some rows of one outer index: a row has `inner` elements.
    let rows = (TASK_ELEMENTS / inner).max(1);
    let n_parts = reduce.div_ceil(rows).max(1);
    let mut partial = vec![empty; outer * n_parts * inner];
    let fold = Fold { empty, step, merge };
    // Short tasks are joined: as many outer indices as fill one.
    let per_task = if n_parts == 1 { (rows / reduce.max(1)).max(1) } else { 1 };
    pool.parallel_chunks(&mut partial, per_task * inner, |task_idx, partial| {
        for (i, partial) in partial.chunks_mut(inner).enumerate() {
            let part_idx = task_idx * per_task + i;
            let (outer_idx, first_row) = (part_idx / n_parts, part_idx % n_parts * rows);
            let n_rows = rows.min(reduce - first_row);
            let start = (outer_idx * reduce + first_row) * inner;
            let x = &x[start..start + n_rows * inner];
            if inner == 1 {
                partial[0] = fold.run(x);
            } else {
                fold.rows(x, partial);
            }
        }
    });
    for (partial, y) in partial.chunks_mut(n_parts * inner).zip(y.chunks_mut(inner)) {
        // In halves as well: the second half of the parts onto the first, until one is left.
        let mut n_left = n_parts;
        while n_left > 1 {
            let n_kept = n_left.div_ceil(2);
            let (kept, others) = partial[..n_left * inner].split_at_mut(n_kept * inner);
            for (kept, &other) in kept.iter_mut().zip(others.iter()) {
                *kept = merge(*kept, other);
            }
            n_left = n_kept;
        }
        for (y, &value) in y.iter_mut().zip(partial.iter()) {
            *y = finish(value);
        }
    }
}

/// The parts of a fold that work on running values.
#[derive(Clone, Copy)]
struct Fold<A, S, M> {
    empty: A,
    // By value: loops would not be compiled around functions behind references.
    step: S,
    merge: M,
}

impl<A: Copy, S: Copy, M: Copy> Fold<A, S, M> {
    /// Reduces a slice to one value.
    fn run<T: Copy>(&self, x: &[T]) -> A
    where
        A: Copy,
        S: Fn(A, T) -> A,
        M: Fn(A, A) -> A,
    {
        if x.len() <= RUN {
            return dispatch_moderate(Run { x, fold: *self });
        }
        let (left, right) = x.split_at((x.len() / 2).next_multiple_of(LANES));
        (self.merge)(self.run(left), self.run(right))
    }

    /// Reduces rows of `y.len()` elements to one row.
    fn rows<T: Copy>(&self, x: &[T], y: &mut [A])
    where
        A: Copy,
        S: Fn(A, T) -> A,
        M: Fn(A, A) -> A,
    {
        let inner = y.len();
        for col in (0..inner).step_by(LANES) {
            let width = LANES.min(inner - col);
            let values = self.columns(x, inner, col, width);
            y[col..col + width].copy_from_slice(&values[..width]);
        }
    }

    /// Reduces up to `LANES` neighboring columns.
    fn columns<T: Copy>(&self, x: &[T], inner: usize, col: usize, width: usize) -> [A; LANES]
    where
        A: Copy,
        S: Fn(A, T) -> A,
        M: Fn(A, A) -> A,
    {
        let n_rows = x.len() / inner;
        if n_rows <= RUN / LANES {
            return dispatch_moderate(Columns { x, inner, col, width, fold: *self });
        }
        let (above, below) = x.split_at(n_rows / 2 * inner);
        let mut values = self.columns(above, inner, col, width);
        let others = self.columns(below, inner, col, width);
        for (value, other) in values.iter_mut().zip(others) {
            *value = (self.merge)(*value, other);
        }
        values
    }
}

/// A slice of at most [`RUN`] elements.
struct Run<'a, T, A, S, M> {
    x: &'a [T],
    fold: Fold<A, S, M>,
}

impl<T, A, S, M> Kernel for Run<'_, T, A, S, M>
where
    T: Copy,
    A: Copy,
    S: Fn(A, T) -> A,
    M: Fn(A, A) -> A,
{
    type Output = A;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> A {
        let Fold { empty, step, merge } = self.fold;
        let mut lanes = [empty; LANES];
        let (blocks, rest) = self.x.as_chunks::<LANES>();
        for block in blocks {
            for i in 0..LANES {
                lanes[i] = step(lanes[i], block[i]);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane = step(*lane, x);
        }
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                lanes[i] = merge(lanes[i], lanes[i + width]);
            }
            width /= 2;
        }
        lanes[0]
    }
}

/// Some rows of a few neighboring columns.
struct Columns<'a, T, A, S, M> {
    x: &'a [T],
    inner: usize,
    col: usize,
    width: usize,
    fold: Fold<A, S, M>,
}

impl<T, A, S, M> Kernel for Columns<'_, T, A, S, M>
where
    T: Copy,
    A: Copy,
    S: Fn(A, T) -> A,
    M: Fn(A, A) -> A,
{
    type Output = [A; LANES];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [A; LANES] {
        let Fold { empty, step, .. } = self.fold;
        let mut lanes = [empty; LANES];
        // A loop of known length would be unrolled, and then not be vectorized.
        let running = &mut lanes[..self.width];
        for row in self.x.chunks_exact(self.inner) {
            for (lane, &x) in running.iter_mut().zip(&row[self.col..self.col + self.width]) {
                *lane = step(*lane, x);
            }
        }
        lanes
    }
}

#[cfg(test)]
mod tests {
    use super::{fold, max, mean, min, prod, sum};
    use crate::pool::Pool;
    use crate::test_support::{Random, assert_close, pools};

    const SHAPES: [[usize; 3]; 14] = [
        [0, 3, 4],
        [3, 0, 4],
        [3, 4, 0],
        [1, 1, 1],
        [5, 1, 7],
        [1, 100_000, 1],
        [3, 40_000, 1],
        [300, 7, 1],
        [2, 2000, 33],
        [4, 49, 130],
        [1, 70_000, 3],
        [7, 9, 5],
        [2, 3, 40_000],
        [1000, 2, 2],
    ];

    /// Calls `f(values of the reduced axis, place in the result)`.
    fn naive<T: Copy>(
        x: &[T],
        [outer, reduce, inner]: [usize; 3],
        mut f: impl FnMut(Vec<T>, usize),
    ) {
        for o in 0..outer {
            for i in 0..inner {
                let values = (0..reduce).map(|r| x[(o * reduce + r) * inner + i]).collect();
                f(values, o * inner + i);
            }
        }
    }

    #[test]
    fn float_reductions_match_the_definition() {
        for pool in pools() {
            for dims in SHAPES {
                let x = Random::new(3).f32s(dims.iter().product());
                let n = dims[0] * dims[2];
                let (mut sums, mut means) = (vec![0.0; n], vec![0.0; n]);
                let (mut maxima, mut minima) = (vec![0.0; n], vec![0.0; n]);
                let mut y = vec![f32::NAN; n];
                naive(&x, dims, |v, i| {
                    sums[i] = v.iter().map(|&v| f64::from(v)).sum();
                    means[i] = sums[i] / v.len() as f64;
                    maxima[i] = v.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    minima[i] = v.iter().copied().fold(f32::INFINITY, f32::min);
                });
                sum(&pool, &x, dims, &mut y);
                assert_close(&y, &sums, 1e-6, &format!("sum {dims:?}"));
                mean(&pool, &x, dims, &mut y);
                if dims[1] == 0 {
                    assert!(y.iter().all(|y| y.is_nan()));
                } else {
                    assert_close(&y, &means, 1e-6, &format!("mean {dims:?}"));
                }
                max(&pool, &x, dims, &mut y);
                assert_eq!(y, maxima, "max {dims:?}");
                min(&pool, &x, dims, &mut y);
                assert_eq!(y, minima, "min {dims:?}");
            }
        }
    }

    #[test]
    fn integer_reductions_match_the_definition() {
        for pool in pools() {
            for dims in SHAPES {
                let mut random = Random::new(4);
                let x: Vec<i32> =
                    (0..dims.iter().product()).map(|_| random.bits() as i32).collect();
                let mut results = [const { Vec::new() }; 3];
                results.iter_mut().for_each(|r| r.resize(dims[0] * dims[2], 0));
                let [sums, prods, means] = &mut results;
                sum(&pool, &x, dims, sums);
                prod(&pool, &x, dims, prods);
                mean(&pool, &x, dims, means);
                naive(&x, dims, |v, i| {
                    let total: i64 = v.iter().map(|&v| i64::from(v)).sum();
                    assert_eq!(sums[i], total as i32);
                    assert_eq!(prods[i], v.iter().fold(1, |p: i32, &v| p.wrapping_mul(v)));
                    assert_eq!(means[i], total.checked_div(v.len() as i64).unwrap_or(0) as i32);
                });
            }
        }
    }

    #[test]
    fn sums_of_millions_stay_accurate() {
        let x = vec![0.1_f32; 3_000_000];
        let mut y = [0.0];
        sum(&Pool::new(1), &x, [1, x.len(), 1], &mut y);
        let exact = f64::from(0.1_f32) * 3e6;
        assert!((f64::from(y[0]) / exact - 1.0).abs() < 1e-6);
        let mut y = [0.0; 3];
        sum(&Pool::new(1), &x, [1, 1_000_000, 3], &mut y);
        assert!((f64::from(y[1]) / exact * 3.0 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn nan_wins_maximum_and_minimum() {
        let pool = Pool::new(1);
        for at in [0, 1, 40, 99] {
            let mut x = vec![1.0_f32; 100];
            x[at] = f32::NAN;
            let mut y = [0.0];
            max(&pool, &x, [1, 100, 1], &mut y);
            assert!(y[0].is_nan());
            min(&pool, &x, [1, 100, 1], &mut y);
            assert!(y[0].is_nan());
        }
    }

    #[test]
    fn closures_reduce_other_types() {
        let x = [true, true, false, true];
        let mut y = [true; 2];
        fold(&Pool::new(1), &x, [2, 2, 1], &mut y, true, |a, x| a && x, |a, b| a && b, |a| a);
        assert_eq!(y, [true, false]);
    }
}
