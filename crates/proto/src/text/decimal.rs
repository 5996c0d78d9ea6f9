//! Floats in decimal, as Python writes them.

use std::fmt::{self, LowerExp, Write};

use super::float::to_single;

/// Appends the shortest decimal that reads back as `value`.
///
/// Of two that are equally near, the one whose last digit is even.
pub(super) fn double(value: f64, out: &mut String) {
    if is_no_number(value, out) {
        return;
    }
    let shortest = Scientific::shortest(value);
    let parts = shortest.parts();
    // No two decimals of 15 digits are one double.
    if parts.n_digits() > 15 && is_fraction(value, 24) {
        let even = Scientific::rounded(value, parts.n_digits());
        if even.value() == value {
            return even.parts().push(out);
        }
    }
    parts.push(out);
}

/// Appends the decimal of fewest digits, but no fewer than six tried, that reads back as `value`.
pub(super) fn single(value: f32, out: &mut String) {
    let exact = f64::from(value);
    if is_no_number(exact, out) {
        return;
    }
    let shortest = Scientific::shortest(value);
    let parts = shortest.parts();
    // No two decimals of six digits are one float, unless it is as small as floats get. Of more
    // digits the shortest decimal need not be the nearest: where there are two as near, and at
    // powers of two, below which floats are closer than above.
    let is_power_of_two = value.to_bits() & 0x7f_ffff == 0;
    let is_nearest = parts.n_digits() <= 6 || !(is_power_of_two || is_fraction(exact, 12));
    if value == 0.0 || value.is_normal() && is_nearest {
        return parts.push(out);
    }
    let nearest = (6..9).map(|n_digits| Scientific::rounded(exact, n_digits));
    let nearest = nearest.into_iter().find(|nearest| to_single(nearest.value()) == value);
    nearest.unwrap_or_else(|| Scientific::rounded(exact, 9)).parts().push(out);
}

/// Appends what is no number.
fn is_no_number(value: f64, out: &mut String) -> bool {
    match value {
        f64::INFINITY => out.push_str("inf"),
        f64::NEG_INFINITY => out.push_str("-inf"),
        value if value.is_nan() => out.push_str("nan"),
        _ => return false,
    }
    true
}

/// Whether `value` has a fractional part of at most so many bits. Others are never halfway between
/// two of the decimals that are tried.
fn is_fraction(value: f64, max_bits: u64) -> bool {
    let bits = value.to_bits();
    let exponent = (bits >> 52) & 0x7ff;
    let n_zeros = u64::from((bits | 1 << 52).trailing_zeros());
    // The lowest bit that is set stands for 2 to the power of this, with its sign turned.
    let n_bits = 1075u64.wrapping_sub(exponent).wrapping_sub(n_zeros);
    (1..=max_bits).contains(&n_bits)
}

/// A number as Rust writes it in scientific form, `-1.25e-7`.
struct Scientific {
    bytes: [u8; 40],
    len: usize,
}

impl Scientific {
    fn shortest(value: impl LowerExp) -> Self {
        let mut number = Self { bytes: [0; 40], len: 0 };
        // The longest are shorter than there is room.
        _ = write!(number, "{value:e}");
        number
    }

    /// With so many digits; of two as near the even one.
    fn rounded(value: f64, n_digits: usize) -> Self {
        let mut number = Self { bytes: [0; 40], len: 0 };
        _ = write!(number, "{value:.*e}", n_digits.saturating_sub(1));
        number
    }

    fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }

    fn value(&self) -> f64 {
        self.text().parse().unwrap_or(f64::NAN)
    }

    fn parts(&self) -> Parts<'_> {
        let text = self.text();
        let piece = |start: usize, end: usize| text.get(start..end).unwrap_or_default();
        let first = usize::from(text.as_bytes().first() == Some(&b'-'));
        let point = first.saturating_add(1);
        let end = text.bytes().position(|byte| byte == b'e').unwrap_or(text.len());
        // Zeros at the end are there only if so many digits were asked for.
        let last = text.bytes().take(end).rposition(|byte| byte != b'0').unwrap_or(first);
        Parts {
            is_negative: first == 1,
            first: piece(first, point),
            rest: piece(point.saturating_add(1), last.saturating_add(1)),
            exponent: piece(end.saturating_add(1), text.len()).parse().unwrap_or(0),
        }
    }
}

/// A number in scientific form: its digits, and where they stand.
struct Parts<'a> {
    is_negative: bool,
    first: &'a str,
    /// The digits after the first one and the point, without zeros at the end.
    rest: &'a str,
    exponent: i32,
}

impl Parts<'_> {
    fn n_digits(&self) -> usize {
        self.rest.len().saturating_add(1)
    }

    /// Appends the number as Python writes it.
    fn push(&self, out: &mut String) {
        let Parts { first, rest, exponent, .. } = *self;
        if self.is_negative {
            out.push('-');
        }
        match (exponent, usize::try_from(exponent)) {
            (16.., _) | (..-4, _) => {
                out.push_str(first);
                if !rest.is_empty() {
                    out.push('.');
                    out.push_str(rest);
                }
                let sign = if exponent < 0 { '-' } else { '+' };
                _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
            }
            (_, Ok(n_whole)) => {
                out.push_str(first);
                let (whole, fraction) = rest.split_at_checked(n_whole).unwrap_or((rest, ""));
                out.push_str(whole);
                (whole.len()..n_whole).for_each(|_| out.push('0'));
                out.push('.');
                out.push_str(if fraction.is_empty() { "0" } else { fraction });
            }
            (_, Err(_)) => {
                out.push_str("0.");
                (exponent..-1).for_each(|_| out.push('0'));
                out.push_str(first);
                out.push_str(rest);
            }
        }
    }
}

impl Write for Scientific {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.len.saturating_add(part.len());
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected texts: google.protobuf.text_format 7.36.2. More are in
    // fixtures/text_format/print.jsonl.
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
            (-0.001_25, "-0.00125"),
            (3.402_823_5e38, "3.4028235e+38"),
            (f32::INFINITY, "inf"),
            (f32::NEG_INFINITY, "-inf"),
            (f32::NAN, "nan"),
            // Halfway between two decimals.
            (2_097_152.0 + 0.25, "2097152.2"),
            (262_144.0 + 0.125, "262144.12"),
            (2_097_152.0 + 0.75, "2097152.8"),
        ] {
            let mut out = String::new();
            single(value, &mut out);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn doubles_are_spelled_as_in_python() {
        for (value, text) in [
            (0.1, "0.1"),
            (-100.0, "-100.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e16, "1.5e+16"),
            (1e-7, "1e-07"),
            (5e-324, "5e-324"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (1_009_600.0, "1009600.0"),
            (2_097_152.25, "2097152.25"),
            (f64::NEG_INFINITY, "-inf"),
            // Halfway between two decimals.
            (2f64.powi(50) + 0.25, "1125899906842624.2"),
        ] {
            let mut out = String::new();
            double(value, &mut out);
            assert_eq!(out, text);
        }
    }
}
