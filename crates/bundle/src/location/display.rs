use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use super::{FileKind, Location, Reached};
use crate::CheckpointFormat;
use crate::checkpoint_state::shards::ShardName;

/// The most checkpoints that an error names.
const MAX_NAMED: usize = 8;

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = self.format_text();
        match &self.reached {
            Reached::Prefix => write!(f, "{} ({format})", self.prefix.display()),
            Reached::File(kind) => {
                write!(f, "{} ({format}), by its {kind}", self.prefix.display())
            }
            Reached::StateFile { path, n_listed, moved_from } => {
                write!(f, "{} ({format}), the latest ", self.name_in(path.parent()))?;
                if *n_listed > 1 {
                    write!(f, "of {n_listed} ")?;
                }
                write!(f, "in {}", path.display())?;
                match moved_from {
                    Some(from) => {
                        write!(f, "; it is beside that file and not at {}", from.display())
                    }
                    None => Ok(()),
                }
            }
            Reached::Directory { dir } => {
                let name = self.name_in(Some(dir));
                write!(f, "{name} ({format}), the only checkpoint in {}", dir.display())
            }
            Reached::SavedModel { dir } => {
                let name = self.name_in(Some(dir));
                write!(f, "{name} ({format}) of the SavedModel {}", dir.display())
            }
        }
    }
}

impl Location {
    /// The prefix as seen from a directory.
    fn name_in(&self, dir: Option<&Path>) -> String {
        let inside = dir.and_then(|dir| self.prefix.strip_prefix(dir).ok());
        inside.unwrap_or(&self.prefix).display().to_string()
    }

    /// The format, and for V1 in several files how many of them are there.
    fn format_text(&self) -> String {
        let name = self.prefix.file_name().and_then(OsStr::to_str);
        let pattern = name.and_then(ShardName::parse).filter(ShardName::is_pattern);
        let n_shards = pattern.and_then(|pattern| pattern.n_shards.parse::<usize>().ok());
        let n_files = self.files.len();
        match (self.format, n_shards) {
            (CheckpointFormat::V1, Some(1)) if n_files == 1 => "V1, 1 file".into(),
            (CheckpointFormat::V1, Some(n)) if n_files == n => format!("V1, {n} files"),
            (CheckpointFormat::V1, Some(n)) => format!("V1, {n_files} of {n} files"),
            (format, _) => format.to_string(),
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FileKind::Index => "index",
            FileKind::Data => "data file",
            FileKind::MetaGraph => "meta graph",
            FileKind::Shard => "shard",
        })
    }
}

/// The names of checkpoints, as a sentence lists them.
pub(crate) fn names<P: AsRef<Path>>(prefixes: &[P]) -> String {
    let name = |prefix: &P| {
        let prefix = prefix.as_ref();
        prefix.file_name().unwrap_or(prefix.as_os_str()).to_string_lossy().into_owned()
    };
    let mut text = prefixes.iter().take(MAX_NAMED).map(name).collect::<Vec<_>>().join(", ");
    let n_others = prefixes.len().saturating_sub(MAX_NAMED);
    if n_others > 0 {
        text.push_str(&format!(" and {n_others} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn location(prefix: &str, format: CheckpointFormat, reached: Reached) -> Location {
        let files = vec![PathBuf::from("a"), PathBuf::from("b")];
        Location { prefix: prefix.into(), format, files, reached }
    }

    #[test]
    fn locations_print_as_one_line() {
        use CheckpointFormat::{V1, V2};
        let state = |n_listed, moved_from: Option<&str>| Reached::StateFile {
            path: "train/checkpoint".into(),
            n_listed,
            moved_from: moved_from.map(PathBuf::from),
        };
        for (prefix, format, reached, line) in [
            ("train/m-1", V2, Reached::Prefix, "train/m-1 (V2)"),
            ("train/m-1", V2, Reached::File(FileKind::Index), "train/m-1 (V2), by its index"),
            (
                "m-?????-of-00003",
                V1,
                Reached::File(FileKind::Shard),
                "m-?????-of-00003 (V1, 2 of 3 files), by its shard",
            ),
            ("m-?????-of-00002", V1, Reached::Prefix, "m-?????-of-00002 (V1, 2 files)"),
            ("train/m-1", V2, state(3, None), "m-1 (V2), the latest of 3 in train/checkpoint"),
            ("other/m-1", V1, state(1, None), "other/m-1 (V1), the latest in train/checkpoint"),
            (
                "train/m-1",
                V1,
                state(1, Some("/gone/m-1")),
                "m-1 (V1), the latest in train/checkpoint; it is beside that file and not at /gone/m-1",
            ),
            (
                "train/m-1",
                V1,
                Reached::Directory { dir: "train".into() },
                "m-1 (V1), the only checkpoint in train",
            ),
            (
                "half/variables/variables",
                V2,
                Reached::SavedModel { dir: "half".into() },
                "variables/variables (V2) of the SavedModel half",
            ),
        ] {
            assert_eq!(location(prefix, format, reached).to_string(), line);
        }
    }

    #[test]
    fn long_lists_of_names_are_cut() {
        assert_eq!(names(&["d/a", "b"]), "a, b");
        let many: Vec<_> = (0..10).map(|n| format!("d/m-{n}")).collect();
        assert_eq!(names(&many), "m-0, m-1, m-2, m-3, m-4, m-5, m-6, m-7 and 2 more");
    }
}
