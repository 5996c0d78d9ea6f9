use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_bundle::ReaderOptions;
use flowkeep_bundle::source::{self, Source};
use flowkeep_tensor::{DType, Tensor};

use super::error::{corrupt, unsupported};
use super::npy::{self, ArrayStore, Content, Header, member};
use super::npz::Archive;
use super::region::Region;
use super::{Format, FormatError, Member, Opened, npz, raw, safetensors};
use crate::Error;

/// The number of bytes by which the kind of a file is told.
const START: usize = 9;

/// A file of tensors that is open: what is in it is known and checked, and the tensors are read when
/// they are asked for.
///
/// A reader can be shared by threads.
pub struct Reader {
    path: PathBuf,
    format: Format,
    opened: Opened,
    by_name: HashMap<String, usize>,
}

impl Reader {
    /// Opens a file of any of the formats, or a folder of raw bytes; the kind is told by the content.
    ///
    /// Errors: those of opening files; `DATA_LOSS` if the file is damaged; `INVALID_ARGUMENT` if it
    /// is of another kind.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        Reader::open_with(path, ReaderOptions::default())
    }

    /// Opens a file with options: mapped, so that tensors may be views of it, and without comparing
    /// the checksums that [`Format::Npz`] has.
    ///
    /// Errors: as [`Reader::open`].
    pub fn open_with(path: &Path, options: ReaderOptions) -> Result<Reader, Error> {
        if path.is_dir() {
            let opened = raw::open(path, options.mmap);
            return Reader::new(path, Format::Raw, opened);
        }
        let io = |source| Error::Io { path: path.to_owned(), source };
        let source = source::open(path, options.mmap).map_err(io)?;
        let start = source.len().min(u64::try_from(START).unwrap_or(u64::MAX));
        let start = usize::try_from(start).unwrap_or(0);
        let start = source.read_at(0, start).map_err(io)?;
        let format = of_content(&start, source.len()).or_else(|| Format::of_path(path));
        let format = format.ok_or_else(|| {
            let path = path.display();
            Error::Invalid(format!("{path}: is neither .npy, .npz nor .safetensors"))
        })?;
        Reader::from_source(path, format, source, options)
    }

    /// Opens a file whose bytes come from elsewhere; `path` is what it is called in messages, and
    /// `options.mmap` has no effect.
    ///
    /// Errors: as [`Reader::open`]; `INVALID_ARGUMENT` for [`Format::Raw`], which is no single file.
    pub fn from_source(
        path: &Path,
        format: Format,
        source: Arc<dyn Source>,
        options: ReaderOptions,
    ) -> Result<Reader, Error> {
        let opened = match format {
            Format::Npy => open_npy(path, source),
            Format::Npz => npz::open(source, options.verify),
            Format::Safetensors => safetensors::open(source),
            Format::Raw => return Err(Error::Invalid("raw tensors are read from a folder".into())),
        };
        Reader::new(path, format, opened)
    }

    fn new(
        path: &Path,
        format: Format,
        opened: Result<Opened, FormatError>,
    ) -> Result<Reader, Error> {
        let opened = opened.map_err(|source| Error::File { path: path.to_owned(), source })?;
        let names = opened.members.iter().map(|member| member.name.clone());
        let by_name = names.enumerate().map(|(idx, name)| (name, idx)).collect();
        Ok(Reader { path: path.to_owned(), format, opened, by_name })
    }

    /// The kind of file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The path under which the file was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file holds, in its own order.
    pub fn members(&self) -> &[Member] {
        &self.opened.members
    }

    /// What the file says about a tensor.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.by_name.get(name).and_then(|idx| self.opened.members.get(*idx))
    }

    /// The texts about the file, in its own order: `__metadata__` of [`Format::Safetensors`], and
    /// those of [`Format::Raw`].
    pub fn metadata(&self) -> &[(String, String)] {
        &self.opened.metadata
    }

    /// Reads a tensor: a view where the file is mapped and the elements lie in it as they must in
    /// memory, else a copy.
    ///
    /// Errors: `NOT_FOUND`; `UNIMPLEMENTED` if no tensor has such elements, or the file does not tell
    /// which ([`Reader::tensor_as`] can still read those); `DATA_LOSS` if the bytes are not what was
    /// written.
    pub fn tensor(&self, name: &str) -> Result<Tensor, Error> {
        self.read(name, None)
    }

    /// Reads a tensor whose type the file does not tell as one of type `dtype`: raw bytes of NumPy,
    /// which may be 8-bit floats, 4-bit integers and others.
    ///
    /// Errors: as [`Reader::tensor`]; `UNIMPLEMENTED` if the elements cannot be of that type.
    pub fn tensor_as(&self, name: &str, dtype: DType) -> Result<Tensor, Error> {
        self.read(name, Some(dtype))
    }

    fn read(&self, name: &str, dtype: Option<DType>) -> Result<Tensor, Error> {
        let (path, tensor) = (self.path.clone(), name.to_owned());
        let found = self.by_name.get(name).copied();
        let Some((idx, member)) = found.and_then(|idx| Some((idx, self.opened.members.get(idx)?)))
        else {
            return Err(Error::TensorNotFound { path, tensor });
        };
        dtype
            .or(member.dtype)
            .ok_or_else(|| untold(&member.stored_type))
            .and_then(|dtype| self.opened.store.read(idx, dtype))
            .map_err(|source| Error::Tensor { path, tensor, source })
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("path", &self.path)
            .field("format", &self.format)
            .field("members", &self.opened.members)
            .finish_non_exhaustive()
    }
}

/// Why a tensor of this stored type cannot be read without being told its type.
fn untold(stored_type: &str) -> FormatError {
    match stored_type.ends_with("V1") {
        true => unsupported(format!("elements of type {stored_type} may be of several types")),
        false if stored_type == "|O" => {
            unsupported("elements of type |O are pickled Python objects, which are not read")
        }
        false => unsupported(format!("elements of type {stored_type} are not supported")),
    }
}

/// The format of a file of this length that begins with these bytes.
fn of_content(start: &[u8], len: u64) -> Option<Format> {
    if start.starts_with(npy::MAGIC) {
        Some(Format::Npy)
    } else if Archive::is_one(start) {
        Some(Format::Npz)
    } else {
        safetensors::is_one(start, len).then_some(Format::Safetensors)
    }
}

fn open_npy(path: &Path, source: Arc<dyn Source>) -> Result<Opened, FormatError> {
    let content = Whole(Region::of(source));
    let header = Header::read(&mut content.0.stream())?;
    let name = path.file_stem().ok_or_else(|| corrupt("the file has no name"))?;
    let member = member(name.to_string_lossy().into_owned(), &header, None, content.0.len())?;
    let store = ArrayStore { arrays: vec![(Box::new(content), header)] };
    Ok(Opened { members: vec![member], metadata: Vec::new(), store: Box::new(store) })
}

/// An array that is a file of its own.
struct Whole(Region);

impl Content for Whole {
    fn view(&self) -> Result<Option<(Bytes, Region)>, FormatError> {
        Ok(self.0.view()?.map(|bytes| (bytes, self.0.clone())))
    }

    fn check_view(&self, _bytes: &Bytes) -> Result<(), FormatError> {
        Ok(())
    }

    fn stream(
        &self,
        read: &mut dyn FnMut(&mut dyn io::Read) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        read(&mut self.0.stream())
    }
}
