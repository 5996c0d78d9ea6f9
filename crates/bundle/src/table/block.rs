//! A block: sorted entries whose keys share prefixes with the key before.
//!
//! ```text
//! entry*  fixed32 restart[0] … restart[k-1]  fixed32 k
//! entry   varint32 shared | varint32 non_shared | varint32 value_len | key bytes[non_shared] | value bytes
//! ```
//!
//! The full key is the first `shared` bytes of the previous key, then the stored bytes. Restarts are
//! offsets of entries with `shared` 0, in order, the first of them 0; a search starts at the last
//! one whose key is not beyond the target.

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;

use super::Error;
use crate::coding::Decoder;

const BAD_CONTENTS: &str = "bad block contents";
const BAD_ENTRY: &str = "bad entry in block";

/// The contents of a block whose structure has been checked.
#[derive(Clone, Debug)]
pub(super) struct Block {
    entries: Bytes,
    restarts: Bytes,
    last_key: Box<[u8]>,
}

/// A place between two entries of a block, and the key before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    pos: usize,
    key: Vec<u8>,
}

/// An entry as it is stored.
struct RawEntry<'a> {
    shared: usize,
    suffix: &'a [u8],
    value: &'a [u8],
    end: usize,
}

impl Block {
    /// Checks the contents of the block that begins at byte `offset` of its file: every entry, the
    /// strict order of keys, and that restarts are what they should be.
    pub(super) fn new(contents: Bytes, offset: u64) -> Result<Block, Error> {
        let corrupt = |what| Error::Corrupt { what, offset };
        let bad_contents = || corrupt(BAD_CONTENTS);
        let (head, count) = contents.split_last_chunk::<4>().ok_or_else(bad_contents)?;
        let count = usize::try_from(u32::from_le_bytes(*count)).map_err(|_| bad_contents())?;
        let restarts_len = count.checked_mul(4).ok_or_else(bad_contents)?;
        let entries_len = head.len().checked_sub(restarts_len).ok_or_else(bad_contents)?;
        let entries = contents.slice(..entries_len);
        let restarts = contents.slice(entries_len..head.len());

        let mut block = Block { entries, restarts, last_key: Box::default() };
        block.last_key = block.check().map_err(corrupt)?;
        Ok(block)
    }

    /// Walks over everything and returns the last key, or says what is wrong.
    fn check(&self) -> Result<Box<[u8]>, &'static str> {
        let mut restarts = self.restarts().peekable();
        if self.entries.is_empty() {
            return if restarts.all(|restart| restart == 0) {
                Ok(Box::default())
            } else {
                Err(BAD_CONTENTS)
            };
        }
        if restarts.peek() != Some(&0) {
            return Err(BAD_CONTENTS);
        }
        let mut key = Vec::new();
        let mut pos = 0;
        while pos < self.entries.len() {
            let entry = self.entry(pos).ok_or(BAD_ENTRY)?;
            if restarts.next_if_eq(&pos).is_some() && entry.shared != 0 {
                return Err(BAD_CONTENTS);
            }
            let previous_tail = key.get(entry.shared..).ok_or(BAD_ENTRY)?;
            // The bytes before `shared` are equal, so the rest decides the order.
            if pos != 0 && previous_tail.cmp(entry.suffix) != Ordering::Less {
                return Err("keys out of order");
            }
            key.truncate(entry.shared);
            key.extend_from_slice(entry.suffix);
            pos = entry.end;
        }
        if restarts.next().is_some() {
            return Err(BAD_CONTENTS);
        }
        Ok(key.into())
    }

    /// Whether the block has no entries.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The length of the contents in bytes.
    pub(super) fn len(&self) -> usize {
        self.entries.len().saturating_add(self.restarts.len()).saturating_add(4)
    }

    /// The entries as they are stored; places in them are those that [`Block::find`] gives.
    pub(super) fn into_entries(self) -> Bytes {
        self.entries
    }

    /// The largest key; empty for an empty block.
    pub(super) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// The smallest key; empty for an empty block.
    pub(super) fn first_key(&self) -> &[u8] {
        self.key_at_restart(0).unwrap_or_default()
    }

    /// Steps over the next entry and returns its value, or `None` at the end.
    ///
    /// The cursor must have been used with this block only.
    pub(super) fn advance(&self, cursor: &mut Cursor) -> Option<&[u8]> {
        let entry = self.entry(cursor.pos)?;
        cursor.key.truncate(entry.shared);
        cursor.key.extend_from_slice(entry.suffix);
        cursor.pos = entry.end;
        Some(entry.value)
    }

    /// Where the value of `key` lies among the entries of the block.
    pub(super) fn find(&self, key: &[u8]) -> Option<Range<usize>> {
        let mut cursor = self.seek(key);
        let len = self.advance(&mut cursor)?.len();
        (cursor.key == key).then(|| cursor.pos.saturating_sub(len)..cursor.pos)
    }

    /// The place just before the first entry whose key is at least `target`.
    pub(super) fn seek(&self, target: &[u8]) -> Cursor {
        let mut cursor = Cursor { pos: self.restart_before(target), key: Vec::new() };
        loop {
            let before = cursor.clone();
            if self.advance(&mut cursor).is_none() || cursor.key.as_slice() >= target {
                return before;
            }
        }
    }

    /// The offset of the last restart whose key is below `target`, or of the first.
    fn restart_before(&self, target: &[u8]) -> usize {
        let (mut low, mut high) = (0usize, self.n_restarts());
        while low < high {
            let middle = low.midpoint(high);
            if self.key_at_restart(middle).is_some_and(|key| key < target) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        self.restart(low.saturating_sub(1)).unwrap_or(0)
    }

    /// The key of the entry at a restart, which is stored in full.
    fn key_at_restart(&self, idx: usize) -> Option<&[u8]> {
        Some(self.entry(self.restart(idx)?)?.suffix)
    }

    fn n_restarts(&self) -> usize {
        self.restarts.len() / 4
    }

    fn restart(&self, idx: usize) -> Option<usize> {
        self.restarts.as_chunks().0.get(idx).map(restart_offset)
    }

    fn restarts(&self) -> impl Iterator<Item = usize> + '_ {
        self.restarts.as_chunks().0.iter().map(restart_offset)
    }

    /// The entry at `pos`, or `None` at the end or if it does not lie within the block.
    fn entry(&self, pos: usize) -> Option<RawEntry<'_>> {
        let mut decoder = Decoder::new(self.entries.get(pos..)?);
        let shared = usize::try_from(decoder.varint32()?).ok()?;
        let non_shared = usize::try_from(decoder.varint32()?).ok()?;
        let value_len = usize::try_from(decoder.varint32()?).ok()?;
        let suffix = decoder.take(non_shared)?;
        let value = decoder.take(value_len)?;
        let end = self.entries.len().saturating_sub(decoder.rest().len());
        Some(RawEntry { shared, suffix, value, end })
    }
}

