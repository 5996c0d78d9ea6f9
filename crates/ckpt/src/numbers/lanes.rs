//! Loops over values in several lanes, which become vector instructions. Each does one thing: of loops that
//! do several, compilers make worse.

/// Folds values into several sums side by side, and adds these up, in an order that depends on their number
/// alone.
pub(crate) fn fold_lanes<T: Copy>(values: &[T], fold: impl Fn(f64, T) -> f64) -> f64 {
    let (rows, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for row in rows {
        for (lane, value) in lanes.iter_mut().zip(row) {
            *lane = fold(*lane, *value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = fold(*lane, *value);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// The value that `pick` prefers to all others, and to `start`.
pub(crate) fn extreme<T: Copy, const N: usize>(
    values: &[T],
    start: T,
    pick: impl Fn(T, T) -> T,
) -> T {
    let (rows, rest) = values.as_chunks::<N>();
    let mut lanes = [start; N];
    for row in rows {
        for (lane, value) in lanes.iter_mut().zip(row) {
            *lane = pick(*lane, *value);
        }
    }
    let lanes = lanes.into_iter().chain(rest.iter().copied());
    lanes.fold(start, pick)
}

/// Joins all of a list, pair by pair, so that errors stay small and depend on the list's length alone.
pub(crate) fn join_pairwise<T: Copy>(list: &[T], join: &impl Fn(T, T) -> T) -> Option<T> {
    match list {
        [] => None,
        [one] => Some(*one),
        _ => {
            let (a, b) = list.split_at(list.len().next_power_of_two() / 2);
            Some(join(join_pairwise(a, join)?, join_pairwise(b, join)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_joined_once() {
        for n in 0..70u64 {
            let list: Vec<u64> = (0..n).collect();
            let expected = list.iter().sum::<u64>();
            assert_eq!(join_pairwise(&list, &|a, b| a + b).unwrap_or(0), expected);
            assert_eq!(fold_lanes(&list, |sum, value| sum + value as f64), expected as f64);
            assert_eq!(extreme::<_, 4>(&list, 0, u64::max), n.saturating_sub(1));
        }
        assert_eq!(join_pairwise(&[1; 5], &|a, b| u64::max(a, b) + 1), Some(4));
    }
}
