//! Digits after the point: as many as identify a number, cut or filled to what an array shows.

use super::digits::{Decimal, Width};

/// How many digits a number shows after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fraction {
    /// So many, exactly rounded.
    Exact(usize),
    /// The fewest that identify the value, within bounds: what is cut is rounded, what is added exact.
    Shortest { min: usize, max: Option<usize> },
}

impl Fraction {
    /// Every digit that identifies the value, and no more.
    pub(super) const ALL: Fraction = Fraction::Shortest { min: 0, max: None };

    /// The same number of digits for every value, the shortest ones where they are that many.
    pub(super) fn equal(n: usize) -> Fraction {
        Fraction::Shortest { min: n, max: Some(n) }
    }

    /// The number of digits to round to; `None` when the `n_shortest` that identify the value do.
    fn rounding(self, n_shortest: usize) -> Option<usize> {
        match self {
            Fraction::Exact(n) => Some(n),
            Fraction::Shortest { max: Some(max), .. } if n_shortest > max => Some(max),
            Fraction::Shortest { min, .. } => (n_shortest < min).then_some(min),
        }
    }

    /// Drops the zeros at the end that rounding has made; `n_before` digits are not of the fraction.
    fn trim(self, digits: &mut String, n_before: usize) {
        if let Fraction::Shortest { min, .. } = self {
            let len = digits.trim_end_matches('0').len();
            digits.truncate(len.max(n_before + min));
        }
    }

    /// Whether rounding to `n` digits may miss a value that `n_shortest` digits identify.
    ///
    /// Below a power of two the neighbors are nearer than above, and so the nearest decimal of some
    /// length may be too low to read back where the one above it is not. NumPy then takes the latter,
    /// which is the shortest form with zeros.
    fn may_miss(self, value: f64, n_shortest: usize, n: usize) -> bool {
        let power_of_two = value.to_bits() << 12 == 0;
        power_of_two && n > n_shortest && matches!(self, Fraction::Shortest { .. })
    }
}

/// `value` with one digit before the point.
pub(super) fn scientific(value: f64, width: Width, fraction: Fraction) -> Decimal {
    let shortest = width.shortest(value);
    let n_shortest = shortest.digits.len() - 1;
    let Some(n) = fraction.rounding(n_shortest) else { return shortest };
    let mut decimal = Decimal::rounded(value, n);
    if fraction.may_miss(value, n_shortest, n) && !width.reads_back(&decimal.to_text(), value) {
        decimal = shortest;
        decimal.digits.push_str(&"0".repeat(n - n_shortest));
    }
    fraction.trim(&mut decimal.digits, 1);
    decimal
}

/// The digits of `value` before and after the point, without sign.
pub(super) fn positional(value: f64, width: Width, fraction: Fraction) -> (String, String) {
    let value = value.abs();
    let Decimal { digits, exponent, .. } = width.shortest(value);
    let n_shortest = (digits.len() as i32 - 1 - exponent).max(0) as usize;
    let Some(n) = fraction.rounding(n_shortest) else { return at_point(&digits, exponent) };
    let text = format!("{value:.n$}");
    let (whole, rounded) = text.split_once('.').unwrap_or((&text, ""));
    let (mut whole, mut rounded) = (whole.to_string(), rounded.to_string());
    if fraction.may_miss(value, n_shortest, n) && !width.reads_back(&text, value) {
        (whole, rounded) = at_point(&digits, exponent);
        rounded.push_str(&"0".repeat(n - n_shortest));
    }
    fraction.trim(&mut rounded, 0);
    (whole, rounded)
}

/// The digits on both sides of the point of `d.ddd × 10^exponent`.
fn at_point(digits: &str, exponent: i32) -> (String, String) {
    if exponent < 0 {
        let zeros = "0".repeat((-exponent - 1) as usize);
        let fraction = format!("{zeros}{digits}");
        return ("0".into(), fraction.trim_end_matches('0').into());
    }
    let n_whole = exponent as usize + 1;
    let (whole, fraction) = digits.split_at(n_whole.min(digits.len()));
    (format!("{whole:0<n_whole$}"), fraction.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_cut_filled_or_left() {
        let cases = [
            (0.1, Fraction::ALL, "0", "1"),
            (0.1, Fraction::Exact(20), "0", "10000000149011611938"),
            (0.1, Fraction::equal(12), "0", "100000001490"),
            (2.5, Fraction::equal(0), "2", ""),
            (0.996, Fraction::Shortest { min: 0, max: Some(2) }, "1", ""),
            (0.996, Fraction::Shortest { min: 1, max: Some(2) }, "1", "0"),
            (0.001, Fraction::Exact(0), "0", ""),
        ];
        for (value, fraction, whole, digits) in cases {
            let got = positional(Width::F32.round(value), Width::F32, fraction);
            assert_eq!(got, (whole.into(), digits.into()), "{value} {fraction:?}");
        }
    }

    /// NumPy's `format_float_scientific(x, precision=n, min_digits=n)`.
    #[test]
    fn a_power_of_two_is_not_rounded_to_what_reads_back_as_another_number() {
        let cases = [
            (2f64.powi(149), 13, "71362384635298"),
            (2f64.powi(149), 14, "713623846352980"),
            (2f64.powi(149), 15, "7136238463529800"),
            (2f64.powi(149), 16, "71362384635297994"),
            (2f64.powi(-645), 15, "6849404215651260"),
        ];
        for (value, n, digits) in cases {
            assert_eq!(scientific(value, Width::F64, Fraction::equal(n)).digits, digits, "{n}");
        }
    }
}
