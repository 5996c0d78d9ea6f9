use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flowkeep_tensor::{DType, Tensor, TensorSlice};

use crate::object_graph::OBJECT_GRAPH_KEY;
use crate::parallel::{default_threads, in_parallel};
use crate::source::{self, FileSource, Source};
use crate::table::Table;
use crate::value::{Shard, Value};
use crate::{BundleHeader, Entry, Error, Key, ObjectGraph, Variant, partition, slice_key, slices};

/// Tensors of at least this many bytes are read by several threads.
const PARALLEL_LEN: u64 = 16 << 20;
/// Deferred tensors of fewer bytes are copied: a small view would keep much of the file around it in
/// memory.
const MIN_VIEW: u64 = 64 << 10;
/// Smaller tensors that a thread takes at a time.
const SMALL_BATCH: usize = 16;

/// How a bundle is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Whether data files are mapped, so that tensors which lie aligned in them are views and not
    /// copies. Off by default: files are then read at positions.
    ///
    /// Setting this is a promise: as long as the reader or a tensor from it lives, nobody truncates
    /// or overwrites the data files. Should somebody truncate one all the same, the process dies of a
    /// signal when it touches what is gone. Files that are replaced by renaming, as TensorFlow and
    /// this crate do, are safe.
    ///
    /// Without the crate's feature `mmap`, this has no effect.
    pub mmap: bool,
    /// Whether the checksum of a tensor is compared whenever it is read. On by default; the index
    /// and the lengths of strings are always checked.
    pub verify: bool,
    /// The most threads that work on one large tensor, or on several with
    /// [`BundleReader::load`]. By default, those of the machine.
    pub threads: usize,
}

impl Default for ReaderOptions {
    fn default() -> ReaderOptions {
        ReaderOptions { mmap: false, verify: true, threads: default_threads() }
    }
}

/// A tensor bundle that is open for reading: its index, in memory and checked, and its data files,
/// which are opened when a tensor in them is first asked for.
///
/// Keys are byte strings; `&str`, `String`, `&[u8]` and [`Key`] are all accepted. A reader can be
/// shared by threads.
pub struct BundleReader {
    prefix: PathBuf,
    index_path: PathBuf,
    table: Table,
    header: BundleHeader,
    verify: bool,
    n_threads: usize,
    open_shard: Box<OpenShard>,
    shards: Mutex<BTreeMap<u32, Arc<Shard>>>,
}

/// Opens the data file of a number, of how many, at a path.
pub(crate) type OpenShard = dyn Fn(u32, u32, &Path) -> io::Result<Arc<dyn Source>> + Send + Sync;

impl BundleReader {
    /// Opens the bundle whose files begin with `prefix`, such as `variables/variables`.
    ///
    /// Errors: `NOT_FOUND` if there is no index file; `DATA_LOSS` if it is damaged;
    /// `INVALID_ARGUMENT` if it asks for a reader of another version. Data files are not looked at.
    pub fn open(prefix: &Path) -> Result<BundleReader, Error> {
        BundleReader::open_with(prefix, ReaderOptions::default())
    }

