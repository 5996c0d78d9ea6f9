//! Scalars on the wire: written by the parser, read by the printer.

use super::descriptor::Scalar;

/// A scalar in one of the four shapes that records have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<B> {
    Varint(u64),
    Bits64(u64),
    Bits32(u32),
    Bytes(B),
}

impl<B: AsRef<[u8]>> Value<B> {
    /// Whether it is what an absent field stands for.
    pub(super) fn is_default(&self) -> bool {
        match self {
            Self::Varint(bits) | Self::Bits64(bits) => *bits == 0,
            Self::Bits32(bits) => *bits == 0,
            Self::Bytes(bytes) => bytes.as_ref().is_empty(),
        }
    }

    fn wire_type(&self) -> u64 {
        match self {
            Self::Varint(_) => 0,
            Self::Bits64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Bits32(_) => 5,
        }
    }

    /// Appends the value without tag.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Varint(bits) => put_varint(*bits, out),
            Self::Bits64(bits) => out.extend_from_slice(&bits.to_le_bytes()),
            Self::Bits32(bits) => out.extend_from_slice(&bits.to_le_bytes()),
            Self::Bytes(bytes) => {
                let bytes = bytes.as_ref();
                // Every length in memory fits 64 bits.
                put_varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX), out);
                out.extend_from_slice(bytes);
            }
        }
    }

    /// Appends the value as the record of a field.
    pub(super) fn put_field(&self, number: u32, out: &mut Vec<u8>) {
        put_varint(u64::from(number) << 3 | self.wire_type(), out);
        self.put(out);
    }
}

fn put_varint(mut bits: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = bits.to_le_bytes();
        bits >>= 7;
        if bits == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Folds the sign into the lowest bit, as `sint32` and `sint64` want it.
pub(super) fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

/// Undoes [`zigzag`].
pub(super) fn unzigzag(bits: u64) -> i64 {
    ((bits >> 1) ^ (bits & 1).wrapping_neg()).cast_signed()
}

/// Takes records off the front of a message.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(wire: &'a [u8]) -> Self {
        Self { rest: wire }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next record: field number and value.
    pub(super) fn record(&mut self) -> Result<(u32, Value<&'a [u8]>), &'static str> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| "field number is too large")?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Bits64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| TRUNCATED)?;
                let (bytes, rest) = self.rest.split_at_checked(len).ok_or(TRUNCATED)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Bits32(u32::from_le_bytes(self.array()?)),
            _ => return Err("record of unknown wire type"),
        };
        if number == 0 {
            return Err("field number is zero");
        }
        Ok((number, value))
    }

    /// The next value of a packed record of that type.
    pub(super) fn packed(&mut self, scalar: Scalar) -> Result<Value<&'a [u8]>, &'static str> {
        Ok(match scalar {
            Scalar::Double | Scalar::Fixed64 | Scalar::Sfixed64 => {
                Value::Bits64(u64::from_le_bytes(self.array()?))
            }
            Scalar::Float | Scalar::Fixed32 | Scalar::Sfixed32 => {
                Value::Bits32(u32::from_le_bytes(self.array()?))
            }
            _ => Value::Varint(self.varint()?),
        })
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

const TRUNCATED: &str = "record is truncated";

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
            let mut out = Vec::new();
            put_varint(bits, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(Reader::new(bytes).varint(), Ok(bits));
        }
        assert_eq!(Reader::new(&[0x80; 11]).varint(), Err("varint is too long"));
        assert_eq!(Reader::new(&[0x80]).varint(), Err(TRUNCATED));
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
        assert_eq!(Reader::new(&[0x0b]).record(), Err("record of unknown wire type"));
    }
}
