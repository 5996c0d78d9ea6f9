//! What can still be read of a damaged table.
//!
//! Blocks stand for themselves: one that is damaged takes no other along. Of a damaged block, entries
//! are read as far as they make sense; they are uncertain, as no checksum stands for them. Where the
//! footer or the index block is lost, blocks are found by their trailers, one after the other from the
//! beginning of the file.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Error;
use super::block::{Block, Cursor};
use super::compression::Compression;
use super::format::{BlockHandle, Footer, TRAILER_LEN};
use crate::coding::Decoder;
use crate::crc32c;

/// The least length of a block.
const MIN_BLOCK_LEN: usize = 4;

/// The entries of a damaged table.
#[derive(Debug, Default)]
pub(crate) struct RecoveredTable {
    /// The entries by key, with their values and whether a checksum stands for them.
    pub(crate) entries: BTreeMap<Vec<u8>, (Bytes, bool)>,
    /// What was found to be damaged.
    pub(crate) damage: Vec<Error>,
}

/// Reads what can be read.
pub(crate) fn recover(file: &Bytes) -> RecoveredTable {
    let mut recovered = RecoveredTable::default();
    match index_of(file) {
        Ok(handles) => {
            for handle in handles {
                match open(handle, file) {
                    Ok(block) => recovered.take_block(&block),
                    Err(error) => {
                        recovered.damage.push(error);
                        recovered.take_damaged(stored(handle, file));
                    }
                }
            }
        }
        Err(error) => {
            recovered.damage.push(error);
            recovered.scan(file);
        }
    }
    recovered
}

/// The handles of the data blocks.
fn index_of(file: &Bytes) -> Result<Vec<BlockHandle>, Error> {
    let index_handle = Footer::decode(file)?.index;
    let index = open(index_handle, file)?;
    let mut handles = Vec::new();
    let mut cursor = Cursor::default();
    while let Some(value) = index.advance(&mut cursor) {
        let handle = BlockHandle::decode(&mut Decoder::new(value));
        let bad = Error::Corrupt { what: "bad block handle", offset: index_handle.offset };
        handles.push(handle.ok_or(bad)?);
    }
    Ok(handles)
}

fn open(handle: BlockHandle, file: &Bytes) -> Result<Block, Error> {
    Block::new(handle.read(file)?, handle.offset)
}

/// The stored bytes of a block, as far as they are there.
fn stored(handle: BlockHandle, file: &Bytes) -> Bytes {
    let start = usize::try_from(handle.offset).unwrap_or(usize::MAX).min(file.len());
    let len = usize::try_from(handle.size).unwrap_or(usize::MAX);
    file.slice(start..start.saturating_add(len).min(file.len()))
}

impl RecoveredTable {
    fn take_block(&mut self, block: &Block) {
        let mut cursor = Cursor::default();
        while let Some(value) = block.advance(&mut cursor) {
            // What is certain wins over what is not.
            let value = (Bytes::copy_from_slice(value), true);
            self.entries.insert(cursor.key().to_vec(), value);
        }
    }

    /// Takes entries from a block, which is not compressed, until they make no sense.
    fn take_damaged(&mut self, block: Bytes) {
        let mut decoder = Decoder::new(&block);
        let mut key: Option<Vec<u8>> = None;
        loop {
            let mut entry = || {
                let shared = usize::try_from(decoder.varint32()?).ok()?;
                let n_suffix = usize::try_from(decoder.varint32()?).ok()?;
                let n_value = usize::try_from(decoder.varint32()?).ok()?;
                let (suffix, value) = (decoder.take(n_suffix)?, decoder.take(n_value)?);
                let prefix = key.as_deref().unwrap_or_default().get(..shared)?;
                Some(([prefix, suffix].concat(), value))
            };
            let Some((next, value)) = entry() else { return };
            // Checkpoints have no empty values; the numbers at the end of a block look like some.
            if value.is_empty() || key.as_ref().is_some_and(|key| *key >= next) {
                return;
            }
            let value = Bytes::copy_from_slice(value);
            self.entries.entry(next.clone()).or_insert((value, false));
            key = Some(next);
        }
    }

