/// The number of bytes to put in, leave out or exchange so that `a` becomes `b`, whatever the case of
/// letters (Levenshtein's distance); `None` if it is more than `limit`.
pub fn edit_distance(a: &[u8], b: &[u8], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let beyond = limit + 1;
    // Of the row for the first `i` bytes of `a`, only the cells around column `i` can be within the
    // limit.
    let mut row: Vec<usize> = (0..=b.len()).map(|n| n.min(beyond)).collect();
    for (i, x) in a.iter().enumerate() {
        let first = (i + 1).saturating_sub(limit);
        let last = (i + 1 + limit).min(b.len());
        let mut diagonal = row[first.max(1) - 1];
        if first == 0 {
            row[0] = (i + 1).min(beyond);
        } else {
            row[first - 1] = beyond;
        }
        let mut least = if first == 0 { row[0] } else { beyond };
        for j in first.max(1)..=last {
            let changed = diagonal + usize::from(!x.eq_ignore_ascii_case(&b[j - 1]));
            diagonal = row[j];
            let above = if j == i + 1 + limit { beyond } else { row[j] };
            row[j] = changed.min(above + 1).min(row[j - 1] + 1).min(beyond);
            least = least.min(row[j]);
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
                for limit in 0..8 {
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
