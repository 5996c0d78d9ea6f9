//! Batch normalization with given statistics.

use crate::number::Float;
use crate::pool::Pool;
use crate::simd::{Kernel, dispatch};

/// Elements per task.
const TASK_ELEMENTS: usize = 16 << 10;

/// The parameters of batch normalization, one element per channel each.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a, T> {
    /// Factor after normalization (gamma).
    pub scale: &'a [T],
    /// Summand after normalization (beta).
    pub offset: &'a [T],
    /// Mean of the inputs.
    pub mean: &'a [T],
    /// Variance of the inputs.
    pub variance: &'a [T],
    /// Added to the variance.
    pub epsilon: T,
}

/// Computes `y = (x - mean) * (scale / sqrt(variance + epsilon)) + offset` per channel.
///
/// Shapes: `x [outer, channels, inner]` → `y` alike: NHWC has an `inner` of 1, NCHW one of
/// `height * width`. Panics: if the lengths do not fit.
pub fn batch_norm<T: Float>(
    pool: &Pool,
    x: &[T],
    dims: [usize; 3],
    params: &BatchNorm<'_, T>,
    y: &mut [T],
) {
    assert!(x.len() == y.len(), "{} elements do not map to {}", x.len(), y.len());
    normalize(pool, Some(x), dims, params, y);
}

/// As [`batch_norm`], in place of `x`.
pub fn batch_norm_in_place<T: Float>(
    pool: &Pool,
    x: &mut [T],
    dims: [usize; 3],
    params: &BatchNorm<'_, T>,
) {
    normalize(pool, None, dims, params, x);
}

/// Normalizes `y`, after copying `x` there.
fn normalize<T: Float>(
    pool: &Pool,
    x: Option<&[T]>,
    [outer, channels, inner]: [usize; 3],
    params: &BatchNorm<'_, T>,
    y: &mut [T],
) {
    let BatchNorm { scale, offset, mean, variance, epsilon } = *params;
    assert!(
        [scale, offset, mean, variance].iter().all(|p| p.len() == channels),
        "parameters do not fit {channels} channels"
    );
    let len = outer.checked_mul(channels).and_then(|n| n.checked_mul(inner));
    assert!(len == Some(y.len()), "{} elements are not {outer}x{channels}x{inner}", y.len());
    if y.is_empty() {
        return;
    }
    let factor: Vec<T> = scale
        .iter()
        .zip(variance)
        .map(|(&s, &v)| T::ONE.divided(v.plus(epsilon).root()).times(s))
        .collect();
    let chunk_len = match inner {
        1 => (TASK_ELEMENTS / channels).max(1) * channels,
        _ => (TASK_ELEMENTS / inner).max(1) * inner,
    };
    pool.parallel_chunks(y, chunk_len, |i, y| {
        if let Some(x) = x {
            y.copy_from_slice(&x[i * chunk_len..][..y.len()]);
        }
        if inner == 1 {
            return dispatch(Rows { y, mean, factor: &factor, offset });
        }
        for (j, y) in y.chunks_mut(inner).enumerate() {
            let c = (i * chunk_len / inner + j) % channels;
            dispatch(Plane { y, mean: mean[c], factor: factor[c], offset: offset[c] });
        }
    });
}

/// Rows of one element per channel.
struct Rows<'a, T> {
    y: &'a mut [T],
    mean: &'a [T],
    factor: &'a [T],
    offset: &'a [T],
}

impl<T: Float> Kernel for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let channels = self.mean.len();
        let (mean, factor, offset) =
            (self.mean, &self.factor[..channels], &self.offset[..channels]);
        for y in self.y.chunks_exact_mut(channels) {
            for c in 0..channels {
                y[c] = y[c].minus(mean[c]).times_plus::<FMA>(factor[c], offset[c]);
            }
        }
    }
}

/// Elements of one channel.
struct Plane<'a, T> {
    y: &'a mut [T],
    mean: T,
    factor: T,
    offset: T,
}

impl<T: Float> Kernel for Plane<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for y in self.y.iter_mut() {
            *y = y.minus(self.mean).times_plus::<FMA>(self.factor, self.offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchNorm, batch_norm, batch_norm_in_place};
    use crate::test_support::{Random, assert_close, pools};

    #[test]
    fn both_layouts_match_the_definition() {
        let mut random = Random::new(6);
        let dims = [[0, 3, 1], [2, 0, 5], [1, 1, 1], [500, 67, 1], [3, 5, 49], [2, 3, 40_000]];
        for pool in pools() {
            for [outer, channels, inner] in dims {
                let x = random.f32s(outer * channels * inner);
                let [scale, offset, mean] = [(); 3].map(|()| random.f32s(channels));
                let variance: Vec<f32> = random.f32s(channels).iter().map(|v| v.abs()).collect();
                let params = BatchNorm {
                    scale: &scale,
                    offset: &offset,
                    mean: &mean,
                    variance: &variance,
                    epsilon: 0.001,
                };
                let mut y = vec![f32::NAN; x.len()];
                batch_norm(&pool, &x, [outer, channels, inner], &params, &mut y);
                let expected: Vec<f64> = (0..x.len())
                    .map(|i| {
                        let c = i / inner % channels;
                        let at = |v: &[f32]| f64::from(v[c]);
                        let normal = (f64::from(x[i]) - at(&mean)) / (at(&variance) + 0.001).sqrt();
                        normal * at(&scale) + at(&offset)
                    })
                    .collect();
                assert_close(&y, &expected, 1e-6, &format!("{outer}x{channels}x{inner}"));
                let mut x = x;
                batch_norm_in_place(&pool, &mut x, [outer, channels, inner], &params);
                assert_eq!(x, y);
            }
        }
    }
}
