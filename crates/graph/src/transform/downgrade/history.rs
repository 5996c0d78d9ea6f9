//! Which ops, attributes, values and types which releases have.
//!
//! `history.txt` is made by `fixtures/op_history.py`, which says how it is written. What is not in it
//! is the same in all releases.

use std::collections::HashMap;
use std::sync::OnceLock;

static TABLE: &str = include_str!("history.txt");

/// The table.
#[derive(Default)]
pub(super) struct History {
    /// Names and GraphDef versions, oldest version first.
    pub(super) releases: Vec<(&'static str, i32)>,
    types: HashMap<&'static str, Releases>,
    ops: HashMap<&'static str, OpHistory>,
}

/// What is not the same in all releases that have an op.
#[derive(Default)]
struct OpHistory {
    releases: Releases,
    attrs: HashMap<&'static str, AttrHistory>,
}

#[derive(Default)]
struct AttrHistory {
    releases: Releases,
    values: HashMap<&'static str, Releases>,
}

/// The positions of releases, as runs from one to another; no run at all stands for all releases.
#[derive(Clone, Debug, Default)]
pub(super) struct Releases(Vec<(usize, usize)>);

impl Releases {
    pub(super) fn contains(&self, release: usize) -> bool {
        self.0.is_empty() || self.0.iter().any(|(first, last)| (*first..=*last).contains(&release))
    }
}

impl History {
    pub(super) fn get() -> &'static History {
        static HISTORY: OnceLock<History> = OnceLock::new();
        HISTORY.get_or_init(|| History::parse(TABLE))
    }

    fn parse(text: &'static str) -> History {
        let mut history = History::default();
        let mut op = "";
        for line in text.lines() {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            match (name, rest.split_once(' ')) {
                ("release", Some((release, version))) => {
                    history.releases.push((release, version.parse().unwrap_or(i32::MAX)));
                }
                ("type", Some((dtype, runs))) => {
                    let runs = history.runs(runs);
                    history.types.insert(dtype, runs);
                }
                _ => {
                    let runs = history.runs(rest);
                    let Some(attr) = name.strip_prefix('.') else {
                        op = name;
                        history.ops.entry(op).or_default().releases = runs;
                        continue;
                    };
                    let attrs = &mut history.ops.entry(op).or_default().attrs;
                    match attr.split_once('=') {
                        Some((attr, value)) => {
                            attrs.entry(attr).or_default().values.insert(value, runs);
                        }
                        None => attrs.entry(attr).or_default().releases = runs,
                    }
                }
            }
        }
        history
    }

    /// The releases of `1.4-1.12,2.0`.
    fn runs(&self, text: &str) -> Releases {
        let find = |name: &str| self.releases.iter().position(|(release, _)| *release == name);
        let last_of_all = self.releases.len().saturating_sub(1);
        let runs = text.split(',').filter(|run| !run.is_empty());
        let runs = runs.filter_map(|run| match run.split_once('-') {
            Some((first, last)) => Some((find(first)?, find(last)?)),
            None => Some((find(run)?, last_of_all)),
        });
        Releases(runs.collect())
    }

    /// The releases that have an op of the table of ops; it is the same op in all of them.
    pub(super) fn op(&self, op: &str) -> Releases {
        self.ops.get(op).map(|op| op.releases.clone()).unwrap_or_default()
    }

    /// The releases that have an attribute, among those that have the op.
    pub(super) fn attr(&self, op: &str, attr: &str) -> Releases {
        let attr = self.ops.get(op).and_then(|op| op.attrs.get(attr));
        attr.map(|attr| attr.releases.clone()).unwrap_or_default()
    }

    /// The releases that allow a value, among those that have the attribute.
    pub(super) fn value(&self, op: &str, attr: &str, value: &str) -> Releases {
        let attr = self.ops.get(op).and_then(|op| op.attrs.get(attr));
        attr.and_then(|attr| attr.values.get(value)).cloned().unwrap_or_default()
    }

    /// The releases that have a type, by its name such as `DT_INT4`.
    pub(super) fn dtype(&self, name: &str) -> Releases {
        self.types.get(name).cloned().unwrap_or_default()
    }

    /// `from 2.1 on`, or `1.4 to 1.12 and from 1.15 on`.
    pub(super) fn describe(&self, releases: &Releases) -> String {
        let run = |(first, last): &(usize, usize)| {
            // The GraphDef version of 2.0 is older than that of 1.15.
            let mut names: Vec<_> = (*first..=*last).map(|release| self.name(release)).collect();
            names.sort_by_key(|name| numbers(name));
            match (names.first(), names.last()) {
                (Some(first), _) if *last + 1 == self.releases.len() => format!("from {first} on"),
                (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
                (first, _) => first.copied().unwrap_or_default().to_owned(),
            }
        };
        releases.0.iter().map(run).collect::<Vec<_>>().join(" and ")
    }

    pub(super) fn name(&self, release: usize) -> &'static str {
        self.releases.get(release).map_or("", |(name, _)| name)
    }
}

/// The first two numbers of a release: `2.4.1` is (2, 4).
pub(super) fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split('.');
    let numbers = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let is_patch = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    (parts.next().is_none_or(is_patch) && parts.next().is_none()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op_def;

    #[test]
    fn every_line_of_the_table_is_of_an_op_or_a_type_that_exists() {
        let history = History::get();
        assert!(history.releases.len() >= 28);
        assert!(history.releases.is_sorted_by_key(|(_, version)| *version));
        for (op, history) in &history.ops {
            let def = op_def::lookup(op).unwrap_or_else(|| panic!("{op}"));
            for attr in history.attrs.keys() {
                assert!(def.attr(attr).is_some(), "{op}.{attr}");
            }
        }
        for name in history.types.keys() {
            assert!(name.starts_with("DT_"), "{name}");
        }
    }

    #[test]
    fn facts_that_are_told_elsewhere() {
        let history = History::get();
        let release = |name| history.releases.iter().position(|(other, _)| *other == name).unwrap();
        for (op, has, has_not) in [
            ("AddV2", "1.8", "1.4"),
            ("BatchMatMulV2", "1.14", "1.13"),
            ("FusedBatchNormV3", "1.14", "1.13"),
            ("StatelessIf", "1.12", "1.8"),
            ("Einsum", "1.15", "1.14"),
            // It had one argument less.
            ("EmptyTensorList", "1.13", "1.12"),
            ("IgnoreErrorsDataset", "1.4", "1.12"),
        ] {
            assert!(history.op(op).contains(release(has)), "{op} {has}");
            assert!(!history.op(op).contains(release(has_not)), "{op} {has_not}");
        }
        assert!(history.attr("VarHandleOp", "allowed_devices").contains(release("2.21")));
        assert!(!history.attr("VarHandleOp", "allowed_devices").contains(release("1.15")));
        assert!(!history.value("MatMul", "T", "DT_BFLOAT16").contains(release("1.4")));
        assert!(history.value("MatMul", "T", "DT_FLOAT").contains(release("1.4")));
        assert!(!history.dtype("DT_INT4").contains(release("2.14")));
        assert_eq!(history.releases[release("1.15")].1, 134);
    }
}
