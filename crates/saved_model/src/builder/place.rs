//! Where a SavedModel is written: beside its place, until it is whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flowkeep_graph::file::write_atomically;

use crate::Error;

/// The directory of a SavedModel that is built.
///
/// Files go into a directory beside it, which gets its name when [`Place::publish`] is called; after
/// that they go into the directory itself, each whole or not at all.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    staging: Option<PathBuf>,
}

impl Place {
    /// A place that is free: nothing is there, or an empty directory.
    pub(super) fn new(export_dir: &Path) -> Result<Place, Error> {
        let failed = |source| Error::write(export_dir, source);
        let dir = match fs::read_dir(export_dir) {
            Ok(mut entries) => match entries.next() {
                Some(_) => return Err(not_empty(export_dir)),
                None => export_dir.canonicalize().map_err(failed)?,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::path::absolute(export_dir).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
        if let Some(parent) = dir.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let staging = create_beside(&dir).map_err(failed)?;
        Ok(Place { dir, staging: Some(staging) })
    }

    /// The directory that the model gets.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where files are now.
    pub(super) fn root(&self) -> &Path {
        self.staging.as_deref().unwrap_or(&self.dir)
    }

    /// Writes a file.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        Ok(write_atomically(&self.root().join(name), bytes, true)?)
    }

    /// Makes a directory, if it is not there.
    pub(super) fn create_dir(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.root().join(name);
        fs::create_dir_all(&path).map_err(|source| Error::write(&path, source))?;
        Ok(path)
    }

    /// Copies a file into a directory, under the name `to`, instead of one that is there.
    pub(super) fn copy(&self, from: &Path, to: &Path) -> Result<(), Error> {
        let copied = || {
            let temporary = with_suffix(to, ".tmp");
            fs::copy(from, &temporary)?;
            File::open(&temporary)?.sync_all()?;
            fs::rename(&temporary, to)
        };
        copied().map_err(|source| Error::write(to, source))
    }

    /// Gives the directory its name; does nothing the second time.
    ///
    /// Errors: `ALREADY_EXISTS` if something has come to its place meanwhile.
    pub(super) fn publish(&mut self) -> Result<(), Error> {
        let Some(staging) = &self.staging else { return Ok(()) };
        let put = || {
            sync_dir(staging)?;
            // Not every system puts a directory in the place of an empty one.
            fs::rename(staging, &self.dir).or_else(|_| {
                fs::remove_dir(&self.dir).and_then(|()| fs::rename(staging, &self.dir))
            })
        };
        put().map_err(|source| match source.kind() {
            io::ErrorKind::DirectoryNotEmpty => not_empty(&self.dir),
            _ => Error::write(&self.dir, source),
        })?;
        self.staging = None;
        let parent = self.dir.parent().unwrap_or(Path::new("."));
        sync_dir(parent).map_err(|source| Error::write(&self.dir, source))
    }
}

impl Drop for Place {
    /// What was not finished is taken away.
    fn drop(&mut self) {
        if let Some(staging) = &self.staging {
            // Nobody is left to be told.
            let _ = fs::remove_dir_all(staging);
        }
    }
}

/// Makes a new directory whose name begins like that of `dir`.
fn create_beside(dir: &Path) -> io::Result<PathBuf> {
    let process = std::process::id();
    for number in 0u32.. {
        let path = with_suffix(dir, &format!(".tmp-{process}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Other systems than Unix do not open directories.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

fn not_empty(dir: &Path) -> Error {
    Error::ExportDirectory { dir: dir.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_directory_appears_when_it_is_whole() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/b/1");
        let mut place = Place::new(&dir).unwrap();
        place.write("file", b"x").unwrap();
        assert!(!dir.exists());
        place.publish().unwrap();
        assert_eq!(names(&dir), ["file"]);
        assert_eq!(names(dir.parent().unwrap()), ["1"]);
        place.publish().unwrap();
        assert_eq!(place.root(), dir);
    }

    #[test]
    fn an_empty_directory_is_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let mut place = Place::new(parent.path()).unwrap();
        place.write("file", b"x").unwrap();
        place.publish().unwrap();
        assert_eq!(names(parent.path()), ["file"]);
    }

    #[test]
    fn what_came_meanwhile_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("1");
        let mut place = Place::new(&dir).unwrap();
        place.write("file", b"x").unwrap();
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("other"), b"y").unwrap();
        let error = place.publish().unwrap_err();
        assert_eq!(error.code(), flowkeep_tensor::Code::AlreadyExists, "{error}");
        assert_eq!(names(&dir), ["other"]);
        fs::remove_dir_all(&dir).unwrap();
        place.publish().unwrap();
        assert_eq!(names(&dir), ["file"]);
    }

    #[test]
    fn nothing_is_left_of_what_was_not_published() {
        let parent = tempfile::tempdir().unwrap();
        let place = Place::new(&parent.path().join("1")).unwrap();
        place.write("file", b"x").unwrap();
        drop(place);
        assert!(names(parent.path()).is_empty());
    }

    #[test]
    fn a_file_is_no_place() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, b"x").unwrap();
        let error = Place::new(&file).unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot write {}: ", file.display())));
    }
}