fn restart_offset(bytes: &[u8; 4]) -> usize {
    usize::try_from(u32::from_le_bytes(*bytes)).unwrap_or(usize::MAX)
}

impl Cursor {
    /// Whether no entry lies before.
    pub(super) fn is_at_start(&self) -> bool {
        self.pos == 0
    }

    /// The key of the entry that was stepped over last.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::testing;

    fn block(entries: &[u8], restarts: &[u32]) -> Result<Block, String> {
        let mut bytes = entries.to_vec();
        restarts.iter().for_each(|restart| bytes.extend_from_slice(&restart.to_le_bytes()));
        bytes.extend_from_slice(&u32::try_from(restarts.len()).unwrap().to_le_bytes());
        Block::new(bytes.into(), 7).map_err(|error| error.to_string())
    }

    fn contents(block: &Block) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut cursor = Cursor::default();
        let mut all = Vec::new();
        while let Some(value) = block.advance(&mut cursor).map(<[u8]>::to_vec) {
            all.push((cursor.key().to_vec(), value));
        }
        all
    }

    #[test]
    fn keys_share_prefixes() {
        // "ab" -> "1", then 1 shared byte: "ac" -> "22".
        let block = block(b"\x00\x02\x01ab1\x01\x01\x02c22", &[0]).unwrap();
        assert_eq!(
            contents(&block),
            [(b"ab".to_vec(), b"1".to_vec()), (b"ac".to_vec(), b"22".to_vec())]
        );
        assert_eq!((block.first_key(), block.last_key()), (&b"ab"[..], &b"ac"[..]));
    }

    #[test]
    fn empty_blocks_have_one_restart_or_none() {
        assert!(block(b"", &[0]).unwrap().is_empty());
        assert!(block(b"", &[]).unwrap().is_empty());
        assert_eq!(block(b"", &[1]).unwrap_err(), "bad block contents at byte 7");
    }

    #[test]
    fn damaged_blocks_are_refused() {
        let entry = b"\x00\x01\x01a1";
        let cases: [(&[u8], &[u32], &str); 12] = [
            (entry, &[], "bad block contents at byte 7"),
            (entry, &[1], "bad block contents at byte 7"),
            (entry, &[0, 5], "bad block contents at byte 7"),
            (entry, &[0, 0], "bad block contents at byte 7"),
            (b"\x00\x01\x01a1\x01\x01\x00b", &[0, 5], "bad block contents at byte 7"),
            (b"\x01\x01\x01a1", &[0], "bad block contents at byte 7"),
            (b"\x00\x01\x01a1\x02\x01\x00b", &[0], "bad entry in block at byte 7"),
            (b"\x00\x01\x09a1", &[0], "bad entry in block at byte 7"),
            (b"\x00\x09\x01a1", &[0], "bad entry in block at byte 7"),
            (b"\x00\xff\xff\xff\xff\x0f\x07a1", &[0], "bad entry in block at byte 7"),
            (b"\x00\x01\x01a1\x00", &[0], "bad entry in block at byte 7"),
            (b"\x00\x01\x01a1\x00\x01\x01a1", &[0], "keys out of order at byte 7"),
        ];
        for (idx, (entries, restarts, what)) in cases.into_iter().enumerate() {
            assert_eq!(block(entries, restarts).unwrap_err(), what, "case {idx}");
        }
        assert!(Block::new(Bytes::from_static(&[0, 0, 0]), 0).is_err());
        assert!(Block::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff]), 0).is_err());
    }

    #[test]
    fn seeking_finds_what_scanning_finds() {
        let keys: Vec<String> = (0..100).map(|i| format!("key{:03}", i * 2)).collect();
        for interval in [1, 3, 16, 1000] {
            let entries = keys.iter().map(|key| (key.as_bytes(), key.as_bytes()));
            let block = Block::new(testing::block(entries, interval).into(), 0).unwrap();
            let all = contents(&block);
            for target in
                ["", "a", "key", "key000", "key001", "key0015", "key100", "key198", "key199", "z"]
            {
                let mut cursor = block.seek(target.as_bytes());
                let found = block.advance(&mut cursor).map(|_| cursor.key().to_vec());
                let expected =
                    all.iter().map(|(key, _)| key).find(|key| key.as_slice() >= target.as_bytes());
                assert_eq!(found.as_ref(), expected, "{target} with interval {interval}");
            }
        }
    }
}
