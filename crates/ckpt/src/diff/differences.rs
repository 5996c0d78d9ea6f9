use std::ops::Add;

use super::{Extreme, NumberDiff};
use crate::numbers::Number;

/// What is known of the differences between two rows of elements: `D` is a difference, `S` a sum of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Differences<D, S> {
    pub(super) n_different: u64,
    pub(super) n_not_finite: u64,
    /// The number of the first element that is not the same.
    pub(super) first: Option<u64>,
    /// The largest difference above zero, and where it is.
    pub(super) max_abs: Option<(D, u64)>,
    pub(super) max_rel: Option<(f64, u64)>,
    pub(super) sum_abs: S,
    /// Whether every bit is the same.
    pub(super) is_identical: bool,
}

impl<D: Copy + PartialOrd, S: Copy + Default + Add<Output = S>> Differences<D, S> {
    /// Those between rows that are the same to the bit.
    pub(super) fn none() -> Self {
        Differences {
            n_different: 0,
            n_not_finite: 0,
            first: None,
            max_abs: None,
            max_rel: None,
            sum_abs: S::default(),
            is_identical: true,
        }
    }

    /// Those of both; the other's elements come later.
    pub(super) fn join(self, other: Self) -> Self {
        Differences {
            n_different: self.n_different + other.n_different,
            n_not_finite: self.n_not_finite + other.n_not_finite,
            first: self.first.or(other.first),
            max_abs: larger(self.max_abs, other.max_abs),
            max_rel: larger(self.max_rel, other.max_rel),
            sum_abs: self.sum_abs + other.sum_abs,
            is_identical: self.is_identical && other.is_identical,
        }
    }

    /// The same, of elements with numbers larger by `start`.
    pub(super) fn from(self, start: u64) -> Self {
        Differences {
            first: self.first.map(|at| at + start),
            max_abs: self.max_abs.map(|(value, at)| (value, at + start)),
            max_rel: self.max_rel.map(|(value, at)| (value, at + start)),
            ..self
        }
    }

    /// The result for a tensor of so many elements.
    pub(super) fn report(
        self,
        n_elements: u64,
        dims: &[usize],
        number: impl Fn(D) -> Number,
        sum: impl Fn(S) -> f64,
    ) -> NumberDiff {
        let n_compared = n_elements - self.n_not_finite;
        NumberDiff {
            n_elements,
            n_different: self.n_different,
            n_not_finite: self.n_not_finite,
            first: self.first.map(|at| index(at, dims)),
            max_abs: self
                .max_abs
                .map(|(value, at)| Extreme { value: number(value), index: index(at, dims) }),
            max_rel: self.max_rel.map(|(value, at)| Extreme { value, index: index(at, dims) }),
            mean_abs: (n_compared > 0).then(|| sum(self.sum_abs) / n_compared as f64),
        }
    }
}

/// The larger one, or the first of equal ones.
pub(super) fn larger<D: PartialOrd>(a: Option<(D, u64)>, b: Option<(D, u64)>) -> Option<(D, u64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 > a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// The place of an element by dimension.
pub(super) fn index(at: u64, dims: &[usize]) -> Vec<usize> {
    let mut rest = at;
    let mut index: Vec<usize> = dims
        .iter()
        .rev()
        .map(|dim| {
            let dim = (*dim).max(1) as u64;
            let place = rest % dim;
            rest /= dim;
            place as usize
        })
        .collect();
    index.reverse();
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_by_dimension() {
        assert_eq!(index(0, &[]), [0; 0]);
        assert_eq!(index(23, &[2, 3, 4]), [1, 2, 3]);
        assert_eq!(index(7, &[2, 3, 4]), [0, 1, 3]);
    }

    #[test]
    fn the_first_of_the_largest_wins() {
        let one = |value, at| Differences { max_abs: Some((value, at)), ..Differences::none() };
        let joined: Differences<f64, f64> = one(1.0, 0).join(one(2.0, 1)).join(one(2.0, 2));
        assert_eq!(joined.max_abs, Some((2.0, 1)));
        assert_eq!(joined.from(10).join(Differences::none()).max_abs, Some((2.0, 11)));
    }
}
