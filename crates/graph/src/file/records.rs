//! The records of a binary message, without decoding what is in them.

/// The value of a record, as far as a reader needs to know it to find the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    /// A string, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
    Fixed64(u64),
    Fixed32,
}

/// Why records end before the bytes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A record claims more bytes than there are.
    Cut,
    /// The bytes are no records.
    Malformed,
}

/// A field's number and value.
pub(super) type Record<'a> = Result<(u32, Value<'a>), Fault>;

/// The records of a message.
#[derive(Clone, Debug)]
pub(super) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(super) fn new(message: &'a [u8]) -> Records<'a> {
        Records { rest: message }
    }

    /// The next record, and the bytes that it is in.
    pub(super) fn next_raw(&mut self) -> Option<(Record<'a>, &'a [u8])> {
        let before = self.rest;
        let record = self.next()?;
        let (raw, _) = before.split_at(before.len() - self.rest.len());
        Some((record, raw))
    }

    fn record(&mut self) -> Record<'a> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Fault::Malformed)?;
        if number == 0 || number > MAX_NUMBER {
            return Err(Fault::Malformed);
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(*self.fixed()?)),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| Fault::Cut)?;
                let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Fault::Cut)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => {
                self.fixed::<4>()?;
                Value::Fixed32
            }
            // Nothing that writes graphs has ever used groups.
            _ => return Err(Fault::Malformed),
        };
        Ok((number, value))
    }

    fn fixed<const N: usize>(&mut self) -> Result<&'a [u8; N], Fault> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Fault::Cut)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut bits = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Fault::Cut)?;
            self.rest = rest;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(bits);
            }
        }
        Err(Fault::Malformed)
    }
}

/// The largest number that a field may have.
const MAX_NUMBER: u32 = (1 << 29) - 1;

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_without_decoding_them() {
        let message = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 0, 0, 0, 0, 0xa0, 0x06, 1];
        let records: Result<Vec<_>, _> = Records::new(&message).collect();
        let expected = [
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Fixed32),
            (100, Value::Varint(1)),
        ];
        assert_eq!(records.unwrap(), expected);
    }

    #[test]
    fn what_is_cut_is_told_from_what_is_no_message() {
        for (bytes, fault) in [
            (&[0x12, 3, b'h'][..], Fault::Cut),
            (&[0x08], Fault::Cut),
            (&[0x80], Fault::Cut),
            (&[0x09, 1, 2], Fault::Cut),
            (&[0x0b], Fault::Malformed),
            (&[0x02, 0], Fault::Malformed),
            (&[0xff; 11], Fault::Malformed),
        ] {
            let records: Vec<_> = Records::new(bytes).collect();
            assert_eq!(records, [Err(fault)], "{bytes:?}");
        }
    }
}
