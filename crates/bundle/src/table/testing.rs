//! Builds tables for tests: blocks of any length, with right checksums.

use super::format::{FOOTER_LEN, MAGIC};
use crate::crc32c;

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The contents of a block with a restart every `interval` entries.
pub(crate) fn block<'a>(
    entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    interval: usize,
) -> Vec<u8> {
    let (mut out, mut restarts) = (Vec::new(), vec![0u32]);
    let mut last: &[u8] = b"";
    for (idx, (key, value)) in entries.into_iter().enumerate() {
        let mut shared = key.iter().zip(last).take_while(|(a, b)| a == b).count();
        if idx % interval == 0 {
            shared = 0;
            if idx != 0 {
                restarts.push(out.len() as u32);
            }
        }
        varint(&mut out, shared as u64);
        varint(&mut out, (key.len() - shared) as u64);
        varint(&mut out, value.len() as u64);
        out.extend_from_slice(&key[shared..]);
        out.extend_from_slice(value);
        last = key;
    }
    restarts.iter().for_each(|restart| out.extend_from_slice(&restart.to_le_bytes()));
    out.extend_from_slice(&(restarts.len() as u32).to_le_bytes());
    out
}

/// A block, stored plain, and its trailer.
pub(crate) fn with_trailer(mut block: Vec<u8>) -> Vec<u8> {
    block.push(0);
    let checksum = crc32c::mask(crc32c::crc32c(&block));
    block.extend_from_slice(&checksum.to_le_bytes());
    block
}

/// The table whose data blocks are already in `out`: index keys with offset and size of their blocks.
pub(crate) fn table_of_stored(mut out: Vec<u8>, blocks: &[(&[u8], usize, usize)]) -> Vec<u8> {
    let handle = |offset: usize, size: usize| {
        let mut bytes = Vec::new();
        varint(&mut bytes, offset as u64);
        varint(&mut bytes, size as u64);
        bytes
    };
    let handles: Vec<_> =
        blocks.iter().map(|(key, offset, size)| (*key, handle(*offset, *size))).collect();
    let metaindex = block([], 16);
    let index = block(handles.iter().map(|(key, handle)| (*key, handle.as_slice())), 1);
    let mut footer = handle(out.len(), metaindex.len());
    out.extend(with_trailer(metaindex));
    footer.extend(handle(out.len(), index.len()));
    out.extend(with_trailer(index));
    footer.resize(FOOTER_LEN - 8, 0);
    out.extend(footer);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out
}

/// The table of these blocks, each with its key in the index.
pub(crate) fn table_of_blocks(blocks: &[(&[u8], Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut placed = Vec::new();
    for (key, block) in blocks {
        placed.push((*key, out.len(), block.len()));
        out.extend(with_trailer(block.clone()));
    }
    table_of_stored(out, &placed)
}

/// The table of these entries, with blocks of about `block_len` bytes.
pub(crate) fn table<'a>(
    entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    block_len: usize,
    interval: usize,
) -> Vec<u8> {
    let mut blocks: Vec<(&[u8], Vec<u8>)> = Vec::new();
    let mut pending = Vec::new();
    let mut pending_len = 0;
    let mut entries = entries.into_iter().peekable();
    while let Some((key, value)) = entries.next() {
        pending.push((key, value));
        pending_len += key.len() + value.len();
        if pending_len >= block_len || entries.peek().is_none() {
            blocks.push((key, block(pending.drain(..), interval)));
            pending_len = 0;
        }
    }
    table_of_blocks(&blocks)
}
