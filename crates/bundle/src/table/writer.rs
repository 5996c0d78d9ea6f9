use std::io::Write;

use super::Error;
use super::block_builder::BlockBuilder;
use super::format::{BlockHandle, TRAILER_LEN, footer, plain_trailer};

/// A data block ends once it has this many bytes.
const BLOCK_LEN: usize = 256 << 10;
/// An entry of at least this many bytes begins a block of its own.
const LARGE_ENTRY_LEN: usize = 512 << 10;
/// Entries from one restart to the next in data blocks; in the index block every entry is one.
const RESTART_INTERVAL: usize = 16;

/// Writes a table, entry by entry, in the bytes that TensorFlow would write.
///
/// A block is held in memory until it is full, at most 256 KiB and the last entry.
///
/// ```
/// use flowkeep_bundle::source::BytesSource;
/// use flowkeep_bundle::table::{Table, TableWriter};
///
/// let mut writer = TableWriter::new(Vec::new());
/// writer.add(b"a", b"1")?;
/// writer.add(b"b", b"2")?;
/// let table = Table::open(&BytesSource::new(writer.finish()?))?;
/// assert_eq!(table.get(b"b"), Some(&b"2"[..]));
/// # Ok::<(), flowkeep_bundle::table::Error>(())
/// ```
#[derive(Debug)]
pub struct TableWriter<W> {
    out: W,
    /// Bytes written so far.
    offset: u64,
    block: BlockBuilder,
    index: BlockBuilder,
    last_key: Option<Vec<u8>>,
    /// The block that was written last, as long as it has no entry in the index.
    pending: Option<BlockHandle>,
}

impl<W: Write> TableWriter<W> {
    /// A table without entries, to be written to `out`.
    pub fn new(out: W) -> TableWriter<W> {
        TableWriter {
            out,
            offset: 0,
            block: BlockBuilder::new(RESTART_INTERVAL),
            index: BlockBuilder::new(1),
            last_key: None,
            pending: None,
        }
    }

    /// Adds an entry, whose key must be beyond that of the entry before.
    ///
    /// Errors: `INVALID_ARGUMENT` if it is not, or if key or value are longer than 4 GiB; what
    /// `out` reports. After an error nothing more should be added.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.add_parts(key, &[value])
    }

    /// As [`TableWriter::add`], for a value in parts that follow one another.
    pub(crate) fn add_parts(&mut self, key: &[u8], value: &[&[u8]]) -> Result<(), Error> {
        if self.last_key.as_deref().is_some_and(|last| last >= key) {
            return Err(Error::BadEntry { what: "keys must be added in ascending order" });
        }
        let len = value.iter().fold(key.len(), |len, part| len.saturating_add(part.len()));
        if self.last_key.is_some() && len >= LARGE_ENTRY_LEN {
            self.flush()?;
        }
        let last_key = self.last_key.get_or_insert_default();
        if let Some(handle) = self.pending.take() {
            add_to_index(&mut self.index, separator(last_key, key), handle)?;
        }
        self.block.add(key, value)?;
        last_key.clear();
        last_key.extend_from_slice(key);
        if self.block.len() >= BLOCK_LEN { self.flush() } else { Ok(()) }
    }

    /// Writes what is left and gives back where it was written to.
    ///
    /// Errors: what `out` reports.
    pub fn finish(mut self) -> Result<W, Error> {
        self.flush()?;
        let metaindex = BlockBuilder::new(RESTART_INTERVAL).finish();
        let metaindex = self.write_block(&metaindex)?;
        if let Some(handle) = self.pending.take() {
            let last_key = self.last_key.as_deref().unwrap_or_default();
            add_to_index(&mut self.index, &successor(last_key), handle)?;
        }
        let index = self.index.finish();
        let index = self.write_block(&index)?;
        self.out.write_all(&footer(metaindex, index))?;
        Ok(self.out)
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = self.block.finish();
        self.pending = Some(self.write_block(&block)?);
        Ok(())
    }

    fn write_block(&mut self, block: &[u8]) -> Result<BlockHandle, Error> {
        self.out.write_all(block)?;
        self.out.write_all(&plain_trailer(block))?;
        let size = u64::try_from(block.len()).unwrap_or(u64::MAX);
        let handle = BlockHandle { offset: self.offset, size };
        let trailer_len = u64::try_from(TRAILER_LEN).unwrap_or(u64::MAX);
        self.offset = self.offset.saturating_add(size).saturating_add(trailer_len);
        Ok(handle)
    }
}

