//! Floats of an array in a common notation.

use super::digits::{Decimal, Width};

/// Digits after the point that arrays show at most.
const PRECISION: usize = 8;

/// How all floats of one array print: with or without exponents, aligned at the point.
pub(super) struct FloatFormat {
    width: Width,
    plus: bool,
    notation: Notation,
    /// Characters before the point, with sign.
    pad_left: usize,
    /// Characters after the point.
    pad_right: usize,
}

enum Notation {
    Positional,
    Scientific { n_fraction: usize, n_exponent: usize },
}

impl FloatFormat {
    /// The format that suits these values; `plus` writes the sign of positive values as well.
    pub(super) fn new(values: &[f64], width: Width, plus: bool) -> FloatFormat {
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let mut format = if finite.is_empty() {
            FloatFormat { width, plus, notation: Notation::Positional, pad_left: 0, pad_right: 0 }
        } else if wants_exponents(&finite, width) {
            FloatFormat::scientific(&finite, width, plus)
        } else {
            FloatFormat::positional(&finite, width, plus)
        };
        if finite.len() < values.len() {
            let signed_inf = plus || values.contains(&f64::NEG_INFINITY);
            let longest = 3 + usize::from(signed_inf);
            format.pad_left = format.pad_left.max(longest.saturating_sub(format.pad_right + 1));
        }
        format
    }

    fn positional(finite: &[f64], width: Width, plus: bool) -> FloatFormat {
        let mut format =
            FloatFormat { width, plus, notation: Notation::Positional, pad_left: 0, pad_right: 0 };
        for value in finite {
            let (whole, fraction) = positional_parts(*value, width, plus, Some(PRECISION));
            format.pad_left = format.pad_left.max(whole.len());
            format.pad_right = format.pad_right.max(fraction.len());
        }
        format
    }

    fn scientific(finite: &[f64], width: Width, plus: bool) -> FloatFormat {
        let (mut n_fraction, mut n_exponent, mut pad_left) = (0, 0, 0);
        for value in finite {
            let decimal = limited(*value, width, PRECISION);
            let fraction = decimal.digits[1..].trim_end_matches('0');
            n_fraction = n_fraction.max(fraction.len());
            n_exponent = n_exponent.max(exponent_digits(decimal.exponent, 2).len());
            pad_left = pad_left.max(1 + usize::from(decimal.negative || plus));
        }
        let notation = Notation::Scientific { n_fraction, n_exponent };
        FloatFormat { width, plus, notation, pad_left, pad_right: n_exponent + 2 + n_fraction }
    }

    /// The value's text, padded to the array's common width.
    pub(super) fn text(&self, value: f64) -> String {
        if !value.is_finite() {
            let width = self.pad_left + self.pad_right + 1;
            return format!("{:>width$}", non_finite(value, self.plus));
        }
        match self.notation {
            Notation::Positional => {
                let (whole, fraction) =
                    positional_parts(value, self.width, self.plus, Some(PRECISION));
                format!(
                    "{whole:>left$}.{fraction:<right$}",
                    left = self.pad_left,
                    right = self.pad_right
                )
            }
            Notation::Scientific { n_fraction, n_exponent } => {
                let decimal = self.scientific_decimal(value, n_fraction);
                let sign = sign(decimal.negative, self.plus);
                let (first, fraction) = decimal.digits.split_at(1);
                let left = self.pad_left;
                let exponent_sign = if decimal.exponent < 0 { '-' } else { '+' };
                let exponent = exponent_digits(decimal.exponent, n_exponent);
                format!("{:>left$}.{fraction}e{exponent_sign}{exponent}", format!("{sign}{first}"))
            }
        }
    }

    /// Shortest digits where they have the common length, else exactly rounded ones.
    fn scientific_decimal(&self, value: f64, n_fraction: usize) -> Decimal {
        let shortest = self.width.shortest(value);
        if shortest.digits.len() == n_fraction + 1 {
            shortest
        } else {
            Decimal::rounded(value, n_fraction)
        }
    }
}

/// NumPy's choice: numbers that are large for their width, small, or far apart get exponents.
fn wants_exponents(finite: &[f64], width: Width) -> bool {
    let magnitudes = finite.iter().map(|value| value.abs()).filter(|value| *value != 0.0);
    let Some((min, max)) = magnitudes.fold(None, |range: Option<(f64, f64)>, value| {
        Some(range.map_or((value, value), |(min, max)| (min.min(value), max.max(value))))
    }) else {
        return false;
    };
    let cutoff = 10f64.powi(width.precision().min(8));
    max >= cutoff || min < width.round(0.0001) || width.round(max / min) > 1000.0
}

/// Shortest digits, or exactly rounded ones where these are more than `n_fraction` after the first.
fn limited(value: f64, width: Width, n_fraction: usize) -> Decimal {
    let shortest = width.shortest(value);
    if shortest.digits.len() > n_fraction + 1 {
        Decimal::rounded(value, n_fraction)
    } else {
        shortest
    }
}

/// The text before and after the point, with at most `precision` digits after it.
pub(super) fn positional_parts(
    value: f64,
    width: Width,
    plus: bool,
    precision: Option<usize>,
) -> (String, String) {
    let Decimal { negative, digits, exponent } = width.shortest(value);
    let sign = sign(negative, plus);
    let n_fraction = (digits.len() as i32 - 1 - exponent).max(0) as usize;
    if let Some(precision) = precision.filter(|precision| n_fraction > *precision) {
        let text = format!("{:.precision$}", value.abs());
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        return (format!("{sign}{whole}"), fraction.trim_end_matches('0').into());
    }
    if exponent < 0 {
        let zeros = "0".repeat((-exponent - 1) as usize);
        let fraction = format!("{zeros}{digits}");
        return (format!("{sign}0"), fraction.trim_end_matches('0').into());
    }
    let n_whole = exponent as usize + 1;
    let (whole, fraction) = digits.split_at(n_whole.min(digits.len()));
    (format!("{sign}{whole:0<n_whole$}"), fraction.into())
}

/// The exponent's digits without sign, filled with zeros to `n` digits.
pub(super) fn exponent_digits(exponent: i32, n: usize) -> String {
    format!("{:0>n$}", exponent.unsigned_abs())
}

pub(super) fn sign(negative: bool, plus: bool) -> &'static str {
    match (negative, plus) {
        (true, _) => "-",
        (false, true) => "+",
        (false, false) => "",
    }
}

pub(super) fn non_finite(value: f64, plus: bool) -> String {
    if value.is_nan() {
        return format!("{}nan", sign(false, plus));
    }
    format!("{}inf", sign(value < 0.0, plus))
}
