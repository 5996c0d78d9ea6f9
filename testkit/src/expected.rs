use std::collections::BTreeSet;

/// What is known not to run: lines of a suite and an op, `math Lgamma`, or an op for some types
/// only, `math AddV2[T=string]`. `#` starts a comment.
const LIST: &str = include_str!("../expected_missing.txt");

/// The entries of a suite.
pub(crate) fn missing(suite: &str) -> BTreeSet<String> {
    let entry = |line: &'static str| {
        let line = line.split('#').next()?.trim();
        let (of, entry) = line.split_once(' ')?;
        (of == suite).then(|| entry.trim().to_owned())
    };
    LIST.lines().filter_map(entry).collect()
}
