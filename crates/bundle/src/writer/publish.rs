//! How a bundle appears under its prefix.
//!
//! A bundle is several files, and only single files can be replaced in one step. The index is that
//! step: it says how many data files there are, which is part of their names, so that those of a new
//! bundle can lie beside those of the old one.
//!
//! ```text
//! 1  p.data-00000-of-00001.tempstate…   written and synced          p.index ► p.data-00000-of-00002
//! 2  p.data-00000-of-00001              renamed, directory synced   p.index ► p.data-00000-of-00002
//! 3  p.index.tempstate…                 written and synced          p.index ► p.data-00000-of-00002
//! 4  p.index                            renamed, directory synced   p.index ► p.data-00000-of-00001
//! 5  p.data-00000-of-00002              removed
//! ```
//!
//! Whenever it is cut off, the index that is there belongs to data files that are whole.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::index::IndexBuilder;
use crate::header::MAX_SHARDS;
use crate::reader::with_suffix;
use crate::source::BytesSource;
use crate::storage::{Storage, TEMPORARY_INFIX, TemporaryFile, parent};
use crate::table::Table;
use crate::{BundleHeader, Error};

/// What is promised when power fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Files and directory are synced, in the order that keeps a whole checkpoint on the medium
    /// whenever power fails; after a save has returned, it is there.
    #[default]
    Synced,
    /// Nothing is synced, as TensorFlow does it: a killed process does no harm, but a system that
    /// fails may lose the checkpoint, or keep an index whose data it lost.
    Unsynced,
}

/// How a bundle replaces one that is there under the same prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// At any moment the prefix names a whole checkpoint, the old one or the new one.
    ///
    /// For that, the new data files must have other names: if the old bundle has as many as are
    /// asked for, the new one gets one more, which is empty, and a `-of-` number higher by one.
    #[default]
    Atomic,
    /// Data files have the names that TensorFlow would give them. If the old bundle has as many,
    /// they are replaced one by one before the index is: cut off in between, the prefix names an
    /// old index with new data, which readers refuse for its checksums.
    SameNames,
}

/// A bundle all of whose data is written.
pub(crate) struct Publication<'a> {
    pub(crate) storage: &'a Arc<dyn Storage>,
    pub(crate) prefix: &'a Path,
    pub(crate) durability: Durability,
    pub(crate) overwrite: Overwrite,
    /// The data files, by number.
    pub(crate) data: Vec<TemporaryFile>,
    pub(crate) index: IndexBuilder,
}

impl Publication<'_> {
    /// Gives the files their names and removes those of the bundle that was there.
    ///
    /// Errors: what the storage reports; the new files are then removed and the old bundle is as it
    /// was, unless it was to be overwritten under the same names.
    pub(crate) fn publish(self) -> Result<(), Error> {
        let Publication { storage, prefix, durability, overwrite, mut data, index } = self;
        let dir = parent(prefix);
        let _turn = storage.lock_dir(dir).map_err(Error::io(dir))?;
        let n_data = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let n_shards = match overwrite {
            Overwrite::SameNames => n_data,
            Overwrite::Atomic => free_count(&**storage, prefix, n_data)?,
        };
        for number in n_data..n_shards {
            let path = data_path(prefix, number, n_shards);
            data.push(TemporaryFile::create(storage, &path).map_err(Error::io(&path))?);
        }
        let mut placed = Placed { storage, paths: Vec::new() };
        for (number, file) in (0..n_shards).zip(data) {
            let path = data_path(prefix, number, n_shards);
            file.persist(&path).map_err(Error::io(&path))?;
            placed.paths.push(path);
        }
        let sync_dir = || match durability {
            Durability::Synced => storage.sync_dir(dir).map_err(Error::io(dir)),
            Durability::Unsynced => Ok(()),
        };
        sync_dir()?;

        let path = with_suffix(prefix, ".index");
        let content =
            index.encode(n_shards).map_err(|source| Error::Table { path: path.clone(), source })?;
        write_file(storage, &path, &content, durability)?;
        placed.paths.clear();
        sync_dir()?;
        remove_old(&**storage, prefix, n_shards);
        Ok(())
    }
}

/// Data files under their final names, removed again if their index does not follow.
struct Placed<'a> {
    storage: &'a Arc<dyn Storage>,
    paths: Vec<PathBuf>,
}

