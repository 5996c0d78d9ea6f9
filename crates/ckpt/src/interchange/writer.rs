use std::collections::HashSet;
use std::io::{BufWriter, Write};
use std::path::Path;

use flowkeep_tensor::{DType, Shape, Tensor};

use super::error::unsupported;
use super::npy::Encoded;
use super::npz::NpzWriter;
use super::raw::RawWriter;
use super::replace::Beside;
use super::safetensors::{self, SafetensorsWriter};
use super::unique::first_duplicate;
use super::{Format, FormatError};
use crate::Error;

/// The size of the buffer for what is shorter, in bytes.
const BUFFER: usize = 1 << 16;

/// A tensor that is to be written: all that a file's header says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// The name under which it is found again.
    pub name: String,
    /// The type of its elements.
    pub dtype: DType,
    /// Its shape.
    pub shape: Shape,
}

impl TensorSpec {
    /// A tensor of this name, type and shape.
    pub fn new(name: impl Into<String>, dtype: DType, shape: impl Into<Shape>) -> TensorSpec {
        TensorSpec { name: name.into(), dtype, shape: shape.into() }
    }

    /// The length of the elements in bytes.
    ///
    /// Errors: `RESOURCE_EXHAUSTED` if there cannot be so many; `UNIMPLEMENTED` for strings.
    pub(super) fn len_bytes(&self) -> Result<u64, FormatError> {
        let (dtype, shape) = (self.dtype, &self.shape);
        let size = dtype.size_bytes().ok_or(flowkeep_tensor::Error::NotPlain(dtype))?;
        let len = shape.checked_n_elements().and_then(|n| n.checked_mul(size));
        let len =
            len.filter(|len| isize::try_from(*len).is_ok()).and_then(|len| len.try_into().ok());
        len.ok_or_else(|| flowkeep_tensor::Error::TooLarge { dtype, shape: shape.clone() }.into())
    }
}

/// How files are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriterOptions {
    /// Whether a file that is there already is replaced. Off by default. Folders never are.
    pub overwrite: bool,
    /// Whether everything is on the disk before the file takes its place. Off by default: after a
    /// power failure the file may then be damaged.
    pub sync: bool,
    /// Texts about the file, for formats that have a place for them: safetensors and raw. The others
    /// leave them out.
    pub metadata: Vec<(String, String)>,
}

/// Writes tensors into a file, or for [`Format::Raw`] into a new folder.
///
/// `tensor` is called once for each of `specs`, in the order in which the file has them, and must
/// give a tensor of that type and shape; no more than one is held at a time. The file takes its place
/// when it is complete, by renaming, so that nobody ever sees a part of it.
///
/// Errors: those of `tensor`; `ALREADY_EXISTS`; `INVALID_ARGUMENT` for names that come twice or that
/// the format cannot have, for several tensors in one `.npy` file, and for tensors that are not as
/// their spec says; `UNIMPLEMENTED`, naming the tensor, for types and strings that the format cannot
/// hold; those of writing files.
pub fn write<E: From<Error>>(
    path: &Path,
    format: Format,
    specs: &[TensorSpec],
    options: &WriterOptions,
    mut tensor: impl FnMut(&TensorSpec) -> Result<Tensor, E>,
) -> Result<(), E> {
    check_specs(path, format, specs, &options.metadata)?;
    let io = |source| Error::Io { path: path.to_owned(), source };
    let check_free = || match (options.overwrite && format != Format::Raw, path.symlink_metadata())
    {
        (false, Ok(_)) => Err(Error::AlreadyExists { path: path.to_owned() }),
        _ => Ok(()),
    };
    check_free()?;
    let beside = if format == Format::Raw {
        let beside = Beside::dir(path).map_err(io)?;
        let mut writer = RawWriter::new(beside.path().to_owned(), options.sync);
        for spec in specs {
            let tensor = checked(spec, tensor(spec)?)?;
            writer.add(&spec.name, &tensor).map_err(in_tensor(path, &spec.name))?;
        }
        writer.finish(specs, &options.metadata).map_err(in_file(path))?;
        beside
    } else {
        let (beside, mut file) = Beside::file(path).map_err(io)?;
        write_members(path, &mut file, format, specs, &options.metadata, &mut tensor)?;
        if options.sync {
            file.sync_all().map_err(io)?;
        }
        beside
    };
    check_free()?;
    Ok(beside.put(options.sync).map_err(io)?)
}

/// Writes tensors into whatever takes bytes one after another: as [`write()`], for formats that are
/// a single file.
///
/// Errors: as [`write()`], but for files; `INVALID_ARGUMENT` for [`Format::Raw`].
pub fn write_to<E: From<Error>>(
    out: impl Write,
    format: Format,
    specs: &[TensorSpec],
    metadata: &[(String, String)],
    mut tensor: impl FnMut(&TensorSpec) -> Result<Tensor, E>,
) -> Result<(), E> {
    let path = Path::new("<writer>");
    check_specs(path, format, specs, metadata)?;
    write_members(path, out, format, specs, metadata, &mut tensor)
}

