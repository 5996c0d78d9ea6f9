//! Merging bundles without copying their data.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_proto::pb;
use flowkeep_tensor::Code;
use prost::Message;

use crate::key::text;
use crate::reader::with_suffix;
use crate::source::BytesSource;
use crate::storage::{FileStorage, Storage, TemporaryFile, check_prefix, parent};
use crate::table::Table;
use crate::writer::index::{Conflict, IndexBuilder};
use crate::writer::publish::{Publication, data_path};
use crate::{BundleHeader, Durability, Entry, Error, Overwrite};

/// How bundles are merged.
#[derive(Clone, Debug)]
pub struct MergeOptions {
    /// Whether sources without an index are passed over, as long as there is one with. Off by
    /// default.
    pub allow_missing_files: bool,
    /// Whether files are synced. They are by default.
    pub durability: Durability,
    /// How a bundle that is at the destination is replaced.
    pub overwrite: Overwrite,
    /// Where the files are.
    pub storage: Arc<dyn Storage>,
}

impl Default for MergeOptions {
    fn default() -> MergeOptions {
        MergeOptions {
            allow_missing_files: false,
            durability: Durability::default(),
            overwrite: Overwrite::default(),
            storage: Arc::new(FileStorage),
        }
    }
}

/// A data file of a source: the source's place in the list, the file's number there and the count.
type DataFile = (usize, u32, u32);

/// Merges the bundles `sources` into one with the prefix `destination`, whose data files are theirs;
/// the sources are gone then.
///
/// Data files are numbered in the order in which the sources first use them. The slices of a tensor
/// may be spread over several sources. At any moment either all sources are whole, or the merged
/// bundle is; where files cannot have two names ([`Storage::link`]), they are renamed, and a
/// failure between renaming and the new index loses the sources.
///
/// Errors: `INVALID_ARGUMENT` if a source is missing, sources differ in byte order or version, or two
/// have the same tensor; those of reading the indices; what the storage reports.
/// Source: TensorFlow's `MergeBundles`, but for a header that counts only files in use, and a
/// destination that may be among the sources.
pub fn merge_bundles(
    sources: &[impl AsRef<Path>],
    destination: &Path,
    options: &MergeOptions,
) -> Result<(), Error> {
    check_prefix(destination)?;
    let storage = &options.storage;
    let dir = parent(destination);
    storage.create_dir(dir).map_err(Error::io(dir))?;

    let mut merged = Merged::default();
    let mut found = Vec::new();
    for (idx, prefix) in sources.iter().enumerate() {
        let prefix = prefix.as_ref();
        let path = with_suffix(prefix, ".index");
        match storage.read(&path) {
            Ok(index) => merged.add(idx, prefix, path, index)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if options.allow_missing_files {
                    continue;
                }
                let prefix = prefix.display();
                return Err(Error::invalid(format!(
                    "allow_missing_files was set to false and {prefix} did not exist.NOT_FOUND: {prefix} not found"
                )));
            }
            Err(error) => return Err(Error::io(&path)(error)),
        }
        found.push((idx, prefix));
    }
    if found.is_empty() {
        let what = "At least one prefix checkpoint file must exist, but none existed.";
        return Err(Error::invalid(what));
    }
    merged.index.check_whole()?;

    let files = merged.files(sources);
    let data = files.iter().map(|(_, path)| second_name(storage, path));
    let data = data.collect::<Result<Vec<_>, _>>()?;
    // What was under the destination's prefix goes when the new bundle is published.
    let destination_place = place(&**storage, destination)?;
    let mut gone = Vec::new();
    for (idx, prefix) in found {
        if place(&**storage, prefix)? != destination_place {
            gone.push(with_suffix(prefix, ".index"));
            let data = files.iter().filter(|(source, _)| *source == idx);
            gone.extend(data.map(|(_, path)| path.clone()));
        }
    }
    Publication {
        storage,
        prefix: destination,
        durability: options.durability,
        overwrite: options.overwrite,
        data,
        index: merged.index,
    }
    .publish()?;
    for path in gone {
        // A source that stays does no harm.
        let _ = storage.remove(&path);
    }
    Ok(())
}

