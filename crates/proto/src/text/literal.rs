//! Values as they are spelled: integers, floats, booleans, string literals.
//!
//! Errors are the sentence that follows the place; the parser knows the place.

/// The integer `text` spells in decimal, `0x`, `0o`, `0b` or leading-zero octal.
pub(super) fn integer(text: &str) -> Result<i128, String> {
    let malformed = || format!("Couldn't parse integer: {text}");
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = if digits.len() > 1 && digits.starts_with('0') {
        let prefixed = |lower, upper| digits.strip_prefix(lower).or(digits.strip_prefix(upper));
        if let Some(digits) = prefixed("0x", "0X") {
            (16, digits)
        } else if let Some(digits) = prefixed("0o", "0O") {
            (8, digits)
        } else if let Some(digits) = prefixed("0b", "0B") {
            (2, digits)
        } else {
            (8, digits)
        }
    } else {
        (10, digits)
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(malformed());
    }
    let magnitude = i128::from_str_radix(digits, radix).map_err(|_| out_of_range(text))?;
    Ok(if is_negative { magnitude.saturating_neg() } else { magnitude })
}

/// The sentence for an integer that its type cannot hold.
pub(super) fn out_of_range(value: impl std::fmt::Display) -> String {
    format!("Value out of range: {value}")
}

/// The float `text` spells; too large a number is infinite.
pub(super) fn float(text: &str) -> Result<f64, String> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let mut chars = unsigned.chars();
    if chars.next() == Some('0') && chars.next().is_some_and(|digit| digit.is_ascii_digit()) {
        return Err(format!("Invalid octal float: {text}"));
    }
    let suffixes = ['f', 'F'];
    let plain = without_underscores(text);
    let plain = plain.as_deref().unwrap_or(text);
    // `inff` has one suffix, and `1ff` is taken as well.
    let parsed = plain
        .parse()
        .or_else(|_| plain.strip_suffix(suffixes).unwrap_or(plain).parse())
        .or_else(|_| plain.trim_end_matches(suffixes).parse());
    parsed.map_err(|_| format!("Couldn't parse float: {text}"))
}

/// The text without the underscores between its digits, as in `1_000`; `None` if there is nothing
/// to leave out, or an underscore elsewhere.
fn without_underscores(text: &str) -> Option<String> {
    let mut groups = text.split('_').peekable();
    let mut out = String::from(groups.next()?);
    groups.peek()?;
    for group in groups {
        let is_between = out.ends_with(|c: char| c.is_ascii_digit())
            && group.starts_with(|c: char| c.is_ascii_digit());
        if !is_between {
            return None;
        }
        out.push_str(group);
    }
    Some(out)
}

/// The nearest float of single precision; infinite when too large.
pub(super) fn to_single(value: f64) -> f32 {
    #[expect(clippy::as_conversions, reason = "the only conversion that rounds to nearest")]
    let single = value as f32;
    single
}

/// The boolean `text` spells.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" | "t" | "1" => Ok(true),
        "false" | "False" | "f" | "0" => Ok(false),
        _ => Err("Expected \"true\" or \"false\".".to_owned()),
    }
}

/// Appends the bytes of a string literal, given with its quotes.
pub(super) fn string(text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let quote = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => quote,
        _ => return Err(format!("Expected string but found: {}", quoted(text))),
    };
    let inner = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let Some(inner) = inner else {
        return Err(format!("String missing ending quote: {}", quoted(text)));
    };
    unescape(inner, out)
}

