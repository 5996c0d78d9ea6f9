//! Numbers in the records of an archive; all are little-endian.

use crate::interchange::error::{FormatError, corrupt};

pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], FormatError> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().ok_or_else(|| corrupt("the archive is cut short"))
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Result<u16, FormatError> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Result<u32, FormatError> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Result<u64, FormatError> {
    array_at(bytes, at).map(u64::from_le_bytes)
}
