//! Floats and booleans, as they are spelled.
//!
//! Errors are the sentence that follows the place; the parser knows the place.

use super::integer;

/// The float `text` spells; too large a number is infinite.
pub(super) fn float(text: &[u8]) -> Result<f64, String> {
    let malformed = || format!("Couldn't parse float: {}", String::from_utf8_lossy(text));
    let ascii = str::from_utf8(text).map_err(|_| malformed())?;
    if let [b'0', b'0'..=b'9', ..] | [b'-', b'0', b'0'..=b'9', ..] = text {
        return Err(format!("Invalid octal float: {ascii}"));
    }
    if let Ok(value) = ascii.parse() {
        return Ok(value);
    }
    let is_infinity =
        |text: &str| text.eq_ignore_ascii_case("inff") || text.eq_ignore_ascii_case("infinityf");
    if is_infinity(ascii) {
        return Ok(f64::INFINITY);
    }
    if ascii.strip_prefix('-').is_some_and(is_infinity) {
        return Ok(f64::NEG_INFINITY);
    }
    if ascii.eq_ignore_ascii_case("nanf") {
        return Ok(f64::NAN);
    }
    let plain = without_underscores(ascii).ok_or_else(malformed)?;
    plain.parse().or_else(|_| plain.trim_end_matches(['f', 'F']).parse()).map_err(|_| malformed())
}

/// The text without the underscores between its digits, as in `1_000`; none if there is one
/// elsewhere.
fn without_underscores(text: &str) -> Option<String> {
    let mut groups = text.split('_');
    let mut out = String::from(groups.next()?);
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

/// Whether `text` is a float without sign to the C++ reader.
pub(super) fn is_token_of_cpp(text: &[u8]) -> bool {
    let is_name =
        ["inf", "infinity", "nan"].iter().any(|name| text.eq_ignore_ascii_case(name.as_bytes()));
    is_name || matches!(text, [b'0'..=b'9' | b'.', ..]) && is_number_of_cpp(text)
}

fn is_number_of_cpp(text: &[u8]) -> bool {
    let number = match text {
        [number @ .., b'f' | b'F'] => number,
        number => number,
    };
    let is_plain = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    number.iter().all(is_plain) && float(number).is_ok()
}

/// The boolean `text` spells.
pub(super) fn boolean(text: &[u8]) -> Result<bool, String> {
    match text {
        b"true" | b"True" | b"t" | b"1" => Ok(true),
        b"false" | b"False" | b"f" | b"0" => Ok(false),
        _ => Err("Expected \"true\" or \"false\".".to_owned()),
    }
}

/// The boolean that the C++ reader takes an integer for.
pub(super) fn boolean_of_cpp(text: &[u8]) -> Option<bool> {
    match integer::is_token_of_cpp(text).then(|| integer::integer(text))? {
        Ok(0) => Some(false),
        Ok(1) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("1ff", 1.0),
        ] {
            assert_eq!(float(text.as_bytes()), Ok(value), "{text}");
        }
        assert!(float(b"NaN").is_ok_and(f64::is_nan));
        assert!(float(b"nanf").is_ok_and(f64::is_nan));
        for text in
            ["", "0x10", "1.0.0", "e5", "\"1\"", "--1", "f", "1__0", "_1", "1_", "1_.5", "+inff"]
        {
            assert_eq!(float(text.as_bytes()), Err(format!("Couldn't parse float: {text}")));
        }
        assert_eq!(float(b"-01.5"), Err("Invalid octal float: -01.5".to_owned()));
        assert_eq!(to_single(1e39), f32::INFINITY);
        assert_eq!(to_single(0.1), 0.1);
    }

    #[test]
    fn the_other_reader_is_stricter() {
        for text in ["1", "1.5", ".5", "1.f", "1e5F", "inf", "INFINITY", "NaN"] {
            assert!(is_token_of_cpp(text.as_bytes()), "{text}");
        }
        for text in ["", "-1", "+1", "1ff", "inff", "1_0", "05", "0x1", "1e", "f", "x"] {
            assert!(!is_token_of_cpp(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn booleans_are_words_or_bits() {
        assert_eq!((boolean(b"True"), boolean(b"f")), (Ok(true), Ok(false)));
        for (text, value) in [("0x1", Some(true)), ("00", Some(false)), ("1", Some(true))] {
            assert_eq!(boolean_of_cpp(text.as_bytes()), value);
        }
        for text in ["TRUE", "2", "-1", "+1", "08", "0b1", "10", ""] {
            assert!(boolean(text.as_bytes()).is_err(), "{text}");
            assert_eq!(boolean_of_cpp(text.as_bytes()), None, "{text}");
        }
    }
}
