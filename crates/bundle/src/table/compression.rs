use bytes::Bytes;

use super::Error;

/// How a block is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// As it is.
    None,
    /// In Snappy's raw format.
    Snappy,
}

impl Compression {
    /// The compression that the first byte of a trailer stands for.
    pub(super) fn from_byte(byte: u8) -> Option<Compression> {
        match byte {
            0 => Some(Compression::None),
            1 => Some(Compression::Snappy),
            _ => None,
        }
    }

    /// The first byte of a trailer that stands for this compression.
    pub(super) fn byte(self) -> u8 {
        match self {
            Compression::None => 0,
            Compression::Snappy => 1,
        }
    }

    /// The contents of a stored block, which begins at byte `offset` of its file.
    pub(super) fn decompress(self, stored: Bytes, offset: u64) -> Result<Bytes, Error> {
        match self {
            Compression::None => Ok(stored),
            Compression::Snappy => snappy(&stored, offset),
        }
    }
}

/// The most bytes that a byte of a compressed block stands for: a copy of at most 64 takes 3.
pub(super) const MAX_EXPANSION: usize = 22;

/// Expands a block, after a check that its declared length can be reached at all.
#[cfg(feature = "snappy")]
fn snappy(stored: &[u8], offset: u64) -> Result<Bytes, Error> {
    let corrupted = || Error::Corrupt { what: "corrupted compressed block contents", offset };
    let len = snap::raw::decompress_len(stored).map_err(|_| corrupted())?;
    if len > stored.len().saturating_mul(MAX_EXPANSION).saturating_add(64) {
        return Err(corrupted());
    }
    snap::raw::Decoder::new().decompress_vec(stored).map(Bytes::from).map_err(|_| corrupted())
}

#[cfg(not(feature = "snappy"))]
fn snappy(_: &[u8], offset: u64) -> Result<Bytes, Error> {
    Err(Error::Compressed { compression: "snappy", offset })
}

#[cfg(all(test, feature = "snappy"))]
mod tests {
    use super::*;

    fn expand(stored: &[u8]) -> Result<Bytes, String> {
        let expanded = Compression::Snappy.decompress(Bytes::copy_from_slice(stored), 9);
        expanded.map_err(|error| error.to_string())
    }

    #[test]
    fn copies_may_overlap_their_output() {
        // Length 9, literal "abc", copy of 6 bytes from distance 3.
        assert_eq!(&expand(&[9, 0x08, b'a', b'b', b'c', 0x09, 0x03]).unwrap()[..], b"abcabcabc");
    }

    #[test]
    fn garbage_is_refused() {
        let cases: [&[u8]; 7] = [
            &[],
            &[0xff, 0xff, 0xff, 0xff, 0x7f, 0x00, b'a'], // a declared length out of reach
            &[9, 0x08, b'a', b'b', b'c', 0x09, 0x00],    // distance 0
            &[9, 0x08, b'a', b'b', b'c', 0x09, 0x04],    // distance beyond what there is
            &[4, 0x08, b'a', b'b', b'c'],                // ends early
            &[2, 0x08, b'a', b'b', b'c'],                // longer than declared
            &[3, 0x08, b'a'],                            // literal cut off
        ];
        for stored in cases {
            let message = expand(stored).unwrap_err();
            assert_eq!(message, "corrupted compressed block contents at byte 9", "{stored:x?}");
        }
    }
}