    /// Opens a bundle with options.
    ///
    /// Errors: as [`BundleReader::open`].
    pub fn open_with(prefix: &Path, options: ReaderOptions) -> Result<BundleReader, Error> {
        let index_path = with_suffix(prefix, ".index");
        let index = FileSource::open(&index_path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NoCheckpoint { prefix: prefix.into() },
            _ => Error::Io { path: index_path, source },
        })?;
        let open_shard = move |_: u32, _: u32, path: &Path| source::open(path, options.mmap);
        BundleReader::new(prefix.into(), &index, Box::new(open_shard), options)
    }

    /// Opens a bundle whose bytes come from elsewhere: `index` is its index, and `open_shard` gives
    /// the data file of a number (the first argument), of how many (the second).
    ///
    /// `options.mmap` has no effect. Errors: as [`BundleReader::open`].
    pub fn from_sources(
        index: &dyn Source,
        open_shard: impl Fn(u32, u32) -> io::Result<Arc<dyn Source>> + Send + Sync + 'static,
        options: ReaderOptions,
    ) -> Result<BundleReader, Error> {
        let open_shard = move |shard: u32, n_shards: u32, _: &Path| open_shard(shard, n_shards);
        BundleReader::new("<sources>".into(), index, Box::new(open_shard), options)
    }

    pub(crate) fn new(
        prefix: PathBuf,
        index: &dyn Source,
        open_shard: Box<OpenShard>,
        options: ReaderOptions,
    ) -> Result<BundleReader, Error> {
        let path = with_suffix(&prefix, ".index");
        let table = match Table::open(index) {
            Ok(table) => table,
            Err(source) => return Err(Error::Index { path, source }),
        };
        let header = BundleHeader::find(&table, &path)?;
        Ok(BundleReader {
            prefix,
            index_path: path,
            table,
            header,
            verify: options.verify,
            n_threads: options.threads,
            open_shard,
            shards: Mutex::default(),
        })
    }

    /// The prefix under which the bundle was opened.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// What the index says about the whole bundle.
    pub fn header(&self) -> &BundleHeader {
        &self.header
    }

    /// Whether the bundle has a tensor (or a slice) under this key.
    pub fn contains(&self, key: impl AsRef<[u8]>) -> bool {
        let key = key.as_ref();
        !key.is_empty() && self.table.get(key).is_some()
    }

    /// The keys of all tensors, in order of their bytes. The slices of partitioned tensors have no
    /// place of their own in it.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.stored().map(|(key, _)| key)
    }

    /// The keys of all tensors that begin with `prefix`, in order.
    pub fn keys_with_prefix<'a>(&'a self, prefix: &[u8]) -> impl Iterator<Item = Key> + use<'a> {
        let keys = self.table.iter_prefix(prefix).map(|(key, _)| key);
        keys.filter(|key| is_tensor(key)).map(Key::from)
    }

    /// All tensors, in order of their keys, with what the index says about them; an error is that of
    /// a single entry.
    pub fn entries(&self) -> impl Iterator<Item = (Key, Result<Entry, Error>)> {
        self.stored().map(|(key, value)| {
            let entry = self.decode_entry(&key, value);
            (key, entry)
        })
    }

    /// Every entry but the header, those of slices among them.
    pub(crate) fn all_entries(&self) -> impl Iterator<Item = (Key, Result<Entry, Error>)> {
        self.table.iter().filter(|(key, _)| !key.is_empty()).map(|(key, value)| {
            let entry = self.decode_entry(&key, value);
            (Key::from(key), entry)
        })
    }

    fn stored(&self) -> impl Iterator<Item = (Key, &[u8])> {
        self.stored_entries(false)
    }

    /// Keys and values of the index but for the header's; slices of tensors are left out unless
    /// they are asked for.
    pub(crate) fn stored_entries(&self, slices: bool) -> impl Iterator<Item = (Key, &[u8])> {
        let is_wanted = move |key: &[u8]| if slices { !key.is_empty() } else { is_tensor(key) };
        let stored = self.table.iter().filter(move |(key, _)| is_wanted(key));
        stored.map(|(key, value)| (Key::from(key), value))
    }

    /// What the index says about a tensor; no data is touched.
    ///
    /// Errors: `NOT_FOUND`; `DATA_LOSS` if the entry is damaged; `UNIMPLEMENTED` if its type is
    /// unknown.
    pub fn entry(&self, key: impl AsRef<[u8]>) -> Result<Entry, Error> {
        let key = key.as_ref();
        match self.table.get(key).filter(|_| !key.is_empty()) {
            Some(value) => self.decode_entry(key, value),
            None => Err(Error::KeyNotFound { key: key.to_vec() }),
        }
    }

    /// Reads a tensor; one that is stored in slices is put together.
    ///
    /// Errors: those of [`BundleReader::entry`]; `NOT_FOUND` if its data file is missing;
    /// `OUT_OF_RANGE` if that is too short; `DATA_LOSS`, naming tensor, file and place, if the bytes
    /// are not what was written; `INVALID_ARGUMENT` if slices are missing; `UNIMPLEMENTED` for
    /// variants, which [`BundleReader::variants`] reads.
    pub fn tensor(&self, key: impl AsRef<[u8]>) -> Result<Tensor, Error> {
        let key = key.as_ref();
        let entry = self.entry(key)?;
        if !entry.is_partitioned() {
            return self.read_value(key, &entry);
        }
        let slice = TensorSlice::full(entry.shape.rank());
        let ranges = slice.resolve(&entry.shape)?;
        slices::read(self, key, &entry, &slice, &ranges)
    }

    /// A tensor whose bytes are read, and compared with their checksum, when somebody first looks at
    /// them; that they lie within the data file is checked now.
    ///
    /// Only what the data file gives views of is deferred, and lies there whole and plain: a bundle that
    /// is mapped. All else is read now. Whoever looks at a damaged tensor, by any way, gets the error that
    /// [`BundleReader::tensor`] would have given, as [`flowkeep_tensor::Error::Unreadable`].
    ///
    /// Errors: as [`BundleReader::tensor`], as far as they show without reading the tensor.
    pub fn deferred(&self, key: impl AsRef<[u8]>) -> Result<Tensor, Error> {
        let key = key.as_ref();
        let entry = self.entry(key)?;
        let is_plain = !entry.is_partitioned() && entry.dtype.size_bytes().is_some();
        if !is_plain || !self.shard(entry.shard)?.source.has_views() {
            return self.tensor(key);
        }
        let shard = self.shard(entry.shard)?;
        self.value(key, &entry, &shard).check_place()?;
        let (dtype, shape, key) = (entry.dtype, entry.shape.clone(), key.to_vec());
        let (swapped, verify, n_threads) = (self.header.is_foreign(), self.verify, self.n_threads);
        let read = move || {
            let (key, entry, shard) = (&key, &entry, &shard);
            let value = Value { key, entry, shard, swapped, verify, n_threads };
            let is_small = entry.size < MIN_VIEW;
            let read = if is_small { value.read_copy() } else { value.read_plain() };
            read.map_err(unreadable)
        };
        Ok(Tensor::deferred(dtype, shape, read)?)
    }

    /// Reads several tensors, in the order of `keys`, by several threads at once.
    ///
    /// Errors: that of one tensor, as of [`BundleReader::tensor`].
    pub fn load<K: AsRef<[u8]> + Sync>(&self, keys: &[K]) -> Result<Vec<Tensor>, Error> {
        // Large tensors keep all threads busy one by one, small ones side by side.
        let is_large = |key: &K| {
            let size = self.entry(key).map(|entry| entry.size).unwrap_or_default();
            size >= PARALLEL_LEN
        };
        let (large, small): (Vec<_>, Vec<_>) =
            keys.iter().enumerate().partition(|(_, key)| is_large(key));
        let mut loaded = Vec::with_capacity(keys.len());
        for (idx, key) in large {
            loaded.push((idx, self.tensor(key)?));
        }
        let next = AtomicUsize::new(0);
        let n_threads = self.n_threads.min(small.len().div_ceil(SMALL_BATCH));
        loaded.extend(in_parallel(n_threads, || {
            let mut done = Vec::new();
            loop {
                let start = next.fetch_add(SMALL_BATCH, Ordering::Relaxed).min(small.len());
                let batch = small.get(start..).unwrap_or_default();
                if batch.is_empty() {
                    return Ok::<_, Error>(done);
                }
                for (idx, key) in batch.iter().take(SMALL_BATCH) {
                    done.push((*idx, self.tensor(key)?));
                }
            }
        })?);
        loaded.sort_unstable_by_key(|(idx, _)| *idx);
        Ok(loaded.into_iter().map(|(_, tensor)| tensor).collect())
    }

    /// Reads a slice of a tensor, however that is stored.
    ///
    /// Errors: those of [`BundleReader::tensor`]; `INTERNAL` if the slice does not fit the tensor's
    /// shape.
    pub fn slice(&self, key: impl AsRef<[u8]>, slice: &TensorSlice) -> Result<Tensor, Error> {
        let key = key.as_ref();
        let entry = self.entry(key)?;
        let ranges = slice.resolve(&entry.shape)?;
        if entry.is_partitioned() {
            return slices::read(self, key, &entry, slice, &ranges);
        }
        partition::cut(self.read_value(key, &entry)?, &ranges)
    }

    /// Reads a tensor of variants.
    ///
    /// Errors: those of [`BundleReader::tensor`]; `INVALID_ARGUMENT` if the tensor has another type;
    /// `UNIMPLEMENTED` if it is stored in slices, or in the other byte order.
    pub fn variants(&self, key: impl AsRef<[u8]>) -> Result<Vec<Variant>, Error> {
        let key = key.as_ref();
        let entry = self.entry(key)?;
        if entry.dtype != DType::Variant {
            let (expected, got) = (DType::Variant, entry.dtype);
            return Err(flowkeep_tensor::Error::DTypeMismatch { expected, got }.into());
        }
        if entry.is_partitioned() {
            let (key, dtype) = (key.to_vec(), "variant in slices".into());
            return Err(Error::UnsupportedType { key, dtype });
        }
        self.value(key, &entry, &*self.shard(entry.shard)?).read_variants()
    }

    /// The objects of an object-based checkpoint; `None` if it is name-based.
    ///
    /// Errors: those of [`BundleReader::tensor`]; `DATA_LOSS`, naming the file, if what is stored is
    /// no object graph.
    pub fn object_graph(&self) -> Result<Option<ObjectGraph>, Error> {
        if !self.contains(OBJECT_GRAPH_KEY) {
            return Ok(None);
        }
        let tensor = self.tensor(OBJECT_GRAPH_KEY)?;
        let bad = |what| self.bad_entry(OBJECT_GRAPH_KEY.as_bytes(), what);
        let [bytes] = tensor.as_strings().unwrap_or_default() else {
            return Err(bad("object graph is not one string".into()));
        };
        ObjectGraph::decode(bytes).map(Some).map_err(|error| bad(error.to_string()))
    }

    /// Tells that the stored bytes of a tensor will not be read again soon, for instance because it
    /// has been copied into another layout; mapped pages are then given back.
    ///
    /// Tensors that are views of those bytes stay valid. Keys that are unknown are ignored.
    pub fn advise_unused(&self, key: impl AsRef<[u8]>) {
        let key = key.as_ref();
        let Ok(entry) = self.entry(key) else { return };
        if entry.is_partitioned() {
            entry.slices.iter().for_each(|slice| self.advise_unused(slice_key::encode(key, slice)));
        } else if let Some(shard) = self.shards().get(&entry.shard) {
            shard.source.advise_unused(entry.offset, entry.size);
        }
    }

    /// Reads the value of an entry that is not partitioned.
    pub(crate) fn read_value(&self, key: &[u8], entry: &Entry) -> Result<Tensor, Error> {
        self.value(key, entry, &*self.shard(entry.shard)?).read()
    }

    /// The value of an entry that is not partitioned, which lies in `shard`.
    pub(crate) fn value<'a>(&self, key: &'a [u8], entry: &'a Entry, shard: &'a Shard) -> Value<'a> {
        let swapped = self.header.is_foreign();
        let (verify, n_threads) = (self.verify, self.n_threads);
        Value { key, entry, shard, swapped, verify, n_threads }
    }

    /// The data file of a number, opened at its first use.
    pub(crate) fn shard(&self, number: u32) -> Result<Arc<Shard>, Error> {
        let mut shards = self.shards();
        if let Some(shard) = shards.get(&number) {
            return Ok(Arc::clone(shard));
        }
        let n_shards = self.header.n_shards;
        let suffix = format!(".data-{number:05}-of-{n_shards:05}");
        let path = with_suffix(&self.prefix, &suffix);
        let source = match (self.open_shard)(number, n_shards, &path) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::MissingShard { path });
            }
            Err(source) => return Err(Error::Io { path, source }),
        };
        let shard = Arc::new(Shard { source, path, prefix: self.prefix.clone() });
        shards.insert(number, Arc::clone(&shard));
        Ok(shard)
    }

    fn shards(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Arc<Shard>>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decode_entry(&self, key: &[u8], value: &[u8]) -> Result<Entry, Error> {
        let entry = Entry::decode(key, value, self.header.n_shards);
        entry.map_err(|error| error.at(&self.index_path, key))
    }

    pub(crate) fn bad_entry(&self, key: &[u8], what: String) -> Error {
        Error::Entry { path: self.index_path.clone(), key: key.to_vec(), what }
    }
}

impl std::fmt::Debug for BundleReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleReader")
            .field("prefix", &self.prefix)
            .field("header", &self.header)
            .finish()
    }
}

/// The error of a deferred tensor.
fn unreadable(error: Error) -> flowkeep_tensor::Error {
    flowkeep_tensor::Error::Unreadable { code: error.code(), message: error.to_string() }
}

/// Whether a key is that of a tensor: neither that of the header nor that of a slice.
fn is_tensor(key: &[u8]) -> bool {
    !key.is_empty() && slice_key::decode(key).is_none()
}

pub(crate) fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(prefix);
    path.push(suffix);
    path.into()
}
