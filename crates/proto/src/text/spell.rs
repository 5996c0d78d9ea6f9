//! Values as the printer spells them, which is as Python does.

use std::fmt::{Display, Write};

use super::decimal;
use super::descriptor::Scalar;
use super::wire::{Value, low_i32, unzigzag};

/// Appends a scalar as it stands after the colon.
pub(super) fn scalar(scalar: Scalar, value: &Value<'_>, out: &mut String) {
    match (value, scalar) {
        (Value::Bits64(bits), Scalar::Double) => decimal::double(f64::from_bits(*bits), out),
        (Value::Bits64(bits), Scalar::Sfixed64) => integer(bits.cast_signed(), out),
        (Value::Bits64(bits), _) => integer(*bits, out),
        (Value::Bits32(bits), Scalar::Float) => decimal::single(f32::from_bits(*bits), out),
        (Value::Bits32(bits), Scalar::Sfixed32) => integer(bits.cast_signed(), out),
        (Value::Bits32(bits), _) => integer(*bits, out),
        (Value::Varint(bits), Scalar::Bool) => {
            out.push_str(if *bits == 0 { "false" } else { "true" })
        }
        (Value::Varint(bits), Scalar::Int32) => integer(low_i32(*bits), out),
        (Value::Varint(bits), Scalar::Uint32) => integer(low_i32(*bits).cast_unsigned(), out),
        (Value::Varint(bits), Scalar::Uint64) => integer(*bits, out),
        (Value::Varint(bits), Scalar::Sint32 | Scalar::Sint64) => integer(unzigzag(*bits), out),
        (Value::Varint(bits), _) => integer(bits.cast_signed(), out),
        (Value::Bytes(bytes), Scalar::String) => lossy_string(bytes, out),
        (Value::Bytes(bytes), _) => self::bytes(bytes, out),
    }
}

/// Appends an integer.
pub(super) fn integer(value: impl Display, out: &mut String) {
    // Writing to a string does not fail.
    _ = write!(out, "{value}");
}

/// Appends a string in quotes; characters beyond ASCII stand for themselves.
pub(super) fn string(text: &str, out: &mut String) {
    out.push('"');
    escaped_text(text, out);
    out.push('"');
}

/// Appends a string that need not be UTF-8, with escapes where it is not.
fn lossy_string(bytes: &[u8], out: &mut String) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        escaped_text(chunk.valid(), out);
        chunk.invalid().iter().for_each(|byte| escape(*byte, out));
    }
    out.push('"');
}

fn escaped_text(mut text: &str, out: &mut String) {
    while let Some(at) = text.bytes().position(is_special) {
        let (plain, rest) = text.split_at(at);
        out.push_str(plain);
        let mut rest = rest.chars();
        if let Some(Ok(special)) = rest.next().map(u8::try_from) {
            escape(special, out);
        }
        text = rest.as_str();
    }
    out.push_str(text);
}

/// Whether a byte of a string stands for itself only as an escape.
fn is_special(byte: u8) -> bool {
    matches!(byte, ..b' ' | b'"' | b'\'' | b'\\' | 0x7f)
}

/// Appends bytes in quotes; all beyond printable ASCII as octal escapes.
fn bytes(bytes: &[u8], out: &mut String) {
    const BLOCK: usize = 64;
    out.push('"');
    let mut room = [0; 4 * BLOCK];
    for block in bytes.chunks(BLOCK) {
        let mut len = 0usize;
        for byte in block {
            let (text, text_len) = spelled(*byte);
            // What is too much is written over.
            if let Some(place) = room.get_mut(len..).and_then(|rest| rest.first_chunk_mut()) {
                *place = text;
            }
            len = len.saturating_add(text_len);
        }
        out.push_str(ascii(&room, len));
    }
    out.push('"');
}

fn escape(byte: u8, out: &mut String) {
    let (text, len) = spelled(byte);
    out.push_str(ascii(&text, len));
}

fn ascii(bytes: &[u8], len: usize) -> &str {
    str::from_utf8(bytes.get(..len).unwrap_or_default()).unwrap_or_default()
}

/// A byte as it stands in quotes, and how much of that it is.
fn spelled(byte: u8) -> ([u8; 4], usize) {
    match byte {
        b'\n' => (*b"\\n  ", 2),
        b'\r' => (*b"\\r  ", 2),
        b'\t' => (*b"\\t  ", 2),
        b'"' | b'\'' | b'\\' => ([b'\\', byte, 0, 0], 2),
        b' '..=b'~' => ([byte, 0, 0, 0], 1),
        _ => ([b'\\', b'0' | byte >> 6, b'0' | (byte >> 3) & 7, b'0' | byte & 7], 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(value: &Value<'_>, kind: Scalar) -> String {
        let mut out = String::new();
        scalar(kind, value, &mut out);
        out
    }

    // Expected texts: google.protobuf.text_format 7.36.2.
    #[test]
    fn strings_keep_utf8_and_bytes_do_not() {
        let text = "a\"'\\\n\t\r\u{1}\u{7f}\u{e9}\u{80}";
        let mut out = String::new();
        string(text, &mut out);
        assert_eq!(out, "\"a\\\"\\'\\\\\\n\\t\\r\\001\\177\u{e9}\u{80}\"");
        let value = Value::Bytes(text.as_bytes());
        let expected = r#""a\"\'\\\n\t\r\001\177\303\251\302\200""#;
        assert_eq!(spelled(&value, Scalar::Bytes), expected);
    }

    #[test]
    fn strings_of_old_syntax_may_be_no_utf8() {
        let value = Value::Bytes(b"a\xff\xc3\xc3\xa9\n");
        assert_eq!(spelled(&value, Scalar::String), "\"a\\377\\303\u{e9}\\n\"");
    }

    #[test]
    fn integers_are_spelled_by_their_type() {
        let minus_one = Value::Varint(u64::MAX);
        for (kind, text) in [
            (Scalar::Int32, "-1"),
            (Scalar::Int64, "-1"),
            (Scalar::Uint32, "4294967295"),
            (Scalar::Uint64, "18446744073709551615"),
            (Scalar::Sint64, "-9223372036854775808"),
            (Scalar::Bool, "true"),
        ] {
            assert_eq!(spelled(&minus_one, kind), text);
        }
        assert_eq!(spelled(&Value::Bits32(u32::MAX), Scalar::Sfixed32), "-1");
        assert_eq!(spelled(&Value::Bits64(u64::MAX), Scalar::Fixed64), "18446744073709551615");
    }
}
