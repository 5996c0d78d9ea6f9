//! Whether slices of a tensor overlap.

/// First index and number of indices per dimension; never empty.
pub(crate) type Ranges = Vec<(u64, u64)>;

/// Two of `slices`, by index, that have an element in common. All have the same rank, and end
/// within 64 bits.
///
/// Slices are split, dimension by dimension, into groups that lie apart from each other; only slices
/// that cannot be told apart in this way (a pinwheel) are compared in pairs. The usual layouts,
/// stripes and grids, take no pairs at all.
pub(crate) fn find_overlap(slices: &[Ranges]) -> Option<(usize, usize)> {
    let mut groups = vec![(0..slices.len()).collect::<Vec<_>>()];
    while let Some(group) = groups.pop() {
        if group.len() < 2 {
            continue;
        }
        match split(slices, &group) {
            Some(parts) => groups.extend(parts),
            None => {
                if let Some(pair) = compare_pairs(slices, group) {
                    return Some(pair);
                }
            }
        }
    }
    None
}

/// The group as several that do not touch each other in some dimension, or `None` if no dimension
/// tells them apart.
fn split(slices: &[Ranges], group: &[usize]) -> Option<Vec<Vec<usize>>> {
    let rank = slices.first()?.len();
    let range = |idx: usize, axis: usize| {
        slices.get(idx).and_then(|ranges| ranges.get(axis)).copied().unwrap_or_default()
    };
    for axis in 0..rank {
        let mut sorted = group.to_vec();
        sorted.sort_unstable_by_key(|idx| range(*idx, axis));
        let mut parts: Vec<Vec<usize>> = Vec::new();
        let mut part = Vec::new();
        let mut part_end = 0;
        for idx in sorted {
            let (start, len) = range(idx, axis);
            if !part.is_empty() && start >= part_end {
                parts.push(std::mem::take(&mut part));
            }
            part.push(idx);
            part_end = part_end.max(start.saturating_add(len));
        }
        if !parts.is_empty() {
            parts.push(part);
            return Some(parts);
        }
    }
    None
}

fn compare_pairs(slices: &[Ranges], mut group: Vec<usize>) -> Option<(usize, usize)> {
    group.sort_unstable();
    for (pos, a) in group.iter().enumerate() {
        for b in group.iter().skip(pos + 1) {
            if overlap(slices.get(*a)?, slices.get(*b)?) {
                return Some((*a, *b));
            }
        }
    }
    None
}

fn overlap(a: &Ranges, b: &Ranges) -> bool {
    a.iter().zip(b).all(|((a, a_len), (b, b_len))| {
        *a < b.saturating_add(*b_len) && *b < a.saturating_add(*a_len)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_grids_and_pinwheels_do_not_overlap() {
        let stripes: Vec<Ranges> = (0..1000).map(|i| vec![(i * 3, 3), (0, 7)]).collect();
        assert_eq!(find_overlap(&stripes), None);
        let grid: Vec<Ranges> =
            (0..40).flat_map(|i| (0..50).map(move |j| vec![(i * 2, 2), (j * 5, 5)])).collect();
        assert_eq!(find_overlap(&grid), None);
        let pinwheel: Vec<Ranges> = vec![
            vec![(0, 1), (0, 2)],
            vec![(0, 2), (2, 1)],
            vec![(2, 1), (1, 2)],
            vec![(1, 2), (0, 1)],
            vec![(1, 1), (1, 1)],
        ];
        assert_eq!(find_overlap(&pinwheel), None);
        assert_eq!(find_overlap(&[]), None);
        assert_eq!(find_overlap(&[vec![]]), None);
    }

    #[test]
    fn what_overlaps_is_found() {
        assert_eq!(find_overlap(&[vec![(0, 2)], vec![(1, 2)]]), Some((0, 1)));
        assert_eq!(find_overlap(&[vec![], vec![]]), Some((0, 1)));
        let mut grid: Vec<Ranges> =
            (0..10).flat_map(|i| (0..10).map(move |j| vec![(i * 2, 2), (j * 5, 5)])).collect();
        grid.push(vec![(3, 1), (12, 1)]);
        assert_eq!(find_overlap(&grid), Some((12, 100)));
    }

    #[test]
    fn the_answer_is_that_of_comparing_all_pairs() {
        // Small random layouts in three dimensions.
        let mut state = 1u64;
        let mut random = |n: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % n
        };
        let mut n_apart = 0;
        for _ in 0..3000 {
            let n = 2 + random(4) as usize;
            let slices: Vec<Ranges> =
                (0..n).map(|_| (0..3).map(|_| (random(4), 1 + random(2))).collect()).collect();
            let all = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
            let expected = all.into_iter().any(|(a, b)| overlap(&slices[a], &slices[b]));
            let found = find_overlap(&slices);
            assert_eq!(found.is_some(), expected, "{slices:?}");
            if let Some((a, b)) = found {
                assert!(overlap(&slices[a], &slices[b]));
            }
            n_apart += usize::from(found.is_none());
        }
        assert!((500..2500).contains(&n_apart), "both answers are tried: {n_apart}");
    }
}
