//! Records on the wire: written by the parser, read by the printer.

use super::descriptor::Scalar;

/// How the value of a record lies on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Varint,
    Bits64,
    Bits32,
    Bytes,
}

/// The value of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Bits64(u64),
    Bits32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// What an absent value of that shape stands for.
    pub(super) fn default_of(shape: Shape) -> Self {
        match shape {
            Shape::Varint => Self::Varint(0),
            Shape::Bits64 => Self::Bits64(0),
            Shape::Bits32 => Self::Bits32(0),
            Shape::Bytes => Self::Bytes(&[]),
        }
    }

    /// Whether it is what an absent value stands for.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default_of(self.shape())
    }

    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Varint(_) => Shape::Varint,
            Self::Bits64(_) => Shape::Bits64,
            Self::Bits32(_) => Shape::Bits32,
            Self::Bytes(_) => Shape::Bytes,
        }
    }

    /// The bytes of a record that has bytes, else none.
    pub(super) fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// The number of a record that has a varint, else zero.
    pub(super) fn varint(&self) -> u64 {
        match self {
            Self::Varint(bits) => *bits,
            _ => 0,
        }
    }
}

/// A message under way in wire form.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn with_capacity(n_bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(n_bytes) }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes back all but the first `len` bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// The place for bytes that a length was opened for.
    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What was written since `open` gave `start`.
    pub(super) fn since(&self, start: usize) -> &[u8] {
        self.bytes.get(start.saturating_add(1)..).unwrap_or_default()
    }

    /// Starts the record of a field.
    pub(super) fn tag(&mut self, number: u32, shape: Shape) {
        let wire_type = match shape {
            Shape::Varint => 0,
            Shape::Bits64 => 1,
            Shape::Bytes => 2,
            Shape::Bits32 => 5,
        };
        self.varint(u64::from(number) << 3 | wire_type);
    }

    /// Writes a value without its tag.
    pub(super) fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Varint(bits) => self.varint(*bits),
            Value::Bits64(bits) => self.bytes.extend_from_slice(&bits.to_le_bytes()),
            Value::Bits32(bits) => self.bytes.extend_from_slice(&bits.to_le_bytes()),
            Value::Bytes(bytes) => {
                self.varint(as_u64(bytes.len()));
                self.bytes.extend_from_slice(bytes);
            }
        }
    }

    /// Writes the record of a field.
    pub(super) fn record(&mut self, number: u32, value: &Value<'_>) {
        self.tag(number, value.shape());
        self.value(value);
    }

    fn varint(&mut self, mut bits: u64) {
        loop {
            let [low, ..] = bits.to_le_bytes();
            bits >>= 7;
            if bits == 0 {
                return self.bytes.push(low & 0x7f);
            }
            self.bytes.push(low | 0x80);
        }
    }

    /// Leaves room for the length of what comes, and gives its place.
    pub(super) fn open(&mut self) -> usize {
        self.bytes.push(0);
        self.bytes.len().saturating_sub(1)
    }

    /// Writes the length of what has come since `open` gave `start`.
    pub(super) fn close(&mut self, start: usize) {
        let len = self.since(start).len();
        match (u8::try_from(len), self.bytes.get_mut(start)) {
            (Ok(len), Some(room)) if len < 0x80 => *room = len,
            _ => {
                let mut length = Self::default();
                length.varint(as_u64(len));
                self.bytes.splice(start..=start, length.bytes);
            }
        }
    }
}

/// Every length in memory fits 64 bits.
fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Folds the sign into the lowest bit, as `sint32` and `sint64` want it.
pub(super) fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

/// Undoes [`zigzag`].
pub(super) fn unzigzag(bits: u64) -> i64 {
    ((bits >> 1) ^ (bits & 1).wrapping_neg()).cast_signed()
}

