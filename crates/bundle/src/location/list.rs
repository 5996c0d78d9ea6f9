use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use super::display::names;
use crate::checkpoint_state::checkpoint_exists;
use crate::checkpoint_state::shards::{ShardName, data_files, is_data_suffix};
use crate::source::{FileSource, Source};
use crate::table::{FOOTER_LEN, MAGIC};
use crate::{CheckpointFormat, CheckpointState, Error};

/// A checkpoint of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedCheckpoint {
    /// The prefix of a V2 checkpoint; the file of a V1 checkpoint, or the pattern of its files. It
    /// begins with the directory.
    pub prefix: PathBuf,
    /// Its form.
    pub format: CheckpointFormat,
    /// The number after the last dash of its name, by which `Saver` and `CheckpointManager` tell the
    /// global step or count; `None` if the name does not end in one.
    pub step: Option<u64>,
    /// When it was last written: the index, or the first file of a V1 checkpoint.
    pub mtime: SystemTime,
    /// Whether the state file lists it.
    pub is_listed: bool,
    /// Whether it is the latest by the state file.
    pub is_latest: bool,
}

/// The checkpoints of a directory, by name and step: those of `Saver` and of `CheckpointManager`,
/// of either form, whether the state file lists them or not.
///
/// V2 checkpoints are known by their index, V1 checkpoints by being sorted tables. Where both have
/// the same prefix, only the first is there. Of a state file that cannot be used,
/// [`CheckpointState::read`] tells why; here it lists nothing.
///
/// Errors: what the system reports if the directory cannot be read.
pub fn list_checkpoints(dir: &Path) -> Result<Vec<ListedCheckpoint>, Error> {
    let here = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let failed = |source| Error::Io { path: here.into(), source };
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(here).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let path = dir.join(&name);
        // A file that vanishes meanwhile is none.
        let Some(metadata) = fs::metadata(&path).ok().filter(fs::Metadata::is_file) else {
            continue;
        };
        let Ok(mtime) = metadata.modified() else { continue };
        let Some((name, format)) = checkpoint_of(&name, &path) else { continue };
        // V2 comes before V1, and the first of several files tells the time.
        let file = (Reverse(format), path, mtime);
        let first = found.entry(name).or_insert_with(|| file.clone());
        *first = file.min(first.clone());
    }
    let state = CheckpointState::read(dir, None).ok().flatten().unwrap_or_default();
    let checkpoints = found.into_iter().map(|(name, (Reverse(format), _, mtime))| {
        let prefix = dir.join(&name);
        let is_latest = names_prefix(&state.model_checkpoint_path, &prefix);
        let mut listed = state.all_model_checkpoint_paths.iter();
        let is_listed = is_latest || listed.any(|path| names_prefix(path, &prefix));
        ListedCheckpoint { step: step(&name).1, prefix, format, mtime, is_listed, is_latest }
    });
    let mut checkpoints: Vec<_> = checkpoints.collect();
    checkpoints.sort_by_cached_key(|checkpoint| {
        let name = checkpoint.prefix.file_name().unwrap_or_default().to_owned();
        let (stem, step) = step(&name);
        (stem, step, name)
    });
    Ok(checkpoints)
}

/// The name of the checkpoint that a file stands for, and its form.
fn checkpoint_of(name: &OsStr, path: &Path) -> Option<(OsString, CheckpointFormat)> {
    let extension = Path::new(name).extension().unwrap_or_default();
    if extension == "index" {
        // Other programs have such files as well; damaged ones are still checkpoints.
        let base = Path::new(name).file_stem()?;
        let is_index = is_table(path).is_ok() || !data_files(&path.with_extension("")).is_empty();
        return is_index.then(|| (base.to_owned(), CheckpointFormat::V2));
    }
    let is_temporary = extension.as_encoded_bytes().starts_with(b"tempstate");
    let is_data = is_data_suffix(&[b".", extension.as_encoded_bytes()].concat());
    if is_temporary || is_data || is_table(path).is_err() {
        return None;
    }
    let shard = name.to_str().and_then(ShardName::parse).filter(ShardName::is_one);
    let name = shard.map_or_else(|| name.to_owned(), |shard| shard.pattern().into());
    Some((name, CheckpointFormat::V1))
}

/// Whether a path of a state file means the checkpoint with this prefix. A path that leads nowhere
/// means the checkpoint of its name.
fn names_prefix(path: &Path, prefix: &Path) -> bool {
    path == prefix || (path.file_name() == prefix.file_name() && !checkpoint_exists(path))
}

/// A name without its step, and the step.
fn step(name: &OsStr) -> (OsString, Option<u64>) {
    let split = || {
        let name = name.to_str()?;
        let base = ShardName::parse(name).map_or(name, |shard| shard.base);
        let (stem, digits) = base.rsplit_once('-')?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        Some((OsString::from(stem), Some(digits.parse().ok().filter(|_| is_number)?)))
    };
    split().unwrap_or_else(|| (name.to_owned(), None))
}

/// Whether a file ends as sorted tables do; if not, why not.
pub(super) fn is_table(path: &Path) -> Result<(), &'static str> {
    let magic = || -> io::Result<Option<[u8; 8]>> {
        let file = FileSource::open(path)?;
        let footer_len = u64::try_from(FOOTER_LEN).unwrap_or(u64::MAX);
        if file.len() < footer_len {
            return Ok(None);
        }
        let mut magic = [0; 8];
        file.read_into(file.len().saturating_sub(8), &mut magic)?;
        Ok(Some(magic))
    };
    match magic() {
        Ok(Some(magic)) if magic == MAGIC.to_le_bytes() => Ok(()),
        Ok(Some(_)) => Err("not an sstable (bad magic number)"),
        Ok(None) => Err("file is too short to be an sstable"),
        Err(_) => Err("file cannot be read"),
    }
}

/// The names of the checkpoints of a directory, as an error lists them; `None` if it has none.
pub(super) fn names_in(dir: &Path) -> Option<String> {
    let found = list_checkpoints(dir).unwrap_or_default();
    let prefixes: Vec<_> = found.iter().map(|checkpoint| &checkpoint.prefix).collect();
    (!prefixes.is_empty()).then(|| names(&prefixes))
}
