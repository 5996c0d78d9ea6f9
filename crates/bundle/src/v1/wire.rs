//! Fields of serialized messages, one by one, without the messages.
//!
//! ```text
//! field    varint (number << 3 | kind) | value
//! kind     0 varint   1 eight bytes   2 varint length, bytes   3 to 4 fields of a group   5 four bytes
//! ```

use std::borrow::Cow;

use crate::coding::{Decoder, put_varint};

/// How deep groups may be nested in each other.
const MAX_GROUPS: usize = 32;

/// The value of a field as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    /// A number.
    Varint(u64),
    /// A number of four bytes or eight.
    Fixed(&'a [u8]),
    /// A text, a message, or packed numbers.
    Bytes(&'a [u8]),
}

/// A message that cannot be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Iterates over the fields of a message, numbers and values; those in groups are left out. An error
/// is the last item.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    decoder: Decoder<'a>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Fields<'a> {
        Fields { decoder: Decoder::new(message) }
    }

    /// Takes what is next; inner `None` for a part of a group.
    fn take(&mut self, groups: &mut Vec<u32>) -> Option<Option<(u32, Wire<'a>)>> {
        let tag = self.decoder.varint32()?;
        let (number, kind) = (tag >> 3, tag & 7);
        let value = match kind {
            0 => Wire::Varint(take_varint(&mut self.decoder)?),
            1 => Wire::Fixed(self.decoder.take(8)?),
            2 => {
                let len = usize::try_from(self.decoder.varint64()?).ok()?;
                Wire::Bytes(self.decoder.take(len)?)
            }
            5 => Wire::Fixed(self.decoder.take(4)?),
            3 if groups.len() < MAX_GROUPS => {
                groups.push(number);
                return Some(None);
            }
            4 if groups.pop() == Some(number) => return Some(None),
            _ => return None,
        };
        match number {
            0 => None,
            _ => Some(groups.is_empty().then_some((number, value))),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut groups = Vec::new();
        loop {
            if self.decoder.rest().is_empty() {
                return (!groups.is_empty()).then_some(Err(Malformed));
            }
            match self.take(&mut groups) {
                Some(Some(field)) => return Some(Ok(field)),
                Some(None) => {}
                None => {
                    self.decoder = Decoder::new(&[]);
                    return Some(Err(Malformed));
                }
            }
        }
    }
}

/// The values of all fields of this number that are bytes.
pub(super) fn bytes_of(
    message: &[u8],
    number: u32,
) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields::new(message).filter_map(move |field| match field {
        Ok((found, Wire::Bytes(bytes))) if found == number => Some(Ok(bytes)),
        Ok(_) => None,
        Err(Malformed) => Some(Err(Malformed)),
    })
}

/// The message in the fields of this number: several are one in parts. `None` if there is none.
pub(super) fn message_of(message: &[u8], number: u32) -> Result<Option<Cow<'_, [u8]>>, Malformed> {
    let mut whole: Option<Cow<'_, [u8]>> = None;
    for part in bytes_of(message, number) {
        let part = part?;
        match &mut whole {
            Some(whole) => whole.to_mut().extend_from_slice(part),
            None => whole = Some(part.into()),
        }
    }
    Ok(whole)
}

