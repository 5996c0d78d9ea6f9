use crate::numbers::{BLOCK_LEN, fold_lanes};

/// Number, mean and squared deviations of some values, which can be joined with those of others.
///
/// The mean is kept in two parts, so that what is far from zero loses nothing when it is joined. Squares of
/// numbers near the ends of the range of `f64` would overflow, or vanish. So values are scaled by a power of
/// two where they are very large or very small, which is exact, and `scale` says by which.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moments {
    n: u64,
    /// A value near the mean, scaled.
    pivot: f64,
    /// The sum of what the scaled values are beyond the pivot.
    residual: f64,
    /// The sum of the squared deviations of the scaled values from their mean.
    deviations: f64,
    scale: Scale,
}

/// How values are scaled: `Tiny` ones by 2⁶⁰⁰, `Huge` ones by 2⁻⁶⁰⁰.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scale {
    Tiny,
    Unit,
    Huge,
}

/// 2⁶⁰⁰.
const LARGE: f64 = f64::from_bits((1023 + 600) << 52);
/// 2⁻⁶⁰⁰.
const SMALL: f64 = f64::from_bits((1023 - 600) << 52);
/// 2⁴⁸⁰: so many squares as there can be elements still have a sum below the largest `f64`.
const HUGE_FROM: f64 = f64::from_bits((1023 + 480) << 52);
/// 2⁻⁴⁸⁰.
const TINY_BELOW: f64 = f64::from_bits((1023 - 480) << 52);

impl Scale {
    /// The scale for values of which the largest has this magnitude.
    pub(crate) fn of(largest: f64) -> Scale {
        match largest {
            largest if largest > HUGE_FROM => Scale::Huge,
            largest if largest < TINY_BELOW => Scale::Tiny,
            _ => Scale::Unit,
        }
    }

    /// What values are multiplied by.
    pub(crate) fn factor(self) -> f64 {
        match self {
            Scale::Tiny => LARGE,
            Scale::Unit => 1.0,
            Scale::Huge => SMALL,
        }
    }

    fn inverse(self) -> f64 {
        match self {
            Scale::Tiny => SMALL,
            Scale::Unit => 1.0,
            Scale::Huge => LARGE,
        }
    }
}

impl Moments {
    /// Those of no values.
    pub(crate) const NONE: Moments =
        Moments { n: 0, pivot: 0.0, residual: 0.0, deviations: 0.0, scale: Scale::Tiny };

    /// Those of so many zeros.
    pub(crate) fn zeros(n: usize) -> Moments {
        Moments { n: n as u64, ..Moments::NONE }
    }

    /// Those of at most [`BLOCK_LEN`] finite values that are scaled already.
    pub(crate) fn of<T: Copy + Into<f64>>(values: &[T], scale: Scale) -> Moments {
        Moments::with_sum(values, sum(values), scale)
    }

    /// As [`Moments::of`], where the sum is known.
    pub(crate) fn with_sum<T: Copy + Into<f64>>(values: &[T], sum: f64, scale: Scale) -> Moments {
        debug_assert!(values.len() <= BLOCK_LEN);
        let n = values.len().max(1) as f64;
        let pivot = sum / n;
        let deviations = fold_lanes(values, |sum, value| {
            let deviation = value.into() - pivot;
            sum + deviation * deviation
        });
        // The rounding of the sum matters only if the values are many deviations away from zero.
        let residual = if pivot * pivot * n > 256.0 * deviations {
            fold_lanes(values, |sum, value| sum + (value.into() - pivot))
        } else {
            0.0
        };
        let deviations = (deviations - residual / n * residual).max(0.0);
        Moments { n: values.len() as u64, pivot, residual, deviations, scale }
    }

    /// Those of values of which each stands for so many equal ones.
    pub(crate) fn weighted(values: impl Iterator<Item = (f64, u64)> + Clone) -> Moments {
        let n = values.clone().map(|(_, n)| n).sum();
        let sum = values.clone().map(|(value, n)| value * n as f64).sum::<f64>();
        let pivot = sum / (n as f64).max(1.0);
        let squares = values.map(|(value, n)| (value - pivot) * (value - pivot) * n as f64);
        Moments { n, pivot, residual: 0.0, deviations: squares.sum(), scale: Scale::Unit }
    }

