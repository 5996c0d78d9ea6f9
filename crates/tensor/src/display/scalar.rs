//! Single values, as Python prints NumPy's scalars.

use std::fmt::Write as _;

use super::digits::{Decimal, Width};
use super::float::{exponent_digits, non_finite, sign};
use super::fraction::{Fraction, positional};
use super::narrow;
use crate::{Complex, DType, Tensor};

/// The text of a tensor of one element, without brackets.
pub(super) fn scalar_text(tensor: &Tensor) -> String {
    match tensor.dtype() {
        DType::F16 => value::<half::f16>(tensor, |v| float(v.to_f64(), Width::F16)),
        DType::F32 => value::<f32>(tensor, |v| float(f64::from(v), Width::F32)),
        DType::F64 => value::<f64>(tensor, |v| float(v, Width::F64)),
        DType::Complex64 => {
            value::<Complex<f32>>(tensor, |v| complex(f64::from(v.re), f64::from(v.im), Width::F32))
        }
        DType::Complex128 => value::<Complex<f64>>(tensor, |v| complex(v.re, v.im, Width::F64)),
        DType::Bool => value::<bool>(tensor, |v| if v { "True".into() } else { "False".into() }),
        DType::I8 => value::<i8>(tensor, |v| v.to_string()),
        DType::I16 => value::<i16>(tensor, |v| v.to_string()),
        DType::I32 => value::<i32>(tensor, |v| v.to_string()),
        DType::I64 => value::<i64>(tensor, |v| v.to_string()),
        DType::U8 => value::<u8>(tensor, |v| v.to_string()),
        DType::U16 => value::<u16>(tensor, |v| v.to_string()),
        DType::U32 => value::<u32>(tensor, |v| v.to_string()),
        DType::U64 => value::<u64>(tensor, |v| v.to_string()),
        DType::String => tensor
            .as_strings()
            .ok()
            .and_then(<[_]>::first)
            .map(|v| bytes_repr(v))
            .unwrap_or_default(),
        _ => narrow::text(tensor, 0),
    }
}

fn value<T: crate::Element>(tensor: &Tensor, text: impl Fn(T) -> String) -> String {
    tensor.to_scalar::<T>().map(text).unwrap_or_default()
}

fn float(value: f64, width: Width) -> String {
    if !value.is_finite() {
        return non_finite(value, false, "nan", "inf");
    }
    if is_positional(value, width) {
        let (whole, fraction) = positional(value, width, Fraction::ALL);
        let fraction = if fraction.is_empty() { "0" } else { &fraction };
        return format!("{}{whole}.{fraction}", sign(value.is_sign_negative(), false));
    }
    scientific(value, width, false)
}

/// Parenthesized unless the real part is a positive zero; whole parts have no point.
fn complex(re: f64, im: f64, width: Width) -> String {
    if re == 0.0 && re.is_sign_positive() {
        return format!("{}j", part(im, width, false));
    }
    format!("({}{}j)", part(re, width, false), part(im, width, true))
}

fn part(value: f64, width: Width, plus: bool) -> String {
    if !value.is_finite() {
        return non_finite(value, plus, "nan", "inf");
    }
    if !is_positional(value, width) {
        return scientific(value, width, plus);
    }
    let (whole, fraction) = positional(value, width, Fraction::ALL);
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{whole}{point}{fraction}", sign(value.is_sign_negative(), plus))
}

/// Whether a scalar prints without exponent. The lower bound is not rounded to the width.
fn is_positional(value: f64, width: Width) -> bool {
    let cutoff = match width {
        Width::F16 => 1e3,
        Width::F32 => 1e6,
        Width::F64 => 1e16,
    };
    value == 0.0 || (1e-4..cutoff).contains(&value.abs())
}

fn scientific(value: f64, width: Width, plus: bool) -> String {
    let Decimal { negative, digits, exponent } = width.shortest(value);
    let (first, fraction) = digits.split_at(1);
    let point = if fraction.is_empty() { "" } else { "." };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    let exponent = exponent_digits(exponent, 2);
    format!("{}{first}{point}{fraction}e{exponent_sign}{exponent}", sign(negative, plus))
}

/// The bytes as a Python literal: `b'a\n'`, in double quotes when that avoids escapes.
pub fn bytes_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    let mut out = String::with_capacity(bytes.len() + 3);
    out.push('b');
    out.push(char::from(quote));
    for byte in bytes {
        match byte {
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\\' => out.push_str("\\\\"),
            byte if *byte == quote => {
                out.push('\\');
                out.push(char::from(quote));
            }
            b' '..=b'~' => out.push(char::from(*byte)),
            byte => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push(char::from(quote));
    out
}
