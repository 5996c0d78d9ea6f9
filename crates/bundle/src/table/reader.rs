use super::block::Block;
use super::format::{BlockHandle, Footer};
use super::{Error, TableIter};
use crate::coding::Decoder;
use crate::source::Source;

/// The largest table that is read, in bytes.
const MAX_LEN: u64 = 2 << 30;
/// Expanded blocks may occupy this many times the length of the file, plus [`EXPANSION_SLACK`].
const MAX_EXPANSION: usize = 32;
const EXPANSION_SLACK: usize = 1 << 20;

/// A sorted table, held in memory and checked.
#[derive(Debug)]
pub struct Table {
    blocks: Vec<Block>,
}

impl Table {
    /// Reads the table in `source` and checks all of it.
    ///
    /// Errors: `DATA_LOSS` for whatever is not a sound table, with the place; `RESOURCE_EXHAUSTED`
    /// for one of more than 2 GiB; and what the source reports.
    pub fn open(source: &dyn Source) -> Result<Table, Error> {
        let len = source.len();
        let too_large = || Error::TooLarge { len, limit: MAX_LEN };
        if len > MAX_LEN {
            return Err(too_large());
        }
        let file = source.read_at(0, usize::try_from(len).map_err(|_| too_large())?)?;
        let index_handle = Footer::decode(&file)?.index;
        let index = Block::new(index_handle.read(&file)?, index_handle.offset)?;

        let mut blocks: Vec<Block> = Vec::new();
        let mut budget = file.len().saturating_mul(MAX_EXPANSION).saturating_add(EXPANSION_SLACK);
        let mut cursor = super::block::Cursor::default();
        while let Some(value) = index.advance(&mut cursor) {
            // Bytes after the handle are allowed.
            let handle = BlockHandle::decode(&mut Decoder::new(value));
            let corrupt_index = |what| Error::Corrupt { what, offset: index_handle.offset };
            let handle = handle.ok_or_else(|| corrupt_index("bad block handle"))?;
            let corrupt = |what| Error::Corrupt { what, offset: handle.offset };
            let contents = handle.read(&file)?;
            // Blocks that overlap in the file could otherwise expand to any amount.
            budget = budget
                .checked_sub(contents.len())
                .ok_or_else(|| corrupt("table expands beyond its file"))?;
            let block = Block::new(contents, handle.offset)?;
            if block.is_empty() {
                return Err(corrupt("empty data block"));
            }
            let in_order = blocks.last().is_none_or(|last| last.last_key() < block.first_key());
            if !in_order || block.last_key() > cursor.key() {
                return Err(corrupt("keys out of order"));
            }
            blocks.push(block);
        }
        Ok(Table { blocks })
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let mut iter = self.iter_from(key);
        let (found, value) = iter.next()?;
        (found == key).then_some(value)
    }

    /// All entries, in ascending order of keys.
    pub fn iter(&self) -> TableIter<'_> {
        self.iter_from(b"")
    }

    /// The entries whose keys are at least `key`, in ascending order.
    pub fn iter_from(&self, key: &[u8]) -> TableIter<'_> {
        let idx = self.blocks.partition_point(|block| block.last_key() < key);
        let blocks = self.blocks.get(idx..).unwrap_or_default();
        TableIter::new(blocks, key)
    }

    /// The entries whose keys begin with `prefix`, in ascending order.
    pub fn iter_prefix<'a>(
        &'a self,
        prefix: &[u8],
    ) -> impl Iterator<Item = (Vec<u8>, &'a [u8])> + use<'a> {
        let prefix = prefix.to_vec();
        self.iter_from(&prefix).take_while(move |(key, _)| key.starts_with(&prefix))
    }
}

