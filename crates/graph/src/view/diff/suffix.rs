//! Names that end alike.

use std::collections::{BTreeMap, BTreeSet};

/// The most parts of names that are compared.
const MAX_PARTS: usize = 32;

/// Pairs names of two lists that have more last parts in common with each other than with any others:
/// `a/b/c` and `x/b/c`. Parts are what stands between slashes. The pairs are places in the lists.
pub(super) fn pairs_by_suffix(a: &[&str], b: &[&str]) -> Vec<(usize, usize)> {
    let (mut rest_a, mut rest_b): (BTreeSet<usize>, BTreeSet<usize>) =
        ((0..a.len()).collect(), (0..b.len()).collect());
    let mut pairs = Vec::new();
    for n_parts in (1..=MAX_PARTS).rev() {
        let by_suffix = |names: &[&str], rest: &BTreeSet<usize>| {
            let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for idx in rest {
                if let Some(suffix) = names.get(*idx).and_then(|name| last_parts(name, n_parts)) {
                    found.entry(suffix.to_owned()).or_default().push(*idx);
                }
            }
            found
        };
        let of_b = by_suffix(b, &rest_b);
        for (suffix, idx_a) in by_suffix(a, &rest_a) {
            if let ([idx_a], Some([idx_b])) = (&idx_a[..], of_b.get(&suffix).map(Vec::as_slice)) {
                pairs.push((*idx_a, *idx_b));
                rest_a.remove(idx_a);
                rest_b.remove(idx_b);
            }
        }
    }
    pairs
}

/// The last so many parts of a name that has as many.
fn last_parts(name: &str, n: usize) -> Option<&str> {
    match name.rmatch_indices('/').nth(n - 1) {
        Some((at, _)) => name.get(at + 1..),
        None => (name.matches('/').count() + 1 == n).then_some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_common_ends_pair_names() {
        let a = ["old/tower_0/w", "old/tower_1/w", "x", "only", "p/q", "r/q"];
        let b = ["new/s/tower_1/w", "new/s/tower_0/w", "scope/x", "other", "s/q"];
        let mut pairs = pairs_by_suffix(&a, &b);
        pairs.sort_unstable();
        // Which of p/q and r/q has become s/q cannot be told.
        assert_eq!(pairs, [(0, 1), (1, 0), (2, 2)]);
    }

    #[test]
    fn names_are_cut_at_slashes() {
        for (name, n, expected) in [
            ("a/b/c", 1, Some("c")),
            ("a/b/c", 2, Some("b/c")),
            ("a/b/c", 3, Some("a/b/c")),
            ("a/b/c", 4, None),
            ("a", 1, Some("a")),
        ] {
            assert_eq!(last_parts(name, n), expected, "{name} {n}");
        }
    }
}
