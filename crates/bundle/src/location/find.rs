use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::list::{is_table, names_in};
use super::{FileKind, Location, Reached, directory};
use crate::checkpoint_state::shards::{ShardName, is_data_suffix, siblings, v1_files};
use crate::checkpoint_state::{LATEST_FILENAME, files_of, read_file, with_suffix};
use crate::{CheckpointFormat, Error};

impl Location {
    /// Finds the checkpoint that a path means; no tensor is looked at.
    ///
    /// Errors, which say what there is instead: `NOT_FOUND` if there is no checkpoint, for instance
    /// because the one that a state file names is gone; `INVALID_ARGUMENT` if there are several and
    /// nothing tells which is meant; `DATA_LOSS` for a file that is no checkpoint.
    pub fn find(path: &Path) -> Result<Location, Error> {
        if path.is_dir() {
            // As TensorFlow does, the directory comes before a prefix of the same name.
            return directory::find(path).or_else(|error| v2(path, Reached::Prefix).ok_or(error));
        }
        if let Some(location) = v2(path, Reached::Prefix) {
            return Ok(location);
        }
        if path.is_file() {
            return of_file(path);
        }
        by_prefix(path, Reached::Prefix)?.ok_or_else(|| not_found(path, ""))
    }
}

/// The V2 checkpoint of a prefix.
fn v2(prefix: &Path, reached: Reached) -> Option<Location> {
    let format = CheckpointFormat::V2;
    with_suffix(prefix, ".index").is_file().then(|| Location {
        prefix: prefix.into(),
        format,
        files: files_of(prefix, format),
        reached,
    })
}

/// The V1 checkpoint of a file or a pattern.
fn v1(path: &Path, reached: Reached) -> Option<Location> {
    let files = v1_files(path);
    let found = files.iter().any(|file| file.is_file());
    let format = CheckpointFormat::V1;
    found.then(|| Location { prefix: path.into(), format, files, reached })
}

/// The checkpoint of a prefix: V2, else V1, else the V1 checkpoint in several files.
///
/// Errors: `INVALID_ARGUMENT` if there are V1 checkpoints of several numbers of files.
pub(super) fn by_prefix(prefix: &Path, reached: Reached) -> Result<Option<Location>, Error> {
    let whole = v2(prefix, reached.clone()).or_else(|| v1(prefix, reached.clone()));
    if whole.is_some() {
        return Ok(whole);
    }
    match patterns_of(prefix).as_slice() {
        [] => Ok(None),
        [pattern] => Ok(v1(pattern, reached)),
        patterns => {
            Err(Error::SeveralCheckpoints { place: prefix.into(), found: patterns.to_vec() })
        }
    }
}

/// The patterns of V1 files that begin with a prefix.
fn patterns_of(prefix: &Path) -> Vec<PathBuf> {
    let Some(base) = prefix.file_name().and_then(OsStr::to_str) else { return Vec::new() };
    let shard = |name: &OsStr| -> Option<String> {
        let shard = ShardName::parse(name.to_str()?)?;
        (shard.is_one() && shard.base == base).then(|| shard.pattern())
    };
    let files = siblings(prefix, |name| shard(name).is_some());
    let patterns =
        files.iter().filter_map(|file| Some(file.with_file_name(shard(file.file_name()?)?)));
    let mut patterns: Vec<_> = patterns.collect();
    patterns.dedup();
    patterns
}

/// The checkpoint that a file belongs to.
fn of_file(path: &Path) -> Result<Location, Error> {
    let extension = path.extension().unwrap_or_default();
    let prefix = || path.with_extension("");
    let of_prefix = |kind, what| {
        let location = by_prefix(&prefix(), Reached::File(kind))?;
        location.ok_or_else(|| not_found(&prefix(), &format!("{} is {what}", path.display())))
    };
    if extension == "index" {
        return of_prefix(FileKind::Index, "an index");
    }
    if is_data_suffix(&[b".", extension.as_encoded_bytes()].concat()) {
        let location = v2(&prefix(), Reached::File(FileKind::Data));
        let why = || format!("{} is there, its index is not", path.display());
        return location.ok_or_else(|| not_found(&prefix(), &why()));
    }
    if extension == "meta" {
        return of_prefix(FileKind::MetaGraph, "a meta graph whose checkpoint is not there");
    }
    match is_table(path) {
        Ok(()) => {
            let shard = path.file_name().and_then(OsStr::to_str).and_then(ShardName::parse);
            let location = match shard.filter(ShardName::is_one) {
                Some(shard) => {
                    v1(&path.with_file_name(shard.pattern()), Reached::File(FileKind::Shard))
                }
                None => v1(path, Reached::Prefix),
            };
            location.ok_or_else(|| not_found(path, ""))
        }
        Err(what) => of_state_file(path, what),
    }
}

/// The checkpoint that a state file names; `what` tells why the file is no V1 checkpoint.
fn of_state_file(path: &Path, what: &'static str) -> Result<Location, Error> {
    let dir = path.parent().unwrap_or(Path::new(""));
    match read_file(path, dir) {
        Ok(Some(state)) => directory::by_state(path, dir, &state),
        Err(error) if path.file_name() == Some(OsStr::new(LATEST_FILENAME)) => Err(error),
        Err(error @ Error::Io { .. }) => Err(error),
        _ => Err(Error::NotACheckpoint { path: path.into(), what }),
    }
}

/// The error for a path that leads nowhere, with what is in its folder.
fn not_found(path: &Path, why: &str) -> Error {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let shown = parent.display();
    let there = match names_in(parent) {
        Some(names) => format!("{shown} has {names}"),
        None if parent.is_dir() => format!("{shown} has no checkpoints"),
        None => format!("there is no directory {shown}"),
    };
    let why = if why.is_empty() { there } else { format!("{why}; {there}") };
    Error::CheckpointNotFound { path: path.into(), why }
}
