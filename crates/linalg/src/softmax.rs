//! Softmax and its logarithm over the last axis.

use crate::number::Float;
use crate::pool::Pool;
use crate::simd::{Kernel, dispatch};

/// Elements per task.
const TASK_ELEMENTS: usize = 8 << 10;
/// Running values that are kept side by side.
const LANES: usize = 16;

/// Computes `y = exp(x - max) / sum(exp(x - max))` for each row of `cols` elements.
///
/// Shapes: `x [rows, cols]` → `y [rows, cols]`; the number of rows follows. A row with NaN or
/// plus infinity, or of minus infinity only, becomes NaN, as in TensorFlow.
/// Panics: if the lengths do not fit.
pub fn softmax<T: Float>(pool: &Pool, x: &[T], cols: usize, y: &mut [T]) {
    rows::<T, false>(pool, x, cols, y);
}

/// Computes `y = x - max - log(sum(exp(x - max)))` for each row of `cols` elements.
///
/// Shapes, special values and panics as in [`softmax`].
pub fn log_softmax<T: Float>(pool: &Pool, x: &[T], cols: usize, y: &mut [T]) {
    rows::<T, true>(pool, x, cols, y);
}

fn rows<T: Float, const LOG: bool>(pool: &Pool, x: &[T], cols: usize, y: &mut [T]) {
    assert!(x.len() == y.len(), "{} elements do not map to {}", x.len(), y.len());
    if y.is_empty() {
        return;
    }
    assert!(
        cols > 0 && x.len().is_multiple_of(cols),
        "{} elements are not rows of {cols}",
        x.len()
    );
    let chunk_len = (TASK_ELEMENTS / cols).max(1) * cols;
    pool.parallel_chunks(y, chunk_len, |i, y| {
        let x = &x[i * chunk_len..][..y.len()];
        dispatch(Rows::<T, LOG> { x, cols, y });
    });
}

struct Rows<'a, T, const LOG: bool> {
    x: &'a [T],
    cols: usize,
    y: &'a mut [T],
}

impl<T: Float, const LOG: bool> Kernel for Rows<'_, T, LOG> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (x, y) in self.x.chunks_exact(self.cols).zip(self.y.chunks_exact_mut(self.cols)) {
            let max = lanes(x, T::LOWEST, |a, x| a.larger(x));
            if LOG {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = x.minus(max).exponential();
                }
                let log = lanes(y, T::ZERO, |a, x| a.plus(x)).log();
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = x.minus(max).minus(log);
                }
            } else {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = x.minus(max).exponential();
                }
                let factor = T::ONE.divided(lanes(y, T::ZERO, |a, x| a.plus(x)));
                for y in y.iter_mut() {
                    *y = y.times(factor);
                }
            }
        }
    }
}

/// Folds a slice in a few running values, which `f` joins in the end.
#[inline(always)]
fn lanes<T: Copy>(x: &[T], empty: T, f: impl Fn(T, T) -> T) -> T {
    let mut values = [empty; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for i in 0..LANES {
            values[i] = f(values[i], block[i]);
        }
    }
    let joined = values.into_iter().fold(empty, &f);
    rest.iter().fold(joined, |a, &x| f(a, x))
}

#[cfg(test)]
mod tests {
    use super::{log_softmax, softmax};
    use crate::pool::Pool;
    use crate::test_support::{Random, assert_close, pools};

    #[test]
    fn rows_match_the_definition() {
        for pool in pools() {
            for (rows, cols) in [(0, 3), (3, 0), (1, 1), (4, 10), (300, 77), (2, 30_000)] {
                let x: Vec<f32> =
                    Random::new(5).f32s(rows * cols).iter().map(|x| x * 9.0).collect();
                let (mut y, mut log) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
                softmax(&pool, &x, cols, &mut y);
                log_softmax(&pool, &x, cols, &mut log);
                let (mut expected, mut expected_log) = (Vec::new(), Vec::new());
                for row in x.chunks(cols.max(1)) {
                    let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
                    expected.extend(row.iter().map(|&x| f64::from(x).exp() / sum));
                    expected_log.extend(row.iter().map(|&x| f64::from(x) - sum.ln()));
                }
                assert_close(&y, &expected, 3e-7, "softmax");
                assert_close(&log, &expected_log, 3e-7, "log softmax");
            }
        }
    }

    #[test]
    fn special_values_are_those_of_tensorflow() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let x = [1.0, -inf, 2.0, inf, 1.0, 2.0, -inf, -inf, -inf, nan, 1.0, 2.0];
        let mut y = [0.0; 12];
        softmax(&Pool::new(1), &x, 3, &mut y);
        assert_close(&y[..3], &[0.268_941_43, 0.0, 0.731_058_6], 1e-7, "softmax");
        assert!(y[3..].iter().all(|y| y.is_nan()));
        log_softmax(&Pool::new(1), &x, 3, &mut y);
        assert!((y[0] + 1.313_261_6).abs() < 1e-6 && (y[2] + 0.313_261_66).abs() < 1e-6);
        assert_eq!(y[1], -inf);
        assert!(y[3..].iter().all(|y| y.is_nan()));
    }

    #[test]
    fn double_precision_is_kept() {
        let mut y = [0.0; 2];
        softmax(&Pool::new(1), &[0.0, 1.0], 2, &mut y);
        assert!((y[1] - 1.0 / (1.0 + (-1.0_f64).exp())).abs() < 1e-15);
    }
}
