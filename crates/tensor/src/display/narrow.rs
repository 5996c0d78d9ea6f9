//! Types that NumPy does not have itself: narrow floats, sub-byte and quantized integers.

use crate::{DType, Tensor};

/// The element of a narrow float or sub-byte integer tensor, as the NumPy extension types print it.
pub(super) fn text(tensor: &Tensor, idx: usize) -> String {
    let Ok(bytes) = tensor.as_bytes() else { return format!("<{}>", tensor.dtype()) };
    let Some(byte) = bytes.get(idx).copied() else { return String::new() };
    match tensor.dtype() {
        DType::BF16 => tensor
            .as_slice::<half::bf16>()
            .ok()
            .and_then(|values| values.get(idx))
            .map(|value| general(value.to_f64()))
            .unwrap_or_default(),
        dtype => match narrow_value(dtype, byte) {
            Some(value) => general(value),
            None => format!("<{dtype}>"),
        },
    }
}

/// The number that a byte stands for as an element of a narrow type: a float of at most eight bits, or
/// an integer of at most four; `None` for all other types.
pub fn narrow_value(dtype: DType, byte: u8) -> Option<f64> {
    Some(match dtype {
        DType::I4 => f64::from(sign_extended(byte, 4)),
        DType::I2 => f64::from(sign_extended(byte, 2)),
        DType::U4 => f64::from(byte & 0xf),
        DType::U2 => f64::from(byte & 0x3),
        dtype => MiniFloat::of(dtype)?.decode(byte),
    })
}

/// The tensor of a quantized tensor's integers; `None` for tensors of other types.
pub(super) fn dequantized(tensor: &Tensor) -> Option<Tensor> {
    let dtype = match tensor.dtype() {
        DType::QI8 => DType::I8,
        DType::QU8 => DType::U8,
        DType::QI16 => DType::I16,
        DType::QU16 => DType::U16,
        DType::QI32 => DType::I32,
        _ => return None,
    };
    tensor.bitcast(dtype).ok()
}

fn sign_extended(byte: u8, n_bits: u32) -> i8 {
    let shift = 8 - n_bits;
    ((byte << shift) as i8) >> shift
}

/// C's `%g`: six significant digits, exponents where they are shorter, no zeros at the end.
fn general(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf".into() } else { "inf".into() };
    }
    let scientific = format!("{value:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:0>2}", trimmed(mantissa), exponent.unsigned_abs());
    }
    let n_fraction = (5 - exponent) as usize;
    trimmed(&format!("{value:.n_fraction$}")).into()
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// The layout of a float of at most eight bits.
struct MiniFloat {
    n_bits: u32,
    n_mantissa: u32,
    bias: i32,
    specials: Specials,
}

/// Which bit patterns are not finite.
#[derive(PartialEq, Eq)]
enum Specials {
    /// As in IEEE floats: infinities and NaN at the top exponent.
    Ieee,
    /// NaN with all bits set but the sign; no infinities.
    AllOnes,
    /// NaN in the place of negative zero; no infinities.
    NegativeZero,
    /// Every pattern is a number.
    None,
}

impl MiniFloat {
    fn of(dtype: DType) -> Option<MiniFloat> {
        let (n_bits, n_mantissa, bias, specials) = match dtype {
            DType::F8E5M2 => (8, 2, 15, Specials::Ieee),
            DType::F8E4M3FN => (8, 3, 7, Specials::AllOnes),
            DType::F8E4M3FNUZ => (8, 3, 8, Specials::NegativeZero),
            DType::F8E4M3B11FNUZ => (8, 3, 11, Specials::NegativeZero),
            DType::F8E5M2FNUZ => (8, 2, 16, Specials::NegativeZero),
            DType::F4E2M1FN => (4, 1, 1, Specials::None),
            _ => return None,
        };
        Some(MiniFloat { n_bits, n_mantissa, bias, specials })
    }

    fn decode(&self, byte: u8) -> f64 {
        let sign_bit = 1u8 << (self.n_bits - 1);
        let magnitude = byte & (sign_bit - 1);
        let sign = if byte & sign_bit == 0 { 1.0 } else { -1.0 };
        let mantissa = magnitude & ((1 << self.n_mantissa) - 1);
        let exponent = i32::from(magnitude >> self.n_mantissa);
        let top = i32::from((sign_bit - 1) >> self.n_mantissa);
        match self.specials {
            Specials::Ieee if exponent == top && mantissa == 0 => return sign * f64::INFINITY,
            Specials::Ieee if exponent == top => return f64::NAN,
            Specials::AllOnes if magnitude == sign_bit - 1 => return f64::NAN,
            Specials::NegativeZero if byte == sign_bit => return f64::NAN,
            _ => {}
        }
        let (significand, exponent) = match exponent {
            0 => (u32::from(mantissa), 1),
            _ => (u32::from(mantissa) + (1 << self.n_mantissa), exponent),
        };
        sign * f64::from(significand) * 2f64.powi(exponent - self.bias - self.n_mantissa as i32)
    }
}
