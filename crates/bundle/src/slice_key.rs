//! Keys of slices of partitioned tensors.
//!
//! Written in an encoding whose byte order is the logical order:
//!
//! ```text
//! key       U(0) S(name) U(rank) { I(start) I(length) }      a whole dimension is start 0, length -1
//! U(v)      1 byte count n | n big-endian bytes, without leading zeros
//! S(s)      bytes with 00 as "00 ff" and ff as "ff 00" | 00 01
//! I(v)      n big-endian bytes of two's complement, the first n bits inverted; n as small as can be
//! ```
//!
//! `U(0)` is the byte 00, so that slices sort before tensors of ordinary names.

use flowkeep_tensor::{Extent, TensorSlice};

use crate::coding::Decoder;

/// The key under which a bundle stores `slice` of the tensor `name`.
///
/// `-` and a range over the whole dimension give different keys.
pub fn encode(name: &[u8], slice: &TensorSlice) -> Vec<u8> {
    let mut out = vec![0];
    put_string(&mut out, name);
    put_unsigned(&mut out, u64::try_from(slice.rank()).unwrap_or(u64::MAX));
    for extent in slice.extents() {
        let (start, length) = match *extent {
            Extent::Full => (0, -1),
            // A slice ends within 63 bits.
            Extent::Range { start, length } => (
                i64::try_from(start).unwrap_or(i64::MAX),
                i64::try_from(length).unwrap_or(i64::MAX),
            ),
        };
        put_signed(&mut out, start);
        put_signed(&mut out, length);
    }
    out
}

/// The name and the slice of a key, or `None` if it is not the key of a slice.
pub fn decode(key: &[u8]) -> Option<(Vec<u8>, TensorSlice)> {
    let mut decoder = Decoder::new(key);
    if take_unsigned(&mut decoder)? != 0 {
        return None;
    }
    let name = take_string(&mut decoder)?;
    let rank = usize::try_from(take_unsigned(&mut decoder)?).ok()?;
    // Every extent takes at least two bytes.
    if rank > decoder.rest().len() / 2 {
        return None;
    }
    let mut extents = Vec::with_capacity(rank);
    for _ in 0..rank {
        extents.push(match (take_signed(&mut decoder)?, take_signed(&mut decoder)?) {
            (0, -1) => Extent::Full,
            (start, length) => Extent::Range {
                start: u64::try_from(start).ok()?,
                length: u64::try_from(length).ok()?,
            },
        });
    }
    let slice = TensorSlice::new(extents).ok()?;
    // Refuses what follows the key and numbers that are longer than need be.
    (encode(&name, &slice) == key).then_some((name, slice))
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            0x00 => out.extend([0x00, 0xff]),
            0xff => out.extend([0xff, 0x00]),
            byte => out.push(*byte),
        }
    }
    out.extend([0x00, 0x01]);
}

fn take_string(decoder: &mut Decoder<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        match decoder.byte()? {
            0x00 => match decoder.byte()? {
                0x01 => return Some(out),
                0xff => out.push(0x00),
                _ => return None,
            },
            0xff => match decoder.byte()? {
                0x00 => out.push(0xff),
                _ => return None,
            },
            byte => out.push(byte),
        }
    }
}

fn put_unsigned(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_be_bytes();
    let significant = bytes.iter().skip_while(|byte| **byte == 0);
    out.push(u8::try_from(significant.clone().count()).unwrap_or(u8::MAX));
    out.extend(significant);
}

