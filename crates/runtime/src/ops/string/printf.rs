//! Numbers as C's `printf` writes them, as far as TensorFlow uses it.

use crate::kernel::Status;

/// Characters of a field, and digits, that are not refused.
const MAX_SIZE: i64 = 1 << 16;
/// Digits after the point that a double can have; all further ones are 0.
const MAX_DIGITS: usize = 1100;

/// How a float is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// `%f`: digits, a point, digits.
    Fixed,
    /// `%e`: with an exponent.
    Scientific,
    /// `%g`: the shorter one of both, without zeros at the end.
    Shortest,
}

/// The flag of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// None.
    None,
    /// `0`: zeros instead of spaces, after the sign.
    Zero,
    /// `-`: spaces at the end.
    Left,
    /// `+`: a plus sign before numbers that are not negative.
    Plus,
    /// A space before numbers that are not negative.
    Space,
    /// `#`: floats always have a point, and keep their zeros.
    Alternate,
}

/// Flag, width and precision of a conversion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub flag: Flag,
    /// Characters of the field, at least.
    pub width: usize,
    /// Digits after the point (`%f`, `%e`), or in all (`%g`); 6 if there is none.
    pub precision: Option<usize>,
}

impl Format {
    /// The format with these sizes, where negative ones mean none.
    ///
    /// Errors: `RESOURCE_EXHAUSTED` for absurd sizes.
    pub(super) fn new(flag: Flag, width: i64, precision: i64) -> Result<Format, Status> {
        if width.max(precision) > MAX_SIZE {
            return Err(Status::resource_exhausted(format!(
                "a field of {} characters is too long",
                width.max(precision)
            )));
        }
        let size = |n: i64| usize::try_from(n).ok();
        Ok(Format { flag, width: size(width).unwrap_or(0), precision: size(precision) })
    }

    /// `%s`: bytes as they are.
    pub(super) fn bytes(&self, text: &[u8]) -> Vec<u8> {
        let padding = vec![b' '; self.width.saturating_sub(text.len())];
        match self.flag {
            Flag::Left => [text, &padding].concat(),
            _ => [&padding, text].concat(),
        }
    }

    /// `%d`: a number with sign.
    pub(super) fn signed(&self, value: i64) -> String {
        self.field(sign(value < 0, self.flag), value.unsigned_abs().to_string(), true)
    }

    /// `%u`: a number without sign.
    pub(super) fn unsigned(&self, value: u64) -> String {
        self.field("", value.to_string(), true)
    }

    /// `%f`, `%e` or `%g`.
    pub(super) fn float(&self, value: f64, notation: Notation) -> String {
        let sign = sign(value.is_sign_negative(), self.flag);
        if !value.is_finite() {
            let text = if value.is_nan() { "nan" } else { "inf" };
            return self.field(sign, text.to_owned(), false);
        }
        let alternate = self.flag == Flag::Alternate;
        let (value, precision) = (value.abs(), self.precision.unwrap_or(6));
        let text = match notation {
            Notation::Fixed => fixed(value, precision, alternate),
            Notation::Scientific => scientific(value, precision, alternate),
            Notation::Shortest => shortest(value, precision.max(1), alternate),
        };
        self.field(sign, text, true)
    }

    /// Fills up to the width; zeros only go before digits.
    fn field(&self, sign: &str, text: String, is_number: bool) -> String {
        let n = self.width.saturating_sub(sign.len() + text.len());
        match self.flag {
            Flag::Left => format!("{sign}{text}{}", " ".repeat(n)),
            Flag::Zero if is_number => format!("{sign}{}{text}", "0".repeat(n)),
            _ => format!("{}{sign}{text}", " ".repeat(n)),
        }
    }
}

fn sign(is_negative: bool, flag: Flag) -> &'static str {
    match flag {
        _ if is_negative => "-",
        Flag::Plus => "+",
        Flag::Space => " ",
        _ => "",
    }
}

fn fixed(value: f64, precision: usize, alternate: bool) -> String {
    let digits = precision.min(MAX_DIGITS);
    let mut text = format!("{value:.digits$}");
    if alternate && precision == 0 {
        text.push('.');
    }
    text.extend(std::iter::repeat_n('0', precision - digits));
    text
}

fn scientific(value: f64, precision: usize, alternate: bool) -> String {
    let digits = precision.min(MAX_DIGITS);
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if alternate && precision == 0 { "." } else { "" };
    let zeros = "0".repeat(precision - digits);
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{mantissa}{point}{zeros}e{sign}{exponent:0>2}")
}

