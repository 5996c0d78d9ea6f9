//! Where checkpoints are written.
//!
//! A [`Storage`] is a file system, or whatever acts as one: [`FileStorage`] is that of the machine.
//! Writers ask of it only what a checkpoint needs to appear all at once: new files under temporary
//! names, and renames.

mod file;
mod temporary;

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use self::file::FileStorage;
pub(crate) use self::temporary::{TEMPORARY_INFIX, TemporaryFile};
use crate::Error;

/// A place for files, shared by threads.
///
/// Errors are those of the system; `NotFound` and `AlreadyExists` must be told apart from others.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Makes the file `path`, which must not exist, and opens it for writing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Gives `from` the name `to`; a file that had that name is gone. At any moment there is either
    /// the old file or the new one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives the file `from` another name, `to`, which must not exist.
    ///
    /// Errors: `Unsupported` where files cannot have two names.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory whose parent exists; one that is there already is fine.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Brings the names in a directory (files made, renamed, removed) to the medium.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// The files in the directory whose names begin with `prefix`.
    fn list(&self, dir: &Path, prefix: &OsStr) -> io::Result<Vec<PathBuf>>;

    /// The directory under the only name that all its names lead to.
    fn canonical_dir(&self, dir: &Path) -> io::Result<PathBuf>;

    /// The content of a small file.
    fn read(&self, path: &Path) -> io::Result<bytes::Bytes>;

    /// Keeps other writers from publishing in the directory until the guard is dropped; `None` where
    /// that is not possible.
    fn lock_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn Send>>>;

    /// Removes the temporary file `path` unless a writer, of this process or another, is at work on
    /// it. Where that cannot be told, it stays.
    fn remove_abandoned(&self, path: &Path) -> io::Result<()>;
}

/// A file that is being written, by several threads at once if need be.
pub trait StorageFile: Send + Sync {
    /// Writes `bytes` from `offset` on; the file grows as far as is needed.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or fills it with zeros, to this length.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Brings the content to the medium.
    fn sync(&self) -> io::Result<()>;
}

/// The directory in which `path` lies; the current one has a name, too.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Refuses prefixes that do not end in a name: in `a/` and `a/.` it is not `a` that the names of the
/// files would go on from.
pub(crate) fn check_prefix(prefix: &Path) -> Result<(), Error> {
    let ends_in =
        |name: &OsStr| prefix.as_os_str().as_encoded_bytes().ends_with(name.as_encoded_bytes());
    if prefix.file_name().is_some_and(ends_in) {
        return Ok(());
    }
    Err(Error::invalid(format!("'{}' is not the prefix of a checkpoint", prefix.display())))
}
