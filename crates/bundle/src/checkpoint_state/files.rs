use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fmt, fs, io};

use super::shards::{ShardName, data_files, v1_files};
use crate::Error;

/// The two forms of checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckpointFormat {
    /// A sorted table that holds the tensors, or one for each shard.
    V1,
    /// A tensor bundle: an index and data files.
    V2,
}

impl fmt::Display for CheckpointFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            CheckpointFormat::V1 => "V1",
            CheckpointFormat::V2 => "V2",
        })
    }
}

/// Whether there is a checkpoint with this prefix, of either form: the index of a V2 checkpoint, or
/// the file or files of a V1 checkpoint.
pub fn checkpoint_exists(prefix: &Path) -> bool {
    first_file(prefix).is_some()
}

/// When the checkpoints with these prefixes were last written, in seconds since the epoch. Fractions
/// of a second are dropped, as in TensorFlow; so are checkpoints that are not there.
pub fn get_checkpoint_mtimes<P: AsRef<Path>>(prefixes: impl IntoIterator<Item = P>) -> Vec<f64> {
    let mtime = |prefix: P| fs::metadata(first_file(prefix.as_ref())?).ok()?.modified().ok();
    prefixes.into_iter().filter_map(mtime).map(whole_seconds).collect()
}

fn whole_seconds(time: SystemTime) -> f64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64().floor(),
        Err(before) => -before.duration().as_secs_f64().ceil(),
    }
}

/// Removes the files of a checkpoint; those that are missing are no error.
///
/// First the [meta graph](meta_graph_filename); then, of a V2 checkpoint, the index and the data
/// files; of a V1 checkpoint, the file or the files of the pattern.
///
/// Errors: what the system reports, at the first file that cannot be removed.
pub fn remove_checkpoint(
    prefix: &Path,
    format: CheckpointFormat,
    meta_graph_suffix: &str,
) -> Result<(), Error> {
    remove_file(&meta_graph_filename(prefix, meta_graph_suffix))?;
    files_of(prefix, format).iter().try_for_each(|path| remove_file(path))
}

fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error)
            if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Err(Error::Io { path: path.into(), source: error })
        }
        _ => Ok(()),
    }
}

/// The name of the file with the meta graph of a checkpoint: the prefix, without the part that
/// numbers shards, and the suffix, which is `meta` as a rule.
pub fn meta_graph_filename(checkpoint_filename: &Path, meta_graph_suffix: &str) -> PathBuf {
    let shard = checkpoint_filename.to_str().and_then(ShardName::parse);
    let base = shard.map_or(checkpoint_filename, |shard| Path::new(shard.base));
    with_suffix(base, &format!(".{meta_graph_suffix}"))
}

/// The file by which a checkpoint is known, if it is there.
fn first_file(prefix: &Path) -> Option<PathBuf> {
    let index = with_suffix(prefix, ".index");
    if index.exists() { Some(index) } else { v1_files(prefix).into_iter().next() }
}

/// The files of a checkpoint that hold tensors and are there: the index and the data files, or
/// those of V1.
pub(crate) fn files_of(prefix: &Path, format: CheckpointFormat) -> Vec<PathBuf> {
    match format {
        CheckpointFormat::V1 => v1_files(prefix),
        CheckpointFormat::V2 => {
            let index = Some(with_suffix(prefix, ".index")).filter(|index| index.exists());
            index.into_iter().chain(data_files(prefix)).collect()
        }
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(suffix);
    path.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn seconds_are_whole() {
        let after = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(whole_seconds(after(1_000_000_750)), 1_000_000.0);
        assert_eq!(whole_seconds(UNIX_EPOCH), 0.0);
        assert_eq!(whole_seconds(UNIX_EPOCH - Duration::from_millis(1250)), -2.0);
    }

    #[test]
    fn wildcards_in_paths_stand_for_themselves() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["m-1.index", "m-[1].index", "m-*.index", "m-?.data-00000-of-00001", "n-[0]"] {
            fs::write(path(name), "").unwrap();
        }
        for (name, exists) in
            [("m-[1]", true), ("m-*", true), ("m-?", false), ("n-[0]", true), ("n-*", false)]
        {
            assert_eq!(checkpoint_exists(&path(name)), exists, "{name}");
        }
        remove_checkpoint(&path("m-*"), CheckpointFormat::V2, "meta").unwrap();
        remove_checkpoint(&path("m-?"), CheckpointFormat::V2, "meta").unwrap();
        assert!(checkpoint_exists(&path("m-1")) && !checkpoint_exists(&path("m-*")));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn folders_are_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("m.index")).unwrap();
        let prefix = dir.path().join("m");
        assert!(remove_checkpoint(&prefix, CheckpointFormat::V2, "meta").is_err());
    }
}