/// The bytes of a whole table, for tests that look at single blocks.
#[cfg(test)]
pub(super) fn open_bytes(bytes: impl Into<bytes::Bytes>) -> Result<Table, Error> {
    Table::open(&crate::source::BytesSource::new(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing;
    use super::*;

    fn model(n: usize) -> BTreeMap<Vec<u8>, Vec<u8>> {
        // Keys of varying length with shared prefixes, from a small multiplicative generator.
        (0..n as u64)
            .map(|i| {
                let word = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                let key = format!(
                    "{:x}/{}",
                    word % 97,
                    "k".repeat((word % 7) as usize) + &word.to_string()
                );
                (key.into_bytes(), word.to_le_bytes()[..(word % 9) as usize].to_vec())
            })
            .collect()
    }

    #[test]
    fn tables_answer_like_an_ordered_map() {
        let map = model(700);
        for (block_len, interval) in [(1, 16), (300, 16), (300, 1), (1 << 20, 16)] {
            let entries = map.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
            let table = open_bytes(testing::table(entries, block_len, interval)).unwrap();
            let all: Vec<_> = table.iter().map(|(key, value)| (key, value.to_vec())).collect();
            assert!(all.iter().map(|(key, value)| (key, value)).eq(map.iter()));
            for key in map.keys() {
                assert_eq!(table.get(key), Some(map[key].as_slice()));
                let mut beyond = key.clone();
                beyond.push(0);
                assert_eq!(table.get(&beyond), None);
                let next = map.range(beyond.clone()..).next().map(|(key, _)| key.clone());
                assert_eq!(table.iter_from(&beyond).next().map(|(key, _)| key), next);
            }
            for prefix in ["", "5/", "5/k", "60/kk", "zz"] {
                let found: Vec<_> =
                    table.iter_prefix(prefix.as_bytes()).map(|(key, _)| key).collect();
                let expected = map.keys().filter(|key| key.starts_with(prefix.as_bytes()));
                assert!(found.iter().eq(expected), "{prefix}");
            }
        }
    }

    #[test]
    fn tables_without_entries_are_empty() {
        let table = open_bytes(testing::table([], 100, 16)).unwrap();
        assert_eq!(table.iter().count(), 0);
        assert_eq!(table.get(b""), None);
    }

    #[test]
    fn blocks_must_ascend_and_stay_below_their_index_keys() {
        let block = |key: &[u8]| testing::block([(key, &b"v"[..])], 16);
        let what = |blocks: &[(&[u8], &[u8])]| {
            let blocks =
                blocks.iter().map(|(index_key, key)| (*index_key, block(key))).collect::<Vec<_>>();
            open_bytes(testing::table_of_blocks(&blocks)).err().map(|error| error.to_string())
        };
        assert_eq!(what(&[(b"b", b"a"), (b"d", b"c")]), None);
        assert_eq!(what(&[(b"b", b"c"), (b"d", b"d")]).unwrap(), "keys out of order at byte 0");
        assert_eq!(what(&[(b"b", b"b"), (b"d", b"b")]).unwrap(), "keys out of order at byte 18");
        let empty = testing::block([], 16);
        let error = open_bytes(testing::table_of_blocks(&[(b"b", empty)])).unwrap_err();
        assert_eq!(error.to_string(), "empty data block at byte 0");
    }

    #[test]
    fn blocks_that_overlap_cannot_expand_without_bound() {
        // Each block holds the next one, whole, as a value: n blocks over the same 100 kB.
        let nested = |n: usize| {
            let keys: Vec<_> = (0..n).map(|idx| format!("{idx:03}").into_bytes()).collect();
            let mut stored = vec![0; 100_000];
            let mut handles = Vec::new();
            for key in keys.iter().rev() {
                let block = testing::block([(key.as_slice(), stored.as_slice())], 16);
                let inner = block.len() - 8 - stored.len();
                handles.iter_mut().for_each(|(_, offset, _)| *offset += inner);
                handles.insert(0, (key.as_slice(), 0, block.len()));
                stored = testing::with_trailer(block);
            }
            open_bytes(testing::table_of_stored(stored, &handles))
        };
        assert_eq!(nested(10).unwrap().iter().count(), 10);
        let error = nested(60).unwrap_err().to_string();
        assert!(error.starts_with("table expands beyond its file"), "{error}");
    }
}
