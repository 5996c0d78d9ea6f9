//! Riegeli record files, as far as TensorFlow's splitter writes them.
//!
//! ```text
//! file   blocks of 64 KiB, each begins with a header that is not part of what it interrupts:
//!          u64 hash of the rest, u64 distance to the chunk's begin, u64 distance to its end
//! chunk  u64 hash of the rest of the header, u64 data size, u64 hash of the data,
//!          u8 kind, u56 number of records, u64 sum of their sizes;  data;  padding
//! kind 's' (first in the file) and 'p', 'm': no records
//! kind 'r': u8 compression, varint size of sizes, sizes (a varint each), values
//! ```
//!
//! A compressed buffer is preceded by its size as a varint. Numbers are little endian. Hashes of block headers are not looked
//! at: they serve to find chunks after damage.

use std::io::Read;

use bytes::Bytes;

use super::Damage;
use super::highway_hash::highway_hash;
use super::wire::varint;

const BLOCK: u64 = 1 << 16;
const BLOCK_HEADER: u64 = 24;
const CHUNK_HEADER: usize = 40;

/// How many bytes a file may hold for each of its own, and how many in any case.
///
/// Brotli writes a gigabyte of zeros in a kilobyte.
const MAX_EXPANSION: u64 = 1024;
const MIN_LIMIT: u64 = 64 << 20;

/// The records of a file.
#[derive(Debug)]
pub(super) struct Records(Vec<(u64, Bytes)>);

impl Records {
    /// Reads and checks a whole file.
    pub(super) fn read(file: &Bytes) -> Result<Records, Damage> {
        let mut reader = Reader { file, at: 0 };
        let len = len_u64(file.len());
        let mut budget = len.saturating_mul(MAX_EXPANSION).max(MIN_LIMIT);
        let mut records = Vec::new();
        let mut is_first = true;
        while reader.at < len {
            let chunk = reader.chunk()?;
            match (chunk.kind, is_first) {
                (b's', _) => {}
                (_, true) => return Err(Damage::new("it is no riegeli file of records")),
                (b'r', _) => chunk.records(&mut budget, &mut records)?,
                (b'p' | b'm', _) => {}
                (b't', _) => return Err(Damage::unsupported("records are transposed")),
                (kind, _) => return Err(Damage::new(format!("a chunk is of kind {kind}"))),
            }
            is_first = false;
        }
        Ok(Records(records))
    }

    /// The record at a position: that of its chunk plus its number in there.
    pub(super) fn at(&self, position: u64) -> Option<&Bytes> {
        let idx = self.0.binary_search_by_key(&position, |(position, _)| *position).ok()?;
        self.0.get(idx).map(|(_, record)| record)
    }

    #[cfg(test)]
    pub(super) fn replace_last(&mut self, record: Bytes) {
        self.0.last_mut().unwrap().1 = record;
    }

    pub(super) fn last(&self) -> Option<&Bytes> {
        self.0.last().map(|(_, record)| record)
    }
}

struct Chunk {
    begin: u64,
    kind: u8,
    n_records: u64,
    decoded_size: u64,
    data: Bytes,
}

struct Reader<'a> {
    file: &'a Bytes,
    at: u64,
}

impl Reader<'_> {
    fn chunk(&mut self) -> Result<Chunk, Damage> {
        let begin = self.at;
        let header = self.take(CHUNK_HEADER)?;
        let (words, _) = header.as_chunks::<8>();
        let [hash, size, data_hash, kind, decoded_size] =
            std::array::from_fn(|i| words.get(i).map_or(0, |word| u64::from_le_bytes(*word)));
        if hash != highway_hash(header.get(8..).unwrap_or_default()) {
            return Err(Damage::new(format!("the header of the chunk at byte {begin} is damaged")));
        }
        let data = usize::try_from(size).map_err(|_| Damage::new("it is cut short"))?;
        let data = self.take(data)?;
        if data_hash != highway_hash(&data) {
            return Err(Damage::new(format!("the chunk at byte {begin} is damaged")));
        }
        let n_records = kind >> 8;
        let least = possible_boundary(begin.saturating_add(n_records));
        self.at = self.at.max(least);
        let kind = kind.to_le_bytes()[0];
        Ok(Chunk { begin, kind, n_records, decoded_size, data })
    }

    /// The next bytes, without the headers of blocks that lie among them.
    fn take(&mut self, n: usize) -> Result<Bytes, Damage> {
        let cut_short = || Damage::new("it is cut short");
        let left = len_u64(self.file.len()).saturating_sub(self.at);
        if len_u64(n) > left {
            return Err(cut_short());
        }
        let mut pieces = Vec::new();
        let mut n_left = len_u64(n);
        while n_left > 0 {
            if self.at.is_multiple_of(BLOCK) {
                self.at += BLOCK_HEADER;
            }
            let n_here = n_left.min(BLOCK - self.at % BLOCK);
            let range = (usize::try_from(self.at), usize::try_from(self.at + n_here));
            let (Ok(begin), Ok(end)) = range else { return Err(cut_short()) };
            if end > self.file.len() {
                return Err(cut_short());
            }
            pieces.push(self.file.slice(begin..end));
            self.at += n_here;
            n_left -= n_here;
        }
        Ok(match &pieces[..] {
            [piece] => piece.clone(),
            pieces => pieces.concat().into(),
        })
    }
}

