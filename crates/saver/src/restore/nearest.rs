use flowkeep_graph::edit_distance;

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
        let far = edit_distance(wanted.as_bytes(), name.as_bytes(), limit);
        let far = far.or_else(|| (last(name) == last_wanted).then_some(limit + 1));
        found.extend(far.map(|far| (far, name)));
    }
    found.sort_unstable();
    found.into_iter().take(MAX_NAMES).map(|(_, name)| name.to_owned()).collect()
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
}
