use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::write::{temporary_path, write_atomically};
use super::{FileError, Form, GraphFile, SAVED_MODEL_FILES};

/// How a file with a graph is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct SaveOptions {
    /// The form; `None` for the one that it was read in.
    pub form: Option<Form>,
    /// Whether what is there is replaced.
    pub overwrite: bool,
    /// Whether a SavedModel's directory is written without the variables.
    pub without_variables: bool,
}

/// Files of a SavedModel's directory that tell what its message was before.
const FINGERPRINT: &str = "fingerprint.pb";
const VARIABLES: &str = "variables";

impl GraphFile {
    /// Writes the file; what was opened as a SavedModel's directory becomes a directory, with variables,
    /// assets and whatever else is in the old one, but for its fingerprint. It is there whole or not at
    /// all.
    ///
    /// Errors: `ALREADY_EXISTS`; `INVALID_ARGUMENT` for a directory that is to be written into itself, or
    /// instead of something that is no SavedModel; `RESOURCE_EXHAUSTED` for messages of 2 GiB and more;
    /// those of the system.
    pub fn save(&self, path: &Path, options: &SaveOptions) -> Result<(), FileError> {
        let form = options.form.unwrap_or(self.form);
        let bytes = self.message.to_bytes(form)?;
        let Some(dir) = &self.dir else {
            return write_atomically(path, &bytes, options.overwrite);
        };
        let failed = |source| FileError::Io { path: path.to_owned(), source };
        let is_replaced = check_place(dir, path, options.overwrite)?;
        let temporary = temporary_path(path);
        let [binary, text] = SAVED_MODEL_FILES;
        let name = match form {
            Form::Binary => binary,
            Form::Text => text,
        };
        let result = fill(dir, &temporary, options.without_variables)
            .and_then(|()| fs::write(temporary.join(name), &bytes))
            .and_then(|()| put(&temporary, path, is_replaced));
        if result.is_err() {
            // The error that counts is the first one.
            let _ = fs::remove_dir_all(&temporary);
        }
        result.map_err(failed)
    }
}

/// Whether there is a directory to replace.
fn check_place(dir: &Path, path: &Path, overwrite: bool) -> Result<bool, FileError> {
    let failed = |source| FileError::Io { path: path.to_owned(), source };
    let invalid = |what| FileError::Place { path: path.to_owned(), what };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let around = parent.unwrap_or(Path::new(".")).canonicalize().map_err(failed)?;
    let source = dir.canonicalize().map_err(failed)?;
    let place = around.join(path.file_name().ok_or_else(|| invalid("names no directory"))?);
    if place.starts_with(&source) {
        return Err(invalid("a model cannot be written into itself"));
    }
    match path.symlink_metadata() {
        Err(_) => Ok(false),
        Ok(_) if !overwrite => Err(FileError::AlreadyExists { path: path.to_owned() }),
        Ok(there) => {
            let is_model = SAVED_MODEL_FILES.iter().any(|name| path.join(name).is_file());
            match there.is_dir() && is_model {
                true => Ok(true),
                false => Err(invalid("is no SavedModel, and is not replaced by one")),
            }
        }
    }
}

/// Copies what is in a SavedModel's directory beside its message.
fn fill(from: &Path, to: &Path, without_variables: bool) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let is = |other: &str| name == OsStr::new(other);
        let is_message = SAVED_MODEL_FILES.into_iter().any(is) || is(FINGERPRINT);
        if is_message || (without_variables && is(VARIABLES)) {
            continue;
        }
        copy(&entry.path(), &to.join(&name))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut todo: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = todo.pop() {
        if from.is_dir() {
            let around = from.parent().unwrap_or(&from).canonicalize()?;
            if around.starts_with(from.canonicalize()?) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a link leads to itself"));
            }
            fs::create_dir(&to)?;
            for entry in fs::read_dir(&from)? {
                let name: OsString = entry?.file_name();
                todo.push((from.join(&name), to.join(&name)));
            }
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Gives the new directory its name; the old one goes once the new one is there.
fn put(temporary: &Path, path: &Path, is_replaced: bool) -> io::Result<()> {
    if !is_replaced {
        return fs::rename(temporary, path);
    }
    let old = temporary_path(path);
    fs::rename(path, &old)?;
    if let Err(error) = fs::rename(temporary, path) {
        // The error that counts is the first one.
        let _ = fs::rename(&old, path);
        return Err(error);
    }
    fs::remove_dir_all(&old)
}
