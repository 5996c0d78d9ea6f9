use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{Storage, StorageFile};

/// The file system of the machine.
///
/// A file is locked (advisory) while it is being written, which tells a writer's own file from one
/// that a killed process left behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileStorage;

impl Storage for FileStorage {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        // Where files cannot be locked, abandoned ones cannot be recognized, and stay.
        let _ = file.lock();
        if !is_at(&file, path) {
            // Taken for abandoned in the moment before it was locked.
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(Box::new(LockedFile(PositionedWriter::new(file))))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            // The root and mount points may refuse with other errors than that it is there.
            Err(_) if path.is_dir() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(io::Error::new(io::ErrorKind::NotADirectory, "Not a directory"))
            }
            result => result,
        }
    }

    #[cfg(unix)]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // Some file systems cannot sync directories.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }

    #[cfg(not(unix))]
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path, prefix: &OsStr) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
                paths.push(entry.path());
            }
        }
        paths.sort();
        Ok(paths)
    }

    fn canonical_dir(&self, dir: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(dir)
    }

    fn read(&self, path: &Path) -> io::Result<bytes::Bytes> {
        fs::read(path).map(bytes::Bytes::from)
    }

    #[cfg(unix)]
    fn lock_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn Send>>> {
        let dir = File::open(dir)?;
        Ok(match dir.lock() {
            Ok(()) => Some(Box::new(dir)),
            Err(_) => None,
        })
    }

    #[cfg(not(unix))]
    fn lock_dir(&self, _: &Path) -> io::Result<Option<Box<dyn Send>>> {
        Ok(None)
    }

    fn remove_abandoned(&self, path: &Path) -> io::Result<()> {
        // Opened for writing, as some file systems lock only such files.
        let file = OpenOptions::new().write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => fs::remove_file(path),
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(_)) => Ok(()),
        }
    }
}

/// Whether the open file is (still) the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata().map(id), fs::metadata(path).map(id)) {
        (Ok(file), Ok(path)) => file == path,
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

struct LockedFile(PositionedWriter);

impl StorageFile for LockedFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.file().set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.file().sync_all()
    }
}

/// A file that is written at positions, by the system's own call where there is one.
#[cfg(unix)]
struct PositionedWriter(File);

#[cfg(unix)]
impl PositionedWriter {
    fn new(file: File) -> PositionedWriter {
        PositionedWriter(file)
    }

    fn file(&self) -> &File {
        &self.0
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset)
    }
}

/// A file that is written at positions, by one writer at a time.
#[cfg(not(unix))]
struct PositionedWriter {
    file: File,
    turn: std::sync::Mutex<()>,
}

#[cfg(not(unix))]
impl PositionedWriter {
    fn new(file: File) -> PositionedWriter {
        PositionedWriter { file, turn: std::sync::Mutex::new(()) }
    }

    fn file(&self) -> &File {
        &self.file
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        use std::io::{Seek, SeekFrom, Write};
        let _turn = self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_without_a_writer_are_abandoned() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let file = FileStorage.create(&path).unwrap();
        file.write_all_at(b"xy", 1).unwrap();
        FileStorage.remove_abandoned(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"\0xy");
        assert_eq!(FileStorage.create(&path).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        drop(file);
        FileStorage.remove_abandoned(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn directories_are_made_one_level_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        FileStorage.create_dir(&path).unwrap();
        FileStorage.create_dir(&path).unwrap();
        let error = FileStorage.create_dir(&dir.path().join("b/c")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        fs::write(dir.path().join("f"), "").unwrap();
        let error = FileStorage.create_dir(&dir.path().join("f")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        FileStorage.create_dir(Path::new("/")).unwrap();
    }
}
