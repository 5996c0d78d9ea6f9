use std::collections::HashMap;
use std::path::Path;

use flowkeep_bundle::{
    BundleReader, CheckpointFormat, CheckpointReader, Key, Location, ObjectGraph, ReaderOptions,
};
use flowkeep_tensor::{DType, IndexItem, Shape, Tensor, TensorIndex, TensorSlice};

use crate::elements::Elements;
use crate::interchange::{self, raw};
use crate::{Error, Format};

/// Tensors that are stored somewhere, by name: a checkpoint of TensorFlow, or a file of another tool.
///
/// ```
/// use std::path::Path;
///
/// use flowkeep_ckpt::Checkpoint;
///
/// // Any path that means a checkpoint will do: here, a directory with a state file.
/// let checkpoint = Checkpoint::open(Path::new("../../fixtures/object_graphs/manager"))?;
/// println!("{}", checkpoint.found());
/// for tensor in checkpoint.tensors() {
///     println!("{} {} {}", tensor.name, tensor.stored_type, tensor.shape);
/// }
/// # Ok::<(), flowkeep_ckpt::Error>(())
/// ```
#[derive(Debug)]
pub struct Checkpoint {
    store: Store,
    found: String,
    tensors: Vec<TensorInfo>,
    by_name: HashMap<Key, usize>,
    damaged: Vec<(Key, Error)>,
}

#[derive(Debug)]
enum Store {
    Checkpoint(CheckpointReader),
    File(interchange::Reader),
}

/// What is known of a tensor without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// The name under which it is stored.
    pub name: Key,
    /// The type of its elements; `None` if no tensor has such elements.
    pub dtype: Option<DType>,
    /// The type in the words of the format: `float`, `<f4`, `BF16`.
    pub stored_type: String,
    /// The full shape.
    pub shape: Shape,
    /// The bytes of its elements: in the file where that is known, else in memory; of strings in V1
    /// checkpoints, unknown.
    pub len_bytes: Option<u64>,
    /// The number of slices in which it is stored; 0 for a tensor that is stored whole.
    pub n_slices: usize,
    /// The numbers of the files that it lies in, each once, in order; 0 where there is one file.
    pub files: Vec<u32>,
}

impl TensorInfo {
    /// The number of elements.
    pub fn n_elements(&self) -> usize {
        self.shape.n_elements()
    }
}

impl Checkpoint {
    /// Opens what a path means: the prefix of a checkpoint, its directory or any of its files, a
    /// SavedModel, an `.npz`, `.npy` or `.safetensors` file, a folder of raw tensors.
    ///
    /// Errors: those of [`Location::find`], [`CheckpointReader::open`] and
    /// [`interchange::Reader::open`].
    pub fn open(path: &Path) -> Result<Checkpoint, Error> {
        Checkpoint::open_with(path, ReaderOptions::default())
    }

    /// Opens a checkpoint with options.
    ///
    /// Errors: as [`Checkpoint::open`].
    pub fn open_with(path: &Path, options: ReaderOptions) -> Result<Checkpoint, Error> {
        if is_interchange(path) {
            return Ok(interchange::Reader::open_with(path, options)?.into());
        }
        let location = Location::find(path)?;
        let reader = CheckpointReader::open_with(&location.prefix, options)?;
        Ok(Checkpoint::new(reader, location.to_string()))
    }

