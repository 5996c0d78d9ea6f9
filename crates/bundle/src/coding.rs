//! Numbers as they lie in files: base-128 varints, least significant group first.

/// Takes values off the front of a byte string; `None` means that it is malformed or too short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder<'a> {
    bytes: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { bytes }
    }

    /// What has not been taken yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Takes the next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(taken)
    }

    /// Takes a byte.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*byte)
    }

    /// Takes a varint of at most ten bytes whose value fits 64 bits.
    pub(crate) fn varint64(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0u32..64).step_by(7) {
            let byte = self.byte()?;
            let group = u64::from(byte & 0x7f);
            let shifted = group << shift;
            if shifted >> shift != group {
                return None;
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Takes a varint of at most five bytes whose value fits 32 bits.
    pub(crate) fn varint32(&mut self) -> Option<u32> {
        let before = self.bytes.len();
        let value = self.varint64()?;
        if before.saturating_sub(self.bytes.len()) > 5 {
            return None;
        }
        u32::try_from(value).ok()
    }
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    loop {
        let [group, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(group & 0x7f);
            return;
        }
        out.push(group | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_follow_the_format() {
        let cases: [(&[u8], Option<u64>); 8] = [
            (&[0x00], Some(0)),
            (&[0x7f], Some(127)),
            (&[0x80, 0x01], Some(128)),
            (&[0x80, 0x80, 0x01], Some(16384)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Some(u64::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], None),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], None),
            (&[0x80], None),
        ];
        for (bytes, value) in cases {
            assert_eq!(Decoder::new(bytes).varint64(), value, "{bytes:x?}");
            let Some(value) = value else { continue };
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
        assert_eq!(Decoder::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).varint32(), Some(u32::MAX));
        assert_eq!(Decoder::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).varint32(), None);
        assert_eq!(Decoder::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]).varint32(), None);
    }
}
