//! What a name that is not there was probably meant to be.

use std::collections::HashMap;

use flowkeep_graph::edit_distance;

/// The most names that are given for one that is missing.
const MAX_NEAREST: usize = 8;

/// The most edits after which a name still counts as near.
const MAX_EDITS: usize = 10;

/// Longer names are not compared letter by letter.
const MAX_LEN: usize = 1000;

/// How many letters are compared with letters before that is given up: a fraction of a second.
const BUDGET: u64 = 100_000_000;

/// The most scopes that are taken away from the front of a name.
const MAX_SCOPES: usize = 8;

/// The most names with the same ending that are looked at.
const MAX_SAME_ENDING: usize = 64;

/// Endings that some names have and others do not.
const ENDINGS: [&str; 2] = [":0", "/.ATTRIBUTES/VARIABLE_VALUE"];

/// Names among which others are looked for.
pub(crate) struct Names<'a> {
    names: Vec<Name<'a>>,
    /// The names by what is left of them without scopes in front: those that lack the fewest first.
    by_ending: HashMap<&'a str, Vec<usize>>,
    budget: u64,
}

struct Name<'a> {
    name: &'a str,
    /// The name without endings.
    stem: &'a str,
    letters: Letters,
}

/// How much a name is like another; what is smaller is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Likeness {
    /// They differ in endings, or in the case of letters.
    Spelling,
    /// One has scopes before the other: so many.
    Scopes(usize),
    /// So many letters are put in, left out or exchanged.
    Edits(usize),
    /// They agree in their last parts, and differ in so many.
    Ending(usize),
}

impl Likeness {
    /// Whether this is worth telling of beside the best.
    fn is_beside(self, best: Likeness) -> bool {
        match (best, self) {
            (Likeness::Spelling, Likeness::Spelling)
            | (Likeness::Scopes(_), Likeness::Scopes(_))
            | (Likeness::Ending(_), Likeness::Ending(_)) => true,
            (Likeness::Edits(best), Likeness::Edits(n)) => n <= 2 * best + 1,
            _ => false,
        }
    }
}

impl<'a> Names<'a> {
    pub(crate) fn new(names: impl IntoIterator<Item = &'a str>) -> Names<'a> {
        let name =
            |name: &'a str| Name { name, stem: stem(name), letters: Letters::of(stem(name)) };
        let names: Vec<_> = names.into_iter().map(name).collect();
        let mut by_ending = HashMap::<_, Vec<_>>::new();
        let mut endings: Vec<_> = names.iter().map(|name| endings(name.stem)).collect();
        for _ in 0..=MAX_SCOPES {
            for (idx, endings) in endings.iter_mut().enumerate() {
                let ending = endings.next().into_iter();
                ending.for_each(|ending| by_ending.entry(ending).or_default().push(idx));
            }
        }
        Names { names, by_ending, budget: BUDGET }
    }

    /// The names that are most like `wrong`, the nearest first; none if none is near, and none that are
    /// far worse than the first.
    pub(crate) fn nearest(&mut self, wrong: &str) -> Vec<(&'a str, Likeness)> {
        let wrong = stem(wrong);
        let mut found: Vec<(Likeness, usize)> = Vec::new();
        for ending in endings(wrong).take(MAX_SCOPES + 1) {
            let same = self.by_ending.get(ending).into_iter().flatten().take(MAX_SAME_ENDING);
            let alike = same
                .filter_map(|idx| Some((likeness_of_parts(wrong, self.names[*idx].stem)?, *idx)));
            found.extend(alike);
            if !found.is_empty() {
                break;
            }
        }
        found.sort_unstable();
        found.truncate(MAX_NEAREST);
        self.add_by_edits(wrong, &mut found);
        found.sort_unstable();
        let best = found.first().map(|(likeness, _)| *likeness);
        found.retain(|(likeness, _)| best.is_some_and(|best| likeness.is_beside(best)));
        let mut nearest: Vec<(&str, Likeness)> = Vec::new();
        for (likeness, idx) in found {
            let name = self.names[idx].name;
            if nearest.iter().all(|(other, _)| *other != name) {
                nearest.push((name, likeness));
            }
        }
        nearest.truncate(MAX_NEAREST);
        nearest
    }

    /// Adds the names that are few edits away.
    fn add_by_edits(&mut self, wrong: &str, found: &mut Vec<(Likeness, usize)>) {
        let len = wrong.len();
        if len > MAX_LEN {
            return;
        }
        let letters = Letters::of(wrong);
        let mut limit = (len / 4).min(MAX_EDITS);
        let mut nearest: Vec<(usize, usize)> = Vec::new();
        for (idx, name) in self.names.iter().enumerate() {
            if name.stem.len().abs_diff(len) > limit || letters.distance(&name.letters) > limit {
                continue;
            }
            let n_cells = (len as u64 + 1) * (2 * limit as u64 + 1);
            let Some(left) = self.budget.checked_sub(n_cells) else { break };
            self.budget = left;
            if let Some(n_edits) = edit_distance(wrong.as_bytes(), name.stem.as_bytes(), limit) {
                nearest.push((n_edits, idx));
                if nearest.len() > 2 * MAX_NEAREST {
                    nearest.sort_unstable();
                    nearest.truncate(MAX_NEAREST);
                    limit = nearest.last().map_or(limit, |(n_edits, _)| *n_edits);
                }
            }
        }
        found.extend(nearest.into_iter().map(|(n_edits, idx)| match n_edits {
            0 => (Likeness::Spelling, idx),
            n => (Likeness::Edits(n), idx),
        }));
    }
}

/// A name without the endings that do not matter.
fn stem(name: &str) -> &str {
    let ending = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    ending.filter(|stem| !stem.is_empty()).unwrap_or(name)
}

/// A name, and what is left of it without its first scope, without its first two, and so on.
fn endings(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('/').map(|(_, rest)| rest))
}