fn write_members<E: From<Error>>(
    path: &Path,
    out: impl Write,
    format: Format,
    specs: &[TensorSpec],
    metadata: &[(String, String)],
    tensor: &mut impl FnMut(&TensorSpec) -> Result<Tensor, E>,
) -> Result<(), E> {
    let mut out = BufWriter::with_capacity(BUFFER, out);
    match format {
        Format::Npy => {
            for spec in specs {
                let tensor = checked(spec, tensor(spec)?)?;
                Encoded::new(&tensor)
                    .and_then(|array| array.for_each_piece(|piece| out.write_all(piece)))
                    .map_err(in_tensor(path, &spec.name))?;
            }
            Ok(out.flush().map_err(|error| in_file(path)(error.into()))?)
        }
        Format::Npz => {
            let mut writer = NpzWriter::new(out);
            for spec in specs {
                let tensor = checked(spec, tensor(spec)?)?;
                writer.add(&spec.name, &tensor).map_err(in_tensor(path, &spec.name))?;
            }
            Ok(writer.finish().map_err(in_file(path))?)
        }
        Format::Safetensors => {
            let ordered = safetensors::order(specs);
            let writer = SafetensorsWriter::new(out, &ordered, metadata);
            let mut writer = writer.map_err(in_file(path))?;
            for spec in ordered {
                let tensor = checked(spec, tensor(spec)?)?;
                writer.add(&tensor).map_err(in_tensor(path, &spec.name))?;
            }
            Ok(writer.finish().map_err(in_file(path))?)
        }
        Format::Raw => {
            Err(Error::Invalid("raw tensors are written into a folder".to_owned()).into())
        }
    }
}

/// Refuses what cannot be written before anything is.
fn check_specs(
    path: &Path,
    format: Format,
    specs: &[TensorSpec],
    metadata: &[(String, String)],
) -> Result<(), Error> {
    let names = || specs.iter().map(|spec| &*spec.name);
    if let Some(name) = first_duplicate(names()) {
        return Err(Error::Invalid(format!("two tensors are called {name}")));
    }
    if let Some(key) = first_duplicate(metadata.iter().map(|(key, _)| &**key)) {
        return Err(Error::Invalid(format!("two texts of the metadata are called {key}")));
    }
    match format {
        Format::Npy if specs.len() != 1 => {
            let n = specs.len();
            return Err(Error::Invalid(format!("a .npy file holds one tensor, not {n}")));
        }
        Format::Npz => check_npz_names(names)?,
        Format::Safetensors if names().any(|name| name == safetensors::METADATA) => {
            let name = safetensors::METADATA;
            return Err(Error::Invalid(format!("no safetensors tensor can be called {name}")));
        }
        _ => {}
    }
    for spec in specs {
        let checked = match (format, spec.dtype) {
            (Format::Safetensors, dtype) => safetensors::check(dtype),
            (format, dtype) if !format.holds(dtype) => {
                Err(unsupported(format!("a tensor of type {dtype} cannot be written")))
            }
            _ => Ok(()),
        };
        checked.map_err(in_tensor(path, &spec.name))?;
    }
    Ok(())
}

/// Refuses names under which NumPy would find nothing, or the array of another tensor.
fn check_npz_names<'a, I: Iterator<Item = &'a str>>(names: impl Fn() -> I) -> Result<(), Error> {
    if let Some(name) = names().find(|name| name.contains('\0')) {
        let name = name.escape_default();
        return Err(Error::Invalid(format!("no array of a .npz file can be called {name}")));
    }
    let all: HashSet<_> = names().collect();
    let taken = |name: &&str| name.strip_suffix(".npy").is_some_and(|stem| all.contains(stem));
    match names().find(taken) {
        None => Ok(()),
        Some(name) => Err(Error::Invalid(format!(
            "a .npz file cannot have {name} beside the tensor for which NumPy would take it"
        ))),
    }
}

/// The tensor, if it is what was announced.
fn checked(spec: &TensorSpec, tensor: Tensor) -> Result<Tensor, Error> {
    if (tensor.dtype(), tensor.shape()) == (spec.dtype, &spec.shape) {
        return Ok(tensor);
    }
    Err(Error::Invalid(format!(
        "tensor {} was announced with type {} and shape {}, but has type {} and shape {}",
        spec.name,
        spec.dtype,
        spec.shape,
        tensor.dtype(),
        tensor.shape()
    )))
}

fn in_file(path: &Path) -> impl Fn(FormatError) -> Error {
    move |source| Error::File { path: path.to_owned(), source }
}

fn in_tensor(path: &Path, name: &str) -> impl Fn(FormatError) -> Error {
    move |source| Error::Tensor { path: path.to_owned(), tensor: name.to_owned(), source }
}
