use super::Tolerance;
use super::differences::{Differences, larger};

/// The differences of integers of 64 bits.
pub(super) type Ints = Differences<u64, u128>;

/// Compares two blocks of bytes. Differences are exact; it is the tolerance that is rounded.
pub(super) fn compare<T: Integer>(a: &[u8], b: &[u8], tolerance: &Tolerance) -> Ints {
    let mut all = Ints { is_identical: false, ..Ints::none() };
    let ((a, _), (b, _)) = (a.as_chunks(), b.as_chunks());
    for (at, (a, b)) in a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b) {
        let (a, b) = (T::from_bytes(*a), T::from_bytes(*b));
        let (distance, b, at) = (a.distance(b), b.magnitude(), at as u64);
        if distance as f64 > tolerance.of(b as f64) {
            all.n_different += 1;
            all.first = all.first.or(Some(at));
        }
        all.sum_abs += u128::from(distance);
        all.max_abs = larger(all.max_abs, Some((distance, at)));
        if b > 0 {
            all.max_rel = larger(all.max_rel, Some((distance as f64 / b as f64, at)));
        }
    }
    all
}

/// Integers of 64 bits.
pub(super) trait Integer: Copy {
    fn from_bytes(bytes: [u8; 8]) -> Self;
    fn distance(self, other: Self) -> u64;
    fn magnitude(self) -> u64;
}

impl Integer for i64 {
    fn from_bytes(bytes: [u8; 8]) -> i64 {
        i64::from_ne_bytes(bytes)
    }

    fn distance(self, other: i64) -> u64 {
        self.abs_diff(other)
    }

    fn magnitude(self) -> u64 {
        self.unsigned_abs()
    }
}

impl Integer for u64 {
    fn from_bytes(bytes: [u8; 8]) -> u64 {
        u64::from_ne_bytes(bytes)
    }

    fn distance(self, other: u64) -> u64 {
        self.abs_diff(other)
    }

    fn magnitude(self) -> u64 {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_the_range_are_exact() {
        let tolerance = Tolerance::default();
        let bytes =
            |ints: &[i64]| ints.iter().flat_map(|int| int.to_ne_bytes()).collect::<Vec<_>>();
        let a = bytes(&[i64::MIN, i64::MAX, 5]);
        let found = compare::<i64>(&a, &bytes(&[i64::MAX, i64::MIN, 5]), &tolerance);
        assert_eq!((found.n_different, found.max_abs), (2, Some((u64::MAX, 0))));
        assert_eq!(found.sum_abs, 2 * u128::from(u64::MAX));
        // As f64 these are equal: the largest number and the one below it.
        let (a, b) = (u64::MAX.to_ne_bytes(), (u64::MAX - 1).to_ne_bytes());
        let found = compare::<u64>(&a, &b, &tolerance);
        assert_eq!((found.n_different, found.max_abs), (1, Some((1, 0))));
        let tolerance = Tolerance { rtol: 1e-18, ..tolerance };
        assert_eq!(compare::<u64>(&a, &b, &tolerance).n_different, 0);
    }
}
