//! Numeric literals.

use flowkeep_tensor::Complex;

use super::literal::Parser;
use super::{Int, NotALiteral, Value};

/// Decimal digits of an integer, at most; Python's own limit.
const MAX_DIGITS: usize = 4300;

/// Reads a number without sign.
pub(super) fn number(parser: &mut Parser<'_>) -> Result<Value, NotALiteral> {
    let token = parser.take_number();
    let lower = token.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            let digits = digits.strip_prefix('_').unwrap_or(digits);
            return integer(&without_underscores(digits)?, radix).map(Value::Int);
        }
    }
    if let Some(imaginary) = lower.strip_suffix('j') {
        return Ok(Value::Complex(Complex { re: 0.0, im: float(imaginary)? }));
    }
    if lower.contains(['.', 'e']) {
        return float(&lower).map(Value::Float);
    }
    let digits = without_underscores(&lower)?;
    if digits.len() > 1 && digits.starts_with('0') && digits.contains(|c| c != '0') {
        return Err(NotALiteral);
    }
    integer(&digits, 10).map(Value::Int)
}

impl<'a> Parser<'a> {
    /// The characters of a number, up to the first that cannot belong to one.
    fn take_number(&mut self) -> &'a str {
        let start = self.rest();
        let is_hex = start.starts_with("0x") || start.starts_with("0X");
        loop {
            let run = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
            if !is_hex && run.ends_with(['e', 'E']) && matches!(self.peek(), Some('+' | '-')) {
                self.next_char();
                continue;
            }
            return &start[..start.len() - self.rest().len()];
        }
    }
}

/// The digits with single underscores between them removed.
fn without_underscores(text: &str) -> Result<String, NotALiteral> {
    let lone = |part: &str| !part.is_empty();
    if text.split('_').all(lone) { Ok(text.replace('_', "")) } else { Err(NotALiteral) }
}

fn integer(digits: &str, radix: u32) -> Result<Int, NotALiteral> {
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(NotALiteral);
    }
    if let Ok(value) = i128::from_str_radix(digits, radix) {
        return Ok(Int::Small(value));
    }
    let decimal = if radix == 10 {
        digits.trim_start_matches('0').to_string()
    } else {
        to_decimal(digits, radix)?
    };
    if decimal.len() > MAX_DIGITS {
        Err(NotALiteral)
    } else {
        Ok(Int::Big { negative: false, digits: decimal })
    }
}

/// Decimal digits of a number in another radix, by long multiplication.
fn to_decimal(digits: &str, radix: u32) -> Result<String, NotALiteral> {
    if digits.len() > 4 * MAX_DIGITS {
        return Err(NotALiteral);
    }
    let mut decimal: Vec<u32> = vec![0];
    for digit in digits.chars().filter_map(|c| c.to_digit(radix)) {
        let mut carry = digit;
        for place in &mut decimal {
            let value = *place * radix + carry;
            *place = value % 10;
            carry = value / 10;
        }
        while carry > 0 {
            decimal.push(carry % 10);
            carry /= 10;
        }
    }
    Ok(decimal.iter().rev().filter_map(|digit| char::from_digit(*digit, 10)).collect())
}

/// Reads `1.5`, `.5`, `5.`, `1e3` and the like; each run of digits may have underscores inside.
fn float(text: &str) -> Result<f64, NotALiteral> {
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(NotALiteral);
    }
    let digits = |part: &str| match part {
        "" => Ok(String::new()),
        part => without_underscores(part).and_then(|part| {
            if part.chars().all(|c| c.is_ascii_digit()) { Ok(part) } else { Err(NotALiteral) }
        }),
    };
    let mut clean = format!("{}.{}", digits(whole)?, digits(fraction)?);
    if let Some(exponent) = exponent {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if unsigned.is_empty() {
            return Err(NotALiteral);
        }
        let sign = if exponent.starts_with('-') { "-" } else { "" };
        clean = format!("{clean}e{sign}{}", digits(unsigned)?);
    }
    clean.parse().map_err(|_| NotALiteral)
}
