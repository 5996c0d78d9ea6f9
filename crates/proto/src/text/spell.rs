//! Values as the printer spells them, which is as Python does.

use std::fmt::Write;

use super::descriptor::Scalar;
use super::literal;
use super::wire::{self, Value};

/// The low half of a varint: what a reader makes of one that is too large.
pub(super) fn low_i32(bits: u64) -> i32 {
    let [a, b, c, d, ..] = bits.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// A scalar as it stands after the colon.
pub(super) fn scalar(scalar: Scalar, value: &Value<&[u8]>) -> Result<String, &'static str> {
    Ok(match (value, scalar) {
        (Value::Bits64(bits), Scalar::Double) => double_text(f64::from_bits(*bits)),
        (Value::Bits64(bits), Scalar::Sfixed64) => bits.cast_signed().to_string(),
        (Value::Bits64(bits), _) => bits.to_string(),
        (Value::Bits32(bits), Scalar::Float) => single_text(f32::from_bits(*bits)),
        (Value::Bits32(bits), Scalar::Sfixed32) => bits.cast_signed().to_string(),
        (Value::Bits32(bits), _) => bits.to_string(),
        (Value::Varint(bits), Scalar::Bool) => (*bits != 0).to_string(),
        (Value::Varint(bits), Scalar::Int32) => low_i32(*bits).to_string(),
        (Value::Varint(bits), Scalar::Uint32) => low_i32(*bits).cast_unsigned().to_string(),
        (Value::Varint(bits), Scalar::Uint64) => bits.to_string(),
        (Value::Varint(bits), Scalar::Sint32 | Scalar::Sint64) => wire::unzigzag(*bits).to_string(),
        (Value::Varint(bits), _) => bits.cast_signed().to_string(),
        (Value::Bytes(bytes), Scalar::String) => {
            let text = std::str::from_utf8(bytes).map_err(|_| "string is not UTF-8")?;
            string_text(text)
        }
        (Value::Bytes(bytes), _) => bytes_text(bytes),
    })
}

/// The shortest decimal that reads back as `value`, in Python's spelling.
fn double_text(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "nan".to_owned() } else { value.to_string() };
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// The decimal of fewest digits, but no fewer than six tried, that reads back as `value`.
fn single_text(value: f32) -> String {
    let exact = f64::from(value);
    if !value.is_finite() {
        return double_text(exact);
    }
    for decimals in 5..8 {
        let rounded: f64 = format!("{exact:.decimals$e}").parse().unwrap_or(exact);
        if literal::to_single(rounded) == value {
            return double_text(rounded);
        }
    }
    let rounded = format!("{exact:.8e}").parse().unwrap_or(exact);
    double_text(rounded)
}

/// A string in quotes; characters beyond ASCII stand for themselves.
fn string_text(text: &str) -> String {
    let mut out = String::from('"');
    for part in text.chars() {
        match u8::try_from(part) {
            Ok(byte) if byte.is_ascii() => escape(byte, &mut out),
            _ => out.push(part),
        }
    }
    out.push('"');
    out
}

/// Bytes in quotes; all beyond printable ASCII as octal escapes.
fn bytes_text(bytes: &[u8]) -> String {
    let mut out = String::from('"');
    for &byte in bytes {
        escape(byte, &mut out);
    }
    out.push('"');
    out
}

fn escape(byte: u8, out: &mut String) {
    match byte {
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        b'"' => out.push_str("\\\""),
        b'\'' => out.push_str("\\'"),
        b'\\' => out.push_str("\\\\"),
        b' '..=b'~' => out.push(char::from(byte)),
        // Writing to a string does not fail.
        _ => _ = write!(out, "\\{byte:03o}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected texts: google.protobuf.text_format 7.36.2.
    #[test]
    fn floats_are_spelled_as_in_python() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.333_333_34, "0.33333334"),
            (123_456_789.0, "123456790.0"),
            (16_777_216.0, "16777216.0"),
            (1e20, "1e+20"),
            (1.4e-45, "1.4013e-45"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (3.402_823_5e38, "3.4028235e+38"),
            (f32::INFINITY, "inf"),
            (f32::NEG_INFINITY, "-inf"),
            (f32::NAN, "nan"),
        ] {
            assert_eq!(single_text(value), text);
        }
        for (value, text) in [
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e16, "1.5e+16"),
            (1e-7, "1e-07"),
            (5e-324, "5e-324"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (1_009_600.0, "1009600.0"),
        ] {
            assert_eq!(double_text(value), text);
        }
    }

    #[test]
    fn strings_keep_utf8_and_bytes_do_not() {
        let text = "a\"'\\\n\t\r\u{1}\u{7f}\u{e9}";
        assert_eq!(string_text(text), "\"a\\\"\\'\\\\\\n\\t\\r\\001\\177\u{e9}\"");
        assert_eq!(bytes_text(text.as_bytes()), r#""a\"\'\\\n\t\r\001\177\303\251""#);
    }
}