fn add_to_index(index: &mut BlockBuilder, key: &[u8], handle: BlockHandle) -> Result<(), Error> {
    let mut value = Vec::new();
    handle.encode(&mut value);
    index.add(key, &[&value])
}

/// A key that is at least `last` and below `next`, `last` being below `next`: short where that is
/// possible.
///
/// The first byte that differs is one more, if that keeps it below the byte of `next`; nothing follows
/// it. In all other cases it is `last`.
fn separator<'a>(last: &'a mut Vec<u8>, next: &[u8]) -> &'a [u8] {
    let n_shared = last.iter().zip(next).take_while(|(a, b)| a == b).count();
    if let (Some(byte), Some(next)) = (last.get_mut(n_shared), next.get(n_shared))
        && let Some(incremented) = byte.checked_add(1).filter(|incremented| incremented < next)
    {
        *byte = incremented;
        last.truncate(n_shared.saturating_add(1));
    }
    last
}

/// A short key that is at least `last`: its first byte that can be is one more, and nothing follows
/// it.
fn successor(last: &[u8]) -> Vec<u8> {
    let mut key = Vec::new();
    for byte in last {
        match byte.checked_add(1) {
            Some(incremented) => {
                key.push(incremented);
                return key;
            }
            None => key.push(*byte),
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::*;
    use crate::source::BytesSource;

    fn table<'a>(entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
        let mut writer = TableWriter::new(Vec::new());
        for (key, value) in entries {
            writer.add(key, value).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn separators_and_successors_are_short() {
        let cases: [(&[u8], &[u8], &[u8]); 7] = [
            (b"layer_05024/k", b"layer_05025/k", b"layer_05024/k"),
            (b"b", b"mmm", b"c"),
            (b"abc", b"abcd", b"abc"),
            (b"abzz", b"adaa", b"ac"),
            (b"a\xff\xff", b"b", b"a\xff\xff"),
            (b"a\xffz", b"c", b"b"),
            (b"\xff", b"\xff\x01", b"\xff"),
        ];
        for (last, next, expected) in cases {
            assert_eq!(separator(&mut last.to_vec(), next), expected, "{last:x?} {next:x?}");
        }
        let cases: [(&[u8], &[u8]); 5] = [
            (b"abc", b"b"),
            (b"z", b"{"),
            (b"\xff\xffa", b"\xff\xffb"),
            (b"\xff\xff", b"\xff\xff"),
            (b"", b""),
        ];
        for (last, expected) in cases {
            assert_eq!(successor(last), expected, "{last:x?}");
        }
    }

    #[test]
    fn what_was_added_is_found() {
        let keys: Vec<_> =
            (0..3000u32).map(|i| format!("k{:x}/{i:05}", i / 7).into_bytes()).collect();
        let keys: std::collections::BTreeSet<_> = keys.into_iter().collect();
        let value = |key: &[u8]| key.repeat(1 + key.len() * usize::from(key[key.len() - 1]) % 97);
        let values: Vec<_> = keys.iter().map(|key| value(key)).collect();
        let bytes = table(keys.iter().map(Vec::as_slice).zip(values.iter().map(Vec::as_slice)));
        assert!(bytes.len() > 3 * BLOCK_LEN);
        let table = Table::open(&BytesSource::new(bytes)).unwrap();
        assert!(table.iter().map(|(key, _)| key).eq(keys.iter().cloned()));
        assert!(keys.iter().zip(&values).all(|(key, value)| table.get(key) == Some(value)));
    }

    #[test]
    fn a_large_entry_begins_a_block() {
        let large = vec![7; LARGE_ENTRY_LEN - 1];
        let bytes = table([(&b"a"[..], &b"1"[..]), (b"b", &large), (b"c", b"3")]);
        // The block of "a" is its entry of 5 bytes, one restart and its count, before the trailer.
        assert_eq!(bytes[13], 0);
        assert_eq!(bytes[5..13], [0, 0, 0, 0, 1, 0, 0, 0]);
        let table = Table::open(&BytesSource::new(bytes)).unwrap();
        assert_eq!(table.get(b"b"), Some(large.as_slice()));
        assert_eq!(table.iter().count(), 3);
    }

    #[test]
    fn keys_out_of_order_are_refused() {
        let mut writer = TableWriter::new(Vec::new());
        writer.add(b"", b"header").unwrap();
        writer.add(b"b", b"").unwrap();
        for key in [&b"b"[..], b"a", b""] {
            let error = writer.add(key, b"").unwrap_err();
            assert_eq!(error.to_string(), "keys must be added in ascending order");
        }
    }
}
