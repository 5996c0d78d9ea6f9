//! Strings as numbers.

use std::str::FromStr;

use flowkeep_tensor::{DType, Element, Tensor};

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::no_type;

/// Reads each string as a number, with white space around it.
///
/// Floats may be written in decimal, in hexadecimal (`0x1.8p3`), or as `inf`, `infinity` and `nan` in
/// any case; too large ones are infinite. Integers are decimal.
/// Shapes: `string_tensor [D..]` → `[D..]`.  Types: `out_type` f32, f64, i32, i64, u32 or u64.
/// Errors: `INVALID_ARGUMENT` for a string that is no number, or no number of that type.
/// Source: OpDef `StringToNumber`.
pub(super) fn string_to_number(init: &KernelInit<'_>) -> Built {
    match init.attr_type("out_type")? {
        DType::F32 => each(|text| float::<f32>(text, |x| x as f32)),
        DType::F64 => each(|text| float::<f64>(text, |x| x)),
        DType::I32 => each(|text| text.parse::<i32>().ok()),
        DType::I64 => each(|text| text.parse::<i64>().ok()),
        DType::U32 => each(|text| text.parse::<u32>().ok()),
        DType::U64 => each(|text| text.parse::<u64>().ok()),
        dtype => Err(no_type(init, dtype)),
    }
}

fn each<T: Element>(read: fn(&str) -> Option<T>) -> Built {
    kernel(move |cx| {
        let input = cx.input(0)?;
        let number = |string: &bytes::Bytes| {
            let trimmed = super::text::strip(string);
            std::str::from_utf8(trimmed).ok().and_then(read).ok_or_else(|| {
                Status::invalid_argument(format!(
                    "StringToNumberOp could not correctly convert string: {}",
                    String::from_utf8_lossy(string)
                ))
            })
        };
        let numbers = input.as_strings()?.iter().map(number).collect::<Result<Vec<T>, _>>()?;
        let output = Tensor::from_vec(input.shape().clone(), numbers)?;
        cx.set_output(0, output)
    })
}

/// A type of numbers that strings are read as, with white space around them.
pub(in crate::ops) trait Readable: Element {
    /// The number; `None` if the string is none of this type.
    fn read(string: &[u8]) -> Option<Self>;
}

macro_rules! readable {
    ($($t:ty, $read:expr;)*) => {$(
        impl Readable for $t {
            fn read(string: &[u8]) -> Option<$t> {
                std::str::from_utf8(super::text::strip(string)).ok().and_then($read)
            }
        }
    )*};
}

readable! {
    f32, |text| float::<f32>(text, |x| x as f32);
    f64, |text| float::<f64>(text, |x| x);
    i32, |text| text.parse().ok();
    i64, |text| text.parse().ok();
}

/// A float in one of C's notations; `narrow` rounds an exact value to the type.
fn float<T: FromStr>(text: &str, narrow: impl Fn(f64) -> T) -> Option<T> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        return hexadecimal(digits).map(|value| narrow(sign * value));
    }
    // NaN may be followed by anything that looks like a name.
    let payload = unsigned.get(3..)?.strip_prefix('(')?.strip_suffix(')')?;
    let is_name = payload.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (unsigned[..3].eq_ignore_ascii_case("nan") && is_name).then(|| narrow(f64::NAN))
}

/// The number with these hexadecimal digits, and perhaps a point and a binary exponent.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.find(['p', 'P']) {
        Some(at) => (&text[..at], decimal_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // 60 bits are kept; what is cut off only matters as being not zero.
    let (mut bits, mut shift) = (0_u64, 0_i32);
    let digits = whole.chars().map(|c| (c, 0)).chain(fraction.chars().map(|c| (c, -4)));
    for (digit, weight) in digits {
        let digit = u64::from(digit.to_digit(16)?);
        if bits >> 56 == 0 {
            bits = bits << 4 | digit;
            shift = shift.saturating_add(weight);
        } else {
            bits |= u64::from(digit != 0);
            shift = shift.saturating_add(weight + 4);
        }
    }
    // In two steps, neither of which leaves the range of exponents too early.
    let exponent = exponent.saturating_add(shift).clamp(-2000, 2000);
    let half = exponent / 2;
    Some(bits as f64 * 2f64.powi(half) * 2f64.powi(exponent - half))
}

/// A decimal exponent; absurd ones are cut off.
fn decimal_exponent(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(sign * digits.parse::<i32>().unwrap_or(1 << 20).min(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::float;

    /// What TensorFlow 2.21 reads.
    #[test]
    fn floats_are_read_in_all_notations() {
        let read = |text| float::<f64>(text, |x| x);
        for (text, value) in [
            ("1.", 1.0),
            (".5", 0.5),
            ("+1", 1.0),
            ("1e400", f64::INFINITY),
            ("-INF", f64::NEG_INFINITY),
            ("Infinity", f64::INFINITY),
            ("0x10", 16.0),
            ("0x1p3", 8.0),
            ("0x.8", 0.5),
            ("-0X1.8P+1", -3.0),
            ("0x1p-200", 2f64.powi(-200)),
            ("0x1p999999999999", f64::INFINITY),
        ] {
            assert_eq!(read(text), Some(value), "{text}");
        }
        assert!(
            ["nan", "-NaN", "nan()", "nan(a_1)"]
                .map(read)
                .iter()
                .all(|x| x.is_some_and(f64::is_nan))
        );
        for text in [
            "", "infinit", "1_0", "1f", "1e", "--1", "0b1", "1,5", "+-1", ".", "nan1", "nan(-)",
            "0x", "0x1p", "é(1)",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn long_hexadecimal_digits_round_once() {
        let read = |text| float::<f64>(text, |x| x);
        assert_eq!(read("0x1.000000000000080000000000001"), Some(1.0 + f64::EPSILON));
        assert_eq!(read("0x1.00000000000008"), Some(1.0));
        assert_eq!(read("0x100000000000000000000"), Some(2f64.powi(80)));
    }
}
