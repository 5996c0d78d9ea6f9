use flowkeep_tensor::Complex;

use super::Tolerance;
use super::differences::{Differences, larger};
use crate::numbers::{BLOCK_LEN, extreme, fold_lanes, magnitude};

/// The differences of numbers that are compared as `f64`.
pub(super) type Floats = Differences<f64, f64>;

/// Room for what is calculated of a block.
pub(super) struct Scratch {
    distances: [f64; BLOCK_LEN],
    ratios: [f64; BLOCK_LEN],
}

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch { distances: [0.0; BLOCK_LEN], ratios: [0.0; BLOCK_LEN] }
    }
}

/// Compares two blocks. What comes after elements of which much is known already, `so_far`, need not be
/// looked for again: smaller extremes than those are left out.
pub(super) fn compare(
    a: &[f64],
    b: &[f64],
    tolerance: &Tolerance,
    so_far: &Floats,
    scratch: &mut Scratch,
) -> Floats {
    let Scratch { distances, ratios } = scratch;
    for ((distance, a), b) in distances.iter_mut().zip(a).zip(b) {
        *distance = (a - b).abs();
    }
    let distances = &distances[..a.len().min(b.len())];
    // A sum that is finite is one of finite numbers; should it overflow, nothing is lost but time.
    let sum_abs = fold_lanes(distances, |sum, distance| sum + distance);
    if !sum_abs.is_finite() {
        return one_by_one(a.iter().zip(b).map(|(a, b)| Pair::of(*a, *b)), tolerance);
    }

    let is_far = |(distance, b): (&f64, &f64)| *distance > tolerance.of(b.abs());
    let n_different = distances.iter().zip(b).map(|pair| u64::from(is_far(pair))).sum();
    let is_first = n_different > 0 && so_far.first.is_none();
    let first = if is_first { distances.iter().zip(b).position(is_far) } else { None };
    let max_abs = above(distances, so_far.max_abs.map_or(0.0, |(value, _)| value));
    let max_rel = match so_far.max_rel.map_or(0.0, |(value, _)| value) {
        least if has_ratio_above(distances, b, least) => {
            above(ratios_of(distances, b, ratios), least)
        }
        _ => None,
    };
    Differences {
        n_different,
        n_not_finite: 0,
        first: first.map(|at| at as u64),
        max_abs,
        max_rel,
        sum_abs,
        is_identical: false,
    }
}

/// Compares two blocks of complex numbers.
pub(super) fn compare_complex(
    a: &[Complex<f64>],
    b: &[Complex<f64>],
    tolerance: &Tolerance,
) -> Floats {
    one_by_one(a.iter().zip(b).map(|(a, b)| Pair::of_complex(*a, *b)), tolerance)
}

impl Tolerance {
    /// The tolerance where b has this magnitude.
    pub(super) fn of(&self, b: f64) -> f64 {
        self.atol + self.rtol * b
    }
}

/// Two numbers that are compared.
struct Pair {
    distance: f64,
    /// The magnitude of b.
    b: f64,
    is_equal: bool,
    are_nan: bool,
    are_finite: bool,
}

impl Pair {
    fn of(a: f64, b: f64) -> Pair {
        Pair {
            distance: (a - b).abs(),
            b: b.abs(),
            is_equal: a == b,
            are_nan: a.is_nan() && b.is_nan(),
            are_finite: a.is_finite() && b.is_finite(),
        }
    }

    fn of_complex(a: Complex<f64>, b: Complex<f64>) -> Pair {
        let is_finite = |number: Complex<f64>| number.re.is_finite() && number.im.is_finite();
        let is_nan = |number: Complex<f64>| number.re.is_nan() || number.im.is_nan();
        Pair {
            distance: magnitude(Complex { re: a.re - b.re, im: a.im - b.im }),
            b: magnitude(b),
            is_equal: a == b,
            are_nan: is_nan(a) && is_nan(b),
            are_finite: is_finite(a) && is_finite(b),
        }
    }

    fn is_same(&self, tolerance: &Tolerance) -> bool {
        let is_close = self.are_finite && self.distance <= tolerance.of(self.b);
        is_close || self.is_equal || tolerance.equal_nan && self.are_nan
    }
}

