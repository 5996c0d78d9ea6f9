//! Checkpoints of either format through one reader.
//!
//! Modules in reading order: `entry` (what is known about a tensor), `declared` (the same of any
//! tensor), `debug_string`.

mod debug_string;
mod declared;
mod entry;

use std::path::{Path, PathBuf};

use flowkeep_tensor::{Tensor, TensorSlice};

pub use self::debug_string::DebugForm;
pub use self::declared::Declared;
pub use self::entry::{CheckpointEntry, StoredPart};
use crate::reader::with_suffix;
use crate::writer::publish::data_path;
use crate::{BundleReader, CheckpointFormat, Error, Key, ReaderOptions, V1Reader};

/// A checkpoint of either format that is open for reading.
///
/// What a user may type for a checkpoint, [`Location::find`](crate::Location::find) turns into the
/// path that this takes.
///
/// ```
/// use std::path::Path;
///
/// use flowkeep_bundle::{CheckpointFormat, CheckpointReader};
///
/// for (path, format) in [
///     ("../../fixtures/bundles/partitioned", CheckpointFormat::V2),
///     ("../../fixtures/v1/sharded-?????-of-00003", CheckpointFormat::V1),
/// ] {
///     let reader = CheckpointReader::open(Path::new(path))?;
///     assert_eq!(reader.format(), format);
///     assert_eq!(reader.entry("w")?.shape.dims(), &[4, 3]);
///     assert_eq!(reader.tensor("w")?.as_slice::<f32>()?[11], 11.0);
/// }
/// # Ok::<(), flowkeep_bundle::Error>(())
/// ```
#[derive(Debug)]
pub struct CheckpointReader {
    format: Format,
}

#[derive(Debug)]
enum Format {
    V1(V1Reader),
    V2(BundleReader),
}

impl CheckpointReader {
    /// Opens the bundle with this prefix if it has an index, else the V1 checkpoint of this path or
    /// pattern.
    ///
    /// Errors: `NOT_FOUND` if there is neither; those of [`BundleReader::open`] or
    /// [`V1Reader::open`].
    pub fn open(path: &Path) -> Result<CheckpointReader, Error> {
        CheckpointReader::open_with(path, ReaderOptions::default())
    }

    /// Opens a checkpoint with options.
    ///
    /// Errors: as [`CheckpointReader::open`].
    pub fn open_with(path: &Path, options: ReaderOptions) -> Result<CheckpointReader, Error> {
        if with_suffix(path, ".index").exists() {
            return BundleReader::open_with(path, options).map(CheckpointReader::from);
        }
        V1Reader::open_with(path, options).map(CheckpointReader::from)
    }

    /// The format of the checkpoint.
    pub fn format(&self) -> CheckpointFormat {
        match &self.format {
            Format::V1(_) => CheckpointFormat::V1,
            Format::V2(_) => CheckpointFormat::V2,
        }
    }

    /// The reader of a V2 checkpoint, for what only such a one has.
    pub fn as_bundle(&self) -> Option<&BundleReader> {
        match &self.format {
            Format::V1(_) => None,
            Format::V2(reader) => Some(reader),
        }
    }

    /// The reader of a V1 checkpoint, for what only such a one has.
    pub fn as_v1(&self) -> Option<&V1Reader> {
        match &self.format {
            Format::V1(reader) => Some(reader),
            Format::V2(_) => None,
        }
    }

    /// The prefix, or the path or pattern, under which the checkpoint was opened.
    pub fn path(&self) -> &Path {
        match &self.format {
            Format::V1(reader) => reader.path(),
            Format::V2(reader) => reader.prefix(),
        }
    }

    /// The number of files that hold tensors.
    pub fn n_files(&self) -> u32 {
        match &self.format {
            Format::V1(reader) => u32::try_from(reader.files().len()).unwrap_or(u32::MAX),
            Format::V2(reader) => reader.header().n_shards,
        }
    }

    /// The file of a number, as [`StoredPart::file`] has it; of a V2 checkpoint, it need not be there.
    pub fn file(&self, number: u32) -> Option<PathBuf> {
        match &self.format {
            Format::V1(reader) => {
                let file = usize::try_from(number).ok().and_then(|idx| reader.files().nth(idx));
                file.map(PathBuf::from)
            }
            Format::V2(reader) => {
                let n_shards = reader.header().n_shards;
                (number < n_shards).then(|| data_path(reader.prefix(), number, n_shards))
            }
        }
    }

    /// Whether the checkpoint has a tensor under this key; in a V2 checkpoint, also a single slice.
    pub fn contains(&self, key: impl AsRef<[u8]>) -> bool {
        match &self.format {
            Format::V1(reader) => reader.contains(key),
            Format::V2(reader) => reader.contains(key),
        }
    }

