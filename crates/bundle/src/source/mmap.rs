//! Mapped files: the only module of this crate with `unsafe`.
#![expect(unsafe_code, reason = "mapping a file relies on nobody truncating it")]

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::{Mmap, UncheckedAdvice};

use super::file::PositionedFile;
use super::{Source, check_range, memory};

/// Shorter reads are copied out of the mapping rather than asked of the system.
const COPY_BYTES: usize = 4096;

/// The system maps so many bytes around a page that is touched.
#[cfg(unix)]
const MAPPED_AROUND: usize = 64 << 10;

/// A file mapped into memory, read-only; reading gives views of the mapping.
///
/// The mapping lives as long as the source or any view of it. [`Source::read_into`] reads the file
/// at a position instead, so that bytes that must be copied anyway do not occupy memory twice.
#[derive(Debug)]
pub struct MmapSource {
    mapping: Arc<Mmap>,
    bytes: Bytes,
    file: PositionedFile,
}

/// Keeps a mapping alive for the views of it.
struct Owner(Arc<Mmap>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl MmapSource {
    /// Maps the file at `path`.
    ///
    /// # Safety
    ///
    /// As long as the source or any view of it lives, nobody, in this process or another, may
    /// truncate the file or write into it: reading beyond a truncated file's end kills the process
    /// with a signal, and bytes that change under a view break Rust's rules. Checkpoints satisfy
    /// this when writers replace files by renaming, as TensorFlow and this crate do.
    pub unsafe fn open(path: &Path) -> io::Result<MmapSource> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // SAFETY: the caller promises that the file is neither truncated nor written.
        let mapping = Arc::new(unsafe { Mmap::map(&file)? });
        let bytes = Bytes::from_owner(Owner(Arc::clone(&mapping)));
        Ok(MmapSource { mapping, bytes, file: PositionedFile::new(file) })
    }
}

impl Source for MmapSource {
    fn len(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        memory::view(&self.bytes, offset, len)
    }

    fn read_into(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if out.len() < COPY_BYTES {
            out.copy_from_slice(&memory::view(&self.bytes, offset, out.len())?);
            return Ok(());
        }
        check_range(self.len(), offset, out.len())?;
        self.file.read_exact_at(out, offset)
    }

    fn has_views(&self) -> bool {
        true
    }

    #[cfg(unix)]
    fn advise_unused(&self, offset: u64, len: u64) {
        let range = usize::try_from(offset).ok().zip(usize::try_from(len).ok());
        let Some((offset, len)) = range.filter(|_| check_range(self.len(), offset, 0).is_ok())
        else {
            return;
        };
        // With what came along; others who read it there bring it back.
        let end = offset.saturating_add(len).saturating_add(MAPPED_AROUND).min(self.bytes.len());
        let offset = offset.saturating_sub(MAPPED_AROUND);
        let len = end.saturating_sub(offset);
        // SAFETY: the mapping is of a file and never written, so pages that are dropped come back
        // from the file with the same bytes. The range is within the mapping.
        // A refused hint changes nothing.
        let _ =
            unsafe { self.mapping.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, len) };
    }
}

/// Maps a file for a caller who asks for mapping.
pub(super) fn map_file(path: &Path) -> io::Result<Arc<dyn Source>> {
    // SAFETY: whoever asks `source::open` for mapping, or sets `ReaderOptions::mmap`, takes over the
    // contract of `MmapSource::open`, as their documentation says.
    let source = unsafe { MmapSource::open(path)? };
    Ok(Arc::new(source))
}
