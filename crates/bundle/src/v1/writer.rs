use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor, TensorSlice};

use super::encode;
use super::meta;
use super::target::{Announced, Target};
use crate::key::text;
use crate::overlap::find_overlap;
use crate::storage::{FileStorage, Storage, StorageFile, TemporaryFile, parent};
use crate::table::{self, TableWriter};
use crate::writer::publish::remove_abandoned;
use crate::{CheckpointEntry, CheckpointReader, Durability, Error, StoredPart, slice_key};

/// How a file of a V1 checkpoint is written.
#[derive(Clone, Debug)]
pub struct V1WriterOptions {
    /// Whether the file is synced. It is by default.
    pub durability: Durability,
    /// Whether the file's directory is made if its parent is there. It is by default; TensorFlow's
    /// `Save` makes none.
    pub create_dir: bool,
    /// Where the file is written.
    pub storage: Arc<dyn Storage>,
}

impl Default for V1WriterOptions {
    fn default() -> V1WriterOptions {
        let (durability, storage) = (Durability::default(), Arc::new(FileStorage));
        V1WriterOptions { durability, create_dir: true, storage }
    }
}

/// Writes a V1 checkpoint, or one file of it: [`shard_path`](super::shard_path) names the files of a
/// checkpoint in several, each of which has a writer of its own.
///
/// The format wants first to know of all tensors, and then the values in order of the names. So
/// tensors are only announced as they are added, in any order, and [`V1Writer::finish`] writes the
/// file, one tensor after another: those that were added with a function are asked for when their
/// turn comes, and only one of them is in memory at a time. The file appears under its name all at
/// once, and replaces one that is there.
///
/// The bytes are those that TensorFlow would write.
///
/// ```
/// use flowkeep_bundle::{V1Reader, V1Writer, V1WriterOptions};
/// use flowkeep_tensor::{DType, Shape, Tensor};
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("model.ckpt-1");
/// let mut writer = V1Writer::create(&path, V1WriterOptions::default())?;
/// writer.add("bias", &Tensor::from_elements(vec![1.0f32, 2.0]))?;
/// writer.add_with("kernel", DType::F32, &Shape::from([1000, 2]), || {
///     Ok(Tensor::zeros(DType::F32, [1000, 2])?)
/// })?;
/// writer.finish()?;
///
/// let bias = V1Reader::open(&path)?.tensor("bias")?;
/// assert_eq!(bias.as_slice::<f32>()?, &[1.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct V1Writer<'a> {
    path: PathBuf,
    options: V1WriterOptions,
    tensors: BTreeMap<Vec<u8>, Announced>,
    /// What is to be written, by key.
    parts: BTreeMap<Vec<u8>, (Target, Values<'a>)>,
}

/// Where the elements of a slice come from.
enum Values<'a> {
    Here(Tensor),
    Later(Box<dyn FnOnce() -> Result<Tensor, Error> + 'a>),
}

