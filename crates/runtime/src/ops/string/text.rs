//! Strings measured, trimmed and in other letters.

use bytes::Bytes;
use flowkeep_tensor::Tensor;

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};

/// What strings are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    /// Characters of UTF-8: bytes that do not continue another one.
    Chars,
}

impl Unit {
    /// Reads the attribute `unit`.
    ///
    /// Errors: `INVALID_ARGUMENT` for another unit.
    pub(super) fn of(init: &KernelInit<'_>) -> Result<Unit, Status> {
        match init.attr_str("unit")? {
            "BYTE" => Ok(Unit::Bytes),
            "UTF8_CHAR" => Ok(Unit::Chars),
            other => Err(Status::invalid_argument(format!(
                "unit must be either BYTE or UTF8_CHAR, not {other}"
            ))),
        }
    }
}

/// The length of each string in bytes or characters.
///
/// Shapes: `input [D..]` → `[D..]`, i32.
/// Source: OpDef `StringLength`.
pub(super) fn string_length(init: &KernelInit<'_>) -> Built {
    let unit = Unit::of(init)?;
    kernel(move |cx| {
        let input = cx.input(0)?;
        let length = |string: &Bytes| {
            let n = match unit {
                Unit::Bytes => string.len(),
                Unit::Chars => string.iter().filter(|byte| !continues(**byte)).count(),
            };
            // Cut off as in TensorFlow.
            n as i32
        };
        let lengths = input.as_strings()?.iter().map(length).collect();
        let output = Tensor::from_vec(input.shape().clone(), lengths)?;
        cx.set_output(0, output)
    })
}

/// Whether a byte of UTF-8 continues a character.
pub(super) fn continues(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Turns letters into small ones: those of ASCII, or of Unicode where `encoding` is `utf-8`.
///
/// Shapes: `input [D..]` → `[D..]`.
/// Errors: `INVALID_ARGUMENT` for another encoding.
/// Source: OpDef `StringLower`.
pub(super) fn string_lower(init: &KernelInit<'_>) -> Built {
    let is_unicode = is_unicode(init)?;
    each(move |string| match is_unicode {
        true => String::from_utf8_lossy(string).to_lowercase().into(),
        false => string.to_ascii_lowercase().into(),
    })
}

/// Turns letters into capitals: those of ASCII, or of Unicode where `encoding` is `utf-8`.
///
/// Shapes and errors: as [`string_lower`].
/// Source: OpDef `StringUpper`.
pub(super) fn string_upper(init: &KernelInit<'_>) -> Built {
    let is_unicode = is_unicode(init)?;
    each(move |string| match is_unicode {
        true => String::from_utf8_lossy(string).to_uppercase().into(),
        false => string.to_ascii_uppercase().into(),
    })
}

/// Takes white space of ASCII off both ends.
///
/// Shapes: `input [D..]` → `[D..]`.
/// Source: OpDef `StringStrip`.
pub(super) fn string_strip(_: &KernelInit<'_>) -> Built {
    each(|string| string.slice_ref(strip(string)))
}

/// Whether `byte` is white space for C: those of Rust and the vertical tab.
pub(super) fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0B
}

/// `string` without white space at its ends.
pub(super) fn strip(string: &[u8]) -> &[u8] {
    let Some(start) = string.iter().position(|byte| !is_space(*byte)) else { return &[] };
    let end = string.iter().rposition(|byte| !is_space(*byte)).map_or(start, |last| last + 1);
    &string[start..end]
}

fn is_unicode(init: &KernelInit<'_>) -> Result<bool, Status> {
    match init.attr_str("encoding")? {
        "" => Ok(false),
        "utf-8" => Ok(true),
        other => Err(Status::invalid_argument(format!(
            "only utf-8 or '' (no encoding) is supported, received {other}"
        ))),
    }
}

/// The kernel that replaces each string.
fn each(f: impl Fn(&Bytes) -> Bytes + Send + Sync + 'static) -> Built {
    kernel(move |cx| {
        let mut strings = cx.take_input(0)?;
        strings.make_mut_strings()?.iter_mut().for_each(|string| *string = f(string));
        cx.set_output(0, strings)
    })
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn all_white_space_of_c_is_stripped() {
        assert_eq!(strip(b" \t\n\x0b\x0c\ra b\x0b"), b"a b");
        assert_eq!(strip(b"\x1ca\0"), b"\x1ca\0");
        assert_eq!(strip(b" \n"), b"");
        assert_eq!(strip(b""), b"");
    }
}
