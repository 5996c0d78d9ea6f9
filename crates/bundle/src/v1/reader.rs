use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_tensor::{Code, DType, Shape, Tensor, TensorSlice};

use super::files::matching;
use super::form::Form;
use super::meta::{FileMeta, TensorMeta, Tensors, check_overlap};
use super::record::{File, Record};
use crate::entry::{EntryError, decode_dtype};
use crate::partition::{self, Partitioned, SliceStore};
use crate::source::{self, Source};
use crate::table::{self, LazyTable};
use crate::{Error, Key, ReaderOptions};

/// What a V1 checkpoint says about a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct V1Entry {
    /// The element type.
    pub dtype: DType,
    /// The full shape.
    pub shape: Shape,
    /// The slices that are stored; of a tensor that was not partitioned, the full one.
    pub slices: Vec<TensorSlice>,
    /// For each slice, the number of its file in [`V1Reader::files`].
    pub files: Vec<u32>,
}

impl V1Entry {
    /// Whether the tensor was stored in slices.
    pub fn is_partitioned(&self) -> bool {
        !matches!(self.slices.as_slice(), [slice] if slice.is_full())
    }
}

/// A V1 checkpoint that is open for reading: what its files say about their tensors, in memory and
/// checked. The tensors are read when they are asked for, and checked then.
///
/// Names are byte strings; `&str`, `String`, `&[u8]` and [`Key`] are all accepted. A reader can be
/// shared by threads.
///
/// ```
/// use std::path::Path;
///
/// use flowkeep_bundle::V1Reader;
///
/// let reader = V1Reader::open(Path::new("../../fixtures/v1/sharded-?????-of-00003"))?;
/// assert_eq!(reader.files().count(), 3);
/// assert_eq!(reader.tensor("a")?.as_slice::<f32>()?, &[1.0, 2.0]);
/// # Ok::<(), flowkeep_bundle::Error>(())
/// ```
pub struct V1Reader {
    path: PathBuf,
    files: Vec<File>,
    tensors: Tensors,
}

impl V1Reader {
    /// Opens the file at `path`, or all files whose names match its last component, such as
    /// `export-?????-of-00002`. A file of exactly that name comes first.
    ///
    /// Errors: `NOT_FOUND` if there is no such file; `DATA_LOSS` if one is damaged or no V1
    /// checkpoint; `INVALID_ARGUMENT` if it asks for a reader of another version, or has impossible
    /// shapes or slices; `INTERNAL` if files disagree about a tensor, or slices overlap.
    pub fn open(path: &Path) -> Result<V1Reader, Error> {
        V1Reader::open_with(path, ReaderOptions::default())
    }

    /// Opens a checkpoint with options.
    ///
    /// Errors: as [`V1Reader::open`].
    pub fn open_with(path: &Path, options: ReaderOptions) -> Result<V1Reader, Error> {
        let files = matching(path)?.into_iter().map(|path| {
            let source = source::open(&path, options.mmap);
            (path, source)
        });
        V1Reader::new(path.into(), files, options)
    }

    /// Opens a checkpoint whose bytes come from elsewhere: one source for each file.
    ///
    /// `options.mmap` has no effect. Errors: as [`V1Reader::open`].
    pub fn from_sources(
        sources: impl IntoIterator<Item = Arc<dyn Source>>,
        options: ReaderOptions,
    ) -> Result<V1Reader, Error> {
        let files = sources.into_iter().enumerate();
        let files = files.map(|(idx, source)| (format!("<source {idx}>").into(), Ok(source)));
        V1Reader::new("<sources>".into(), files, options)
    }

    fn new(
        path: PathBuf,
        sources: impl Iterator<Item = (PathBuf, io::Result<Arc<dyn Source>>)>,
        options: ReaderOptions,
    ) -> Result<V1Reader, Error> {
        let mut reader = V1Reader { path, files: Vec::new(), tensors: Tensors::new() };
        for (path, source) in sources {
            let source = source.map_err(table::Error::Io);
            let table = source.and_then(|source| LazyTable::open(source, options.verify));
            let open = table.and_then(|table| Ok((table.get(b"")?, table)));
            let (meta, table) = match open {
                Ok(open) => open,
                Err(source) => return Err(Error::V1Table { path, source }),
            };
            let number = u32::try_from(reader.files.len()).unwrap_or(u32::MAX);
            let value = meta.unwrap_or_default();
            let meta = FileMeta { value: &value, path: &path, number };
            meta.add_to(&mut reader.tensors)?;
            reader.files.push(File { path, table });
        }
        for (name, tensor) in &reader.tensors {
            check_overlap(tensor).map_err(|what| {
                let (name, path) = (String::from_utf8_lossy(name), reader.path.display());
                let what = format!("{what} (tensor {name} of {path})");
                Error::Invalid { code: Code::Internal, what }
            })?;
        }
        Ok(reader)
    }