    /// Those of all values of both.
    pub(crate) fn join(self, other: Moments) -> Moments {
        if self.n == 0 || other.n == 0 {
            return if self.n == 0 { other } else { self };
        }
        let scale = self.scale.max(other.scale);
        let (a, b) = (self.scaled(scale), other.scaled(scale));
        let (n_a, n_b) = (a.n as f64, b.n as f64);
        let pivots_apart = b.pivot - a.pivot;
        let apart = pivots_apart + (b.residual / n_b - a.residual / n_a);
        Moments {
            n: a.n + b.n,
            pivot: a.pivot,
            residual: a.residual + b.residual + n_b * pivots_apart,
            deviations: a.deviations + b.deviations + apart * apart * (n_a / (n_a + n_b) * n_b),
            scale,
        }
    }

    fn scaled(self, scale: Scale) -> Moments {
        if self.scale == scale {
            return self;
        }
        let (down, factor) = (self.scale.inverse(), scale.factor());
        let pivot = self.pivot * down * factor;
        let residual = self.residual * down * factor;
        let deviations = self.deviations * down * down * factor * factor;
        Moments { pivot, residual, deviations, scale, ..self }
    }

    fn scaled_mean(&self) -> f64 {
        self.pivot + self.residual / (self.n as f64).max(1.0)
    }

    /// The number of values.
    pub(crate) fn n(&self) -> u64 {
        self.n
    }

    /// The mean, unless there are no values.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.scaled_mean() * self.scale.inverse())
    }

    /// The standard deviation of the population, unless there are no values.
    pub(crate) fn std(&self) -> Option<f64> {
        (self.n > 0).then(|| (self.deviations / self.n as f64).sqrt() * self.scale.inverse())
    }

    /// The square root of the sum of the squares.
    pub(crate) fn l2_norm(&self) -> f64 {
        let mean = self.scaled_mean();
        (self.deviations + mean * mean * self.n as f64).sqrt() * self.scale.inverse()
    }
}

/// The sum, in a fixed order.
pub(crate) fn sum<T: Copy + Into<f64>>(values: &[T]) -> f64 {
    fold_lanes(values, |sum, value| sum + value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f64]) -> Moments {
        let largest = values.iter().fold(0.0, |max: f64, value| max.max(value.abs()));
        let scale = Scale::of(largest);
        let scaled: Vec<f64> = values.iter().map(|value| value * scale.factor()).collect();
        Moments::of(&scaled, scale)
    }

    /// Expected numbers are those of Python's `statistics` and `fractions`, to 1e-15.
    #[test]
    fn squares_neither_overflow_nor_vanish() {
        let cases: [(&[f64], f64, f64, f64); 5] = [
            (&[1.0, 2.0, 4.0], 7.0 / 3.0, 1.247_219_128_924_647, 4.582_575_694_955_84),
            (&[1e300, 3e300], 2e300, 1e300, 3.162_277_660_168_379_5e300),
            (&[f64::MAX, -f64::MAX], 0.0, f64::MAX, f64::INFINITY),
            (&[1e-310, 3e-310], 2e-310, 1e-310, 3.162_277_660_168_38e-310),
            (&[0.0; 3], 0.0, 0.0, 0.0),
        ];
        for (values, mean, std, norm) in cases {
            let close = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-14 * b.abs();
            let all = moments(values);
            let (first, rest) = values.split_at(1);
            for moments in [all, moments(first).join(moments(rest)), all.join(Moments::NONE)] {
                assert!(close(moments.mean().unwrap(), mean), "{values:?} {moments:?}");
                assert!(close(moments.std().unwrap(), std), "{values:?} {moments:?}");
                assert!(close(moments.l2_norm(), norm), "{values:?} {moments:?}");
            }
        }
        assert_eq!((Moments::NONE.mean(), Moments::NONE.std()), (None, None));
        assert_eq!(Moments::NONE.l2_norm(), 0.0);
    }

    #[test]
    fn scales_are_joined() {
        let joined = moments(&[1e-310, 1e-310]).join(moments(&[3.0])).join(moments(&[0.0]));
        assert_eq!((joined.n(), joined.mean()), (4, Some(0.75)));
        let joined = joined.join(moments(&[4e300]));
        assert_eq!(joined.mean(), Some(8e299));
        let tiny = Moments::zeros(3).join(moments(&[4e-320]));
        assert_eq!(tiny.mean(), Some(1e-320));
    }
}
