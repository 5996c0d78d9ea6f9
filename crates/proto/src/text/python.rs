//! What Python says of a string that it does not take.
//!
//! TensorFlow's Python reader turns a literal into bytes in several steps and passes the words of
//! the step that fails on. These functions take the same steps to find the words; no text that is
//! read comes here.

use super::place::escaped;

/// A decoder's words: codec, what is wrong, and the bytes from `start` up to `end`.
fn cannot_decode(codec: &str, bytes: &[u8], start: usize, end: usize, what: &str) -> String {
    let last = end.saturating_sub(1);
    if last > start {
        return format!("'{codec}' codec can't decode bytes in position {start}-{last}: {what}");
    }
    let byte = bytes.get(start).copied().unwrap_or_default();
    format!("'{codec}' codec can't decode byte 0x{byte:02x} in position {start}: {what}")
}

/// The words for bytes that are no UTF-8.
pub(super) fn not_utf8(bytes: &[u8]) -> Option<String> {
    let error = str::from_utf8(bytes).err()?;
    let start = error.valid_up_to();
    let first = bytes.get(start).copied().unwrap_or_default();
    let (end, what) = match error.error_len() {
        None => (bytes.len(), "unexpected end of data"),
        Some(_) if matches!(first, ..0xc2 | 0xf5..) => {
            (start.saturating_add(1), "invalid start byte")
        }
        Some(len) => (start.saturating_add(len), "invalid continuation byte"),
    };
    Some(cannot_decode("utf-8", bytes, start, end, what))
}

/// The words for the inside of a literal; none if Python takes it, or if a character in it goes by
/// a name.
pub(super) fn complaint(inner: &str) -> Option<String> {
    match steps(inner) {
        Ok(()) => None,
        Err(words) => words,
    }
}

fn steps(inner: &str) -> Result<(), Option<String>> {
    let raw = raw_bytes(&with_two_hex_digits(inner));
    let codes = unicode_escapes(&raw)?;
    let utf8 = to_utf8(&codes)?;
    to_latin1(&other_escapes(&utf8)?)
}

/// Writes `\xf` as `\x0f`.
fn with_two_hex_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut n_backslashes = 0usize;
    while let Some(part) = chars.next() {
        out.push(part);
        let mut following = chars.clone();
        let is_digit = |part: Option<char>| part.is_some_and(|part| part.is_ascii_hexdigit());
        if part == 'x'
            && n_backslashes % 2 == 1
            && is_digit(following.next())
            && !is_digit(following.next())
        {
            out.push('0');
        }
        n_backslashes = if part == '\\' { n_backslashes.saturating_add(1) } else { 0 };
    }
    out
}

/// One byte for each of the first 256 characters, escapes for the others.
fn raw_bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for part in text.chars() {
        match u8::try_from(part) {
            Ok(byte) => out.push(byte),
            Err(_) => out.extend_from_slice(escaped(u32::from(part)).as_bytes()),
        }
    }
    out
}

/// The numbers of the characters, once `\u` and `\U` escapes are replaced.
fn unicode_escapes(raw: &[u8]) -> Result<Vec<u32>, Option<String>> {
    let mut codes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [first, tail @ ..] = rest {
        let start = raw.len().saturating_sub(rest.len());
        let (n_digits, what) = match (first, tail) {
            (b'\\', [b'u', ..]) => (4, "truncated \\uXXXX escape"),
            (b'\\', [b'U', ..]) => (8, "truncated \\UXXXXXXXX escape"),
            (b'\\', [second, tail @ ..]) => {
                codes.extend([u32::from(b'\\'), u32::from(*second)]);
                rest = tail;
                continue;
            }
            _ => {
                codes.push((*first).into());
                rest = tail;
                continue;
            }
        };
        let (code, len) = digits(tail.get(1..).unwrap_or_default(), 16, n_digits);
        let end = start.saturating_add(2).saturating_add(len);
        let words = |what| Some(cannot_decode("rawunicodeescape", raw, start, end, what));
        if len < n_digits {
            return Err(words(what));
        }
        if code > 0x10_ffff {
            return Err(words("\\Uxxxxxxxx out of range"));
        }
        codes.push(code);
        rest = raw.get(end..).unwrap_or_default();
    }
    Ok(codes)
}

fn to_utf8(codes: &[u32]) -> Result<Vec<u8>, Option<String>> {
    let is_surrogate = |code: &u32| char::from_u32(*code).is_none();
    match unfit(codes, is_surrogate) {
        None => {
            let text: String = codes.iter().filter_map(|code| char::from_u32(*code)).collect();
            Ok(text.into_bytes())
        }
        Some(place) => {
            Err(Some(format!("'utf-8' codec can't encode {place}: surrogates not allowed")))
        }
    }
}

fn to_latin1(codes: &[u32]) -> Result<(), Option<String>> {
    match unfit(codes, |code| *code > 0xff) {
        None => Ok(()),
        Some(place) => {
            Err(Some(format!("'latin-1' codec can't encode {place}: ordinal not in range(256)")))
        }
    }
}