    /// The path or pattern under which the checkpoint was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files, in order of their numbers.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Whether the checkpoint has a tensor of this name.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.tensors.contains_key(name.as_ref())
    }

    /// The names of all tensors, in order of their bytes.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.tensors.keys().map(|name| Key::from(name.clone()))
    }

    /// The names of all tensors that begin with `prefix`, in order.
    pub fn keys_with_prefix<'a>(&'a self, prefix: &[u8]) -> impl Iterator<Item = Key> + use<'a> {
        let prefix = prefix.to_vec();
        let from = self.tensors.range(prefix.clone()..).map(|(name, _)| name);
        from.take_while(move |name| name.starts_with(&prefix)).map(|name| Key::from(name.clone()))
    }

    /// All tensors, in order of their names, with what the checkpoint says about them; an error is
    /// that of a single tensor.
    pub fn entries(&self) -> impl Iterator<Item = (Key, Result<V1Entry, Error>)> {
        self.tensors.iter().map(|(name, tensor)| {
            let entry = self.describe(name, tensor);
            (Key::from(name.clone()), entry)
        })
    }

    /// What the checkpoint says about a tensor; no data is touched.
    ///
    /// Errors: `NOT_FOUND`; `DATA_LOSS` if no tensor can have its type; `UNIMPLEMENTED` if the type
    /// is unknown.
    pub fn entry(&self, name: impl AsRef<[u8]>) -> Result<V1Entry, Error> {
        let name = name.as_ref();
        self.describe(name, self.find(name)?)
    }

    /// Reads a tensor; one that is stored in slices is put together.
    ///
    /// Errors: those of [`V1Reader::entry`]; `DATA_LOSS`, naming tensor, file and place, if what is
    /// stored is not a tensor of its type and shape; `INVALID_ARGUMENT` if slices are missing;
    /// `UNIMPLEMENTED` for types that V1 checkpoints do not hold.
    pub fn tensor(&self, name: impl AsRef<[u8]>) -> Result<Tensor, Error> {
        let name = name.as_ref();
        let tensor = self.find(name)?;
        self.read(name, tensor, &TensorSlice::full(tensor.shape.rank()))
    }

    /// Reads a slice of a tensor, however that is stored.
    ///
    /// Errors: those of [`V1Reader::tensor`]; `INTERNAL` if the slice does not fit the tensor's
    /// shape.
    pub fn slice(&self, name: impl AsRef<[u8]>, slice: &TensorSlice) -> Result<Tensor, Error> {
        let name = name.as_ref();
        self.read(name, self.find(name)?, slice)
    }

    fn read(&self, name: &[u8], tensor: &TensorMeta, slice: &TensorSlice) -> Result<Tensor, Error> {
        let dtype = self.dtype(name, tensor)?;
        let wanted = slice.resolve(&tensor.shape)?;
        if wanted.iter().any(|(_, len)| *len == 0) {
            return Ok(Tensor::zeros(dtype, slice.shape_in(&tensor.shape)?)?);
        }
        let ranges = tensor.slices.iter().map(|slice| slice.resolve(&tensor.shape));
        let ranges = ranges.collect::<Result<Vec<_>, _>>()?;
        let tensor_slices =
            Partitioned { key: name, dtype, slices: &tensor.slices, ranges: &ranges };
        let store = V1Slices { reader: self, name, dtype, tensor };
        partition::read(&store, &tensor_slices, slice, &wanted)
    }

    /// All tensors, in order of their names.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (&[u8], &TensorMeta)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_slice(), tensor))
    }

    fn find(&self, name: &[u8]) -> Result<&TensorMeta, Error> {
        self.tensors
            .get(name)
            .ok_or_else(|| Error::TensorNotFound { path: self.path.clone(), name: name.to_vec() })
    }

    fn describe(&self, name: &[u8], tensor: &TensorMeta) -> Result<V1Entry, Error> {
        let dtype = self.dtype(name, tensor)?;
        let TensorMeta { shape, slices, files, .. } = tensor.clone();
        Ok(V1Entry { dtype, shape, slices, files })
    }

    fn dtype(&self, name: &[u8], tensor: &TensorMeta) -> Result<DType, Error> {
        let dtype = decode_dtype(tensor.dtype).and_then(|dtype| {
            let name = String::from_utf8_lossy(name);
            let what = || format!("tensor {name} has data type {}", tensor.dtype);
            dtype.ok_or_else(|| EntryError::Corrupt(what()))
        });
        dtype.map_err(|error| error.at(&self.path, name))
    }
}

impl std::fmt::Debug for V1Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("V1Reader")
            .field("path", &self.path)
            .field("n_files", &self.files.len())
            .field("n_tensors", &self.tensors.len())
            .finish()
    }
}

/// The slices of a tensor, each in its file.
struct V1Slices<'a> {
    reader: &'a V1Reader,
    name: &'a [u8],
    dtype: DType,
    tensor: &'a TensorMeta,
}

impl<'a> SliceStore for V1Slices<'a> {
    type Found = Record<'a>;

    fn find(&self, idx: usize) -> Result<Record<'a>, Error> {
        let file = self.tensor.files.get(idx).and_then(|file| usize::try_from(*file).ok());
        let file = file.and_then(|file| self.reader.files.get(file));
        let (Some(file), Some(slice)) = (file, self.tensor.slices.get(idx)) else {
            return Err(Error::invalid(format!("there is no slice {idx}")));
        };
        let shape = slice.shape_in(&self.tensor.shape)?;
        Ok(Record { file, name: self.name, slice, dtype: self.dtype, shape })
    }

    /// Compares the fewest bytes that the values can take with the length of the files.
    fn check_room(&self, found: &[&Record<'a>]) -> Result<(), Error> {
        let min_len = Form::of(self.dtype).map_or(1, |form| form.min_len(self.dtype));
        let mut needed = 0u64;
        let mut files = BTreeMap::new();
        for record in found {
            needed = needed.saturating_add(record.min_len(min_len));
            let len = record.max_file_len()?;
            let largest = files.entry(&record.file.path).or_insert(0);
            *largest = len.max(*largest);
        }
        let available = files.values().fold(0u64, |sum, len| sum.saturating_add(*len));
        if needed > available {
            let name = String::from_utf8_lossy(self.name);
            let what = format!(
                "slices of {name} of type {} need {needed} bytes, but their files have {available}",
                self.dtype
            );
            return Err(Error::Entry {
                path: self.reader.path.clone(),
                key: self.name.into(),
                what,
            });
        }
        Ok(())
    }

    fn read(&self, record: &Record<'a>) -> Result<Tensor, Error> {
        record.read()
    }
}