/// Takes a varint of at most ten bytes; bits beyond 64 are dropped, as protocol buffers have it.
fn take_varint(decoder: &mut Decoder<'_>) -> Option<u64> {
    let mut value = 0;
    for shift in (0u32..70).step_by(7) {
        let byte = decoder.byte()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// How many varints there are in packed numbers; a last one that is cut off does not count.
pub(super) fn count_varints(packed: &[u8]) -> usize {
    packed.iter().filter(|byte| **byte < 0x80).count()
}

/// Calls `put` with each of packed varints.
pub(super) fn each_varint(packed: &[u8], mut put: impl FnMut(u64)) -> Result<(), Malformed> {
    let mut rest = packed;
    while let Some(next) = rest.first_chunk() {
        let (value, len) = varint_of_ten(*next).ok_or(Malformed)?;
        put(value);
        rest = rest.get(len..).unwrap_or_default();
    }
    let mut decoder = Decoder::new(rest);
    while !decoder.rest().is_empty() {
        put(take_varint(&mut decoder).ok_or(Malformed)?);
    }
    Ok(())
}

/// The varint at the beginning of ten bytes, and its length. Without a branch for each byte, as
/// lengths change from number to number.
fn varint_of_ten(bytes: [u8; 10]) -> Option<(u64, usize)> {
    let [head @ .., ninth, tenth] = bytes;
    let head = u64::from_le_bytes(head);
    // The high bits of the bytes up to the first that has none.
    let ends = !head & 0x8080_8080_8080_8080;
    if ends != 0 {
        let bits = ends.trailing_zeros() + 1;
        let len = usize::try_from(bits / 8).ok()?;
        return Some((join_groups(head & (u64::MAX >> (64 - bits))), len));
    }
    let value = join_groups(head) | u64::from(ninth & 0x7f) << 56;
    match (ninth < 0x80, tenth < 0x80) {
        (true, _) => Some((value, 9)),
        (_, true) => Some((value | u64::from(tenth) << 63, 10)),
        _ => None,
    }
}

/// The low seven bits of each byte, joined.
fn join_groups(bytes: u64) -> u64 {
    let of_two = (bytes & 0x7f00_7f00_7f00_7f00) >> 1 | (bytes & 0x007f_007f_007f_007f);
    let of_four = (of_two & 0x3fff_0000_3fff_0000) >> 2 | (of_two & 0x0000_3fff_0000_3fff);
    (of_four & 0x0fff_ffff_0000_0000) >> 4 | (of_four & 0x0000_0000_0fff_ffff)
}

/// Appends a field of bytes whose content, of `len` bytes, is to follow.
pub(super) fn put_head(out: &mut Vec<u8>, number: u32, len: usize) {
    put_varint(out, u64::from(number << 3 | 2));
    put_varint(out, u64::try_from(len).unwrap_or(u64::MAX));
}

/// Appends a field of bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_head(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(message: &[u8]) -> Vec<Result<(u32, Wire<'_>), Malformed>> {
        Fields::new(message).collect()
    }

    #[test]
    fn fields_come_one_by_one() {
        let message = b"\x08\x96\x01\x12\x02hi\x1d\x01\x02\x03\x04\x21\0\0\0\0\0\0\0\x40";
        let expected = [
            Ok((1, Wire::Varint(150))),
            Ok((2, Wire::Bytes(b"hi"))),
            Ok((3, Wire::Fixed(&[1, 2, 3, 4]))),
            Ok((4, Wire::Fixed(&[0, 0, 0, 0, 0, 0, 0, 0x40]))),
        ];
        assert_eq!(fields(message), expected);
        for len in 0..message.len() {
            let cut = fields(&message[..len]);
            let n_whole = cut.iter().filter(|field| field.is_ok()).count();
            assert_eq!(cut[..n_whole], expected[..n_whole]);
            assert_eq!(cut.len() - n_whole, usize::from(![0, 3, 7, 12].contains(&len)), "{len}");
        }
    }

    #[test]
    fn groups_are_left_out() {
        assert_eq!(fields(b"\x5b\x08\x01\x53\x54\x5c\x08\x02"), [Ok((1, Wire::Varint(2)))]);
        assert_eq!(fields(b"\x5b\x5c"), []);
        for unbalanced in [&b"\x5b"[..], b"\x5b\x08\x01", b"\x5c", b"\x5b\x54", &[0x5b; 100]] {
            assert_eq!(fields(unbalanced), [Err(Malformed)], "{unbalanced:x?}");
        }
    }

    #[test]
    fn malformed_fields_end_a_message() {
        let cases: [&[u8]; 6] = [
            b"\x00\x01",                                         // field 0
            b"\x0e\x01",                                         // kind 6
            b"\x12\x05hi",                                       // a length beyond the end
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01hi",   // a huge one
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", // eleven bytes
            b"\xff\xff\xff\xff\xff\x01",                         // a tag of six bytes
        ];
        for message in cases {
            assert_eq!(fields(message), [Err(Malformed)], "{message:x?}");
        }
    }

    #[test]
    fn messages_may_come_in_parts() {
        let message = b"\x12\x01a\x0a\x01x\x12\x02bc";
        assert_eq!(message_of(message, 2).unwrap().as_deref(), Some(&b"abc"[..]));
        assert_eq!(message_of(message, 1).unwrap().as_deref(), Some(&b"x"[..]));
        assert_eq!(message_of(message, 3), Ok(None));
        assert_eq!(message_of(b"\x12\x01a\x12", 2), Err(Malformed));
    }

    #[test]
    fn packed_varints_are_counted_and_read() {
        let packed = b"\x05\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
        let mut values = Vec::new();
        each_varint(packed, |value| values.push(value)).unwrap();
        assert_eq!(values, [5, 128, u64::MAX]);
        assert_eq!(count_varints(packed), 3);
        assert_eq!(each_varint(b"\x05\x80", |_| {}), Err(Malformed));
        // All lengths, followed by little or much.
        let expected: Vec<u64> = (0..64).flat_map(|n| [1 << n, u64::MAX >> n, 0]).collect();
        let mut packed = Vec::new();
        expected.iter().for_each(|value| put_varint(&mut packed, *value));
        let mut values = Vec::new();
        each_varint(&packed, |value| values.push(value)).unwrap();
        assert_eq!(values, expected);
        assert_eq!(each_varint(&[0xff; 11], |_| {}), Err(Malformed));
    }
}