impl<'a> V1Writer<'a> {
    /// Begins the file `path`. The directory is made if its parent is there, unless the options say
    /// otherwise.
    ///
    /// Errors: `NOT_FOUND` if the directory's parent is missing; what the storage reports.
    pub fn create(path: &Path, options: V1WriterOptions) -> Result<V1Writer<'a>, Error> {
        if path.file_name().is_none() {
            let what = format!("{} is not the path of a checkpoint", path.display());
            return Err(Error::invalid(what));
        }
        if options.create_dir {
            let dir = parent(path);
            options.storage.create_dir(dir).map_err(Error::io(dir))?;
        }
        let (tensors, parts) = (BTreeMap::new(), BTreeMap::new());
        Ok(V1Writer { path: path.into(), options, tensors, parts })
    }

    /// Adds a tensor, whose memory is shared until the file is written.
    ///
    /// Errors: `INVALID_ARGUMENT` if the name was added before or is not UTF-8, if TensorFlow would
    /// hold the tensor for too large to be written, and for unsigned integers of 32 and 64 bits;
    /// `INTERNAL` if the name was added before with another type or shape; `UNIMPLEMENTED` for all
    /// other types that V1 checkpoints do not hold.
    pub fn add(&mut self, name: impl AsRef<[u8]>, tensor: &Tensor) -> Result<(), Error> {
        let slice = TensorSlice::full(tensor.shape().rank());
        self.add_slice(name, tensor.shape(), &slice, tensor)
    }

    /// Adds a slice of a tensor of shape `full_shape`.
    ///
    /// Errors: as [`V1Writer::add`]; `INVALID_ARGUMENT` if the tensor has not the slice's shape;
    /// `INTERNAL` if the slice does not fit `full_shape`, or another slice of the tensor was added
    /// with another type or full shape.
    pub fn add_slice(
        &mut self,
        name: impl AsRef<[u8]>,
        full_shape: &Shape,
        slice: &TensorSlice,
        tensor: &Tensor,
    ) -> Result<(), Error> {
        let target = Target { name: name.as_ref().to_vec(), slice: slice.clone() };
        target.check_shape(full_shape, tensor)?;
        let strings = tensor.as_strings().unwrap_or_default();
        self.announce(target, tensor.dtype(), full_shape, strings, Values::Here(tensor.clone()))
    }

    /// Adds a tensor that `tensor` gives when the file is written.
    ///
    /// Errors: as [`V1Writer::add`].
    pub fn add_with(
        &mut self,
        name: impl AsRef<[u8]>,
        dtype: DType,
        shape: &Shape,
        tensor: impl FnOnce() -> Result<Tensor, Error> + 'a,
    ) -> Result<(), Error> {
        self.add_slice_with(name, dtype, shape, &TensorSlice::full(shape.rank()), tensor)
    }

    /// Adds a slice of a tensor of shape `full_shape`, which `tensor` gives when the file is
    /// written.
    ///
    /// Errors: as [`V1Writer::add_slice`].
    pub fn add_slice_with(
        &mut self,
        name: impl AsRef<[u8]>,
        dtype: DType,
        full_shape: &Shape,
        slice: &TensorSlice,
        tensor: impl FnOnce() -> Result<Tensor, Error> + 'a,
    ) -> Result<(), Error> {
        let target = Target { name: name.as_ref().to_vec(), slice: slice.clone() };
        self.announce(target, dtype, full_shape, &[], Values::Later(Box::new(tensor)))
    }

    /// Copies a tensor of another checkpoint as it is stored there, whole or in slices; each is read
    /// when the file is written.
    ///
    /// Errors: as [`V1Writer::add`]; those of [`CheckpointReader::entry`].
    pub fn copy(
        &mut self,
        name: impl AsRef<[u8]>,
        reader: &'a CheckpointReader,
        from: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        let (name, from) = (name.as_ref(), from.as_ref());
        let CheckpointEntry { dtype, shape, parts } = reader.entry(from)?;
        for StoredPart { slice, .. } in parts {
            let (from, part) = (from.to_vec(), slice.clone());
            self.add_slice_with(name, dtype, &shape, &slice, move || reader.slice(&from, &part))?;
        }
        Ok(())
    }

    fn announce(
        &mut self,
        target: Target,
        dtype: DType,
        full_shape: &Shape,
        strings: &[Bytes],
        values: Values<'a>,
    ) -> Result<(), Error> {
        let form = target.form(dtype)?;
        target.check_size(dtype, full_shape, strings)?;
        if let Some(existing) = self.tensors.get(&target.name) {
            target.check_same(existing, dtype, full_shape)?;
        }
        let key = slice_key::encode(&target.name, &target.slice);
        if self.parts.contains_key(&key) {
            return Err(Error::DuplicateKey { key: target.name });
        }
        let announced = self.tensors.entry(target.name.clone()).or_insert_with(|| Announced {
            dtype,
            form,
            shape: full_shape.clone(),
            slices: Vec::new(),
        });
        announced.slices.push(target.slice.clone());
        self.parts.insert(key, (target, values));
        Ok(())
    }

    /// Writes the file and puts it in its place.
    ///
    /// Errors: `INVALID_ARGUMENT` if slices of a tensor overlap, or a function gives a tensor of
    /// another type or shape, or one of strings that are too large; those of the functions; what the
    /// storage reports. What was under the path is then as it was.
    pub fn finish(self) -> Result<(), Error> {
        self.check_overlap()?;
        let V1Writer { path, options, tensors, parts } = self;
        let V1WriterOptions { durability, storage, .. } = options;
        let file = TemporaryFile::create(&storage, &path).map_err(Error::io(&path))?;
        write(&path, &file, &tensors, parts)?;
        let sync = durability == Durability::Synced;
        if let Some(file) = file.file().filter(|_| sync) {
            file.sync().map_err(Error::io(&path))?;
        }
        file.persist(&path).map_err(Error::io(&path))?;
        let dir = parent(&path);
        if sync {
            storage.sync_dir(dir).map_err(Error::io(dir))?;
        }
        remove_abandoned(&*storage, &path, "");
        Ok(())
    }

    fn check_overlap(&self) -> Result<(), Error> {
        for (name, tensor) in &self.tensors {
            let ranges = tensor.slices.iter().map(|slice| slice.resolve(&tensor.shape));
            let ranges = ranges.collect::<Result<Vec<_>, _>>()?;
            if let Some((a, b)) = find_overlap(&ranges) {
                let shown = |idx: usize| tensor.slices.get(idx).map(TensorSlice::to_string);
                let (a, b) = (shown(a).unwrap_or_default(), shown(b).unwrap_or_default());
                let what = format!("Overlapping slices of tensor {}: {a} and {b}", text(name));
                return Err(Error::invalid(what));
            }
        }
        Ok(())
    }
}

/// Writes the table into the file, which is to be at `path`.
fn write(
    path: &Path,
    file: &TemporaryFile,
    tensors: &BTreeMap<Vec<u8>, Announced>,
    parts: BTreeMap<Vec<u8>, (Target, Values<'_>)>,
) -> Result<(), Error> {
    let failed = |error| match error {
        table::Error::Io(source) => Error::Io { path: path.into(), source },
        source => Error::Table { path: path.into(), source },
    };
    let file = file.file().ok_or_else(|| Error::invalid("the file is not open"))?;
    let mut table = TableWriter::new(Appender { file, len: 0 });
    let meta = meta::encode(tensors.iter().map(|(name, tensor)| {
        (name.as_slice(), tensor.dtype, &tensor.shape, tensor.slices.iter().collect())
    }));
    table.add(b"", &meta).map_err(failed)?;
    for (key, (target, values)) in parts {
        let Some(announced) = tensors.get(&target.name) else { continue };
        let tensor = match values {
            Values::Here(tensor) => tensor,
            Values::Later(supply) => supply()?,
        };
        target.check_supplied(announced, &tensor)?;
        let (head, values) = encode::record(&target.name, &target.slice, &tensor, announced.form)?;
        table.add_parts(&key, &[&head, &values]).map_err(failed)?;
    }
    table.finish().map_err(failed)?;
    Ok(())
}

/// Writes to the end of a file.
struct Appender<'a> {
    file: &'a dyn StorageFile,
    len: u64,
}

impl Write for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.len)?;
        self.len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for V1Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("V1Writer")
            .field("path", &self.path)
            .field("n_tensors", &self.tensors.len())
            .finish_non_exhaustive()
    }
}
