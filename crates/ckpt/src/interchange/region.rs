//! Stretches of a source: the bytes of a tensor, of a member, of a whole file.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_bundle::source::Source;
use flowkeep_tensor::Backing;

use super::error::{FormatError, corrupt};

/// The most bytes that [`Stream`] takes at once: few enough to be in the processor's cache when
/// their checksum is computed.
const STEP: usize = 1 << 18;

/// Bytes of a source, all of which are there.
#[derive(Clone)]
pub(super) struct Region {
    source: Arc<dyn Source>,
    offset: u64,
    len: u64,
}

impl Region {
    /// A whole source.
    pub(super) fn of(source: Arc<dyn Source>) -> Region {
        let len = source.len();
        Region { source, offset: 0, len }
    }

    /// The `len` bytes from `offset` on.
    ///
    /// Errors: `DATA_LOSS` if they are not all there.
    pub(super) fn part(&self, offset: u64, len: u64) -> Result<Region, FormatError> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(corrupt(format!(
                "{len} bytes from byte {offset} on are not within {} bytes",
                self.len
            )));
        }
        // Within this region, which is within its source.
        Ok(Region { source: Arc::clone(&self.source), offset: self.offset + offset, len })
    }

    /// The bytes from `offset` on.
    pub(super) fn rest(&self, offset: u64) -> Result<Region, FormatError> {
        self.part(offset, self.len.saturating_sub(offset))
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// All the bytes: a view of memory that is there already, or freshly read.
    pub(super) fn read(&self) -> Result<Bytes, FormatError> {
        Ok(self.source.read_at(self.offset, self.len_in_memory()?)?)
    }

    /// All the bytes, if they can be had without reading them.
    pub(super) fn view(&self) -> Result<Option<Bytes>, FormatError> {
        if self.source.has_views() { self.read().map(Some) } else { Ok(None) }
    }

    /// Reads the bytes one after another.
    pub(super) fn stream(&self) -> Stream {
        Stream { region: self.clone() }
    }

    fn len_in_memory(&self) -> Result<usize, FormatError> {
        usize::try_from(self.len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory).into())
    }
}

impl Backing for Region {
    fn release(&self) {
        self.source.advise_unused(self.offset, self.len);
    }
}

/// What is left to read of a region.
pub(super) struct Stream {
    region: Region,
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.region.len).unwrap_or(usize::MAX);
        let n = out.len().min(left).min(STEP);
        let Some(out) = out.get_mut(..n).filter(|out| !out.is_empty()) else { return Ok(0) };
        self.region.source.read_into(self.region.offset, out)?;
        let n_read = u64::try_from(n).unwrap_or(u64::MAX);
        self.region.offset += n_read;
        self.region.len -= n_read;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use flowkeep_bundle::source::BytesSource;

    use super::*;

    #[test]
    fn parts_stay_within_the_whole() {
        let whole = Region::of(Arc::new(BytesSource::new(&b"0123456789"[..])));
        let part = whole.part(2, 5).unwrap();
        assert_eq!(&part.read().unwrap()[..], b"23456");
        assert_eq!(&part.part(1, 4).unwrap().read().unwrap()[..], b"3456");
        assert_eq!(&part.rest(3).unwrap().view().unwrap().unwrap()[..], b"56");
        for (offset, len) in [(0, 6), (5, 1), (6, 0), (u64::MAX, 1), (1, u64::MAX)] {
            assert!(part.part(offset, len).is_err(), "{offset} {len}");
        }
    }

    #[test]
    fn streams_end_with_their_region() {
        let whole = Region::of(Arc::new(BytesSource::new(vec![7u8; STEP * 2 + 3])));
        let mut out = Vec::new();
        whole.rest(1).unwrap().stream().read_to_end(&mut out).unwrap();
        assert_eq!(out.len(), STEP * 2 + 2);
        assert!(whole.part(0, 2).unwrap().stream().read_exact(&mut [0; 3]).is_err());
    }
}
