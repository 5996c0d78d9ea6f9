use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::Error;
use super::block::{Block, Cursor};
use super::compression::{Compression, MAX_EXPANSION};
use super::format::{BlockHandle, Footer, TRAILER_LEN};
use crate::coding::Decoder;
use crate::source::Source;

/// Blocks of at most this many bytes are kept for the next value, which is often in the same one.
const RECENT_LEN: usize = 1 << 20;
/// How many blocks are kept.
const N_RECENT: usize = 8;

/// A sorted table of any size, whose blocks are read when a value in them is asked for.
///
/// In memory are the index block and the last few small blocks. What is read is checked: the checksum
/// of a block, its structure, the order of its keys, and that they lie between the keys of the index.
/// Values of a source with views are views.
///
/// ```
/// use std::sync::Arc;
///
/// use flowkeep_bundle::source::BytesSource;
/// use flowkeep_bundle::table::{LazyTable, TableWriter};
///
/// let mut writer = TableWriter::new(Vec::new());
/// writer.add(b"a", b"1")?;
/// let table = LazyTable::open(Arc::new(BytesSource::new(writer.finish()?)), true)?;
/// assert_eq!(table.get(b"a")?.as_deref(), Some(&b"1"[..]));
/// assert_eq!(table.get(b"b")?, None);
/// # Ok::<(), flowkeep_bundle::table::Error>(())
/// ```
pub struct LazyTable {
    source: Arc<dyn Source>,
    index: Block,
    index_offset: u64,
    verify: bool,
    /// Small blocks, the one used last in front.
    recent: Mutex<VecDeque<DataBlock>>,
}

#[derive(Clone)]
struct DataBlock {
    handle: BlockHandle,
    block: Block,
    compression: Compression,
}

/// A value of a [`LazyTable`] in its block.
pub(crate) struct Located {
    /// The entries of the block.
    pub(crate) block: Bytes,
    /// Where the value lies among them.
    pub(crate) value: Range<usize>,
    /// The first byte of the block in the file.
    pub(crate) offset: u64,
    /// Whether `block` lies in the file as it is, from `offset` on.
    pub(crate) plain: bool,
}

/// An entry of the index.
struct IndexEntry {
    handle: BlockHandle,
    /// What every key of the block is beyond, unless the block is the first.
    above: Option<Vec<u8>>,
    /// What no key of the block is beyond.
    up_to: Vec<u8>,
}

impl LazyTable {
    /// Opens the table in `source`: reads its footer and its index block, and checks that all data
    /// blocks lie within the source. `verify` tells whether the checksums of data blocks are
    /// compared when they are read.
    ///
    /// Errors: `DATA_LOSS` for what is not a table, with the place; what the source reports.
    pub fn open(source: Arc<dyn Source>, verify: bool) -> Result<LazyTable, Error> {
        let handle = Footer::read(&*source)?.index;
        let bytes = source.read_at(handle.offset, handle.len_in(source.len())?)?;
        let contents = handle.open(bytes, true)?.contents(handle.offset)?;
        let index = Block::new(contents, handle.offset)?;
        let recent = Mutex::default();
        let table = LazyTable { source, index, index_offset: handle.offset, verify, recent };
        let mut cursor = Cursor::default();
        while let Some(value) = table.index.advance(&mut cursor) {
            table.decode_handle(value)?.len_in(table.source.len())?;
        }
        Ok(table)
    }