/// The directory and the name of a prefix, the same for every way to write it.
fn place(storage: &dyn Storage, prefix: &Path) -> Result<(PathBuf, OsString), Error> {
    let dir = parent(prefix);
    let name = prefix.file_name().unwrap_or_default();
    Ok((storage.canonical_dir(dir).map_err(Error::io(dir))?, name.into()))
}

/// Another, temporary name of a data file; its only one where files cannot have two.
fn second_name(storage: &Arc<dyn Storage>, path: &Path) -> Result<TemporaryFile, Error> {
    TemporaryFile::link(storage, path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::MissingShard { path: path.into() },
        _ => Error::io(path)(error),
    })
}

/// What has been put together of the sources so far.
#[derive(Default)]
struct Merged {
    index: IndexBuilder,
    /// The numbers that data files get.
    files: BTreeMap<DataFile, u32>,
    /// What all headers must agree on: byte order and version.
    common: Option<(i32, pb::VersionDef)>,
}

impl Merged {
    fn add(
        &mut self,
        source: usize,
        prefix: &Path,
        path: PathBuf,
        index: Bytes,
    ) -> Result<(), Error> {
        let table = match Table::open(&BytesSource::new(index)) {
            Ok(table) => table,
            Err(source) => return Err(Error::Index { path, source }),
        };
        let header = BundleHeader::find(&table, &path)?;
        self.check_header(&table, prefix)?;
        for (key, value) in table.iter().filter(|(key, _)| !key.is_empty()) {
            // Refuses what a reader would.
            let checked = Entry::decode(&key, value, header.n_shards);
            checked.map_err(|error| error.at(&path, &key))?;
            let mut entry = pb::BundleEntryProto::decode(value).unwrap_or_default();
            let number = u32::try_from(entry.shard_id).unwrap_or(0);
            let next = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
            let number = *self.files.entry((source, number, header.n_shards)).or_insert(next);
            entry.shard_id = i32::try_from(number).unwrap_or(i32::MAX);
            self.index.merge(key, entry).map_err(|conflict| explain(conflict, prefix))?;
        }
        Ok(())
    }

    fn check_header(&mut self, table: &Table, prefix: &Path) -> Result<(), Error> {
        let header = table.get(b"").map(pb::BundleHeaderProto::decode);
        let header = header.and_then(Result::ok).unwrap_or_default();
        let this = (header.endianness, header.version.unwrap_or_default());
        let common = self.common.get_or_insert_with(|| this.clone());
        let what = match (common.0 == this.0, common.1 == this.1) {
            (false, _) => "conflicting endianness",
            (_, false) => "different format versions",
            _ => return Ok(()),
        };
        let prefix = prefix.display();
        Err(Error::invalid(format!("Merging bundles with {what}: merging prefix: {prefix}")))
    }

    /// The data files in the order of their new numbers, with their sources.
    fn files(&self, sources: &[impl AsRef<Path>]) -> Vec<(usize, PathBuf)> {
        let mut files: Vec<_> = self.files.iter().map(|(file, number)| (*number, *file)).collect();
        files.sort_unstable();
        files
            .into_iter()
            .filter_map(|(_, (source, number, n_shards))| {
                let prefix = sources.get(source)?.as_ref();
                Some((source, data_path(prefix, number, n_shards)))
            })
            .collect()
    }
}

fn explain(conflict: Conflict, prefix: &Path) -> Error {
    let prefix = prefix.display();
    match conflict {
        Conflict::Duplicate(key) => Error::invalid(format!(
            "Duplicate tensor keyed by {} encountered, when merging prefix: {prefix}",
            text(&key)
        )),
        Conflict::NotASlice(key) => Error::Invalid {
            code: Code::Internal,
            what: format!(
                "Duplicate tensor keyed by {}; attempting to merge in a non-slice bundle entry, when merging \
                 prefix: {prefix}",
                text(&key)
            ),
        },
        Conflict::Mismatch(_) => conflict.into(),
    }
}
