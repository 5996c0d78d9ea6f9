//! Names of the files of sharded checkpoints.
//!
//! ```text
//! V2   m.data-00000-of-00002, m.data-00001-of-00002      beside m.index
//! V1   m-00000-of-00002, m-00001-of-00002                known together as m-?????-of-00002
//! ```

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Digits in the number of a shard, and in the number of shards.
const N_DIGITS: usize = 5;

/// A name that ends as one of a V1 shard, or of all of them, does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShardName<'a> {
    /// What comes before the dash.
    pub(crate) base: &'a str,
    /// Digits, or question marks for every shard.
    pub(crate) number: &'a str,
    /// The number of shards, in digits.
    pub(crate) n_shards: &'a str,
}

impl<'a> ShardName<'a> {
    /// Takes a name apart that ends in `-<number>-of-<n_shards>`.
    pub(crate) fn parse(name: &'a str) -> Option<ShardName<'a>> {
        let (rest, n_shards) = name.rsplit_once("-of-")?;
        let (base, number) = rest.rsplit_once('-')?;
        let is_number = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'?')
        };
        let parses = is_number(number) && is_number(n_shards) && !n_shards.contains('?');
        parses.then_some(ShardName { base, number, n_shards })
    }

    /// Whether the name is that of one file of a checkpoint.
    pub(crate) fn is_one(&self) -> bool {
        is_digits(self.number.as_bytes()) && self.n_shards.len() == N_DIGITS
    }

    /// Whether the name stands for all files of a checkpoint.
    pub(crate) fn is_pattern(&self) -> bool {
        self.number.len() == N_DIGITS && self.number.bytes().all(|byte| byte == b'?')
    }

    /// The name that stands for all files.
    pub(crate) fn pattern(&self) -> String {
        format!("{}-?????-of-{}", self.base, self.n_shards)
    }
}

/// Whether these are the digits of a number of a shard.
fn is_digits(text: &[u8]) -> bool {
    text.len() == N_DIGITS && text.iter().all(u8::is_ascii_digit)
}

/// The files that a V1 path stands for: the file itself, or those of a pattern, sorted.
pub(crate) fn v1_files(path: &Path) -> Vec<PathBuf> {
    if path.exists() {
        return vec![path.into()];
    }
    let pattern = path.file_name().and_then(OsStr::to_str).and_then(ShardName::parse);
    let Some(pattern) = pattern.filter(ShardName::is_pattern) else { return Vec::new() };
    siblings(path, |name| {
        name.to_str().and_then(ShardName::parse).is_some_and(|shard| {
            shard.is_one() && shard.base == pattern.base && shard.n_shards == pattern.n_shards
        })
    })
}

/// The data files of a V2 prefix, sorted.
pub(crate) fn data_files(prefix: &Path) -> Vec<PathBuf> {
    let Some(base) = prefix.file_name() else { return Vec::new() };
    siblings(prefix, |name| {
        let suffix = name.as_encoded_bytes().strip_prefix(base.as_encoded_bytes());
        suffix.is_some_and(is_data_suffix)
    })
}

/// Whether this is `.data-<5 digits>-of-<5 digits>`.
pub(crate) fn is_data_suffix(suffix: &[u8]) -> bool {
    let numbers = suffix.strip_prefix(b".data-").and_then(|rest| rest.split_at_checked(N_DIGITS));
    numbers.is_some_and(|(number, rest)| {
        is_digits(number) && rest.strip_prefix(b"-of-").is_some_and(is_digits)
    })
}

/// The files beside `path` whose names are wanted, sorted; none if the folder cannot be read.
pub(crate) fn siblings(path: &Path, is_wanted: impl Fn(&OsStr) -> bool) -> Vec<PathBuf> {
    let parent = path.parent().unwrap_or(Path::new(""));
    let here = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let entries = fs::read_dir(here).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name()).filter(|name| is_wanted(name));
    let mut files: Vec<_> = names.map(|name| parent.join(name)).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_shards_are_taken_apart() {
        let parts = |name| {
            let name = ShardName::parse(name)?;
            Some((name.base, name.number, name.n_shards, name.is_one(), name.is_pattern()))
        };
        assert_eq!(parts("m-00001-of-00003"), Some(("m", "00001", "00003", true, false)));
        assert_eq!(parts("m-5-?????-of-00003"), Some(("m-5", "?????", "00003", false, true)));
        assert_eq!(parts("m-1-of-2"), Some(("m", "1", "2", false, false)));
        assert_eq!(parts("m-00?01-of-00002"), Some(("m", "00?01", "00002", false, false)));
        for other in
            ["m", "m-1", "m-of-00002", "m-1-of-", "m--of-2", "m-x-of-2", "m-1-of-?", "m-1-of-2x"]
        {
            assert_eq!(parts(other), None, "{other}");
        }
        let shard = ShardName::parse("m-00001-of-00003").unwrap();
        assert_eq!(shard.pattern(), "m-?????-of-00003");
    }

    #[test]
    fn suffixes_of_data_files_are_exact() {
        assert!(is_data_suffix(b".data-00000-of-00001"));
        for other in [
            "",
            ".data-",
            ".data-0-of-1",
            ".data-00000-of-00001x",
            ".data-?????-of-?????",
            "-00000-of-00001",
        ] {
            assert!(!is_data_suffix(other.as_bytes()), "{other}");
        }
    }
}