impl Drop for Placed<'_> {
    fn drop(&mut self) {
        for path in &self.paths {
            // Nobody is left to tell.
            let _ = self.storage.remove(path);
        }
    }
}

/// Writes a file so that it appears at `path` whole.
pub(crate) fn write_file(
    storage: &Arc<dyn Storage>,
    path: &Path,
    content: &[u8],
    durability: Durability,
) -> Result<(), Error> {
    let write = || {
        let file = TemporaryFile::create(storage, path)?;
        if let Some(file) = file.file() {
            file.write_all_at(content, 0)?;
            if durability == Durability::Synced {
                file.sync()?;
            }
        }
        file.persist(path)
    };
    write().map_err(Error::io(path))
}

/// The path of a data file.
pub(crate) fn data_path(prefix: &Path, number: u32, n_shards: u32) -> PathBuf {
    with_suffix(prefix, &format!(".data-{number:05}-of-{n_shards:05}"))
}

/// The least number of data files, at least `n_data`, whose names the bundle that is there does not
/// use.
fn free_count(storage: &dyn Storage, prefix: &Path, n_data: u32) -> Result<u32, Error> {
    let path = with_suffix(prefix, ".index");
    let used = match storage.read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(n_data),
        Err(_) => None,
        Ok(content) => n_shards_of(content),
    };
    let used = match used {
        Some(n_shards) => BTreeSet::from([n_shards]),
        // Somebody may still want to salvage what a damaged index belongs to.
        None => {
            let files = data_files(storage, prefix);
            files.into_iter().map(|(_, _, n_shards)| n_shards).collect()
        }
    };
    let max = u32::try_from(MAX_SHARDS).unwrap_or(u32::MAX);
    (n_data..=max).find(|count| !used.contains(count)).ok_or_else(|| {
        Error::invalid(format!("a bundle cannot have {} data files", n_data.saturating_add(1)))
    })
}

fn n_shards_of(index: bytes::Bytes) -> Option<u32> {
    let table = Table::open(&BytesSource::new(index)).ok()?;
    Some(BundleHeader::decode(table.get(b"")?).ok()?.n_shards)
}

/// Removes what belongs to no bundle now: data files of other counts, and temporary files that no
/// writer is at work on. What cannot be removed stays.
fn remove_old(storage: &dyn Storage, prefix: &Path, n_shards: u32) {
    for (path, _, count) in data_files(storage, prefix) {
        if count != n_shards {
            let _ = storage.remove(&path);
        }
    }
    for stem in [".index", ".data-"] {
        remove_abandoned(storage, prefix, stem);
    }
}

/// Removes the temporary files whose names begin with those of the prefix and `stem`, unless a
/// writer is at work on them.
pub(crate) fn remove_abandoned(storage: &dyn Storage, prefix: &Path, stem: &str) {
    for (path, rest) in files_beginning_with(storage, prefix, stem) {
        if rest.contains(TEMPORARY_INFIX) {
            let _ = storage.remove_abandoned(&path);
        }
    }
}

/// All data files of a prefix, whatever their count, with number and count.
pub(crate) fn data_files(storage: &dyn Storage, prefix: &Path) -> Vec<(PathBuf, u32, u32)> {
    let files = files_beginning_with(storage, prefix, ".data-").into_iter();
    files
        .filter_map(|(path, rest)| {
            let (number, count) = rest.split_once("-of-")?;
            let digits = |text: &str| {
                let all = text.len() >= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse().ok().filter(|_| all)
            };
            Some((path, digits(number)?, digits(count)?))
        })
        .collect()
}

/// The files whose names are those of the prefix and `stem`, with what follows it.
fn files_beginning_with(
    storage: &dyn Storage,
    prefix: &Path,
    stem: &str,
) -> Vec<(PathBuf, String)> {
    let mut name = OsString::from(prefix.file_name().unwrap_or_default());
    name.push(stem);
    let paths = storage.list(parent(prefix), &name).unwrap_or_default();
    paths
        .into_iter()
        .filter_map(|path| {
            let rest = path.file_name()?.as_encoded_bytes().get(name.len()..)?;
            let rest = str::from_utf8(rest).ok()?.to_owned();
            Some((path, rest))
        })
        .collect()
}
