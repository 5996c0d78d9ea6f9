use super::block::{Block, Cursor};

/// Iterates over the entries of a [`Table`](super::Table), in ascending order of keys.
#[derive(Clone, Debug)]
pub struct TableIter<'a> {
    blocks: &'a [Block],
    cursor: Cursor,
}

impl<'a> TableIter<'a> {
    /// The entries of `blocks` from the first key that is at least `key` on; no key of another block
    /// than the first may be smaller.
    pub(super) fn new(blocks: &'a [Block], key: &[u8]) -> TableIter<'a> {
        let cursor = blocks.first().map(|block| block.seek(key)).unwrap_or_default();
        TableIter { blocks, cursor }
    }
}

impl<'a> Iterator for TableIter<'a> {
    type Item = (Vec<u8>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (block, rest) = self.blocks.split_first()?;
            if let Some(value) = block.advance(&mut self.cursor) {
                return Some((self.cursor.key().to_vec(), value));
            }
            self.blocks = rest;
            self.cursor = Cursor::default();
        }
    }
}
