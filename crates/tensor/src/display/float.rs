//! Floats of an array in a common notation.

use super::digits::{Decimal, Width};
use super::fraction::{Fraction, positional, scientific};
use super::options::{FloatMode, PrintOptions, PrintSign};

/// How all floats of one array print: with or without exponents, aligned at the point.
pub(super) struct FloatFormat<'a> {
    width: Width,
    sign: PrintSign,
    options: &'a PrintOptions,
    notation: Notation,
    fraction: Fraction,
    /// Characters before the point, with sign.
    pad_left: usize,
    /// Characters after the point.
    pad_right: usize,
}

enum Notation {
    Positional,
    Scientific { n_exponent: usize },
}

impl<'a> FloatFormat<'a> {
    /// The format that suits these values; `sign` is not always that of the options.
    pub(super) fn new(
        values: &[f64],
        width: Width,
        sign: PrintSign,
        options: &'a PrintOptions,
    ) -> FloatFormat<'a> {
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let mut format = FloatFormat {
            width,
            sign,
            options,
            notation: Notation::Positional,
            fraction: wanted_fraction(options),
            pad_left: 0,
            pad_right: 0,
        };
        if wants_exponents(&finite, width, options.suppress) {
            format.fit_scientific(&finite);
        } else {
            format.fit_positional(&finite);
        }
        if sign == PrintSign::Space && !finite.iter().any(|value| value.is_sign_negative()) {
            format.pad_left += 1;
        }
        if finite.len() < values.len() {
            let signed_inf = sign != PrintSign::Minus || values.contains(&f64::NEG_INFINITY);
            let nan = options.nanstr.chars().count();
            let inf = options.infstr.chars().count() + usize::from(signed_inf);
            format.pad_left =
                format.pad_left.max(nan.max(inf).saturating_sub(format.pad_right + 1));
        }
        format
    }

    fn fit_positional(&mut self, finite: &[f64]) {
        for value in finite {
            let (whole, fraction) = positional(*value, self.width, self.fraction);
            let signed = value.is_sign_negative() || self.plus();
            self.pad_left = self.pad_left.max(whole.len() + usize::from(signed));
            self.pad_right = self.pad_right.max(fraction.len());
        }
        match (self.fraction, self.options.floatmode) {
            (Fraction::Exact(_), _) => self.fraction = Fraction::Exact(self.pad_right),
            (_, FloatMode::Fixed | FloatMode::MaxprecEqual) => {
                self.fraction = Fraction::equal(self.pad_right);
            }
            _ => {}
        }
    }

    fn fit_scientific(&mut self, finite: &[f64]) {
        let (mut n_fraction, mut n_exponent) = (0, 0);
        for value in finite {
            let decimal = scientific(*value, self.width, self.fraction);
            n_fraction = n_fraction.max(decimal.digits.len() - 1);
            n_exponent = n_exponent.max(exponent_digits(decimal.exponent, 2).len());
            self.pad_left = self.pad_left.max(1 + usize::from(decimal.negative || self.plus()));
        }
        self.notation = Notation::Scientific { n_exponent };
        self.fraction = match self.fraction {
            Fraction::Exact(_) => Fraction::Exact(n_fraction),
            Fraction::Shortest { .. } => Fraction::equal(n_fraction),
        };
        self.pad_right = n_exponent + 2 + n_fraction;
    }

    fn plus(&self) -> bool {
        self.sign == PrintSign::Plus
    }

    /// The value's text, padded to the array's common width.
    pub(super) fn text(&self, value: f64) -> String {
        let (left, right) = (self.pad_left, self.pad_right);
        if !value.is_finite() {
            let text = non_finite(value, self.plus(), &self.options.nanstr, &self.options.infstr);
            return right_aligned(&text, left + right + 1);
        }
        match self.notation {
            Notation::Positional => {
                let (whole, fraction) = positional(value, self.width, self.fraction);
                let whole = format!("{}{whole}", sign(value.is_sign_negative(), self.plus()));
                format!("{}.{fraction:<right$}", right_aligned(&whole, left))
            }
            Notation::Scientific { n_exponent } => {
                let Decimal { negative, digits, exponent } =
                    scientific(value, self.width, self.fraction);
                let (first, fraction) = digits.split_at(1);
                let whole = format!("{}{first}", sign(negative, self.plus()));
                let exponent_sign = if exponent < 0 { '-' } else { '+' };
                let exponent = exponent_digits(exponent, n_exponent);
                format!("{}.{fraction}e{exponent_sign}{exponent}", right_aligned(&whole, left))
            }
        }
    }
}

/// The digits after the point that the options ask for, before the values are seen.
fn wanted_fraction(options: &PrintOptions) -> Fraction {
    let precision = options.precision.map(|precision| precision.min(MAX_PRECISION));
    match (options.floatmode, precision) {
        (FloatMode::Fixed, Some(precision)) => Fraction::Exact(precision),
        (FloatMode::Unique, _) => Fraction::ALL,
        (_, max) => Fraction::Shortest { min: 0, max },
    }
}

/// NumPy refuses to print numbers of more than some 16,370 digits.
const MAX_PRECISION: usize = 16_000;

/// NumPy's choice: numbers that are large for their width, small, or far apart get exponents; the
/// latter two not when small ones are suppressed.
fn wants_exponents(finite: &[f64], width: Width, suppress: bool) -> bool {
    let magnitudes = finite.iter().map(|value| value.abs()).filter(|value| *value != 0.0);
    let Some((min, max)) = magnitudes.fold(None, |range: Option<(f64, f64)>, value| {
        Some(range.map_or((value, value), |(min, max)| (min.min(value), max.max(value))))
    }) else {
        return false;
    };
    let cutoff = 10f64.powi(width.precision().min(8));
    let small_or_far_apart = min < width.round(0.0001) || width.round(max / min) > 1000.0;
    max >= cutoff || (!suppress && small_or_far_apart)
}

/// `text` after blanks. Names of NaN and infinity may be longer than the formatter's own widths reach.
fn right_aligned(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(text.chars().count())) + text
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

/// NaN or infinity by these names.
pub(super) fn non_finite(value: f64, plus: bool, nan: &str, inf: &str) -> String {
    if value.is_nan() {
        return format!("{}{nan}", sign(false, plus));
    }
    format!("{}{inf}", sign(value < 0.0, plus))
}
