//! String literals, and the bytes they stand for.
//!
//! Errors are the sentence that follows the place; the parser knows the place.

use std::slice;

use super::place::{escaped, repr};
use super::python;

/// Appends the bytes of a string literal, given with its quotes.
///
/// Gives what the Python reader says if only the C++ reader takes it.
pub(super) fn string(literal: &[u8], out: &mut Vec<u8>) -> Result<Option<String>, String> {
    let shown = || repr(&String::from_utf8_lossy(literal));
    let [quote @ (b'"' | b'\''), rest @ ..] = literal else {
        return Err(format!("Expected string but found: {}", shown()));
    };
    let Some(inner) = rest.strip_suffix(slice::from_ref(quote)) else {
        return Err(format!("String missing ending quote: {}", shown()));
    };
    let mut is_odd = false;
    let complaint = || python::complaint(&String::from_utf8_lossy(inner));
    match unescape(inner, out, &mut is_odd) {
        Some(()) if is_odd => match complaint() {
            Some(words) if !has_escapes_of_cpp(inner) => Err(words),
            said => Ok(said),
        },
        Some(()) => Ok(None),
        None => {
            let unnamed = "escapes by character name are not supported";
            Err(complaint().unwrap_or_else(|| unnamed.to_owned()))
        }
    }
}

/// Whether the C++ reader takes a literal.
pub(super) fn is_token_of_cpp(literal: &[u8]) -> bool {
    has_escapes_of_cpp(literal) && string(literal, &mut Vec::new()).is_ok()
}

/// Whether the C++ reader knows all escapes.
fn has_escapes_of_cpp(mut text: &[u8]) -> bool {
    while let Some((_, [escape, rest @ ..])) = split_at_backslash(text) {
        if !b"abfnrtv\\?'\"01234567xXuU".contains(escape) {
            return false;
        }
        text = rest;
    }
    true
}

fn split_at_backslash(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (plain, rest) = text.split_at_checked(text.iter().position(|byte| *byte == b'\\')?)?;
    Some((plain, rest.get(1..)?))
}

/// Appends what stands between quotes; none if an escape is malformed.
///
/// Sets `is_odd` if there is an escape that the Python reader may take for something else.
fn unescape(mut text: &[u8], out: &mut Vec<u8>, is_odd: &mut bool) -> Option<()> {
    while let Some((plain, rest)) = split_at_backslash(text) {
        out.extend_from_slice(plain);
        text = escape(rest, out, is_odd)?;
        // Most bytes that are no text come after one another.
        while let [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] = text {
            out.push((a & 3) << 6 | (b & 7) << 3 | (c & 7));
            text = rest;
        }
    }
    out.extend_from_slice(text);
    Some(())
}

/// Appends what an escape stands for, given without its backslash, and gives the text after it.
fn escape<'a>(text: &'a [u8], out: &mut Vec<u8>, is_odd: &mut bool) -> Option<&'a [u8]> {
    let (&escape, rest) = text.split_first()?;
    let byte = match escape {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'\'' | b'"' => escape,
        b'0'..=b'7' => {
            let (value, tail) = digits(text, 8, 3);
            // Of three digits the low eight bits count.
            let [low, high, ..] = value.to_le_bytes();
            out.push(low);
            *is_odd |= high != 0;
            return Some(tail);
        }
        b'x' => {
            let (value, tail) = digits(rest, 16, 2);
            out.push(u8::try_from(value).ok().filter(|_| tail.len() < rest.len())?);
            return Some(tail);
        }
        b'u' | b'U' => return code_point(text, out, is_odd),
        b'N' => return None,
        _ => return unknown(text, out),
    };
    out.push(byte);
    Some(rest)
}

/// Appends an escape that means nothing: it stands for itself, backslash included.
fn unknown<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let chunk = text.get(..4).unwrap_or(text).utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        // Python makes an escape of such a character before it looks for escapes.
        Some(wide) if wide > '\u{ff}' => {
            out.extend_from_slice(escaped(u32::from(wide)).as_bytes());
            text.get(wide.len_utf8()..)
        }
        _ => {
            out.push(b'\\');
            Some(text)
        }
    }
}

/// The number that at most `max_len` digits spell, and the text after them.
fn digits(mut text: &[u8], radix: u32, max_len: usize) -> (u32, &[u8]) {
    let mut value = 0u32;
    for _ in 0..max_len {
        let [first, rest @ ..] = text else { break };
        let Some(digit) = char::from(*first).to_digit(radix) else { break };
        value = value.wrapping_mul(radix).wrapping_add(digit);
        text = rest;
    }
    (value, text)
}

