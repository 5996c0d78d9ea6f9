use std::path::Path;
use std::sync::Arc;

use crate::storage::{Storage, StorageFile, TemporaryFile};
use crate::{Error, crc32c};

/// Bytes that are checked and written in one go: they stay in the processor's cache in between.
pub(crate) const CHUNK_LEN: u64 = 512 << 10;
/// Values shorter than this are gathered before they are written.
const SMALL_LEN: u64 = CHUNK_LEN / 2;

/// A data file that grows value by value.
pub(crate) struct DataFile {
    file: TemporaryFile,
    /// The length of what is in the file; small values are then in `pending`.
    written: u64,
    pending: Vec<u8>,
    n_threads: usize,
}

/// What was appended: where it begins, its length, and its checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) crc32c: u32,
}

impl DataFile {
    /// Makes a temporary file beside `path`.
    pub(crate) fn create(
        storage: &Arc<dyn Storage>,
        path: &Path,
        n_threads: usize,
    ) -> Result<DataFile, Error> {
        let file = TemporaryFile::create(storage, path).map_err(Error::io(path))?;
        Ok(DataFile { file, written: 0, pending: Vec::new(), n_threads })
    }

    /// The length of everything that was appended, in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.written.saturating_add(len_of(&self.pending))
    }

    /// Appends bytes that are in memory.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<Extent, Error> {
        let (offset, len) = (self.len(), len_of(bytes));
        if len < SMALL_LEN {
            self.pending.extend_from_slice(bytes);
            self.flush_if_full()?;
            return Ok(Extent { offset, len, crc32c: crc32c::crc32c(bytes) });
        }
        self.flush()?;
        let file = self.open_file()?;
        let (mut crc32c, mut at) = (0, offset);
        // By one thread: a second would wait for it, as systems let one writer into a file at a time.
        for chunk in bytes.chunks(usize::try_from(CHUNK_LEN).unwrap_or(usize::MAX)) {
            crc32c = crc32c::extend(crc32c, chunk);
            file.write_all_at(chunk, at).map_err(Error::io(self.path()))?;
            at = at.saturating_add(len_of(chunk));
        }
        self.written = at;
        Ok(Extent { offset, len, crc32c })
    }

    /// Takes back what was appended last, from byte `len` on.
    pub(crate) fn truncate(&mut self, len: u64) {
        match len.checked_sub(self.written) {
            Some(n_pending) => {
                self.pending.truncate(usize::try_from(n_pending).unwrap_or(usize::MAX));
            }
            // What lies behind is written over, or cut off in the end.
            None => {
                self.pending.clear();
                self.written = len;
            }
        }
    }

    /// Appends zeros up to a multiple of `alignment`.
    pub(crate) fn pad(&mut self, alignment: u64) -> Result<(), Error> {
        let padding = self.len().next_multiple_of(alignment).saturating_sub(self.len());
        let len = self.pending.len().saturating_add(usize::try_from(padding).unwrap_or(0));
        self.pending.resize(len, 0);
        self.flush_if_full()
    }

    /// Writes what is left and, if asked to, brings all of it to the medium.
    pub(crate) fn finish(mut self, sync: bool) -> Result<TemporaryFile, Error> {
        self.flush()?;
        let (file, len) = (self.open_file()?, self.written);
        let result = file.set_len(len).and_then(|()| if sync { file.sync() } else { Ok(()) });
        result.map_err(Error::io(self.path()))?;
        Ok(self.file)
    }

    /// Says that everything up to byte `len` was written, or need not be.
    pub(super) fn skip_to(&mut self, len: u64) {
        self.written = len;
    }

    /// The most threads that work on it.
    pub(super) fn n_threads(&self) -> usize {
        self.n_threads
    }

    /// The temporary name.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn open_file(&self) -> Result<&dyn StorageFile, Error> {
        self.file.file().ok_or_else(|| Error::invalid("the data file is not open"))
    }

    fn flush_if_full(&mut self) -> Result<(), Error> {
        if len_of(&self.pending) < CHUNK_LEN { Ok(()) } else { self.flush() }
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let result = self.open_file()?.write_all_at(&self.pending, self.written);
        result.map_err(Error::io(self.path()))?;
        self.written = self.len();
        self.pending.clear();
        Ok(())
    }
}

fn len_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
