use std::fs::File;
use std::io;
use std::path::Path;

use bytes::Bytes;

use super::{Source, check_range};

/// A file read at positions: no shared cursor, no mapping, safe against files that shrink.
#[derive(Debug)]
pub struct FileSource {
    file: PositionedFile,
    len: u64,
}

impl FileSource {
    /// Opens the file at `path`, which must be a file and not a directory.
    pub fn open(path: &Path) -> io::Result<FileSource> {
        FileSource::new(File::open(path)?)
    }

    /// A source of an open file.
    pub fn new(file: File) -> io::Result<FileSource> {
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "Is a directory"));
        }
        Ok(FileSource { file: PositionedFile::new(file), len: metadata.len() })
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        check_range(self.len, offset, len)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(len, 0);
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }

    fn read_into(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        check_range(self.len, offset, out.len())?;
        self.file.read_exact_at(out, offset)
    }
}

/// A file that is read at positions, by the system's own call where there is one.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct PositionedFile(File);

#[cfg(unix)]
impl PositionedFile {
    pub(super) fn new(file: File) -> PositionedFile {
        PositionedFile(file)
    }

    pub(super) fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, out, offset)
    }
}

/// A file that is read at positions, one reader at a time.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct PositionedFile(std::sync::Mutex<File>);

#[cfg(not(unix))]
impl PositionedFile {
    pub(super) fn new(file: File) -> PositionedFile {
        PositionedFile(std::sync::Mutex::new(file))
    }

    pub(super) fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(out)
    }
}
