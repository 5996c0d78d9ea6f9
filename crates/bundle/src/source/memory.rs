use std::io;

use bytes::Bytes;

use super::{Source, check_range};

/// A source whose bytes are all in memory; reading gives views of them.
#[derive(Clone, Debug)]
pub struct BytesSource(Bytes);

impl BytesSource {
    /// A source of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> BytesSource {
        BytesSource(bytes.into())
    }
}

impl Source for BytesSource {
    fn len(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        view(&self.0, offset, len)
    }

    fn has_views(&self) -> bool {
        true
    }
}

/// The `len` bytes of `bytes` from `offset` on, shared.
pub(super) fn view(bytes: &Bytes, offset: u64, len: usize) -> io::Result<Bytes> {
    check_range(u64::try_from(bytes.len()).unwrap_or(u64::MAX), offset, len)?;
    // The range was checked, so it fits the address space.
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    Ok(bytes.slice(start..start.saturating_add(len)))
}
