//! Where the bytes of a checkpoint come from.
//!
//! A [`Source`] is one file, or whatever acts as one: [`FileSource`] reads at positions,
//! [`BytesSource`] holds everything in memory, `MmapSource` (feature `mmap`) maps a file. Anything
//! else, such as an object store, can implement the trait.

mod file;
mod memory;
#[cfg(feature = "mmap")]
mod mmap;

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

pub use self::file::FileSource;
pub use self::memory::BytesSource;
#[cfg(feature = "mmap")]
pub use self::mmap::MmapSource;
#[cfg(feature = "mmap")]
use self::mmap::map_file;

/// Bytes of known length that can be read at any position, by several threads at once.
pub trait Source: Send + Sync {
    /// The length in bytes, fixed when the source was opened.
    fn len(&self) -> u64;

    /// Whether there are no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `len` bytes from `offset` on: a view of memory that is there already, or freshly read.
    ///
    /// Errors: of kind `UnexpectedEof` when the range is not within [`Source::len`]. Implementations
    /// must check that before they reserve memory, because lengths come from files.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes>;

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// Errors: as [`Source::read_at`].
    fn read_into(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.read_at(offset, out.len())?;
        if bytes.len() != out.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.copy_from_slice(&bytes);
        Ok(())
    }

    /// Whether [`Source::read_at`] gives views, at no cost in memory.
    ///
    /// Where it does, tensors that lie aligned in the source are not copied.
    fn has_views(&self) -> bool {
        false
    }

    /// Tells that these bytes will not be read again soon, so that their memory may be released.
    fn advise_unused(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }
}

/// Opens a file: mapped if `mmap` is set and the crate has the feature `mmap`, else read at
/// positions.
///
/// Setting `mmap` is a promise: as long as the source or any view of it lives, nobody truncates or
/// overwrites the file. Should somebody truncate it all the same, the process dies of a signal when
/// it touches what is gone. Files that are replaced by renaming are safe.
pub fn open(path: &Path, mmap: bool) -> io::Result<Arc<dyn Source>> {
    #[cfg(feature = "mmap")]
    if mmap {
        return map_file(path);
    }
    let _ = mmap;
    Ok(Arc::new(FileSource::open(path)?))
}

/// Checks that `len` bytes from `offset` on are within a source of `source_len` bytes.
fn check_range(source_len: u64, offset: u64, len: usize) -> io::Result<()> {
    let end = u64::try_from(len).ok().and_then(|len| offset.checked_add(len));
    if end.is_some_and(|end| end <= source_len) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("{len} bytes from byte {offset} on are not within {source_len} bytes"),
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// What every source must do, whatever it is.
    fn check(source: &dyn Source) {
        assert_eq!(source.len(), 10);
        assert!(!source.is_empty());
        assert_eq!(&source.read_at(0, 10).unwrap()[..], b"0123456789");
        assert_eq!(&source.read_at(3, 4).unwrap()[..], b"3456");
        assert_eq!(source.read_at(10, 0).unwrap().len(), 0);
        let mut out = [0; 3];
        source.read_into(7, &mut out).unwrap();
        assert_eq!(&out, b"789");
        source.advise_unused(0, 10);
        source.advise_unused(u64::MAX, u64::MAX);
        assert_eq!(&source.read_at(0, 1).unwrap()[..], b"0");
        for (offset, len) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 1), (1, usize::MAX)] {
            let error = source.read_at(offset, len).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{offset} {len}");
        }
        assert!(source.read_into(8, &mut out).is_err());
    }

    #[test]
    fn every_source_reads_ranges_and_refuses_others() {
        check(&BytesSource::new(&b"0123456789"[..]));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        check(&FileSource::open(file.path()).unwrap());
        check(&*open(file.path(), false).unwrap());
        check(&*open(file.path(), true).unwrap());
    }

    #[test]
    fn directories_and_missing_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(FileSource::open(dir.path()).is_err());
        let error = FileSource::open(&dir.path().join("none")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        #[cfg(feature = "mmap")]
        assert!(map_file(dir.path()).is_err());
    }

    #[cfg(feature = "mmap")]
    #[test]
    fn empty_files_can_be_mapped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = map_file(file.path()).unwrap();
        assert!(source.is_empty());
        assert_eq!(source.read_at(0, 0).unwrap().len(), 0);
    }
}
