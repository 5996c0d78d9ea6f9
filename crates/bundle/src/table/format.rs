//! The fixed parts of a table: block handles, trailers, the footer.
//!
//! ```text
//! handle   varint64 offset | varint64 size            size leaves out the trailer
//! trailer  1 byte compression | fixed32 masked crc32c of the stored block and that byte
//! footer   metaindex handle | index handle | zeros up to 40 bytes | fixed64 magic
//! ```

use bytes::Bytes;

use super::Error;
use super::compression::Compression;
use crate::coding::{Decoder, put_varint};
use crate::crc32c;
use crate::source::Source;

/// The last eight bytes of every table, as a little-endian number.
pub(crate) const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// Length of the footer in bytes.
pub(crate) const FOOTER_LEN: usize = 48;
/// Length of the trailer after each block in bytes.
pub(super) const TRAILER_LEN: usize = 5;

/// Where a block lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHandle {
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl BlockHandle {
    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Option<BlockHandle> {
        Some(BlockHandle { offset: decoder.varint64()?, size: decoder.varint64()? })
    }

    /// Appends the stored form.
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        put_varint(out, self.offset);
        put_varint(out, self.size);
    }

    /// The block's contents, checked and decompressed: a view of `file` if it is stored plain.
    pub(super) fn read(self, file: &Bytes) -> Result<Bytes, Error> {
        let len = self.len_in(u64::try_from(file.len()).unwrap_or(u64::MAX))?;
        // The block is within the file, so that its offset fits.
        let start = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(len);
        let block = file.get(start..end).map(|block| file.slice_ref(block));
        self.open(block.unwrap_or_default(), true)?.contents(self.offset)
    }

    /// The length of the block and its trailer, which must lie within a file of this length.
    pub(super) fn len_in(self, file_len: u64) -> Result<usize, Error> {
        let corrupt = |what| Error::Corrupt { what, offset: self.offset };
        let len = usize::try_from(self.size).ok().and_then(|size| size.checked_add(TRAILER_LEN));
        let len = len.ok_or_else(|| corrupt("handle.size() too big"))?;
        // Blocks end before the footer.
        let footer_len = u64::try_from(FOOTER_LEN).unwrap_or(u64::MAX);
        let end = u64::try_from(len).ok().and_then(|len| self.offset.checked_add(len));
        match end.filter(|end| *end <= file_len.saturating_sub(footer_len)) {
            Some(_) => Ok(len),
            None => Err(corrupt("truncated block read")),
        }
    }

    /// Takes the block and its trailer apart; `verify` tells whether the checksum is compared.
    pub(super) fn open(self, mut block: Bytes, verify: bool) -> Result<Stored, Error> {
        let corrupt = |what| Error::Corrupt { what, offset: self.offset };
        let parts = block.split_last_chunk::<TRAILER_LEN>();
        let (bytes, [kind, checksum @ ..]) =
            parts.ok_or_else(|| corrupt("truncated block read"))?;
        if verify {
            let calculated = crc32c::extend(crc32c::crc32c(bytes), &[*kind]);
            if crc32c::unmask(u32::from_le_bytes(*checksum)) != calculated {
                return Err(corrupt("block checksum mismatch"));
            }
        }
        let compression = Compression::from_byte(*kind).ok_or_else(|| corrupt("bad block type"))?;
        block.truncate(bytes.len());
        Ok(Stored { bytes: block, compression })
    }
}

/// A block as it is stored, without its trailer.
pub(super) struct Stored {
    bytes: Bytes,
    pub(super) compression: Compression,
}

impl Stored {
    /// The contents of the block, which begins at byte `offset` of its file.
    pub(super) fn contents(self, offset: u64) -> Result<Bytes, Error> {
        self.compression.decompress(self.bytes, offset)
    }
}

/// The trailer of a block that is stored plain.
pub(super) fn plain_trailer(block: &[u8]) -> [u8; TRAILER_LEN] {
    let kind = Compression::None.byte();
    let checksum = crc32c::mask(crc32c::extend(crc32c::crc32c(block), &[kind]));
    let [a, b, c, d] = checksum.to_le_bytes();
    [kind, a, b, c, d]
}