fn take_unsigned(decoder: &mut Decoder<'_>) -> Option<u64> {
    let len = usize::from(decoder.byte()?);
    let bytes = decoder.take(len).filter(|_| len <= 8)?;
    Some(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// The 16 bytes of a number whose last `n` bytes begin with `n` one bits, for `n` of at most 10.
fn leading_ones(n: usize) -> u128 {
    let bits = 8 * n.min(10);
    let low = bits - n.min(10);
    (1u128 << bits) - (1u128 << low)
}

fn put_signed(out: &mut Vec<u8>, value: i64) {
    let wide = i128::from(value);
    let fits = |n: &usize| (-(1i128 << (7 * n - 1))..1i128 << (7 * n - 1)).contains(&wide);
    let n = (1usize..10).find(fits).unwrap_or(10);
    let bytes = (wide.cast_unsigned() ^ leading_ones(n)).to_be_bytes();
    out.extend(bytes.iter().skip(bytes.len() - n));
}

fn take_signed(decoder: &mut Decoder<'_>) -> Option<i64> {
    let mut ahead = decoder.rest().iter().copied();
    let first_two = u16::from_be_bytes([ahead.next()?, ahead.next().unwrap_or(0)]);
    let negative = first_two >> 15 == 0;
    let ones = if negative { first_two.leading_zeros() } else { first_two.leading_ones() };
    let n = usize::try_from(ones).ok().filter(|n| *n <= 10)?;
    let stored = decoder.take(n)?.iter().fold(0u128, |value, byte| value << 8 | u128::from(*byte));
    let extension = if negative { u128::MAX << (8 * n) } else { 0 };
    i64::try_from(((stored ^ leading_ones(n)) | extension).cast_signed()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        put_signed(&mut out, value);
        let mut decoder = Decoder::new(&out);
        assert_eq!(take_signed(&mut decoder), Some(value));
        assert!(decoder.rest().is_empty());
        out
    }

    /// The values listed in the format's specification.
    #[test]
    fn signed_numbers_follow_the_format() {
        let cases: [(i64, &[u8]); 14] = [
            (0, &[0x80]),
            (2, &[0x82]),
            (-1, &[0x7f]),
            (63, &[0xbf]),
            (64, &[0xc0, 0x40]),
            (65, &[0xc0, 0x41]),
            (100, &[0xc0, 0x64]),
            (200, &[0xc0, 0xc8]),
            (8191, &[0xdf, 0xff]),
            (8192, &[0xe0, 0x20, 0x00]),
            (8193, &[0xe0, 0x20, 0x01]),
            (1 << 48, &[0xff, 0x01, 0, 0, 0, 0, 0, 0]),
            (1 << 55, &[0xff, 0x80, 0x80, 0, 0, 0, 0, 0, 0]),
            (1 << 62, &[0xff, 0xc0, 0x40, 0, 0, 0, 0, 0, 0, 0]),
        ];
        for (value, bytes) in cases {
            assert_eq!(signed(value), bytes, "{value}");
        }
    }

    #[test]
    fn signed_numbers_sort_as_their_bytes() {
        let mut values = vec![i64::MIN, i64::MAX, 0];
        for shift in 0..63 {
            let power = 1i64 << shift;
            values.extend([power - 1, power, power + 1, -power - 1, -power, -power + 1]);
        }
        values.sort_unstable();
        values.dedup();
        let encoded: Vec<_> = values.iter().map(|value| signed(*value)).collect();
        assert!(encoded.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn unsigned_numbers_and_strings_follow_the_format() {
        let mut out = Vec::new();
        put_unsigned(&mut out, 0);
        put_unsigned(&mut out, 2);
        put_unsigned(&mut out, 300);
        put_string(&mut out, b"a\x00\xffb");
        assert_eq!(out, [0, 1, 2, 2, 1, 0x2c, b'a', 0, 0xff, 0xff, 0, b'b', 0, 1]);
        let mut decoder = Decoder::new(&out);
        let numbers = [(); 3].map(|()| take_unsigned(&mut decoder));
        assert_eq!(numbers, [Some(0), Some(2), Some(300)]);
        assert_eq!(take_string(&mut decoder).unwrap(), b"a\x00\xffb");
    }

    /// The two slice keys of the partitioned tensor in the format's worked example.
    #[test]
    fn keys_are_those_of_the_worked_example() {
        let cases: [(&str, &[u8]); 2] = [
            ("0,2:0,3", &[0, 0x77, 0, 1, 1, 2, 0x80, 0x82, 0x80, 0x83]),
            ("2,2:-", &[0, 0x77, 0, 1, 1, 2, 0x82, 0x82, 0x80, 0x7f]),
        ];
        for (slice, key) in cases {
            let slice: TensorSlice = slice.parse().unwrap();
            assert_eq!(encode(b"w", &slice), key);
            assert_eq!(decode(key).unwrap(), (b"w".to_vec(), slice));
            for len in 0..key.len() {
                assert_eq!(decode(&key[..len]), None);
            }
            assert_eq!(decode(&[key, b"x"].concat()), None);
        }
    }

    #[test]
    fn other_keys_are_not_slices() {
        let cases: [&[u8]; 7] = [
            b"",
            b"w",
            b"\x00",
            &[0, 0x77, 0, 2],                               // a stray byte after 00
            &[0, 0x77, 0, 1, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1], // a number of nine bytes
            &[0, 0x77, 0, 1, 8, 255, 255, 255, 255, 255, 255, 255, 255], // 2^64 - 1 dimensions
            &[0, 0x77, 0, 1, 1, 1, 0x80, 0x80],             // length 0
        ];
        for key in cases {
            assert_eq!(decode(key), None, "{key:x?}");
        }
    }
}
