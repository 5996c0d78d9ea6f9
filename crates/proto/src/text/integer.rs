//! Integers, as they are spelled.
//!
//! Errors are the sentence that follows the place; the parser knows the place.

/// Python reads and writes decimal numbers of no more digits.
const MAX_DIGITS: usize = 4300;

/// The integer `text` spells in decimal, `0x`, `0o`, `0b` or leading-zero octal.
pub(super) fn integer(text: &[u8]) -> Result<i128, String> {
    if let Some(small) = small(text) {
        return Ok(small.into());
    }
    let malformed = || format!("Couldn't parse integer: {}", String::from_utf8_lossy(text));
    let (sign, magnitude) = match text {
        [b'-', magnitude @ ..] => ("-", magnitude),
        [b'+', magnitude @ ..] => ("+", magnitude),
        _ => ("", text),
    };
    let (radix, digits) = match magnitude {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits.strip_prefix(b"_").unwrap_or(digits)),
        [b'0', b'o' | b'O', digits @ ..] => (8, digits.strip_prefix(b"_").unwrap_or(digits)),
        [b'0', b'b' | b'B', digits @ ..] => (2, digits.strip_prefix(b"_").unwrap_or(digits)),
        // With `+` and with `_` only zero may begin with a zero.
        [b'0', digits @ ..] if sign != "+" && is_digits(digits) => (8, digits),
        [b'0', rest @ ..] if rest.iter().any(|byte| !matches!(byte, b'0' | b'_')) => {
            return Err(malformed());
        }
        _ => (10, magnitude),
    };
    let values = digit_values(radix, digits).ok_or_else(malformed)?;
    if radix == 10 && values.len() > MAX_DIGITS {
        return Err(malformed());
    }
    let value = values.iter().try_fold(0i128, |value, &digit| {
        value.checked_mul(radix.into())?.checked_add(digit.into())
    });
    match value {
        Some(value) if sign == "-" => Ok(value.saturating_neg()),
        Some(value) => Ok(value),
        None => Err(match decimal(radix, &values) {
            Some(decimal) => out_of_range(format!("{}{decimal}", sign.trim_start_matches('+'))),
            None => format!(
                "Exceeds the limit ({MAX_DIGITS} digits) for integer string conversion; use \
                 sys.set_int_max_str_digits() to increase the limit"
            ),
        }),
    }
}

/// The integer of that type that `text` spells.
pub(super) fn integer_of<T: TryFrom<i128>>(text: &[u8]) -> Result<T, String> {
    let value = integer(text)?;
    T::try_from(value).map_err(|_| out_of_range(value))
}

/// The sentence for an integer that its type cannot hold.
pub(super) fn out_of_range(value: impl std::fmt::Display) -> String {
    format!("Value out of range: {value}")
}

/// Whether `text` is an integer without sign to the C++ reader.
pub(super) fn is_token_of_cpp(text: &[u8]) -> bool {
    match text {
        [b'0', b'x' | b'X', digits @ ..] => {
            !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit)
        }
        [b'0', digits @ ..] => digits.iter().all(|digit| matches!(digit, b'0'..=b'7')),
        digits => is_digits(digits),
    }
}

/// What `text` spells if it is what most integers are: a few decimal digits.
fn small(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    };
    if matches!(digits, [] | [b'0', _, ..]) || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Eighteen digits are fewer than an i64 has.
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
    }
    Some(if is_negative { value.wrapping_neg() } else { value })
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Whether `text` is octal by nothing but a leading zero, and no zero.
pub(super) fn is_octal_of_c(text: &[u8]) -> bool {
    match text.strip_prefix(b"-").unwrap_or(text) {
        [b'0', digits @ ..] => is_digits(digits) && digits.iter().any(|digit| *digit != b'0'),
        _ => false,
    }
}

/// The values of digits, with `_` between any two.
fn digit_values(radix: u8, digits: &[u8]) -> Option<Vec<u8>> {
    let mut values = Vec::with_capacity(digits.len());
    for group in digits.split(|byte| *byte == b'_') {
        if group.is_empty() {
            return None;
        }
        for digit in group {
            let value = char::from(*digit).to_digit(radix.into())?;
            values.push(u8::try_from(value).ok()?);
        }
    }
    Some(values)
}