impl Chunk {
    fn records(self, budget: &mut u64, records: &mut Vec<(u64, Bytes)>) -> Result<(), Damage> {
        let damaged = || Damage::new(format!("the chunk at byte {} is damaged", self.begin));
        let mut data = self.data.clone();
        if data.is_empty() {
            return Err(damaged());
        }
        let compression = data.split_to(1);
        let compression = compression.first().copied().unwrap_or_default();
        let n_sizes = varint(&mut data).and_then(|n| usize::try_from(n).ok());
        let n_sizes = n_sizes.filter(|n| *n <= data.len()).ok_or_else(damaged)?;
        let packed_sizes = data.split_to(n_sizes);
        let mut sizes = unpack(packed_sizes, compression, budget)?;
        let mut values = unpack(data, compression, budget)?;
        if len_u64(values.len()) != self.decoded_size {
            return Err(damaged());
        }
        for idx in 0..self.n_records {
            let size = varint(&mut sizes).and_then(|n| usize::try_from(n).ok());
            let size = size.filter(|size| *size <= values.len()).ok_or_else(damaged)?;
            records.push((self.begin + idx, values.split_to(size)));
        }
        if sizes.is_empty() && values.is_empty() { Ok(()) } else { Err(damaged()) }
    }
}

/// A buffer, decompressed.
fn unpack(mut packed: Bytes, compression: u8, budget: &mut u64) -> Result<Bytes, Damage> {
    let method = match compression {
        0 => return Ok(packed),
        b'b' => "brotli",
        b'z' => return Err(Damage::unsupported("records are compressed by zstd")),
        b's' => return Err(Damage::unsupported("records are compressed by snappy")),
        other => return Err(Damage::new(format!("records are compressed by method {other}"))),
    };
    let damaged = || Damage::new(format!("a {method} stream is damaged"));
    let size = varint(&mut packed).ok_or_else(damaged)?;
    *budget = budget.checked_sub(size).ok_or_else(|| {
        Damage::limit(format!("it holds more than {MAX_EXPANSION} times its own size"))
    })?;
    let mut unpacked = Vec::new();
    // One byte more than there should be tells a longer stream from one that ends.
    brotli_decompressor::Decompressor::new(&packed[..], 4096)
        .take(size.saturating_add(1))
        .read_to_end(&mut unpacked)
        .map_err(|_| damaged())?;
    if len_u64(unpacked.len()) == size { Ok(unpacked.into()) } else { Err(damaged()) }
}

/// The first place at or after `position` where a chunk may begin: not inside a block's header, nor right
/// behind it.
fn possible_boundary(position: u64) -> u64 {
    match position % BLOCK {
        0 => position,
        within if within <= BLOCK_HEADER => position - within + BLOCK_HEADER + 1,
        _ => position,
    }
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowkeep_tensor::Code;

    /// A kind, a number of records, the sum of their sizes and data.
    type Parts<'a> = (u8, u64, u64, &'a [u8]);

    fn file(chunks: &[Parts<'_>]) -> Bytes {
        let mut file = [0u64.to_le_bytes(), 64u64.to_le_bytes()].concat();
        file.splice(0..0, highway_hash(&file).to_le_bytes());
        for (kind, n_records, decoded_size, data) in chunks {
            let words = [
                data.len() as u64,
                highway_hash(data),
                n_records << 8 | u64::from(*kind),
                *decoded_size,
            ];
            let header = words.map(u64::to_le_bytes).concat();
            file.extend(highway_hash(&header).to_le_bytes());
            file.extend(header);
            file.extend(*data);
        }
        file.into()
    }

    const SIGNATURE: Parts<'static> = (b's', 0, 0, &[]);

    #[test]
    fn records_are_found_at_their_positions() {
        let chunks = [SIGNATURE, (b'p', 0, 0, &[7; 5]), (b'r', 2, 3, b"\0\x02\x01\x02abb")];
        let records = Records::read(&file(&chunks)).unwrap();
        assert_eq!(records.0, [(109, "a".into()), (110, "bb".into())]);
        assert_eq!(records.at(110), records.last());
        assert_eq!(records.at(111), None);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let cases: [(&[Parts<'_>], Code, &str); 9] = [
            (&[(b'r', 0, 0, b"\0\0")], Code::DataLoss, "it is no riegeli file of records"),
            (&[SIGNATURE, (b't', 1, 1, b"x")], Code::Unimplemented, "records are transposed"),
            (&[SIGNATURE, (b'x', 1, 1, b"x")], Code::DataLoss, "a chunk is of kind 120"),
            (
                &[SIGNATURE, (b'r', 1, 1, b"z\0x")],
                Code::Unimplemented,
                "records are compressed by zstd",
            ),
            (
                &[SIGNATURE, (b'r', 1, 1, b"?\0x")],
                Code::DataLoss,
                "records are compressed by method 63",
            ),
            (
                &[SIGNATURE, (b'r', 2, 1, b"\0\x01\x01x")],
                Code::DataLoss,
                "the chunk at byte 64 is damaged",
            ),
            (
                &[SIGNATURE, (b'r', 1, 2, b"\0\x01\x01xy")],
                Code::DataLoss,
                "the chunk at byte 64 is damaged",
            ),
            (
                &[SIGNATURE, (b'r', 1, 1, b"b\x03\x01xyz")],
                Code::DataLoss,
                "a brotli stream is damaged",
            ),
            (
                &[SIGNATURE, (b'r', 1, 1, b"b\x05\xff\xff\xff\xff\x7fz")],
                Code::ResourceExhausted,
                "it holds more than 1024 times its own size",
            ),
        ];
        for (chunks, code, message) in cases {
            let damage = Records::read(&file(chunks)).unwrap_err();
            assert_eq!((damage.code, &*damage.message), (code, message));
        }
    }

    #[test]
    fn chunks_begin_behind_the_headers_of_blocks() {
        for (position, boundary) in
            [(0, 0), (1, 25), (24, 25), (25, 25), (65_535, 65_535), (65_540, 65_561)]
        {
            assert_eq!(possible_boundary(position), boundary);
        }
    }
}