    /// The keys of all tensors, in order of their bytes. Slices have no place of their own in it.
    pub fn keys(&self) -> Box<dyn Iterator<Item = Key> + '_> {
        match &self.format {
            Format::V1(reader) => Box::new(reader.keys()),
            Format::V2(reader) => Box::new(reader.keys()),
        }
    }

    /// The keys of all tensors that begin with `prefix`, in order.
    pub fn keys_with_prefix<'a>(&'a self, prefix: &[u8]) -> Box<dyn Iterator<Item = Key> + 'a> {
        match &self.format {
            Format::V1(reader) => Box::new(reader.keys_with_prefix(prefix)),
            Format::V2(reader) => Box::new(reader.keys_with_prefix(prefix)),
        }
    }

    /// All tensors, in order of their keys, with what the checkpoint says about them; an error is
    /// that of a single tensor.
    pub fn entries(&self) -> impl Iterator<Item = (Key, Result<CheckpointEntry, Error>)> {
        self.keys().map(|key| {
            let entry = self.entry(&key);
            (key, entry)
        })
    }

    /// What the checkpoint says about a tensor; no data is touched.
    ///
    /// Errors: those of [`BundleReader::entry`] or [`V1Reader::entry`].
    pub fn entry(&self, key: impl AsRef<[u8]>) -> Result<CheckpointEntry, Error> {
        let key = key.as_ref();
        match &self.format {
            Format::V1(reader) => reader.entry(key).map(CheckpointEntry::from),
            Format::V2(reader) => Ok(CheckpointEntry::of_bundle(reader, key, reader.entry(key)?)),
        }
    }

    /// All tensors, in order of their keys, with what the checkpoint says that they are: also of
    /// those that cannot be read, because of their type or of where they lie.
    ///
    /// Errors, of single tensors: `DATA_LOSS` if not even that can be told.
    pub fn declared(&self) -> Box<dyn Iterator<Item = (Key, Result<Declared, Error>)> + '_> {
        match &self.format {
            Format::V1(reader) => Box::new(
                reader
                    .stored()
                    .map(|(name, tensor)| (Key::from(name.to_vec()), Ok(Declared::of_v1(tensor)))),
            ),
            Format::V2(reader) => Box::new(reader.stored_entries(false).map(|(key, value)| {
                let declared = Declared::of_bundle(reader, &key, value);
                (key, declared)
            })),
        }
    }

    /// Reads a tensor; one that is stored in slices is put together.
    ///
    /// Errors: those of [`BundleReader::tensor`] or [`V1Reader::tensor`].
    pub fn tensor(&self, key: impl AsRef<[u8]>) -> Result<Tensor, Error> {
        match &self.format {
            Format::V1(reader) => reader.tensor(key),
            Format::V2(reader) => reader.tensor(key),
        }
    }

    /// Reads several tensors, in the order of `keys`; those of a bundle by several threads.
    ///
    /// Errors: that of one tensor, as of [`CheckpointReader::tensor`].
    pub fn load<K: AsRef<[u8]> + Sync>(&self, keys: &[K]) -> Result<Vec<Tensor>, Error> {
        match &self.format {
            Format::V1(reader) => keys.iter().map(|key| reader.tensor(key)).collect(),
            Format::V2(reader) => reader.load(keys),
        }
    }

    /// Reads a slice of a tensor, however that is stored.
    ///
    /// Errors: those of [`BundleReader::slice`] or [`V1Reader::slice`].
    pub fn slice(&self, key: impl AsRef<[u8]>, slice: &TensorSlice) -> Result<Tensor, Error> {
        match &self.format {
            Format::V1(reader) => reader.slice(key, slice),
            Format::V2(reader) => reader.slice(key, slice),
        }
    }

    /// A line for each tensor, `name (DT_FLOAT) [2,3]`, in order of their keys.
    ///
    /// These are bytes, as keys are. Errors: `DATA_LOSS` if the entry of a tensor is damaged.
    pub fn debug_string(&self, form: DebugForm) -> Result<Vec<u8>, Error> {
        match &self.format {
            Format::V1(reader) => Ok(debug_string::of_v1(reader)),
            Format::V2(reader) => debug_string::of_bundle(reader, form),
        }
    }
}

impl From<BundleReader> for CheckpointReader {
    fn from(reader: BundleReader) -> CheckpointReader {
        CheckpointReader { format: Format::V2(reader) }
    }
}

impl From<V1Reader> for CheckpointReader {
    fn from(reader: V1Reader) -> CheckpointReader {
        CheckpointReader { format: Format::V1(reader) }
    }
}