    /// Finds blocks from the beginning of the file on, until one is damaged.
    fn scan(&mut self, file: &Bytes) {
        let mut start = 0usize;
        while start < file.len() {
            let Some((contents, next)) = block_at(file, start) else {
                self.take_damaged(file.slice(start..));
                return;
            };
            let offset = u64::try_from(start).unwrap_or(u64::MAX);
            match Block::new(contents, offset) {
                // The values of the index block are handles: what follows the data blocks is no
                // entry of the table. An empty block, the metaindex block, comes before it.
                Ok(block) if block.is_empty() => return,
                Ok(block) => self.take_block(&block),
                Err(error) => self.damage.push(error),
            }
            start = next;
        }
    }
}

/// The contents of the block that begins at `start`, found by its checksum, and where the next one
/// begins.
fn block_at(file: &Bytes, start: usize) -> Option<(Bytes, usize)> {
    let rest = file.get(start..)?;
    let mut crc = 0;
    for (len, kind) in rest.iter().enumerate() {
        let extended = crc32c::extend(crc, &[*kind]);
        if len >= MIN_BLOCK_LEN
            && let Some(compression) = Compression::from_byte(*kind)
            && let Some(checksum) = rest.get(len.saturating_add(1)..)?.first_chunk::<4>()
            && crc32c::unmask(u32::from_le_bytes(*checksum)) == extended
        {
            let stored = file.slice(start..start.saturating_add(len));
            let offset = u64::try_from(start).unwrap_or(u64::MAX);
            let contents = compression.decompress(stored, offset).ok()?;
            return Some((contents, start.saturating_add(len).saturating_add(TRAILER_LEN)));
        }
        crc = extended;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::BytesSource;
    use crate::table::{Table, testing};

    type Entries = Vec<(Vec<u8>, Vec<u8>)>;

    fn golden() -> (Vec<u8>, Entries) {
        let keys: Vec<_> = (0..60).map(|i| format!("key{i:03}").into_bytes()).collect();
        let entries: Vec<_> =
            keys.iter().map(|key| (key.clone(), [key, &b"/value"[..]].concat())).collect();
        let pairs = entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let bytes = testing::table(pairs, 200, 4);
        Table::open(&BytesSource::new(bytes.clone())).unwrap();
        (bytes, entries)
    }

    #[test]
    fn a_sound_table_is_recovered_whole() {
        let (bytes, entries) = golden();
        let recovered = recover(&bytes.into());
        assert!(recovered.damage.is_empty());
        let all = recovered.entries.into_iter().map(|(key, (value, certain))| {
            assert!(certain);
            (key, value.to_vec())
        });
        assert!(all.eq(entries));
    }

    #[test]
    fn a_damaged_byte_costs_little_and_nothing_certain_is_wrong() {
        let (bytes, entries) = golden();
        let expected: BTreeMap<_, _> = entries.iter().cloned().collect();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x41;
            let recovered = recover(&bytes.into());
            let certain: Vec<_> =
                recovered.entries.iter().filter(|(_, (_, certain))| *certain).collect();
            for (key, (value, _)) in &certain {
                assert_eq!(expected.get(*key).unwrap(), &value[..], "{at}");
            }
            // A block has at most 12 of the 60 entries.
            assert!(certain.len() >= 48, "{at}: {}", certain.len());
            let n_right = |entries: &BTreeMap<Vec<u8>, (Bytes, bool)>| {
                entries
                    .iter()
                    .filter(|(key, (value, _))| expected.get(*key).is_some_and(|v| v == value))
                    .count()
            };
            assert!(n_right(&recovered.entries) >= certain.len());
        }
    }

    #[test]
    fn without_its_end_a_table_is_read_from_its_beginning() {
        let (bytes, entries) = golden();
        let mut fewest = entries.len();
        for len in (0..bytes.len()).rev() {
            let recovered = recover(&Bytes::copy_from_slice(&bytes[..len]));
            assert!(!recovered.damage.is_empty(), "{len}");
            let expected = entries.iter().map(|(key, value)| (key, value.as_slice()));
            let all = recovered.entries.iter().map(|(key, (value, _))| (key, &value[..]));
            let n = all.clone().zip(expected).take_while(|(a, b)| a == b).count();
            // The last entry may be a piece of one that makes sense by chance.
            assert!(n + 1 >= recovered.entries.len(), "{len}");
            assert!(n <= fewest, "{len}");
            fewest = n;
        }
    }
}