/// The number in decimal; none if it is longer than Python writes it.
fn decimal(radix: u8, values: &[u8]) -> Option<String> {
    const BASE: u64 = 1_000_000_000;
    // Groups of nine digits, the lowest first.
    let mut groups: Vec<u64> = Vec::new();
    for value in values {
        let mut carry = u64::from(*value);
        for group in &mut groups {
            let sum = group.wrapping_mul(radix.into()).wrapping_add(carry);
            (*group, carry) = (sum % BASE, sum / BASE);
        }
        if carry != 0 {
            groups.push(carry);
        }
        if groups.len() > MAX_DIGITS.div_ceil(9) {
            return None;
        }
    }
    let (highest, rest) = groups.split_last()?;
    let mut text = highest.to_string();
    for group in rest.iter().rev() {
        text.push_str(&format!("{group:09}"));
    }
    (text.len() <= MAX_DIGITS).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("+00", 0),
            ("0_0", 0),
            ("0o17", 15),
            ("0b101", 5),
            ("0x_f", 15),
            ("1_000", 1000),
            ("999999999999999999", 999_999_999_999_999_999),
            ("1000000000000000000", 1_000_000_000_000_000_000),
            ("18446744073709551615", i128::from(u64::MAX)),
        ] {
            assert_eq!(integer(text.as_bytes()), Ok(value), "{text}");
        }
        for text in [
            "", "-", "--1", "+-1", "1.0", "1e3", "0x", "08", "1f", "a", "\"1\"", "0x-1", "+017",
            "0_7", "1__0", "_1", "1_", "0b2", "0o8",
        ] {
            let expected = Err(format!("Couldn't parse integer: {text}"));
            assert_eq!(integer(text.as_bytes()), expected);
        }
    }

    // Expected sentences: google.protobuf.text_format 7.36.2 on CPython 3.11.
    #[test]
    fn integers_of_any_size_are_told() {
        let nines = "9".repeat(60);
        assert_eq!(integer(nines.as_bytes()), Err(format!("Value out of range: {nines}")));
        let hex = format!("-0x{}", "f".repeat(40));
        let expected = "Value out of range: -1461501637330902918203684832716283019655932542975";
        assert_eq!(integer(hex.as_bytes()), Err(expected.to_owned()));
        let longest = "9".repeat(MAX_DIGITS);
        assert_eq!(integer(longest.as_bytes()), Err(format!("Value out of range: {longest}")));
        let longer = "9".repeat(MAX_DIGITS + 1);
        assert_eq!(integer(longer.as_bytes()), Err(format!("Couldn't parse integer: {longer}")));
        let hex = format!("0x{}", "f".repeat(100_000));
        assert_eq!(
            integer(hex.as_bytes()).unwrap_err(),
            "Exceeds the limit (4300 digits) for integer string conversion; use \
             sys.set_int_max_str_digits() to increase the limit"
        );
    }

    #[test]
    fn octals_of_c_are_told_from_zeros() {
        for (text, is_octal) in
            [("017", true), ("-08", true), ("00", false), ("0", false), ("0o7", false)]
        {
            assert_eq!(is_octal_of_c(text.as_bytes()), is_octal, "{text}");
        }
    }

    #[test]
    fn types_have_bounds() {
        assert_eq!(integer_of::<i32>(b"-2147483648"), Ok(i32::MIN));
        let error = Err("Value out of range: 2147483648".to_owned());
        assert_eq!(integer_of::<i32>(b"2147483648"), error);
        assert_eq!(integer_of::<u32>(b"-1"), Err("Value out of range: -1".to_owned()));
        assert_eq!(integer_of::<u64>(b"-0"), Ok(0));
    }

    #[test]
    fn the_other_reader_knows_three_bases() {
        for text in ["0", "12", "017", "00", "0x1F", "0X0"] {
            assert!(is_token_of_cpp(text.as_bytes()), "{text}");
        }
        for text in ["", "-1", "+1", "08", "0x", "0o7", "0b1", "1_0", "1.0", "a"] {
            assert!(!is_token_of_cpp(text.as_bytes()), "{text}");
        }
    }
}