/// Where the first characters are that an encoder does not take.
fn unfit(codes: &[u32], is_unfit: impl Fn(&u32) -> bool) -> Option<String> {
    let start = codes.iter().position(&is_unfit)?;
    let run = codes.iter().skip(start).take_while(|code| is_unfit(code)).count();
    let last = start.saturating_add(run).saturating_sub(1);
    if last > start {
        return Some(format!("characters in position {start}-{last}"));
    }
    let code = codes.get(start).copied()?;
    Some(format!("character '{}' in position {start}", escaped(code)))
}

/// The numbers of the characters, once all other escapes are replaced.
fn other_escapes(utf8: &[u8]) -> Result<Vec<u32>, Option<String>> {
    let mut codes = Vec::with_capacity(utf8.len());
    let mut rest = utf8;
    while let [first, escape @ ..] = rest {
        if *first != b'\\' {
            codes.push((*first).into());
            rest = escape;
            continue;
        }
        let start = utf8.len().saturating_sub(rest.len());
        let words = |len: usize, what| {
            let end = start.saturating_add(len);
            Err(Some(cannot_decode("unicodeescape", utf8, start, end, what)))
        };
        let (n_digits, what) = match escape {
            [] => return words(1, "\\ at end of string"),
            [b'x', ..] => (2, "truncated \\xXX escape"),
            [b'u', ..] => (4, "truncated \\uXXXX escape"),
            [b'U', ..] => (8, "truncated \\UXXXXXXXX escape"),
            [b'N', name @ ..] => {
                const MALFORMED: &str = "malformed \\N character escape";
                let [b'{', name @ ..] = name else { return words(2, MALFORMED) };
                return match name.iter().position(|byte| *byte == b'}') {
                    None => words(name.len().saturating_add(3), MALFORMED),
                    Some(0) => words(3, MALFORMED),
                    Some(_) => Err(None),
                };
            }
            [b'0'..=b'7', ..] => {
                let (code, len) = digits(escape, 8, 3);
                codes.push(code);
                rest = escape.get(len..).unwrap_or_default();
                continue;
            }
            // What these stand for makes no difference.
            [b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' | b'\'' | b'"', tail @ ..] => {
                codes.push(0);
                rest = tail;
                continue;
            }
            [..] => {
                codes.push(b'\\'.into());
                rest = escape;
                continue;
            }
        };
        let (code, len) = digits(escape.get(1..).unwrap_or_default(), 16, n_digits);
        if len < n_digits {
            return words(len.saturating_add(2), what);
        }
        if code > 0x10_ffff {
            return words(len.saturating_add(2), "illegal Unicode character");
        }
        codes.push(code);
        rest = escape.get(len.saturating_add(1)..).unwrap_or_default();
    }
    Ok(codes)
}

/// The number that up to `max_len` digits spell, and how many there are.
fn digits(text: &[u8], radix: u32, max_len: usize) -> (u32, usize) {
    let digits = text.iter().take(max_len).map_while(|byte| char::from(*byte).to_digit(radix));
    digits.fold((0u32, 0usize), |(value, len), digit| {
        (value.wrapping_mul(radix).wrapping_add(digit), len.saturating_add(1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected words: CPython 3.11. More are in fixtures/text_format/read.jsonl.
    #[test]
    fn literals_that_python_takes_leave_it_silent() {
        for inner in
            ["", "a\\n\\x4\\101\\u00e9\\U0001f600\\q", "\\\\x", "\u{4e2d}\\\u{4e2d}", "\\u005cn"]
        {
            assert_eq!(complaint(inner), None, "{inner}");
        }
        assert_eq!(complaint("\\N{DIGIT ONE}"), None);
    }

    #[test]
    fn the_step_that_fails_first_speaks() {
        for (inner, words) in [
            (
                "\\ud83d\\x\\u12",
                "'rawunicodeescape' codec can't decode bytes in position 8-11: truncated \\uXXXX \
                 escape",
            ),
            (
                "\u{4e2d}\\ud83d\\x",
                "'utf-8' codec can't encode character '\\ud83d' in position 1: surrogates not \
                 allowed",
            ),
            (
                "\u{e9}\\xg",
                "'unicodeescape' codec can't decode bytes in position 2-3: truncated \\xXX escape",
            ),
            (
                "\\400\\477a",
                "'latin-1' codec can't encode characters in position 0-1: ordinal not in range(256)",
            ),
            (
                "\\q\\n\\400",
                "'latin-1' codec can't encode character '\\u0100' in position 3: ordinal not in \
                 range(256)",
            ),
            (
                "a\\",
                "'unicodeescape' codec can't decode byte 0x5c in position 1: \\ at end of string",
            ),
        ] {
            assert_eq!(complaint(inner).as_deref(), Some(words));
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_placed() {
        for (bytes, words) in [
            (
                &b"a\xff"[..],
                "'utf-8' codec can't decode byte 0xff in position 1: invalid start byte",
            ),
            (
                b"\xe4\xb8(",
                "'utf-8' codec can't decode bytes in position 0-1: invalid continuation byte",
            ),
            (
                b"\xf0\x9f\x98",
                "'utf-8' codec can't decode bytes in position 0-2: unexpected end of data",
            ),
        ] {
            assert_eq!(not_utf8(bytes).as_deref(), Some(words));
        }
        assert_eq!(not_utf8("\u{e9}".as_bytes()), None);
    }
}