    fn new(reader: CheckpointReader, found: String) -> Checkpoint {
        let (mut tensors, mut damaged) = (Vec::new(), Vec::new());
        for (name, entry) in reader.entries() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    damaged.push((name, error.into()));
                    continue;
                }
            };
            let mut files: Vec<u32> = entry.parts.iter().filter_map(|part| part.file).collect();
            files.sort_unstable();
            files.dedup();
            let len_bytes = entry.size().or_else(|| {
                let n = entry.dtype.size_bytes()?.checked_mul(entry.shape.n_elements())?;
                u64::try_from(n).ok()
            });
            tensors.push(TensorInfo {
                name,
                dtype: Some(entry.dtype),
                stored_type: entry.dtype.to_string(),
                len_bytes,
                n_slices: if entry.is_partitioned() { entry.parts.len() } else { 0 },
                shape: entry.shape,
                files,
            });
        }
        Checkpoint::with(Store::Checkpoint(reader), found, tensors, damaged)
    }

    fn with(
        store: Store,
        found: String,
        tensors: Vec<TensorInfo>,
        damaged: Vec<(Key, Error)>,
    ) -> Checkpoint {
        let by_name = tensors.iter().enumerate().map(|(idx, tensor)| (tensor.name.clone(), idx));
        let by_name = by_name.collect();
        Checkpoint { store, found, tensors, by_name, damaged }
    }

    /// What was found under the path, as one line, such as
    /// `model.ckpt-100 (V2), the latest of 3 in train/checkpoint`.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// The path under which it was opened: of a checkpoint, the prefix.
    pub fn path(&self) -> &Path {
        match &self.store {
            Store::Checkpoint(reader) => reader.path(),
            Store::File(reader) => reader.path(),
        }
    }

    /// The format.
    pub fn format(&self) -> Format {
        match &self.store {
            Store::Checkpoint(reader) => match reader.format() {
                CheckpointFormat::V1 => Format::V1,
                CheckpointFormat::V2 => Format::V2,
            },
            Store::File(reader) => Format::File(reader.format()),
        }
    }

    /// All tensors: of a checkpoint in order of their names, of other files in their own order.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The bytes of all tensors, as far as they are known.
    pub fn len_bytes(&self) -> u64 {
        self.tensors.iter().filter_map(|info| info.len_bytes).fold(0, u64::saturating_add)
    }

    /// Tensors of which not even type and shape can be told, with the reason.
    pub fn damaged(&self) -> &[(Key, Error)] {
        &self.damaged
    }

    /// What is known of a tensor.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&TensorInfo> {
        self.tensors.get(*self.by_name.get(&Key::from(name.as_ref().to_vec()))?)
    }

    /// What is known of a tensor.
    ///
    /// Errors: `NOT_FOUND`, or why its entry cannot be read.
    pub fn info(&self, name: impl AsRef<[u8]>) -> Result<&TensorInfo, Error> {
        let name = name.as_ref();
        match self.get(name) {
            Some(info) => Ok(info),
            None => Err(match &self.store {
                Store::Checkpoint(reader) => match reader.entry(name) {
                    Err(error) => error.into(),
                    Ok(_) => self.not_found(name),
                },
                Store::File(_) => self.not_found(name),
            }),
        }
    }

    fn not_found(&self, name: &[u8]) -> Error {
        let tensor = String::from_utf8_lossy(name).into_owned();
        Error::TensorNotFound { path: self.path().to_owned(), tensor }
    }

    /// Reads a tensor, put together if it is stored in slices.
    ///
    /// Errors: those of [`CheckpointReader::tensor`] and [`interchange::Reader::tensor`].
    pub fn tensor(&self, name: impl AsRef<[u8]>) -> Result<Tensor, Error> {
        match &self.store {
            Store::Checkpoint(reader) => Ok(reader.tensor(name)?),
            Store::File(reader) => reader.tensor(self.file_name(name.as_ref())?),
        }
    }

    /// Reads a slice of a tensor.
    ///
    /// Errors: as [`Checkpoint::tensor`]; `INTERNAL` if the slice does not fit its shape.
    pub fn slice(&self, name: impl AsRef<[u8]>, slice: &TensorSlice) -> Result<Tensor, Error> {
        match &self.store {
            Store::Checkpoint(reader) => Ok(reader.slice(name, slice)?),
            Store::File(_) => {
                let tensor = self.tensor(name)?;
                let ranges = slice.resolve(tensor.shape())?.into_iter();
                let index = ranges.map(|(start, len)| IndexItem::Slice {
                    start: i64::try_from(start).ok(),
                    stop: i64::try_from(start.saturating_add(len)).ok(),
                    step: None,
                });
                Ok(tensor.index(&TensorIndex::new(index.collect())?)?)
            }
        }
    }

    /// The elements of a tensor, to be read stretch by stretch. A tensor that cannot be read so is
    /// read now: one of a V1 checkpoint, one in slices, one of an array in another order.
    ///
    /// Errors: as [`Checkpoint::tensor`]; `UNIMPLEMENTED` for strings and variants.
    pub fn elements(&self, name: impl AsRef<[u8]>) -> Result<Elements<'_>, Error> {
        let name = name.as_ref();
        match self.as_bundle() {
            Some(reader) => Ok(Elements::stored(reader.elements(name)?)),
            None => Elements::of(self.tensor(name)?),
        }
    }

    /// The objects of an object-based checkpoint; `None` for all others.
    ///
    /// Errors: those of [`BundleReader::object_graph`].
    pub fn object_graph(&self) -> Result<Option<ObjectGraph>, Error> {
        self.as_bundle().map_or(Ok(None), |reader| Ok(reader.object_graph()?))
    }

    /// The reader of a V2 checkpoint.
    pub fn as_bundle(&self) -> Option<&BundleReader> {
        self.as_checkpoint().and_then(CheckpointReader::as_bundle)
    }

    /// The reader of a checkpoint of TensorFlow, V1 or V2.
    pub fn as_checkpoint(&self) -> Option<&CheckpointReader> {
        match &self.store {
            Store::Checkpoint(reader) => Some(reader),
            Store::File(_) => None,
        }
    }

    /// The reader of a file of another tool.
    pub fn as_file(&self) -> Option<&interchange::Reader> {
        match &self.store {
            Store::Checkpoint(_) => None,
            Store::File(reader) => Some(reader),
        }
    }

    /// Names in files of other tools are text.
    fn file_name<'n>(&self, name: &'n [u8]) -> Result<&'n str, Error> {
        str::from_utf8(name).map_err(|_| self.not_found(name))
    }
}

impl From<BundleReader> for Checkpoint {
    fn from(reader: BundleReader) -> Checkpoint {
        let found = format!("{} (V2)", reader.prefix().display());
        Checkpoint::new(reader.into(), found)
    }
}

impl From<interchange::Reader> for Checkpoint {
    fn from(reader: interchange::Reader) -> Checkpoint {
        let found = format!("{} ({})", reader.path().display(), reader.format());
        let tensors = reader.members().iter().map(|member| TensorInfo {
            name: Key::from(member.name.clone().into_bytes()),
            dtype: member.dtype,
            stored_type: member.stored_type.clone(),
            shape: member.shape.clone(),
            len_bytes: Some(member.len_bytes),
            n_slices: 0,
            files: vec![0],
        });
        let tensors = tensors.collect();
        Checkpoint::with(Store::File(reader), found, tensors, Vec::new())
    }
}

/// Whether a path is that of a file or folder of another tool.
fn is_interchange(path: &Path) -> bool {
    if path.is_dir() {
        return path.join(raw::MANIFEST).is_file();
    }
    interchange::Format::of_path(path).is_some() && path.is_file()
}
