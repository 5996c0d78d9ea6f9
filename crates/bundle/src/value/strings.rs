//! String tensors.
//!
//! ```text
//! varint64 len[0] … len[n-1] | fixed32 masked checksum of the lengths | bytes[0] … bytes[n-1]
//! ```
//!
//! The checksum runs over the lengths as numbers of four bytes (eight if they need them), then over
//! its own stored form, then over the contents; in a big-endian bundle the numbers and the stored
//! checksum of the lengths are big-endian.

use bytes::{Buf, Bytes};
use flowkeep_tensor::Tensor;

use super::Value;
use crate::coding::{Decoder, put_varint};
use crate::header::Endianness;
use crate::{Error, crc32c};

impl Value<'_> {
    /// Reads strings; they share the bytes that were read.
    pub(super) fn read_strings(&self) -> Result<Tensor, Error> {
        let n = self.entry.shape.n_elements();
        let len = self.len()?;
        if len == 0 {
            self.check(0)?;
            return Ok(Tensor::from_strings(&self.entry.shape, Vec::new())?);
        }
        let bytes = self.read_stored()?;
        let big = self.swapped != cfg!(target_endian = "big");
        let order = if big { Endianness::Big } else { Endianness::Little };
        let head = Head::decode(&bytes, n, order).map_err(|what| self.damaged(what))?;
        let contents = bytes.slice(head.len..);
        self.check(crc32c::extend(head.checksum, &contents))?;
        Ok(Tensor::from_strings(&self.entry.shape, split(&bytes, contents, n))?)
    }
}

/// What is stored before the contents of `strings`, and the checksum so far, to be extended by the
/// contents. The bundle is a little-endian one.
pub(crate) fn encode_head(strings: &[Bytes]) -> (Vec<u8>, u32) {
    let mut head = Vec::new();
    let mut checksum = LengthChecksum::new(Endianness::Little);
    for string in strings {
        let len = u64::try_from(string.len()).unwrap_or(u64::MAX);
        put_varint(&mut head, len);
        checksum.add(len);
    }
    let crc = checksum.finish();
    let stored = crc32c::mask(crc).to_le_bytes();
    head.extend_from_slice(&stored);
    (head, crc32c::extend(crc, &stored))
}

/// What lies before the contents.
struct Head {
    /// Length in bytes.
    len: usize,
    /// Checksum of everything so far.
    checksum: u32,
}

impl Head {
    /// Reads `n` lengths and their checksum, and checks that the contents are just as long as they
    /// say.
    fn decode(bytes: &[u8], n: usize, order: Endianness) -> Result<Head, String> {
        let mut decoder = Decoder::new(bytes);
        let mut checksum = LengthChecksum::new(order);
        let mut total = 0u64;
        for idx in 0..n {
            let len =
                decoder.varint64().ok_or_else(|| format!("length of string {idx} is malformed"))?;
            total = total.checked_add(len).ok_or("lengths of strings add up beyond 64 bits")?;
            checksum.add(len);
        }
        let mut crc = checksum.finish();
        let stored = decoder.take(4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let stored = stored.ok_or("lengths of strings run beyond the value")?;
        let expected = crc32c::unmask(match order {
            Endianness::Little => u32::from_le_bytes(stored),
            Endianness::Big => u32::from_be_bytes(stored),
        });
        if expected != crc {
            return Err(format!(
                "The length checksum does not match: expected {expected} but actual is {crc}"
            ));
        }
        crc = crc32c::extend(crc, &stored);
        let rest = decoder.rest().len();
        if u64::try_from(rest) != Ok(total) {
            return Err(format!("strings have {total} bytes, but {rest} are stored"));
        }
        Ok(Head { len: bytes.len() - rest, checksum: crc })
    }
}

/// Lengths are put through the checksum this many bytes at a time.
const CHUNK: usize = 4096;

struct LengthChecksum {
    crc: u32,
    order: Endianness,
    pending: Vec<u8>,
}

impl LengthChecksum {
    fn new(order: Endianness) -> LengthChecksum {
        LengthChecksum { crc: 0, order, pending: Vec::new() }
    }

    fn add(&mut self, len: u64) {
        match (u32::try_from(len), self.order) {
            (Ok(len), Endianness::Little) => self.pending.extend(len.to_le_bytes()),
            (Ok(len), Endianness::Big) => self.pending.extend(len.to_be_bytes()),
            (Err(_), Endianness::Little) => self.pending.extend(len.to_le_bytes()),
            (Err(_), Endianness::Big) => self.pending.extend(len.to_be_bytes()),
        }
        if self.pending.len() >= CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.crc = crc32c::extend(self.crc, &self.pending);
        self.pending.clear();
    }

    fn finish(mut self) -> u32 {
        self.flush();
        self.crc
    }
}

/// Cuts `contents` into the `n` strings whose lengths `bytes` begins with; both have been checked.
fn split(bytes: &[u8], mut contents: Bytes, n: usize) -> Vec<Bytes> {
    let mut lengths = Decoder::new(bytes);
    let mut next = || lengths.varint64().and_then(|len| usize::try_from(len).ok());
    (0..n).map(|_| contents.split_to(next().unwrap_or(0).min(contents.remaining()))).collect()
}