/// How alike two names are that end in the same part.
fn likeness_of_parts(a: &str, b: &str) -> Option<Likeness> {
    let n_parts = |name: &str| name.bytes().filter(|byte| *byte == b'/').count() + 1;
    let n_same = a.rsplit('/').zip(b.rsplit('/')).take_while(|(a, b)| a == b).count();
    let (n, m) = (n_parts(a), n_parts(b));
    if n_same == n.min(m) {
        return Some(match n.abs_diff(m) {
            0 => Likeness::Spelling,
            n_scopes => Likeness::Scopes(n_scopes),
        });
    }
    let n_others = n.max(m) - n_same;
    (n_same >= 2 && n_same >= n_others).then_some(Likeness::Ending(n_others))
}

/// How often each letter is in a name, whatever its case.
struct Letters([u16; 32]);

impl Letters {
    fn of(name: &str) -> Letters {
        let mut counts = [0u16; 32];
        for byte in name.bytes() {
            let count = &mut counts[usize::from(byte.to_ascii_lowercase() % 32)];
            *count = count.saturating_add(1);
        }
        Letters(counts)
    }

    /// The least number of edits between two names.
    fn distance(&self, other: &Letters) -> usize {
        let (mut more, mut less) = (0usize, 0usize);
        for (a, b) in self.0.iter().zip(&other.0) {
            more += usize::from(a.saturating_sub(*b));
            less += usize::from(b.saturating_sub(*a));
        }
        more.max(less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_common_bound_the_edits() {
        let words = ["", "a", "ba", "AbC", "cab", "kitten", "sitting", "bcabca"];
        for (a, b) in words.iter().flat_map(|a| words.iter().map(move |b| (a, b))) {
            let n_edits = edit_distance(a.as_bytes(), b.as_bytes(), 100);
            let least = Letters::of(a).distance(&Letters::of(b));
            assert!(n_edits.is_some_and(|n| least <= n), "{a} {b}");
        }
    }

    #[test]
    fn near_names_are_found_the_nearest_first() {
        let names = [
            "dense/kernel",
            "dense/bias",
            "dense_1/kernel",
            "model/encoder/layer_0/attention/query/kernel",
            "global_step",
            "v/.ATTRIBUTES/VARIABLE_VALUE",
            "Head/W",
            "tower/part/weights",
        ];
        let cases = [
            ("dense/kernel:0", &["dense/kernel"][..]),
            ("model/dense/bias", &["dense/bias"]),
            ("dense/kernal", &["dense/kernel", "dense_1/kernel"]),
            (
                "encoder/layer_0/attention/query/kernel",
                &["model/encoder/layer_0/attention/query/kernel"],
            ),
            (
                "bert/encoder/layer_0/attention/query/kernel",
                &["model/encoder/layer_0/attention/query/kernel"],
            ),
            (
                "a_completely_other_scope/layer_0/attention/query/kernel",
                &["model/encoder/layer_0/attention/query/kernel"],
            ),
            ("v", &["v/.ATTRIBUTES/VARIABLE_VALUE"]),
            ("head/w", &["Head/W"]),
            ("globalstep", &["global_step"]),
            ("dens/bias", &["dense/bias"]),
            (
                "kernel",
                &["dense/kernel", "dense_1/kernel", "model/encoder/layer_0/attention/query/kernel"],
            ),
            ("other/kernel", &[]),
            ("nothing", &[]),
            ("", &[]),
        ];
        for (wrong, expected) in cases {
            let found: Vec<_> =
                Names::new(names).nearest(wrong).into_iter().map(|(name, _)| name).collect();
            assert_eq!(found, expected, "{wrong}");
        }
    }

    #[test]
    fn many_long_names_take_bounded_time() {
        let name = |i: usize| format!("{}{i}", "scope/with/a/long/name/".repeat(20));
        let names: Vec<String> = (0..2000).map(name).collect();
        let mut index = Names::new(names.iter().map(String::as_str));
        let found: usize = (0..2000).map(|i| index.nearest(&name(i + 10_000)).len()).sum();
        assert!(found > 0 && index.budget < BUDGET / 2);
        let long = "a/".repeat(1_000_000);
        assert_eq!(Names::new([long.as_str()]).nearest(&long[2..]).len(), 1);
    }
}