fn one_by_one(pairs: impl Iterator<Item = Pair>, tolerance: &Tolerance) -> Floats {
    let mut all = Floats { is_identical: false, ..Floats::none() };
    for (at, pair) in pairs.enumerate() {
        let at = at as u64;
        let is_same = pair.is_same(tolerance);
        if !is_same {
            all.n_different += 1;
            all.n_not_finite += u64::from(!pair.are_finite);
            all.first = all.first.or(Some(at));
        }
        if pair.are_finite && pair.distance > 0.0 {
            all.sum_abs += pair.distance;
            all.max_abs = larger(all.max_abs, Some((pair.distance, at)));
            if pair.b > 0.0 {
                all.max_rel = larger(all.max_rel, Some((pair.distance / pair.b, at)));
            }
        }
    }
    all
}

/// Whether a ratio of distance and |b| may be above `least`: not a question that takes a division.
fn has_ratio_above(distances: &[f64], b: &[f64], least: f64) -> bool {
    /// A little less than 1, for both sides are rounded.
    const SLACK: f64 = 1.0 - 8.0 * f64::EPSILON;
    let is_above = |(distance, b): (&f64, &f64)| {
        u64::from((*distance > b.abs() * least * SLACK) & (*b != 0.0))
    };
    distances.iter().zip(b).map(is_above).sum::<u64>() > 0
}

/// Each distance over |b|; 0 where b is.
fn ratios_of<'r>(distances: &[f64], b: &[f64], out: &'r mut [f64; BLOCK_LEN]) -> &'r [f64] {
    for ((ratio, distance), b) in out.iter_mut().zip(distances).zip(b) {
        let quotient = distance / b.abs();
        *ratio = if *b == 0.0 { 0.0 } else { quotient };
    }
    &out[..distances.len()]
}

/// The largest value and its first place, if it is above `least`.
fn above(values: &[f64], least: f64) -> Option<(f64, u64)> {
    let max = extreme::<_, 8>(values, least, |a, b| if b > a { b } else { a });
    let at = if max > least { values.iter().position(|value| *value == max) } else { None };
    at.map(|at| (max, at as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare_all(a: &[f64], b: &[f64], tolerance: &Tolerance) -> Floats {
        compare(a, b, tolerance, &Floats::none(), &mut Scratch::new())
    }

    #[test]
    fn both_ways_give_the_same() {
        let a: Vec<f64> = (0..1000).map(|i| f64::from((i * 37) % 101) - 40.0).collect();
        let b: Vec<f64> =
            a.iter().enumerate().map(|(i, a)| a + f64::from(i as u8 % 7) / 8.0).collect();
        for (atol, rtol) in [(0.0, 0.0), (0.25, 0.0), (0.0, 0.01), (0.1, 0.1), (f64::INFINITY, 0.0)]
        {
            let tolerance = Tolerance { atol, rtol, ..Tolerance::default() };
            for len in [1, 7, 8, 9, 1000] {
                let (a, b) = (&a[..len], &b[..len]);
                let slow = one_by_one(a.iter().zip(b).map(|(a, b)| Pair::of(*a, *b)), &tolerance);
                assert_eq!(compare_all(a, b, &tolerance), slow, "{atol} {rtol} {len}");
                // What is known already is not told again, and what is not known is.
                let rest = compare(a, b, &tolerance, &slow, &mut Scratch::new());
                assert_eq!((rest.first, rest.max_abs, rest.max_rel), (None, None, None));
                let half = |at: (f64, u64)| (at.0 / 2.0, at.1);
                let less = Floats {
                    max_abs: slow.max_abs.map(half),
                    max_rel: slow.max_rel.map(half),
                    ..slow
                };
                let rest = compare(a, b, &tolerance, &less, &mut Scratch::new());
                assert_eq!((rest.max_abs, rest.max_rel), (slow.max_abs, slow.max_rel));
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_the_same_as_itself_only() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let a = [inf, inf, 1.0, nan, nan, -inf, 2.0];
        let b = [inf, 1.0, inf, nan, 1.0, inf, 2.5];
        let mut tolerance = Tolerance { atol: 1e300, rtol: 1e300, equal_nan: true };
        let found = compare_all(&a, &b, &tolerance);
        assert_eq!((found.n_different, found.n_not_finite, found.first), (4, 4, Some(1)));
        assert_eq!((found.max_abs, found.sum_abs), (Some((0.5, 6)), 0.5));
        tolerance.equal_nan = false;
        let found = compare_all(&a, &b, &tolerance);
        assert_eq!((found.n_different, found.n_not_finite), (5, 5));
    }
}
