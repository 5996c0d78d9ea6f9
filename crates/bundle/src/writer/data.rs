use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::parallel::in_parallel;
use crate::storage::{Storage, StorageFile, TemporaryFile};
use crate::{Error, crc32c};

/// Bytes that are checked and written in one go: they stay in the processor's cache in between.
pub(crate) const CHUNK_LEN: u64 = 512 << 10;
/// Values shorter than this are gathered before they are written.
const SMALL_LEN: u64 = CHUNK_LEN / 2;
/// Values shorter than this are not worth a second thread.
const PARALLEL_LEN: u64 = 8 << 20;

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
        path: &std::path::Path,
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
        let crc32c = if len < SMALL_LEN {
            self.pending.extend_from_slice(bytes);
            crc32c::crc32c(bytes)
        } else {
            // A second thread would wait for the first: systems let in one writer of a file at a time.
            self.write_chunks::<Error>(len, 1, |at, len, write| {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                let chunk = bytes.get(start..start.saturating_add(len)).unwrap_or_default();
                write(chunk)
            })?
        };
        self.flush_if_full()?;
        Ok(Extent { offset, len, crc32c })
    }

    /// Appends `len` bytes that `fill` gives: for each stretch, it is told where that begins.
    /// Stretches may be asked for in any order and by several threads; all begin, and all but the
    /// last end, at multiples of 512 KiB.
    pub(crate) fn append_with<E: From<Error> + Send>(
        &mut self,
        len: u64,
        fill: impl Fn(u64, &mut [u8]) -> Result<(), E> + Sync,
    ) -> Result<Extent, E> {
        let offset = self.len();
        let crc32c = match usize::try_from(len).ok().filter(|_| len < SMALL_LEN) {
            Some(n) => {
                let start = self.pending.len();
                self.pending.resize(start.saturating_add(n), 0);
                let bytes = self.pending.get_mut(start..).unwrap_or_default();
                let crc = fill(0, bytes).map(|()| crc32c::crc32c(bytes));
                if crc.is_err() {
                    self.pending.truncate(start);
                }
                crc?
            }
            None => {
                let buffers = Mutex::new(Vec::new());
                let pool = || buffers.lock().unwrap_or_else(PoisonError::into_inner);
                let n_threads = if len < PARALLEL_LEN { 1 } else { self.n_threads };
                self.write_chunks(len, n_threads, |at, len, write| {
                    let mut buffer: Vec<u8> = pool().pop().unwrap_or_default();
                    buffer.resize(len, 0);
                    let result = fill(at, &mut buffer).and_then(|()| write(&buffer));
                    pool().push(buffer);
                    result
                })?
            }
        };
        self.flush_if_full()?;
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
        result.map_err(Error::io(self.file.path()))?;
        Ok(self.file)
    }

    fn open_file(&self) -> Result<&dyn StorageFile, Error> {
        self.file.file().ok_or_else(|| Error::invalid("the data file is not open"))
    }

    fn flush_if_full(&mut self) -> Result<(), Error> {
        if len_of(&self.pending) < CHUNK_LEN { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let result = self.open_file()?.write_all_at(&self.pending, self.written);
        result.map_err(Error::io(self.file.path()))?;
        self.written = self.len();
        self.pending.clear();
        Ok(())
    }

    /// Writes `len` bytes in chunks; `chunk` gets the place and length of each, and hands its bytes
    /// to the function that it is given. Returns the checksum of all.
    fn write_chunks<E: From<Error> + Send>(
        &mut self,
        len: u64,
        n_threads: usize,
        chunk: impl Fn(u64, usize, &dyn Fn(&[u8]) -> Result<(), E>) -> Result<(), E> + Sync,
    ) -> Result<u32, E> {
        self.flush()?;
        let (file, start, path) = (self.open_file()?, self.written, self.file.path());
        let next = AtomicU64::new(0);
        let run = || {
            let mut checksums = Vec::new();
            loop {
                let at = next.fetch_add(CHUNK_LEN, Ordering::Relaxed);
                let Some(rest) = len.checked_sub(at).filter(|rest| *rest > 0) else { break };
                let n = usize::try_from(rest.min(CHUNK_LEN)).unwrap_or(usize::MAX);
                let crc = std::cell::Cell::new(0);
                let result = chunk(at, n, &|bytes| {
                    crc.set(crc32c::crc32c(bytes));
                    let result = file.write_all_at(bytes, start.saturating_add(at));
                    result.map_err(|error| E::from(Error::io(path)(error)))
                });
                if let Err(error) = result {
                    // No other thread needs to begin anything more.
                    next.store(len, Ordering::Relaxed);
                    return Err(error);
                }
                checksums.push((at, rest.min(CHUNK_LEN), crc.get()));
            }
            Ok(checksums)
        };
        let mut checksums = in_parallel(n_threads, run)?;
        checksums.sort_unstable();
        self.written = self.written.saturating_add(len);
        Ok(checksums.into_iter().fold(0, |crc, (_, len, chunk)| crc32c::concat(crc, chunk, len)))
    }
}

fn len_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