    /// The value of `key`.
    ///
    /// Errors: `DATA_LOSS` if the block that would hold it is damaged; what the source reports.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.find(key)?.map(|found| found.block.slice(found.value)))
    }

    /// The source of the table's bytes.
    pub(crate) fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// The value of `key`, with its place.
    ///
    /// Errors: as [`LazyTable::get`].
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<Located>, Error> {
        let Some(entry) = self.index_entry(key)? else { return Ok(None) };
        let DataBlock { handle, block, compression } = match self.take_recent(entry.handle) {
            Some(block) => block,
            None => self.read(&entry)?,
        };
        let value = block.find(key);
        if block.len() <= RECENT_LEN {
            self.keep(DataBlock { handle, block: block.clone(), compression });
        }
        Ok(value.map(|value| Located {
            block: block.into_entries(),
            value,
            offset: handle.offset,
            plain: compression == Compression::None,
        }))
    }

    /// The most bytes that all blocks together can hold if they are stored like that of `key`, which
    /// is not read: the length of the source, or what that can expand to.
    ///
    /// Errors: as [`LazyTable::get`].
    pub(crate) fn max_contents_len(&self, key: &[u8]) -> Result<u64, Error> {
        let len = self.source.len();
        let Some(IndexEntry { handle, .. }) = self.index_entry(key)? else { return Ok(len) };
        let trailer =
            self.source.read_at(handle.offset.saturating_add(handle.size), TRAILER_LEN)?;
        let expansion = match trailer.first().copied() == Some(Compression::None.byte()) {
            true => 1,
            false => MAX_EXPANSION,
        };
        Ok(len.saturating_mul(u64::try_from(expansion).unwrap_or(u64::MAX)))
    }

    /// The place of the only block that can hold `key`.
    fn index_entry(&self, key: &[u8]) -> Result<Option<IndexEntry>, Error> {
        let mut cursor = self.index.seek(key);
        let above = (!cursor.is_at_start()).then(|| cursor.key().to_vec());
        let Some(value) = self.index.advance(&mut cursor) else { return Ok(None) };
        let handle = self.decode_handle(value)?;
        Ok(Some(IndexEntry { handle, above, up_to: cursor.key().to_vec() }))
    }

    /// Bytes after the handle are allowed.
    fn decode_handle(&self, value: &[u8]) -> Result<BlockHandle, Error> {
        let handle = BlockHandle::decode(&mut Decoder::new(value));
        handle.ok_or(Error::Corrupt { what: "bad block handle", offset: self.index_offset })
    }

    fn read(&self, entry: &IndexEntry) -> Result<DataBlock, Error> {
        let handle = entry.handle;
        let corrupt = |what| Err(Error::Corrupt { what, offset: handle.offset });
        let bytes = self.source.read_at(handle.offset, handle.len_in(self.source.len())?)?;
        let stored = handle.open(bytes, self.verify)?;
        let compression = stored.compression;
        let block = Block::new(stored.contents(handle.offset)?, handle.offset)?;
        if block.is_empty() {
            return corrupt("empty data block");
        }
        let in_order = entry.above.as_deref().is_none_or(|above| above < block.first_key());
        if !in_order || block.last_key() > entry.up_to.as_slice() {
            return corrupt("keys out of order");
        }
        Ok(DataBlock { handle, block, compression })
    }

    /// Takes a block out of those that are kept.
    fn take_recent(&self, handle: BlockHandle) -> Option<DataBlock> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let idx = recent.iter().position(|block| block.handle == handle)?;
        recent.remove(idx)
    }

    fn keep(&self, block: DataBlock) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_front(block);
        recent.truncate(N_RECENT);
    }
}

