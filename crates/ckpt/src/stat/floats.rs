use super::moments::{Moments, Scale, sum};
use crate::numbers::{BLOCK_LEN, extreme};

/// What is counted and added up of floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Floats {
    pub(super) n_nan: u64,
    pub(super) n_pos_inf: u64,
    pub(super) n_neg_inf: u64,
    pub(super) n_zeros: u64,
    pub(super) n_negative: u64,
    /// Of the finite values; infinite if there are none.
    pub(super) min: f64,
    pub(super) max: f64,
    /// Those of the finite values.
    pub(super) moments: Moments,
}

impl Floats {
    pub(super) const NONE: Floats = Floats {
        n_nan: 0,
        n_pos_inf: 0,
        n_neg_inf: 0,
        n_zeros: 0,
        n_negative: 0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        moments: Moments::NONE,
    };

    pub(super) fn join(self, other: Floats) -> Floats {
        Floats {
            n_nan: self.n_nan + other.n_nan,
            n_pos_inf: self.n_pos_inf + other.n_pos_inf,
            n_neg_inf: self.n_neg_inf + other.n_neg_inf,
            n_zeros: self.n_zeros + other.n_zeros,
            n_negative: self.n_negative + other.n_negative,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            moments: self.moments.join(other.moments),
        }
    }

    /// Those of a block.
    pub(super) fn of<T: Real>(values: &[T]) -> Floats {
        // A sum that is finite is one of finite values; should it overflow, nothing is lost but time.
        let sum = sum(values);
        if !sum.is_finite() {
            return Floats::one_by_one(values);
        }
        let min: f64 = T::min(values).into();
        let max: f64 = T::max(values).into();
        let largest = max.max(-min);
        let moments = match Scale::of(largest) {
            Scale::Unit => Moments::with_sum(values, sum, Scale::Unit),
            _ if largest == 0.0 => Moments::zeros(values.len()),
            _ => return Floats::one_by_one(values),
        };
        let (n_zeros, n_negative) = T::count_signs(values);
        Floats { n_zeros, n_negative, min, max, moments, ..Floats::NONE }
    }

    /// Those of a block with numbers that are not finite, very large or very small.
    #[cold]
    fn one_by_one<T: Real>(values: &[T]) -> Floats {
        let mut floats = Floats::NONE;
        let mut finite = [0.0; BLOCK_LEN];
        let mut n_finite = 0;
        for value in values {
            let value: f64 = (*value).into();
            floats.n_negative += u64::from(value < 0.0);
            if value.is_finite() {
                floats.n_zeros += u64::from(value == 0.0);
                floats.min = floats.min.min(value);
                floats.max = floats.max.max(value);
                finite[n_finite] = value;
                n_finite += 1;
            } else if value.is_nan() {
                floats.n_nan += 1;
            } else {
                floats.n_pos_inf += u64::from(value > 0.0);
                floats.n_neg_inf += u64::from(value < 0.0);
            }
        }
        let finite = &mut finite[..n_finite];
        let scale = Scale::of(floats.max.max(-floats.min));
        if scale != Scale::Unit {
            finite.iter_mut().for_each(|value| *value *= scale.factor());
        }
        if n_finite > 0 {
            floats.moments = Moments::of(finite, scale);
        }
        floats
    }
}

/// The floats that loops work on.
pub(super) trait Real: Copy + Into<f64> {
    fn min(values: &[Self]) -> Self;
    fn max(values: &[Self]) -> Self;
    /// The numbers of zeros and of values below zero.
    fn count_signs(values: &[Self]) -> (u64, u64);
}

macro_rules! reals {
    ($($float:ident, $count:ident, $n_lanes:literal;)*) => {
        $(impl Real for $float {
            fn min(values: &[$float]) -> $float {
                let pick = |a: $float, b: $float| if b < a { b } else { a };
                extreme::<_, $n_lanes>(values, $float::INFINITY, pick)
            }

            fn max(values: &[$float]) -> $float {
                let pick = |a: $float, b: $float| if b > a { b } else { a };
                extreme::<_, $n_lanes>(values, $float::NEG_INFINITY, pick)
            }

            fn count_signs(values: &[$float]) -> (u64, u64) {
                let (mut n_zeros, mut n_negative) = (0, 0);
                for value in values {
                    n_zeros += $count::from(*value == 0.0);
                    n_negative += $count::from(*value < 0.0);
                }
                (n_zeros.into(), n_negative.into())
            }
        })*
    };
}

reals! {
    f32, u32, 16;
    f64, u64, 8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_give_the_same() {
        let values: Vec<f64> = (0..BLOCK_LEN).map(|i| ((i * 37) % 101) as f64 - 40.0).collect();
        let narrow: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        for len in [0, 1, 7, 8, 100, BLOCK_LEN] {
            let floats = Floats::of(&values[..len]);
            assert_eq!(floats, Floats::one_by_one(&values[..len]), "{len}");
            assert_eq!(floats, Floats::of(&narrow[..len]), "{len}");
        }
        let floats = Floats::of(&values);
        assert_eq!((floats.min, floats.max, floats.moments.n()), (-40.0, 60.0, 1024));
        let count = |is_meant: fn(&&f64) -> bool| values.iter().filter(is_meant).count() as u64;
        assert_eq!(floats.n_zeros, count(|value| **value == 0.0));
        assert_eq!(floats.n_negative, count(|value| **value < 0.0));
    }

    #[test]
    fn what_is_not_finite_is_counted_aside() {
        let inf = f32::INFINITY;
        let floats = Floats::of(&[1.0, f32::NAN, inf, -inf, inf, -0.0, -3.0, -f32::NAN]);
        assert_eq!((floats.n_nan, floats.n_pos_inf, floats.n_neg_inf), (2, 2, 1));
        assert_eq!((floats.n_zeros, floats.n_negative), (1, 2));
        assert_eq!((floats.min, floats.max, floats.moments.n()), (-3.0, 1.0, 3));
        let floats = Floats::of(&[f64::MAX, f64::MAX, -1.0]);
        assert_eq!((floats.moments.n(), floats.max, floats.n_pos_inf), (3, f64::MAX, 0));
        assert_eq!(Floats::of(&[f32::NAN]).moments.n(), 0);
    }
}
