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

/// How many edits a mistyped name is away from another, if they are few enough that it may be meant: up to a quarter
/// of its letters and at most three. Two letters that have changed places are one edit.
///
/// ```
/// use flowkeep_graph::mistyped;
///
/// assert_eq!(mistyped("trian", "train"), Some(1));
/// assert_eq!(mistyped("half_plus_tow", "half_plus_two_tf2"), None);
/// ```
pub fn mistyped(wrong: &str, name: &str) -> Option<usize> {
    let (wrong, name) = (wrong.as_bytes(), name.as_bytes());
    if are_swapped(wrong, name) {
        return Some(1);
    }
    edit_distance(wrong, name, (wrong.len() / 4).clamp(usize::from(wrong.len() > 2), 3))
}

/// Whether two letters that are side by side have changed places.
fn are_swapped(a: &[u8], b: &[u8]) -> bool {
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    match (a.get(same..), b.get(same..)) {
        (Some([a, b, rest @ ..]), Some([c, d, other @ ..])) => (a, b) == (d, c) && rest == other,
        _ => false,
    }
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
    fn few_edits_are_a_mistake_in_typing() {
        for (wrong, name, expected) in [
            ("train", "train", Some(0)),
            ("TRAIN", "train", Some(0)),
            ("trian", "train", Some(1)),
            ("trains", "train", Some(1)),
            ("tarni", "train", None),
            ("ab", "ba", Some(1)),
            ("ab", "ac", None),
            ("abc", "abd", Some(1)),
            ("twelve letters", "twelv leter", Some(3)),
        ] {
            assert_eq!(mistyped(wrong, name), expected, "{wrong} {name}");
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