/// The low half of a varint: what a reader makes of one that is too large.
pub(super) fn low_i32(bits: u64) -> i32 {
    let [a, b, c, d, ..] = bits.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// Takes records off the front of a message.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// Groups, which only unknown fields may have, nest no deeper.
const MAX_GROUPS: usize = 100;
/// The largest number that a field can have.
const MAX_NUMBER: u32 = (1 << 29) - 1;

impl<'a> Reader<'a> {
    pub(super) fn new(wire: &'a [u8]) -> Self {
        Self { rest: wire }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes the next record, which is truncated, lacks at the least.
    pub(super) fn missing(&mut self) -> u64 {
        let wanted = match self.tag() {
            Ok((_, 1)) => 8,
            Ok((_, 2)) => self.varint().unwrap_or(1),
            Ok((_, 5)) => 4,
            _ => 1,
        };
        wanted.saturating_sub(as_u64(self.rest.len())).max(1)
    }

    /// The next record: field number and value. None at the end. Groups are passed over.
    pub(super) fn record(&mut self) -> Result<Option<(u32, Value<'a>)>, &'static str> {
        while !self.rest.is_empty() {
            let (number, wire_type) = self.tag()?;
            let value = match wire_type {
                0 => Value::Varint(self.varint()?),
                1 => Value::Bits64(u64::from_le_bytes(self.array()?)),
                2 => Value::Bytes(self.bytes()?),
                3 => {
                    self.rest_of_group(number)?;
                    continue;
                }
                5 => Value::Bits32(u32::from_le_bytes(self.array()?)),
                _ => return Err(UNKNOWN_WIRE_TYPE),
            };
            return Ok(Some((number, value)));
        }
        Ok(None)
    }

    /// Passes over a group after its first tag.
    fn rest_of_group(&mut self, number: u32) -> Result<(), &'static str> {
        let mut groups = vec![number];
        while let Some(group) = groups.last() {
            match self.tag()? {
                (_, 0) => _ = self.varint()?,
                (_, 1) => _ = self.array::<8>()?,
                (_, 2) => _ = self.bytes()?,
                (number, 3) if groups.len() < MAX_GROUPS => groups.push(number),
                (number, 4) if number == *group => _ = groups.pop(),
                (_, 5) => _ = self.array::<4>()?,
                _ => return Err(UNKNOWN_WIRE_TYPE),
            }
        }
        Ok(())
    }

    /// The next value of a packed record of that type. None at the end.
    pub(super) fn packed(&mut self, scalar: Scalar) -> Result<Option<Value<'a>>, &'static str> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        Ok(Some(match scalar {
            Scalar::Double | Scalar::Fixed64 | Scalar::Sfixed64 => {
                Value::Bits64(u64::from_le_bytes(self.array()?))
            }
            Scalar::Float | Scalar::Fixed32 | Scalar::Sfixed32 => {
                Value::Bits32(u32::from_le_bytes(self.array()?))
            }
            _ => Value::Varint(self.varint()?),
        }))
    }

    /// A field's number and how its value lies.
    fn tag(&mut self) -> Result<(u32, u64), &'static str> {
        let tag = self.varint()?;
        match u32::try_from(tag >> 3) {
            Ok(0) => Err("field number is zero"),
            Ok(number) if number <= MAX_NUMBER => Ok((number, tag & 7)),
            _ => Err("field number is too large"),
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let len = usize::try_from(self.varint()?).map_err(|_| TRUNCATED)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*array)
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut bits = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(TRUNCATED)?;
            self.rest = rest;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(bits);
            }
        }
        Err("varint is too long")
    }
}

/// What is wrong with a record that the bytes end in.
pub(super) const TRUNCATED: &str = "record is truncated";
const UNKNOWN_WIRE_TYPE: &str = "record of unknown wire type";

#[cfg(test)]
mod tests {
    use super::*;

    // Encodings as in the protobuf documentation, "Encoding".
    #[test]
    fn varints_are_little_endian_groups_of_seven_bits() {
        for (bits, bytes) in [
            (1, &[0x01][..]),
            (150, &[0x96, 0x01]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ] {
            let mut out = Writer::default();
            out.varint(bits);
            assert_eq!(out.finish(), bytes);
            assert_eq!(Reader::new(bytes).varint(), Ok(bits));
        }
        assert_eq!(Reader::new(&[0x80; 11]).varint(), Err("varint is too long"));
        assert_eq!(Reader::new(&[0x80]).varint(), Err(TRUNCATED));
    }

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        for (len, prefix) in
            [(0, &[0][..]), (127, &[127]), (128, &[0x80, 1]), (20_000, &[0xa0, 0x9c, 1])]
        {
            let mut out = Writer::default();
            out.tag(1, Shape::Bytes);
            let start = out.open();
            out.bytes_mut().extend(vec![b'x'; len]);
            out.close(start);
            let expected = [&[0x0a], prefix, &vec![b'x'; len]].concat();
            assert_eq!(out.finish(), expected);
        }
    }

    #[test]
    fn zigzag_maps_small_magnitudes_to_small_numbers() {
        for (value, bits) in
            [(0, 0), (-1, 1), (1, 2), (-2, 3), (i64::MAX, u64::MAX - 1), (i64::MIN, u64::MAX)]
        {
            assert_eq!(zigzag(value), bits);
            assert_eq!(unzigzag(bits), value);
        }
    }

    #[test]
    fn records_that_claim_more_than_there_is_are_refused() {
        assert_eq!(Reader::new(&[0x0a, 0x05, b'a']).record(), Err(TRUNCATED));
        assert_eq!(Reader::new(&[0x0d, 1, 2, 3]).record(), Err(TRUNCATED));
        assert_eq!(Reader::new(&[0x02, 0x00]).record(), Err("field number is zero"));
        assert_eq!(Reader::new(&[0x0e]).record(), Err(UNKNOWN_WIRE_TYPE));
        let huge = [0xff, 0xff, 0xff, 0xff, 0x7f, 0];
        assert_eq!(Reader::new(&huge).record(), Err("field number is too large"));
    }

    #[test]
    fn groups_are_passed_over() {
        // 1 { 2: 5 3 {} } 4: 6
        let wire = [0x0b, 0x10, 5, 0x1b, 0x1c, 0x0c, 0x20, 6];
        assert_eq!(Reader::new(&wire).record(), Ok(Some((4, Value::Varint(6)))));
        assert_eq!(Reader::new(&wire[..6]).record(), Ok(None));
        assert_eq!(Reader::new(&wire[..5]).record(), Err(TRUNCATED));
        assert_eq!(Reader::new(&[0x0b, 0x14]).record(), Err(UNKNOWN_WIRE_TYPE));
        assert_eq!(Reader::new(&[0x0c]).record(), Err(UNKNOWN_WIRE_TYPE));
        assert_eq!(Reader::new(&[0x0b; 1000]).record(), Err(UNKNOWN_WIRE_TYPE));
    }
}
