//! How far two names are apart, to suggest what was meant.

/// The number of bytes to put in, leave out or exchange so that `a` becomes `b`, whatever the case of
/// letters (Levenshtein's distance); `None` if it is more than `limit`.
pub fn edit_distance(a: &[u8], b: &[u8], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    // There are never more.
    let limit = limit.min(a.len().max(b.len()));
    let beyond = limit + 1;
    // Of the row for the first `i` bytes of `a`, only the cells around column `i` can be within the
    // limit.
    let mut row: Vec<usize> = (0..=b.len()).map(|n| n.min(beyond)).collect();
    for (i, x) in a.iter().enumerate() {
        let first = (i + 1).saturating_sub(limit).max(1);
        let last = (i + 1 + limit).min(b.len());
        let cells = row.get_mut(first - 1..=last).and_then(|cells| cells.split_first_mut());
        let (Some((before, cells)), Some(letters)) = (cells, b.get(first - 1..last)) else {
            return None;
        };
        let mut diagonal = *before;
        *before = if first == 1 { (i + 1).min(beyond) } else { beyond };
        let (mut left, mut least) = (*before, *before);
        for (j, (cell, y)) in (first..).zip(cells.iter_mut().zip(letters)) {
            let changed = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = *cell;
            let above = if j == i + 1 + limit { beyond } else { diagonal };
            left = changed.min(above + 1).min(left + 1).min(beyond);
            *cell = left;
            least = least.min(left);
        }
        if least > limit {
            return None;
        }
    }
    row.last().copied().filter(|n| *n <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition.
    fn naive(a: &[u8], b: &[u8]) -> usize {
        match (a.split_first(), b.split_first()) {
            (None, _) => b.len(),
            (_, None) => a.len(),
            (Some((x, a_rest)), Some((y, b_rest))) => {
                let changed = naive(a_rest, b_rest) + usize::from(!x.eq_ignore_ascii_case(y));
                changed.min(naive(a_rest, b) + 1).min(naive(a, b_rest) + 1)
            }
        }
    }

    #[test]
    fn edits_are_counted_up_to_a_limit() {
        let words =
            ["", "a", "ab", "ba", "abc", "AbC", "cab", "kitten", "sitting", "bcabca", "aaaaaa"];
        for a in words {
            for b in words {
                let n = naive(a.as_bytes(), b.as_bytes());
                for limit in (0..8).chain([usize::MAX]) {
                    let expected = (n <= limit).then_some(n);
                    assert_eq!(
                        edit_distance(a.as_bytes(), b.as_bytes(), limit),
                        expected,
                        "{a} {b} {limit}"
                    );
                }
            }
        }
    }
}
