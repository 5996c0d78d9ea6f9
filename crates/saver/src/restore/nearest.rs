/// The most names that are named.
const MAX_NAMES: usize = 3;

/// Those of `names` that are most like `wanted`, best first: with few letters to change, or with the
/// same last part.
pub(super) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let last_wanted = last(wanted);
    let limit = wanted.chars().count().div_ceil(3).max(1);
    let mut found: Vec<(usize, &str)> = Vec::new();
    for name in names {
        let far = distance(wanted, name, limit);
        let far = far.or_else(|| (last(name) == last_wanted).then_some(limit + 1));
        found.extend(far.map(|far| (far, name)));
    }
    found.sort_unstable();
    found.into_iter().take(MAX_NAMES).map(|(_, name)| name.to_owned()).collect()
}

/// How many letters are to be changed, put in or left out; `None` if more than `limit`.
fn distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
        if row.iter().all(|far| *far > limit) {
            return None;
        }
    }
    row.last().copied().filter(|far| *far <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_few_changes_and_names_in_other_scopes_are_found() {
        let names = ["dense/kernel", "dense/bias", "dense_1/kernel", "tower/dense/kernal", "step"];
        for (wanted, found) in [
            ("dense/kernal", &["dense/kernel", "dense_1/kernel", "tower/dense/kernal"][..]),
            ("bias", &["dense/bias"]),
            ("stop", &["step"]),
            ("zzz", &[]),
        ] {
            assert_eq!(nearest(wanted, names.into_iter()), found, "{wanted}");
        }
    }

    #[test]
    fn distances_are_numbers_of_changes() {
        for (a, b, far) in [
            ("", "", Some(0)),
            ("kitten", "sitting", Some(3)),
            ("a", "", Some(1)),
            ("abcd", "", None),
        ] {
            assert_eq!(distance(a, b, 3), far);
        }
    }
}
