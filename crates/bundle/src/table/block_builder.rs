use super::Error;
use crate::coding::put_varint;

/// Puts a block together; see `block` for its form.
#[derive(Debug)]
pub(super) struct BlockBuilder {
    /// Entries from one restart to the next.
    interval: usize,
    entries: Vec<u8>,
    restarts: Vec<u8>,
    n_since_restart: usize,
    last_key: Vec<u8>,
}

impl BlockBuilder {
    /// An empty block with a restart every `interval` entries.
    pub(super) fn new(interval: usize) -> BlockBuilder {
        BlockBuilder {
            interval,
            entries: Vec::new(),
            restarts: vec![0; 4],
            n_since_restart: 0,
            last_key: Vec::new(),
        }
    }

    /// Appends an entry, whose key is beyond all others; the value is given in parts.
    ///
    /// Errors: `INVALID_ARGUMENT` if key or value do not fit 32 bits of length.
    pub(super) fn add(&mut self, key: &[u8], value: &[&[u8]]) -> Result<(), Error> {
        let too_long = || Error::BadEntry { what: "key or value is longer than 4 GiB" };
        let offset = u32::try_from(self.entries.len()).map_err(|_| too_long())?;
        let mut n_shared = 0;
        if self.n_since_restart < self.interval {
            n_shared = self.last_key.iter().zip(key).take_while(|(a, b)| a == b).count();
        } else {
            self.restarts.extend_from_slice(&offset.to_le_bytes());
            self.n_since_restart = 0;
        }
        let suffix = key.get(n_shared..).unwrap_or_default();
        let value_len = value.iter().fold(0, |len: usize, part| len.saturating_add(part.len()));
        // All at once, so that a large value is not copied as the block grows; restarts follow.
        let slack = self.restarts.len().saturating_add(suffix.len()).saturating_add(32);
        self.entries.reserve(value_len.saturating_add(slack));
        for len in [n_shared, suffix.len(), value_len] {
            put_varint(&mut self.entries, u32::try_from(len).map_err(|_| too_long())?.into());
        }
        self.entries.extend_from_slice(suffix);
        value.iter().for_each(|part| self.entries.extend_from_slice(part));
        self.last_key.truncate(n_shared);
        self.last_key.extend_from_slice(suffix);
        self.n_since_restart = self.n_since_restart.saturating_add(1);
        Ok(())
    }

    /// Whether nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The length that the block would have now, in bytes.
    pub(super) fn len(&self) -> usize {
        self.entries.len().saturating_add(self.restarts.len()).saturating_add(4)
    }

    /// The contents of the block; the builder begins a new one.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut block = std::mem::take(&mut self.entries);
        let n_restarts = u32::try_from(self.restarts.len() / 4).unwrap_or(u32::MAX);
        block.extend_from_slice(&self.restarts);
        block.extend_from_slice(&n_restarts.to_le_bytes());
        *self = BlockBuilder::new(self.interval);
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_share_prefixes_up_to_the_next_restart() {
        let mut builder = BlockBuilder::new(2);
        for (key, value) in [("ab", "1"), ("ac", "22"), ("ad", ""), ("b", "3")] {
            builder.add(key.as_bytes(), &[value.as_bytes()]).unwrap();
        }
        let len = builder.len();
        let block = builder.finish();
        let expected = b"\x00\x02\x01ab1\x01\x01\x02c22\x00\x02\x00ad\x00\x01\x01b3\0\0\0\0\x0c\0\0\0\x02\0\0\0";
        assert_eq!((block.as_slice(), len), (&expected[..], expected.len()));
        assert_eq!(builder.finish(), [0, 0, 0, 0, 1, 0, 0, 0]);
    }
}