/// Appends the character of an escape `uXXXX` or `UXXXXXXXX`.
///
/// As for the C++ reader two surrogates are one character, one alone is three bytes that are no
/// UTF-8, and a number that is just too large stands for itself.
fn code_point<'a>(text: &'a [u8], out: &mut Vec<u8>, is_odd: &mut bool) -> Option<&'a [u8]> {
    let (mut code, mut rest) = exact_code(text)?;
    *is_odd |= matches!(code, 0x5c | 0xd800..=0xdfff | 0x11_0000..);
    if let 0xd800..=0xdbff = code
        && let [b'\\', second @ ..] = rest
        && second.starts_with(b"u")
        && let Some((low @ 0xdc00..=0xdfff, tail)) = exact_code(second)
    {
        code = ((code & 0x3ff) << 10 | (low & 0x3ff)).wrapping_add(0x1_0000);
        rest = tail;
    }
    match (char::from_u32(code), code) {
        (Some(character), _) => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        (None, 0xd800..=0xdfff) => {
            let [low, high, ..] = code.to_le_bytes();
            let middle = (high & 0x0f) << 2 | low >> 6;
            out.extend_from_slice(&[0xe0 | high >> 4, 0x80 | middle, 0x80 | low & 0x3f]);
        }
        (None, 0x11_0000..0x20_0000) => out.extend_from_slice(escaped(code).as_bytes()),
        _ => return None,
    }
    Some(rest)
}

/// The number that `uXXXX` or `UXXXXXXXX` spells, with all its digits.
fn exact_code(text: &[u8]) -> Option<(u32, &[u8])> {
    let (letter, rest) = text.split_first()?;
    let len = if *letter == b'u' { 4 } else { 8 };
    let (value, tail) = digits(rest, 16, len);
    (rest.len().saturating_sub(tail.len()) == len).then_some((value, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(literal: &str, expected: Result<&[u8], &str>) {
        let mut out = Vec::new();
        let result = string(literal.as_bytes(), &mut out).map(|_| out);
        assert_eq!(result.as_deref().map_err(String::as_str), expected, "{literal}");
    }

    // Expected values: google.protobuf.text_format 7.36.2.
    #[test]
    fn escapes_stand_for_bytes() {
        check(r"'\a\b\f\n\r\t\v\\\'\x22'", Ok(b"\x07\x08\x0c\n\r\t\x0b\\'\""));
        check(r"'\1\12\123\1234\0'", Ok(b"\x01\x0aSS4\0"));
        check(r"'\000\001\377\18'", Ok(b"\x00\x01\xff\x018"));
        check(r"'\xf\x4a\x4A4'", Ok(b"\x0fJJ4"));
        check(r"'\377\xff'", Ok(b"\xff\xff"));
        check(r"'\u00e9\U0001f600'", Ok("\u{e9}\u{1f600}".as_bytes()));
        check(r"'\q\?\8'", Ok(br"\q\?\8"));
        check("'\\\u{e9}\\\u{4e2d}'", Ok("\\\u{e9}\\u4e2d".as_bytes()));
    }

    // Expected values: the C++ reader; the other refuses these.
    #[test]
    fn surrogates_and_large_numbers_are_those_of_the_cpp_reader() {
        check(r"'\ud83d\ude00'", Ok("\u{1f600}".as_bytes()));
        check(r"'\udbff\udfff'", Ok("\u{10ffff}".as_bytes()));
        check(r"'\ud83dx\ude00'", Ok(b"\xed\xa0\xbdx\xed\xb8\x80"));
        check(r"'\777\400\477'", Ok(b"\xff\0?"));
        check(r"'\U001ABCDE'", Ok(br"\U001abcde"));
        check(r"'\u005cn'", Ok(br"\n"));
    }

    #[test]
    fn bad_literals_are_refused() {
        check("'", Err("String missing ending quote: \"'\""));
        check("\"ab", Err("String missing ending quote: '\"ab'"));
        check("ab", Err("Expected string but found: 'ab'"));
        check(
            r"'a\x'",
            Err("'unicodeescape' codec can't decode bytes in position 1-2: truncated \\xXX escape"),
        );
        check(r"'\N{DIGIT ONE}'", Err("escapes by character name are not supported"));
    }

    #[test]
    fn what_python_says_of_odd_literals_is_told() {
        let said = |literal: &str| string(literal.as_bytes(), &mut Vec::new()).unwrap();
        assert_eq!(said(r"'\u00e9\q\377'"), None);
        assert_eq!(said(r"'\u005cn'"), None);
        // Neither reader takes both.
        assert!(string(br"'\400\q'", &mut Vec::new()).is_err());
        for literal in [r"'\400'", r"'\ud83d'", r"'\U00110000'", r"'\u005c'"] {
            assert!(said(literal).unwrap().contains("codec can't"), "{literal}");
        }
    }

    #[test]
    fn the_cpp_reader_knows_fewer_escapes() {
        assert!(is_token_of_cpp(br"'\n\?\X41\u0041'"));
        assert!(!is_token_of_cpp(br"'\q'") && !is_token_of_cpp(br"'\x'"));
    }
}