fn unescape(mut text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    while let Some((plain, rest)) = text.split_once('\\') {
        out.extend_from_slice(plain.as_bytes());
        let mut chars = rest.chars();
        let escape = chars.next().ok_or("string literal ends in a backslash")?;
        text = chars.as_str();
        match escape {
            'a' => out.push(0x07),
            'b' => out.push(0x08),
            'f' => out.push(0x0c),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(0x0b),
            '\\' => out.push(b'\\'),
            '\'' => out.push(b'\''),
            '"' => out.push(b'"'),
            '0'..='7' => {
                let (value, tail) = digits(rest, 8, 3);
                let value = u8::try_from(value);
                out.push(value.map_err(|_| "octal escape is above 377")?);
                text = tail;
            }
            'x' => {
                let (value, tail) = digits(text, 16, 2);
                if tail.len() == text.len() {
                    return Err("escape \\x without a hexadecimal digit".to_owned());
                }
                out.push(u8::try_from(value).map_err(|_| "hexadecimal escape is above ff")?);
                text = tail;
            }
            'u' | 'U' => {
                let (value, tail) = code_point(text, if escape == 'u' { 4 } else { 8 })?;
                out.extend_from_slice(value.encode_utf8(&mut [0; 4]).as_bytes());
                text = tail;
            }
            'N' => return Err("escapes by character name are not supported".to_owned()),
            // Anything else stands for itself, backslash included.
            other => {
                out.push(b'\\');
                out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// The number that at most `max_len` digits spell, and the text after them.
fn digits(text: &str, radix: u32, max_len: usize) -> (u32, &str) {
    let mut value = 0u32;
    let mut rest = text;
    for _ in 0..max_len {
        let mut chars = rest.chars();
        let Some(digit) = chars.next().and_then(|digit| digit.to_digit(radix)) else { break };
        value = value.wrapping_mul(radix).wrapping_add(digit);
        rest = chars.as_str();
    }
    (value, rest)
}

/// The character that exactly `len` hexadecimal digits spell, or a pair of surrogates.
fn code_point(text: &str, len: usize) -> Result<(char, &str), String> {
    let exact = |text| {
        let (value, rest): (u32, &str) = digits(text, 16, len);
        let is_whole = text.len().saturating_sub(rest.len()) == len;
        is_whole.then_some((value, rest)).ok_or("truncated unicode escape")
    };
    let (value, rest) = exact(text)?;
    if let Some(character) = char::from_u32(value) {
        return Ok((character, rest));
    }
    let pair = match (value, rest.strip_prefix("\\u")) {
        (0xd800..=0xdbff, Some(second)) if len == 4 => Some(exact(second)?),
        _ => None,
    };
    if let Some((low @ 0xdc00..=0xdfff, rest)) = pair {
        let offset = value.wrapping_sub(0xd800).wrapping_mul(0x400);
        let combined = low.wrapping_sub(0xdc00).wrapping_add(offset).wrapping_add(0x1_0000);
        if let Some(character) = char::from_u32(combined) {
            return Ok((character, rest));
        }
    }
    Err("unicode escape is not a character".to_owned())
}

/// `text` in quotes, as TensorFlow's messages show it.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for part in text.chars() {
        match part {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            part if part == quote => out.extend(['\\', part]),
            part => out.push(part),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_string(text: &str, expected: Result<&[u8], &str>) {
        let mut out = Vec::new();
        let result = string(text, &mut out).map(|()| out);
        assert_eq!(result.as_deref().map_err(String::as_str), expected, "{text}");
    }

    // Expected values: google.protobuf.text_format 7.36.2, but for the surrogate pair, which
    // only the C++ reader takes.
    #[test]
    fn escapes_stand_for_bytes() {
        check_string(r"'\a\b\f\n\r\t\v\\\'\x22'", Ok(b"\x07\x08\x0c\n\r\t\x0b\\'\""));
        check_string(r"'\1\12\123\1234\0'", Ok(b"\x01\x0aSS4\0"));
        check_string(r"'\xf\x4a\x4A4'", Ok(b"\x0fJJ4"));
        check_string(r"'\377\xff'", Ok(b"\xff\xff"));
        check_string(r"'\u00e9\U0001f600'", Ok("\u{e9}\u{1f600}".as_bytes()));
        check_string(r"'\ud83d\ude00'", Ok("\u{1f600}".as_bytes()));
        check_string(r"'\q\?\8'", Ok(br"\q\?\8"));
    }

    #[test]
    fn bad_escapes_are_refused() {
        check_string(r"'\x'", Err("escape \\x without a hexadecimal digit"));
        check_string(r"'\xg'", Err("escape \\x without a hexadecimal digit"));
        check_string(r"'\400'", Err("octal escape is above 377"));
        check_string(r"'\u12'", Err("truncated unicode escape"));
        check_string(r"'\ud800'", Err("unicode escape is not a character"));
        check_string(r"'\ud800\u0041'", Err("unicode escape is not a character"));
        check_string(r"'\U00110000'", Err("unicode escape is not a character"));
        check_string("'", Err("String missing ending quote: \"'\""));
        check_string("\"ab", Err("String missing ending quote: '\"ab'"));
        check_string("ab", Err("Expected string but found: 'ab'"));
    }

    #[test]
    fn integers_take_four_bases_and_a_sign() {
        for (text, value) in [
            ("0", 0),
            ("-12", -12),
            ("+12", 12),
            ("0x1F", 31),
            ("-0X1f", -31),
            ("017", 15),
            ("-017", -15),
            ("00", 0),
            ("0o17", 15),
            ("0b101", 5),
            ("18446744073709551615", i128::from(u64::MAX)),
        ] {
            assert_eq!(integer(text), Ok(value), "{text}");
        }
        for text in ["", "-", "--1", "+-1", "1.0", "1e3", "0x", "08", "1f", "a", "\"1\"", "0x-1"] {
            assert_eq!(integer(text), Err(format!("Couldn't parse integer: {text}")));
        }
        let huge = "9".repeat(60);
        assert_eq!(integer(&huge), Err(format!("Value out of range: {huge}")));
    }

    #[test]
    fn floats_take_suffixes_and_infinities() {
        for (text, value) in [
            ("1", 1.0),
            ("-1.5f", -1.5),
            ("1.5F", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e-3", 1e-3),
            ("0", 0.0),
            ("0.5", 0.5),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("inff", f64::INFINITY),
            ("1e400", f64::INFINITY),
            ("1_000.2_5", 1000.25),
        ] {
            assert_eq!(float(text), Ok(value), "{text}");
        }
        assert!(float("NaN").is_ok_and(f64::is_nan));
        assert!(float("nanf").is_ok_and(f64::is_nan));
        for text in ["", "0x10", "1.0.0", "e5", "\"1\"", "--1", "f", "1__0", "_1", "1_", "1_.5"] {
            assert_eq!(float(text), Err(format!("Couldn't parse float: {text}")));
        }
        assert_eq!(float("-01.5"), Err("Invalid octal float: -01.5".to_owned()));
        assert_eq!(to_single(1e39), f32::INFINITY);
        assert_eq!(to_single(0.1), 0.1);
    }
}
