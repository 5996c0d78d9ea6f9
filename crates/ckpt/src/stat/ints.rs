use crate::numbers::Wide;

/// What is counted and added up of integers, without any rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ints {
    pub(super) n: u64,
    pub(super) n_zeros: u64,
    pub(super) n_negative: u64,
    /// The least; the largest of all types if there are none.
    pub(super) min: i128,
    pub(super) max: i128,
    sum: i128,
    squares: Wide,
}

/// Squares of smaller numbers, a block of them, have a sum of less than 64 bits.
const NARROW: u64 = 1 << 26;

impl Ints {
    pub(super) const NONE: Ints = Ints {
        n: 0,
        n_zeros: 0,
        n_negative: 0,
        min: i128::MAX,
        max: i128::MIN,
        sum: 0,
        squares: Wide::ZERO,
    };

    pub(super) fn join(self, other: Ints) -> Ints {
        Ints {
            n: self.n + other.n,
            n_zeros: self.n_zeros + other.n_zeros,
            n_negative: self.n_negative + other.n_negative,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            sum: self.sum + other.sum,
            squares: self.squares.add(other.squares),
        }
    }

    /// Those of a block.
    pub(super) fn of<T: Integer>(values: &[T]) -> Ints {
        let (Some(min), Some(max)) = (values.iter().min(), values.iter().max()) else {
            return Ints::NONE;
        };
        let (mut n_zeros, mut n_negative) = (0u32, 0u32);
        for value in values {
            n_zeros += u32::from(*value == T::default());
            n_negative += u32::from(*value < T::default());
        }
        let mut squares = Wide::ZERO;
        let sum = if min.magnitude().max(max.magnitude()) < NARROW {
            let square = |value: &T| value.magnitude() * value.magnitude();
            squares.accumulate(values.iter().map(square).sum::<u64>().into());
            values.iter().map(|value| value.wrapped()).sum::<i64>().into()
        } else {
            for value in values {
                squares.accumulate(u128::from(value.magnitude()) * u128::from(value.magnitude()));
            }
            values.iter().map(|value| value.wide()).sum()
        };
        Ints {
            n: values.len() as u64,
            n_zeros: n_zeros.into(),
            n_negative: n_negative.into(),
            min: min.wide(),
            max: max.wide(),
            sum,
            squares,
        }
    }

    /// Those of small numbers of which each stands for so many equal ones.
    pub(super) fn weighted(values: impl Iterator<Item = (i32, u64)>) -> Ints {
        let one = |(value, n): (i32, u64)| Ints {
            n,
            n_zeros: if value == 0 { n } else { 0 },
            n_negative: if value < 0 { n } else { 0 },
            min: value.into(),
            max: value.into(),
            sum: i128::from(value) * i128::from(n),
            squares: Wide::product(value.unsigned_abs().pow(2).into(), n.into()),
        };
        values.map(one).fold(Ints::NONE, Ints::join)
    }

    pub(super) fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum as f64 / self.n as f64)
    }

    /// The standard deviation of the population: the integer n Σx² - (Σx)², rounded once, makes it.
    pub(super) fn std(&self) -> Option<f64> {
        let square = Wide::product(self.sum.unsigned_abs(), self.sum.unsigned_abs());
        let deviations = self.squares.times(self.n).saturating_sub(square);
        (self.n > 0).then(|| deviations.to_f64().sqrt() / self.n as f64)
    }

    pub(super) fn l2_norm(&self) -> f64 {
        self.squares.to_f64().sqrt()
    }
}

/// The integers that loops work on.
pub(super) trait Integer: Copy + Default + Ord {
    fn magnitude(self) -> u64;
    /// The number, if it is in the range of `i64`.
    fn wrapped(self) -> i64;
    fn wide(self) -> i128;
}

macro_rules! integers {
    ($($int:ident, $magnitude:expr;)*) => {
        $(impl Integer for $int {
            fn magnitude(self) -> u64 {
                $magnitude(self) as u64
            }

            fn wrapped(self) -> i64 {
                self as i64
            }

            fn wide(self) -> i128 {
                self as i128
            }
        })*
    };
}

integers! {
    i16, i16::unsigned_abs;
    u16, std::convert::identity;
    i32, i32::unsigned_abs;
    u32, std::convert::identity;
    i64, i64::unsigned_abs;
    u64, std::convert::identity;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_the_range_are_exact() {
        let ints = Ints::of(&[i64::MIN, i64::MAX, -1, 0]);
        assert_eq!((ints.min, ints.max), (i64::MIN.into(), i64::MAX.into()));
        assert_eq!((ints.sum, ints.n_zeros, ints.n_negative), (-2, 1, 2));
        let ints = Ints::of(&[u64::MAX; 1000]);
        let all = (0..1000).fold(Ints::NONE, |all, _| all.join(ints));
        assert_eq!(all.sum, 1_000_000 * i128::from(u64::MAX));
        assert_eq!((all.std(), all.mean()), (Some(0.0), Some(u64::MAX as f64)));
        assert_eq!(all.l2_norm(), 1000.0 * u64::MAX as f64);
        assert_eq!((Ints::NONE.mean(), Ints::NONE.std()), (None, None));
    }

    #[test]
    fn far_from_zero_nothing_is_lost() {
        let start = 1i64 << 60;
        let ints = Ints::of(&[start, start + 1, start + 2, start + 3]);
        assert_eq!(ints.std(), Some(1.25f64.sqrt()));
    }

    #[test]
    fn every_way_gives_the_same() {
        let small: Vec<i16> = (0..1000).map(|i| ((i * 37) % 101) as i16 - 40).collect();
        let of_16 = Ints::of(&small);
        let of_32 = Ints::of(&small.iter().map(|value| i32::from(*value)).collect::<Vec<_>>());
        let of_64 = Ints::of(&small.iter().map(|value| i64::from(*value)).collect::<Vec<_>>());
        let weighted = Ints::weighted(small.iter().map(|value| (i32::from(*value), 1)));
        assert_eq!((of_16, of_16, of_16), (of_32, of_64, weighted));
        // One large number makes the whole block take the wide way.
        let with_large: Vec<i64> = small.iter().map(|value| i64::from(*value)).collect();
        let large = Ints::of(&[1i64 << 40]);
        let together = Ints::of(&[&with_large[..], &[1 << 40]].concat());
        assert_eq!(together, of_64.join(large));
    }
}
