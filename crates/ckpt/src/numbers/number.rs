use std::fmt;

/// A number of a tensor. Integers are exact, whatever their width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An element of an integer type, or a difference of two.
    Int(i128),
    /// An element of a float type, which `f64` holds exactly, or the magnitude of a complex one.
    Float(f64),
}

impl Number {
    /// The number, rounded if it must be.
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }
}

/// Integers in full; floats with the digits that tell them from any other `f64`, with an exponent where
/// Python would write one.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Int(int) => f.pad(&int.to_string()),
            Number::Float(float) => f.pad(&float_text(*float)),
        }
    }
}

fn float_text(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || (1e-4..1e16).contains(&value.abs()) {
        format!("{value:?}")
    } else {
        format!("{value:e}")
    }
}

/// A number with at most so many significant digits and no zeros at the end, as C's `%g` writes it.
pub(crate) fn short_text(value: f64, n_digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let n_digits = n_digits.max(1);
    let scientific = format!("{value:.*e}", n_digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..n_digits as i32).contains(&exponent) {
        let n_fraction = (n_digits as i32 - 1 - exponent).max(0) as usize;
        return trimmed(&format!("{value:.n_fraction$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_in_full() {
        let cases = [
            (Number::Int(i128::from(u64::MAX)), "18446744073709551615"),
            (Number::Int(-3), "-3"),
            (Number::Float(0.1), "0.1"),
            (Number::Float(3.0), "3.0"),
            (Number::Float(-0.0), "-0.0"),
            (Number::Float(1e16), "1e16"),
            (Number::Float(5e-324), "5e-324"),
            (Number::Float(f64::NEG_INFINITY), "-inf"),
        ];
        for (number, text) in cases {
            assert_eq!(number.to_string(), text);
        }
        assert_eq!(format!("{:>4}|", Number::Int(7)), "   7|");
    }

    /// Expected texts are those of Python's `'%.{n}g' % value`.
    #[test]
    fn short_texts_are_those_of_g() {
        let cases = [
            (0.0, 6, "0"),
            (100_000.0, 6, "100000"),
            (1_000_000.0, 6, "1e+06"),
            (0.0001, 6, "0.0001"),
            (0.00001, 6, "1e-05"),
            (-1234.5678, 6, "-1234.57"),
            (1234.5678, 2, "1.2e+03"),
            (9.9999, 3, "10"),
            (999_999.9, 6, "1e+06"),
            (1.5e300, 3, "1.5e+300"),
            (f64::INFINITY, 3, "inf"),
        ];
        for (value, n_digits, text) in cases {
            assert_eq!(short_text(value, n_digits), text, "{value}");
        }
    }
}
