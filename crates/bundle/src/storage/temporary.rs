use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Storage, StorageFile};
use crate::reader::with_suffix;

/// What stands between a file's final name and a random number in its temporary name; TensorFlow's.
pub(crate) const TEMPORARY_INFIX: &str = ".tempstate";
/// How many names are tried.
const MAX_TRIES: usize = 16;

/// A file that has a temporary name, and loses it unless it is given its final one.
pub(crate) struct TemporaryFile {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    /// A new file.
    Made(Box<dyn StorageFile>),
    /// The second name of a file.
    SecondName,
    /// The only name of a file, which it keeps if it gets no other.
    OnlyName,
}

impl TemporaryFile {
    /// Makes a file beside `path`.
    pub(crate) fn create(storage: &Arc<dyn Storage>, path: &Path) -> io::Result<TemporaryFile> {
        let mut result = Err(io::ErrorKind::AlreadyExists.into());
        for _ in 0..MAX_TRIES {
            let path = temporary_name(path);
            result = storage.create(&path).map(|file| (path, file));
            match &result {
                Err(error) if is_worth_another_name(error) => {}
                _ => break,
            }
        }
        let (path, file) = result?;
        Ok(TemporaryFile { storage: Arc::clone(storage), path, kind: Kind::Made(file) })
    }

    /// Gives the file `path` a second, temporary name. Where files cannot have two, it is the file
    /// itself that will get the final name.
    pub(crate) fn link(storage: &Arc<dyn Storage>, path: &Path) -> io::Result<TemporaryFile> {
        let name = temporary_name(path);
        let (path, kind) = match storage.link(path, &name) {
            Ok(()) => (name, Kind::SecondName),
            Err(error) if is_no_second_name(&error) => (path.into(), Kind::OnlyName),
            Err(error) => return Err(error),
        };
        Ok(TemporaryFile { storage: Arc::clone(storage), path, kind })
    }

    /// The temporary name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, if it is a new one.
    pub(crate) fn file(&self) -> Option<&dyn StorageFile> {
        match &self.kind {
            Kind::Made(file) => Some(&**file),
            Kind::SecondName | Kind::OnlyName => None,
        }
    }

    /// Gives the file its final name. If that fails the file loses its temporary one.
    pub(crate) fn persist(mut self, path: &Path) -> io::Result<()> {
        self.storage.rename(&self.path, path)?;
        // A rename to another name of the same file does nothing.
        if matches!(self.kind, Kind::SecondName) {
            let _ = self.storage.remove(&self.path);
        }
        self.kind = Kind::OnlyName;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        match self.kind {
            // Nobody is left to tell.
            Kind::Made(_) | Kind::SecondName => _ = self.storage.remove(&self.path),
            Kind::OnlyName => {}
        }
    }
}

/// Whether the file system, or the rights on it, allow a file no second name.
fn is_no_second_name(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied | io::ErrorKind::TooManyLinks
    )
}

fn is_worth_another_name(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::Interrupted)
}

fn temporary_name(path: &Path) -> PathBuf {
    // Keys of hash maps are random, different for each state, and need no further crate.
    let number = RandomState::new().hash_one(std::process::id());
    with_suffix(path, &format!("{TEMPORARY_INFIX}{number}"))
}
