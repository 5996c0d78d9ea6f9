//! Decimal digits of floats: the shortest that identify a value, and exactly rounded ones.

use half::f16;

/// The width of a float, which decides how many digits identify it and when exponents are used.
///
/// Values of every width are carried as `f64`, which holds them exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    F16,
    F32,
    F64,
}

/// A finite number in decimal: `d.ddd × 10^exponent`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) negative: bool,
    /// The significant digits without a point, at least one.
    pub(super) digits: String,
    pub(super) exponent: i32,
}

impl Width {
    /// The number of decimal digits that survive a round trip through this width.
    pub(super) fn precision(self) -> i32 {
        match self {
            Width::F16 => 3,
            Width::F32 => 6,
            Width::F64 => 15,
        }
    }

    /// `value` rounded to this width.
    pub(super) fn round(self, value: f64) -> f64 {
        match self {
            Width::F16 => f16::from_f64(value).to_f64(),
            Width::F32 => f64::from(value as f32),
            Width::F64 => value,
        }
    }

    /// Whether the decimal number `text` is nearest to `value` among the numbers of this width.
    pub(super) fn reads_back(self, text: &str, value: f64) -> bool {
        match self {
            Width::F16 => text.parse().is_ok_and(|read| f16::from_f64(read).to_f64() == value),
            Width::F32 => text.parse().is_ok_and(|read: f32| f64::from(read) == value),
            Width::F64 => text.parse() == Ok(value),
        }
    }

    /// The fewest digits that read back as the same value of this width.
    pub(super) fn shortest(self, value: f64) -> Decimal {
        match self {
            Width::F16 => shortest_f16(value),
            Width::F32 => even_tie(value, self, &format!("{:e}", value as f32)),
            Width::F64 => even_tie(value, self, &format!("{value:e}")),
        }
    }
}

/// Rust's shortest digits, but rounded to an even last digit where two candidates are equally near.
fn even_tie(value: f64, width: Width, shortest: &str) -> Decimal {
    let shortest = Decimal::parse(shortest);
    let rounded = Decimal::rounded(value, shortest.digits.len() - 1);
    if rounded != shortest && width.reads_back(&rounded.to_text(), value) {
        rounded.trimmed()
    } else {
        shortest
    }
}

/// Five digits tell all 16-bit floats apart, so that trying is cheap.
///
/// The interval of decimals that read back as a power of two is lopsided: the nearest decimal of some
/// length may lie outside of it on the narrow side while its neighbor on the wide side lies inside.
fn shortest_f16(value: f64) -> Decimal {
    for n_fraction in 0..5 {
        let text = format!("{value:.n_fraction$e}");
        if Width::F16.reads_back(&text, value) {
            return Decimal::parse(&text).trimmed();
        }
        let above = Decimal::parse(&text).away_from_zero();
        if Width::F16.reads_back(&above.to_text(), value) {
            return above.trimmed();
        }
    }
    Decimal::parse(&format!("{value:e}"))
}

impl Decimal {
    /// Reads Rust's scientific notation (`-1.5e-7`).
    fn parse(text: &str) -> Decimal {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let negative = mantissa.starts_with('-');
        let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
        Decimal { negative, digits, exponent: exponent.parse().unwrap_or(0) }
    }

    /// `value` rounded to exactly `n_fraction` digits after the first, ties to even.
    pub(super) fn rounded(value: f64, n_fraction: usize) -> Decimal {
        Decimal::parse(&format!("{value:.n_fraction$e}"))
    }

    pub(super) fn to_text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{}e{}", self.digits, self.exponent - (self.digits.len() as i32 - 1))
    }

    /// Without zeros at the end; one digit always stays.
    fn trimmed(mut self) -> Decimal {
        let len = self.digits.trim_end_matches('0').len().max(1);
        self.digits.truncate(len);
        self
    }

    /// The next decimal of as many digits, away from zero.
    fn away_from_zero(&self) -> Decimal {
        let digits: u64 = self.digits.parse().unwrap_or(0);
        let next = (digits + 1).to_string();
        let grown = next.len() - self.digits.len().min(next.len());
        let digits = next[..next.len() - grown].to_string();
        Decimal { negative: self.negative, digits, exponent: self.exponent + grown as i32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_the_fewest_that_read_back() {
        let digits = |width: Width, value: f64| width.shortest(width.round(value)).digits;
        assert_eq!(digits(Width::F64, 0.1), "1");
        assert_eq!(digits(Width::F32, 0.1), "1");
        assert_eq!(digits(Width::F16, 0.1), "1");
        assert_eq!(digits(Width::F16, 65504.0), "655");
        assert_eq!(digits(Width::F16, 1.0 / 3.0), "3333");
    }

    #[test]
    fn every_half_reads_back() {
        for bits in 0..0x7c00u16 {
            let value = f16::from_bits(bits).to_f64();
            let text = Width::F16.shortest(value).to_text();
            assert_eq!(f16::from_f64(text.parse().unwrap()).to_bits(), bits, "{text}");
        }
    }
}