impl fmt::Debug for LazyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyTable").field("len_bytes", &self.source.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::{Table, TableWriter, testing};
    use super::*;
    use crate::source::BytesSource;

    /// Bytes without views, which counts those that are read.
    struct Counting {
        bytes: Vec<u8>,
        n_read: AtomicU64,
    }

    impl Source for Counting {
        fn len(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
            self.n_read.fetch_add(len as u64, Ordering::Relaxed);
            BytesSource::new(self.bytes.clone()).read_at(offset, len)
        }
    }

    fn open(bytes: &[u8]) -> Result<LazyTable, Error> {
        LazyTable::open(Arc::new(BytesSource::new(bytes.to_vec())), true)
    }

    fn entries(n: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        (0..n)
            .map(|i| {
                (format!("key{:04}", 3usize.wrapping_mul(i)).into_bytes(), vec![i as u8; i % 50])
            })
            .collect()
    }

    #[test]
    fn values_are_those_of_the_whole_table() {
        let entries = entries(500);
        for (block_len, interval) in [(1, 16), (300, 16), (300, 1), (1 << 20, 16)] {
            let pairs = entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
            let bytes = testing::table(pairs, block_len, interval);
            let whole = Table::open(&BytesSource::new(bytes.clone())).unwrap();
            let table = open(&bytes).unwrap();
            for i in 0..1600 {
                let key = format!("key{i:04}").into_bytes();
                assert_eq!(table.get(&key).unwrap().as_deref(), whole.get(&key), "{i}");
            }
            for key in ["", "a", "key", "key0003x", "z"] {
                assert_eq!(table.get(key.as_bytes()).unwrap(), None, "{key}");
            }
        }
    }

    #[test]
    fn only_the_blocks_that_are_asked_for_are_read() {
        let mut writer = TableWriter::new(Vec::new());
        for i in 0..20u8 {
            writer.add(&[i], &vec![i; 300 << 10]).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let source = Arc::new(Counting { bytes, n_read: AtomicU64::new(0) });
        let table = LazyTable::open(Arc::clone(&source) as Arc<dyn Source>, true).unwrap();
        assert!(source.n_read.load(Ordering::Relaxed) < 1000);
        let limit = 301 << 10;
        for _ in 0..3 {
            assert_eq!(table.get(&[7]).unwrap().unwrap(), vec![7; 300 << 10]);
            assert!(source.n_read.load(Ordering::Relaxed) < limit, "a block is read once");
        }
        assert_eq!(table.max_contents_len(&[9]).unwrap(), source.len());
        assert!(source.n_read.load(Ordering::Relaxed) < limit);
    }

    #[test]
    fn blocks_must_keep_to_their_index_keys() {
        let block = |key: &[u8]| testing::block([(key, &b"v"[..])], 16);
        let get = |blocks: &[(&[u8], &[u8])], key: &[u8]| {
            let blocks = blocks.iter().map(|(index_key, key)| (*index_key, block(key)));
            let bytes = testing::table_of_blocks(&blocks.collect::<Vec<_>>());
            open(&bytes).unwrap().get(key).map_err(|error| error.to_string())
        };
        assert_eq!(get(&[(b"b", b"a"), (b"d", b"c")], b"c").unwrap().unwrap(), "v");
        assert_eq!(get(&[(b"b", b"c"), (b"d", b"d")], b"d").unwrap().unwrap(), "v");
        assert_eq!(
            get(&[(b"b", b"c"), (b"d", b"d")], b"a"),
            Err("keys out of order at byte 0".into())
        );
        assert_eq!(
            get(&[(b"b", b"b"), (b"d", b"b")], b"c"),
            Err("keys out of order at byte 18".into())
        );
        let empty = testing::table_of_blocks(&[(b"b", testing::block([], 16))]);
        let error = open(&empty).unwrap().get(b"a").unwrap_err();
        assert_eq!(error.to_string(), "empty data block at byte 0");
    }

    #[test]
    fn damage_is_seen_when_it_is_read() {
        let pairs = entries(60);
        let pairs = pairs.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let mut bytes = testing::table(pairs, 100, 16);
        bytes[20] ^= 1;
        let table = open(&bytes).unwrap();
        assert_eq!(
            table.get(b"key0000").unwrap_err().to_string(),
            "block checksum mismatch at byte 0"
        );
        assert_eq!(table.get(b"key0177").unwrap().unwrap(), vec![59; 9]);
        let unverified = LazyTable::open(Arc::new(BytesSource::new(bytes.clone())), false).unwrap();
        assert!(unverified.get(b"key0003").is_ok());
        for len in 0..bytes.len() {
            assert!(open(&bytes[..len]).is_err(), "{len} bytes");
        }
    }
}
