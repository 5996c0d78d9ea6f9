//! Writing bundles: data files as they grow, the index in the end, and both into place.
//!
//! Modules in reading order: `shard` ([`ShardWriter`]), `data` (a data file), `batch` (many values at
//! once), `index`, `publish`.

mod batch;
mod data;
pub(crate) mod index;
pub(crate) mod publish;
mod shard;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_tensor::{Shape, Tensor, TensorSlice};

use self::data::DataFile;
use self::index::IndexBuilder;
pub use self::publish::{Durability, Overwrite};
use self::publish::{Publication, data_path};
pub use self::shard::{NewTensor, ShardWriter};
use crate::header::MAX_SHARDS;
use crate::parallel::{default_threads, in_parallel};
use crate::storage::{FileStorage, Storage, check_prefix, parent};
use crate::{BundleReader, Error};

/// How a bundle is written.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// The number of data files, from 1 (the default) to 99,999.
    pub n_shards: u32,
    /// Whether files are synced. They are by default.
    pub durability: Durability,
    /// How a bundle that is there is replaced.
    pub overwrite: Overwrite,
    /// Values begin at multiples of this many bytes. 1 by default, as TensorFlow has it; with 8 or
    /// more every tensor of a mapped file is a view.
    pub alignment: u64,
    /// The most threads that compute or copy one large tensor, and that sync. By default, those of
    /// the machine.
    pub threads: usize,
    /// Where the files are written.
    pub storage: Arc<dyn Storage>,
}

impl Default for WriterOptions {
    fn default() -> WriterOptions {
        WriterOptions {
            n_shards: 1,
            durability: Durability::default(),
            overwrite: Overwrite::default(),
            alignment: 1,
            threads: default_threads(),
            storage: Arc::new(FileStorage),
        }
    }
}

/// Writes a tensor bundle.
///
/// Data is written, under temporary names, as tensors are added; nothing is held in memory but the
/// index. The bundle appears under its prefix when [`BundleWriter::finish`] is called, all at once,
/// and replaces one that is there: at any moment, also if the process is killed, the prefix names the
/// old checkpoint or the new one ([`Overwrite`] and [`Durability`] say what exactly is promised).
/// A writer that is dropped before leaves nothing behind.
///
/// The bytes are those that TensorFlow would write for the same tensors in the same order.
///
/// ```
/// use flowkeep_bundle::{BundleReader, BundleWriter, WriterOptions};
/// use flowkeep_tensor::Tensor;
///
/// let dir = tempfile::tempdir()?;
/// let prefix = dir.path().join("model.ckpt-1");
/// let mut writer = BundleWriter::create(&prefix, WriterOptions::default())?;
/// writer.add("bias", &Tensor::from_elements(vec![1.0f32, 2.0]))?;
/// writer.finish()?;
///
/// let bias = BundleReader::open(&prefix)?.tensor("bias")?;
/// assert_eq!(bias.as_slice::<f32>()?, &[1.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BundleWriter {
    prefix: PathBuf,
    options: WriterOptions,
    shards: Vec<ShardWriter>,
}

impl BundleWriter {
    /// Begins a bundle with this prefix. The directory is made if its parent is there.
    ///
    /// Errors: `NOT_FOUND` if the directory's parent is missing; `INVALID_ARGUMENT` for an impossible
    /// number of data files, and for a prefix that does not end in a name, such as `a/`; what the
    /// storage reports.
    pub fn create(prefix: &Path, options: WriterOptions) -> Result<BundleWriter, Error> {
        let WriterOptions { n_shards, alignment, threads, storage, .. } = &options;
        if !i32::try_from(*n_shards).is_ok_and(|n_shards| (1..=MAX_SHARDS).contains(&n_shards)) {
            let what = format!("a bundle cannot have {n_shards} data files");
            return Err(Error::invalid(what));
        }
        check_prefix(prefix)?;
        let dir = parent(prefix);
        storage.create_dir(dir).map_err(Error::io(dir))?;
        let mut shards = Vec::new();
        for number in 0..*n_shards {
            let path = data_path(prefix, number, *n_shards);
            let data = DataFile::create(storage, &path, *threads)?;
            shards.push(ShardWriter::new(number, data, *alignment));
        }
        Ok(BundleWriter { prefix: prefix.into(), options, shards })
    }

    /// The prefix.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The data files, to be written each by a thread of its own if need be.
    pub fn shards(&mut self) -> &mut [ShardWriter] {
        &mut self.shards
    }

    /// Adds a tensor, to the data file that is the shortest so far.
    ///
    /// Errors: as [`ShardWriter::add`].
    pub fn add(&mut self, key: impl AsRef<[u8]>, tensor: &Tensor) -> Result<(), Error> {
        self.shortest()?.add(key, tensor)
    }

    /// Adds a slice of a tensor, to the data file that is the shortest so far.
    ///
    /// Errors: as [`ShardWriter::add_slice`].
    pub fn add_slice(
        &mut self,
        key: impl AsRef<[u8]>,
        full_shape: &Shape,
        slice: &TensorSlice,
        tensor: &Tensor,
    ) -> Result<(), Error> {
        self.shortest()?.add_slice(key, full_shape, slice, tensor)
    }

    /// Copies a tensor of another bundle, to the data file that is the shortest so far.
    ///
    /// Errors: as [`ShardWriter::copy`].
    pub fn copy(
        &mut self,
        key: impl AsRef<[u8]>,
        reader: &BundleReader,
        from: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        self.shortest()?.copy(key, reader, from)
    }

    /// The data file that is the shortest so far, the first of several.
    ///
    /// Errors: none that can be met; a bundle has at least one.
    pub fn shortest(&mut self) -> Result<&mut ShardWriter, Error> {
        let shortest = self.shards.iter_mut().min_by_key(|shard| shard.len_bytes());
        shortest.ok_or_else(|| Error::invalid("a bundle cannot have 0 data files"))
    }

    /// Writes the index and puts the bundle in its place.
    ///
    /// Errors: `INVALID_ARGUMENT` if a key was added to two data files or slices of a tensor overlap;
    /// what the storage reports. The files of this writer are then removed, and what was under the
    /// prefix is as it was.
    pub fn finish(self) -> Result<(), Error> {
        let BundleWriter { prefix, options, shards } = self;
        let mut index = IndexBuilder::default();
        let mut files = Vec::new();
        for shard in shards {
            let (data, part) = shard.into_parts();
            files.push(data);
            for (key, entry) in part.into_entries() {
                index.merge(key, entry)?;
            }
        }
        index.check_whole()?;
        let data = finish_files(files, &options)?;
        let WriterOptions { storage, durability, overwrite, .. } = options;
        Publication { storage: &storage, prefix: &prefix, durability, overwrite, data, index }
            .publish()
    }
}

/// Writes what is left of each data file and syncs it, several at a time.
fn finish_files(
    files: Vec<DataFile>,
    options: &WriterOptions,
) -> Result<Vec<crate::storage::TemporaryFile>, Error> {
    let sync = options.durability == Durability::Synced;
    let n_threads = options.threads.min(files.len());
    let queue = std::sync::Mutex::new(files.into_iter().enumerate());
    let work = || {
        let mut done = Vec::new();
        loop {
            let next = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
            let Some((number, file)) = next else { return Ok::<_, Error>(done) };
            done.push((number, file.finish(sync)?));
        }
    };
    let mut done = in_parallel(n_threads, work)?;
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, file)| file).collect())
}