/// The end of a table whose metaindex block and index block are there.
pub(super) fn footer(metaindex: BlockHandle, index: BlockHandle) -> Vec<u8> {
    let mut footer = Vec::with_capacity(FOOTER_LEN);
    metaindex.encode(&mut footer);
    index.encode(&mut footer);
    footer.resize(FOOTER_LEN.saturating_sub(8), 0);
    footer.extend_from_slice(&MAGIC.to_le_bytes());
    footer
}

/// The end of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) index: BlockHandle,
}

impl Footer {
    /// Reads the footer at the end of `file`. The metaindex handle must be a handle, but is not used.
    pub(super) fn decode(file: &[u8]) -> Result<Footer, Error> {
        let Some(start) = file.len().checked_sub(FOOTER_LEN) else {
            return Err(Error::Corrupt { what: "file is too short to be an sstable", offset: 0 });
        };
        let footer = file.get(start..).unwrap_or_default();
        Footer::decode_at(footer, u64::try_from(start).unwrap_or(u64::MAX))
    }

    /// Reads the footer at the end of `source`, and nothing else.
    pub(super) fn read(source: &dyn Source) -> Result<Footer, Error> {
        let footer_len = u64::try_from(FOOTER_LEN).unwrap_or(u64::MAX);
        match source.len().checked_sub(footer_len) {
            Some(start) => Footer::decode_at(&source.read_at(start, FOOTER_LEN)?, start),
            None => Footer::decode(&[]),
        }
    }

    /// Reads a footer, which begins at byte `offset` of its file.
    fn decode_at(footer: &[u8], offset: u64) -> Result<Footer, Error> {
        let corrupt = |what| Error::Corrupt { what, offset };
        let (handles, magic) = footer.split_last_chunk::<8>().unwrap_or((&[], &[0; 8]));
        if u64::from_le_bytes(*magic) != MAGIC {
            return Err(corrupt("not an sstable (bad magic number)"));
        }
        let mut handles = Decoder::new(handles);
        let metaindex = BlockHandle::decode(&mut handles);
        let index = BlockHandle::decode(&mut handles);
        let (Some(_), Some(index)) = (metaindex, index) else {
            return Err(corrupt("bad block handle"));
        };
        Ok(Footer { index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes 0x70 to 0xa8 of the golden index of a partitioned tensor.
    const FOOTER: &[u8] = &[0x87, 0x01, 0x08, 0x94, 0x01, 0x0f];
    const MAGIC_BYTES: &[u8] = &[0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];

    fn footer(handles: &[u8]) -> Vec<u8> {
        let mut bytes = handles.to_vec();
        bytes.resize(40, 0);
        bytes.extend_from_slice(MAGIC_BYTES);
        bytes
    }

    #[test]
    fn footers_say_where_the_index_is() {
        let decoded = Footer::decode(&footer(FOOTER)).unwrap();
        assert_eq!(decoded.index, BlockHandle { offset: 148, size: 15 });
    }

    #[test]
    fn damaged_footers_are_refused() {
        let what = |bytes: &[u8]| Footer::decode(bytes).unwrap_err().to_string();
        assert_eq!(what(&[0; 47]), "file is too short to be an sstable at byte 0");
        assert_eq!(what(&[0; 50]), "not an sstable (bad magic number) at byte 2");
        assert_eq!(what(&footer(&[0xff; 40])), "bad block handle at byte 0");
        // The metaindex handle alone fills the space.
        assert_eq!(what(&footer(&[0x80; 40])), "bad block handle at byte 0");
    }

    #[test]
    fn handles_outside_the_file_are_refused() {
        let file = Bytes::from(vec![0; 100]);
        let what = |offset, size| BlockHandle { offset, size }.read(&file).unwrap_err().to_string();
        assert_eq!(what(0, u64::MAX), "handle.size() too big at byte 0");
        assert_eq!(what(u64::MAX, 1), format!("truncated block read at byte {}", u64::MAX));
        assert_eq!(what(0, 48), "truncated block read at byte 0");
        assert_eq!(what(0, 47), "block checksum mismatch at byte 0");
    }
}