fn shortest(value: f64, precision: usize, alternate: bool) -> String {
    let text = scientific(value, precision - 1, alternate);
    let exponent: i64 =
        text.rsplit_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let is_moderate = exponent >= -4 && i64::try_from(precision).is_ok_and(|p| exponent < p);
    if is_moderate {
        let fraction = usize::try_from(precision as i64 - 1 - exponent).unwrap_or(0);
        let text = fixed(value, fraction, alternate);
        return if alternate { text } else { without_zeros(&text).to_owned() };
    }
    match text.split_once('e') {
        Some((mantissa, exponent)) if !alternate => {
            format!("{}e{exponent}", without_zeros(mantissa))
        }
        _ => text,
    }
}

/// `text` without zeros behind the point, and without a point that nothing follows.
fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// A `float` with as few digits of `%g` as identify it: 6, else 9.
pub(super) fn short_f32(value: f32) -> String {
    short(value.into(), [6, 9], |text| text.parse() == Ok(value))
}

/// A `double` with as few digits of `%g` as identify it: 15, else 17.
pub(super) fn short_f64(value: f64) -> String {
    short(value, [15, 17], |text| text.parse() == Ok(value))
}

fn short(value: f64, digits: [i64; 2], reads_back: impl Fn(&str) -> bool) -> String {
    let text = |digits: i64| {
        let precision = usize::try_from(digits).ok();
        Format { flag: Flag::None, width: 0, precision }.float(value, Notation::Shortest)
    };
    if value.is_nan() {
        return "nan".to_owned();
    }
    let few = text(digits[0]);
    if reads_back(&few) { few } else { text(digits[1]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(value: f64, notation: Notation, flag: Flag, width: i64, precision: i64) -> String {
        Format::new(flag, width, precision).unwrap().float(value, notation)
    }

    /// What glibc's `printf` writes.
    #[test]
    fn floats_are_written_as_in_c() {
        use Notation::{Fixed, Scientific, Shortest};
        let plain = |value, notation, precision| float(value, notation, Flag::None, -1, precision);
        assert_eq!(plain(1.5, Fixed, -1), "1.500000");
        assert_eq!(plain(2.5, Fixed, 0), "2");
        assert_eq!(plain(-0.0, Scientific, -1), "-0.000000e+00");
        assert_eq!(plain(1e30, Shortest, -1), "1e+30");
        assert_eq!(plain(123_456_789.0, Shortest, -1), "1.23457e+08");
        assert_eq!(plain(1e-5, Shortest, -1), "1e-05");
        assert_eq!(plain(999_999.5, Shortest, -1), "1e+06");
        assert_eq!(plain(25.0, Shortest, 0), "2e+01");
        assert_eq!(plain(f64::NEG_INFINITY, Fixed, -1), "-inf");
        assert_eq!(float(1.0, Shortest, Flag::Alternate, -1, -1), "1.00000");
        assert_eq!(float(2.0, Scientific, Flag::Alternate, -1, 0), "2.e+00");
        assert_eq!(float(2.345_67, Scientific, Flag::Left, 12, 3), "2.346e+00   ");
        assert_eq!(float(-1e10, Fixed, Flag::Zero, 20, -1), "-010000000000.000000");
        assert_eq!(float(f64::INFINITY, Fixed, Flag::Zero, 5, -1), "  inf");
        assert_eq!(float(f64::NAN, Fixed, Flag::Plus, 6, -1), "  +nan");
    }

    #[test]
    fn any_precision_is_written_or_refused() {
        assert_eq!(float(0.5, Notation::Fixed, Flag::None, -1, MAX_SIZE).len(), 2 + (1 << 16));
        assert_eq!(float(0.5, Notation::Shortest, Flag::None, -1, MAX_SIZE), "0.5");
        assert!(Format::new(Flag::None, i64::MAX, -1).is_err());
        assert!(Format::new(Flag::None, i64::MIN, 1 << 17).is_err());
    }

    #[test]
    fn short_floats_read_back() {
        assert_eq!(short_f32(123_456.7), "123456.703");
        assert_eq!(short_f32(1e6), "1e+06");
        assert_eq!(short_f32(1_234_567.0), "1234567");
        assert_eq!(short_f64(1e6), "1000000");
        assert_eq!(short_f64(0.1 + 0.2), "0.30000000000000004");
        assert_eq!(short_f64(1e16), "1e+16");
        assert_eq!(short_f32(-0.0), "-0");
    }
}
