use std::collections::BTreeSet;

/// What is known not to run: lines of a suite and an op, `math Lgamma`, or an op for some types
/// only, `math AddV2[T=string]`. `#` starts a comment.
const MISSING: &str = include_str!("../expected_missing.txt");

/// Errors that are said in other words than TensorFlow's: lines of a suite and a case.
const OTHER_WORDS: &str = include_str!("../other_words.txt");

/// The ops of a suite that do not run.
pub(crate) fn missing(suite: &str) -> BTreeSet<String> {
    entries(MISSING, suite)
}

/// The cases of a suite whose error has other words.
pub(crate) fn other_words(suite: &str) -> BTreeSet<String> {
    entries(OTHER_WORDS, suite)
}

fn entries(list: &'static str, suite: &str) -> BTreeSet<String> {
    let entry = |line: &'static str| {
        let line = line.split('#').next()?.trim();
        let (of, entry) = line.split_once(' ')?;
        (of == suite).then(|| entry.trim().to_owned())
    };
    list.lines().filter_map(entry).collect()
}
