//! `--inputs`: inputs from files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_bundle::source::{self, Source};
use flowkeep_ckpt::interchange::FormatError;
use flowkeep_ckpt::interchange::npy::{self, Array};
use flowkeep_ckpt::interchange::npz::Archive;
use flowkeep_graph::file::path_meant;
use flowkeep_saved_model::json_tensor;
use flowkeep_tensor::Code;

use super::csv::Table;
use super::{Given, set};
use crate::error::Error;

/// Where an input lies: a file, and the name of an array in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileSource {
    path: String,
    variable: Option<String>,
}

/// Reads `key=file;key=file[variable]`.
pub(super) fn parse(flag: &str) -> Result<Vec<(String, FileSource)>, Error> {
    let mut sources = Vec::new();
    for part in flag.split(';').filter(|part| !part.is_empty()) {
        let (key, source) = parse_part(part).ok_or_else(|| bad_format(part))?;
        set(&mut sources, key.to_owned(), source);
    }
    Ok(sources)
}

fn parse_part(part: &str) -> Option<(&str, FileSource)> {
    let (key, file) = part.split_once('=')?;
    let (path, variable) = match file.strip_suffix(']') {
        Some(file) => {
            let (path, variable) = file.split_once('[')?;
            (path, Some(variable))
        }
        None => (file, None),
    };
    let is_name = |name: &str| !name.is_empty() && !name.contains(['[', ']']);
    if key.is_empty() || !is_name(path) || !variable.is_none_or(is_name) {
        return None;
    }
    Some((key, FileSource { path: path.to_owned(), variable: variable.map(str::to_owned) }))
}

fn bad_format(part: &str) -> Error {
    Error::invalid(format!(
        "--inputs \"{part}\" format is incorrect. Please follow\"<input_key>=<filename>\", \
         or\"<input_key>=<filename>[<variable_name>]\""
    ))
}

impl FileSource {
    /// Reads the file. Its kind is told by its content, but for `.json` and `.csv`, which go by the name.
    pub(super) fn read(&self, warnings: &mut Vec<String>) -> Result<Given, Error> {
        let source = open(Path::new(&self.path)).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Failed {
                code: Code::NotFound,
                message: format!(
                    "{}; No such file or directory{}",
                    self.path,
                    path_meant(Path::new(&self.path))
                ),
            },
            _ => self.io(source),
        })?;
        let start = self.read_at(&*source, source.len().min(8))?;
        if Archive::is_one(&start) {
            return self.read_archive(source).map(Given::Array);
        }
        let content = self.read_at(&*source, source.len())?;
        if content.starts_with(npy::MAGIC) {
            self.warn_of_variable(warnings);
            return Ok(Given::Array(Array::read(&content).map_err(|error| self.error(error))?));
        }
        let name = self.path.to_ascii_lowercase();
        let text = || std::str::from_utf8(&content).map_err(|error| self.invalid(error));
        if name.ends_with(".csv") {
            let table = Table::parse(text()?, self.variable.as_deref());
            return table.map(Given::Csv).map_err(|error| self.invalid(error));
        }
        if name.ends_with(".json") {
            self.warn_of_variable(warnings);
            let text = text()?;
            return json_tensor::parse(text).map(Given::Json).map_err(|error| self.invalid(error));
        }
        if content.starts_with(b"\x80") {
            return Err(Error::Failed {
                code: Code::Unimplemented,
                message: format!(
                    "{} is a pickle, which is not read; save the array with numpy.save",
                    self.path
                ),
            });
        }
        Err(self.invalid(match content.is_empty() {
            true => "is empty",
            false => "is neither .npy, .npz, .json nor .csv",
        }))
    }

    /// The first bytes of the file.
    fn read_at(&self, source: &dyn Source, len: u64) -> Result<Bytes, Error> {
        let len = usize::try_from(len).map_err(|_| self.io(io::ErrorKind::OutOfMemory.into()))?;
        source.read_at(0, len).map_err(|source| self.io(source))
    }

    /// Reads one array of an archive, and no more than its directory besides.
    fn read_archive(&self, source: Arc<dyn Source>) -> Result<Array, Error> {
        let archive = Archive::open(source).map_err(|error| self.error(error))?;
        let member = match (&self.variable, archive.members()) {
            (Some(variable), _) => archive.find(variable).ok_or_else(|| {
                Error::invalid(format!(
                    "Input file {} does not contain variable with name \"{variable}\". It has {}.",
                    self.path,
                    names_in(&archive)
                ))
            })?,
            (None, [member]) => member,
            (None, _) => {
                return Err(Error::invalid(format!(
                    "Input file {} contains more than one ndarrays. Please specify the name of ndarray to use. It has \
                     {}: {}[NAME]",
                    self.path,
                    names_in(&archive),
                    self.path
                )));
            }
        };
        let content = archive.content(member).map_err(|error| self.error(error))?;
        Array::read(&content).map_err(|error| self.error(error))
    }

    fn warn_of_variable(&self, warnings: &mut Vec<String>) {
        if let Some(variable) = &self.variable {
            warnings.push(format!(
                "Input file {} contains a single ndarray. Name key \"{variable}\" ignored.",
                self.path
            ));
        }
    }

    fn invalid(&self, reason: impl std::fmt::Display) -> Error {
        Error::invalid(format!("{}: {reason}", self.path))
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io { path: PathBuf::from(&self.path), source }
    }

    fn error(&self, error: FormatError) -> Error {
        Error::Failed { code: error.code(), message: format!("{}: {error}", self.path) }
    }
}

/// The names of an archive's arrays, the first of them.
fn names_in(archive: &Archive) -> String {
    const MAX_NAMED: usize = 20;
    let names = archive.members().iter().map(|member| member.name());
    let mut names: Vec<_> =
        names.map(|name| name.strip_suffix(".npy").unwrap_or(name)).take(MAX_NAMED).collect();
    match archive.members().len() {
        0 => names.push("no arrays"),
        n if n > MAX_NAMED => names.push("..."),
        _ => {}
    }
    names.join(", ")
}

/// Opens a file; of what is none, such as a pipe, everything is read.
fn open(path: &Path) -> io::Result<Arc<dyn Source>> {
    let mut file = File::open(path)?;
    if file.metadata()?.is_file() {
        return Ok(Arc::new(source::FileSource::new(file)?));
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(Arc::new(source::BytesSource::new(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_split_as_in_saved_model_cli() {
        let source = |path: &str, variable: Option<&str>| FileSource {
            path: path.to_owned(),
            variable: variable.map(str::to_owned),
        };
        let parsed = parse("a=x.npy;;b=y.npz[k];a=p=q.npy;c[0]=z").unwrap();
        assert_eq!(
            parsed,
            [
                ("a".to_owned(), source("p=q.npy", None)),
                ("b".to_owned(), source("y.npz", Some("k"))),
                ("c[0]".to_owned(), source("z", None)),
            ]
        );
    }

    #[test]
    fn bad_parts_are_named() {
        for part in ["a", "=f", "a=", "a=f[", "a=f]", "a=f[]", "a=[k]", "a=f[k]x", "a=f[k][l]"] {
            let error = parse(part).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "--inputs \"{part}\" format is incorrect. Please follow\"<input_key>=<filename>\", \
                     or\"<input_key>=<filename>[<variable_name>]\""
                )
            );
        }
    }
}
