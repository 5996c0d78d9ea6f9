//! Float elements as bytes, decoded and encoded many at a time.

use flowkeep_tensor::DType;
use half::f16;
use half::slice::HalfFloatSliceExt;

/// A float type whose elements can be computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Float {
    F16,
    BF16,
    F32,
    F64,
}

impl Float {
    /// The float type of this name; none for other types, and for floats of a byte.
    pub(crate) fn of(dtype: DType) -> Option<Float> {
        match dtype {
            DType::F16 => Some(Float::F16),
            DType::BF16 => Some(Float::BF16),
            DType::F32 => Some(Float::F32),
            DType::F64 => Some(Float::F64),
            _ => None,
        }
    }

    pub(crate) fn dtype(self) -> DType {
        match self {
            Float::F16 => DType::F16,
            Float::BF16 => DType::BF16,
            Float::F32 => DType::F32,
            Float::F64 => DType::F64,
        }
    }

    pub(crate) fn size(self) -> usize {
        match self {
            Float::F16 | Float::BF16 => 2,
            Float::F32 => 4,
            Float::F64 => 8,
        }
    }
}

/// Elements that are converted at a time by way of an array.
const BLOCK: usize = 1024;

/// Turns elements of type `from` into those of type `to`, rounded once, to nearest and ties to even.
/// Both slices hold the same number of elements, in the machine's order.
pub(crate) fn convert(from: Float, bytes: &[u8], to: Float, out: &mut [u8]) {
    use Float::{BF16, F16, F32, F64};
    match (from, to) {
        (from, to) if from == to => out.copy_from_slice(bytes),
        // What fits single precision goes by way of it without loss; so does what becomes less.
        (F16 | BF16 | F32, F16 | BF16 | F32) => {
            let mut block = [0f32; BLOCK];
            let pieces = bytes.chunks(BLOCK * from.size()).zip(out.chunks_mut(BLOCK * to.size()));
            for (bytes, out) in pieces {
                let block = &mut block[..bytes.len() / from.size()];
                decode_f32(from, bytes, block);
                encode_f32(to, block, out);
            }
        }
        (from, F64) => {
            let mut block = [0f64; BLOCK];
            for (bytes, out) in bytes.chunks(BLOCK * from.size()).zip(out.chunks_mut(BLOCK * 8)) {
                let block = &mut block[..bytes.len() / from.size()];
                decode_f64(from, bytes, block);
                encode_f64(F64, block, out);
            }
        }
        (F64, to) => {
            let mut block = [0f64; BLOCK];
            for (bytes, out) in bytes.chunks(BLOCK * 8).zip(out.chunks_mut(BLOCK * to.size())) {
                let block = &mut block[..bytes.len() / 8];
                decode_f64(F64, bytes, block);
                encode_f64(to, block, out);
            }
        }
    }
}

/// Decodes elements of any type but double precision.
fn decode_f32(from: Float, bytes: &[u8], out: &mut [f32]) {
    match from {
        Float::F16 => {
            let mut halves = [f16::ZERO; BLOCK];
            for (bytes, out) in bytes.chunks(BLOCK * 2).zip(out.chunks_mut(BLOCK)) {
                let halves = &mut halves[..out.len()];
                for (half, bytes) in halves.iter_mut().zip(bytes.as_chunks().0) {
                    *half = f16::from_ne_bytes(*bytes);
                }
                halves.convert_to_f32_slice(out);
            }
        }
        Float::BF16 => {
            for (value, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *value = f32::from_bits(u32::from(u16::from_ne_bytes(*bytes)) << 16);
            }
        }
        Float::F32 | Float::F64 => {
            for (value, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *value = f32::from_ne_bytes(*bytes);
            }
        }
    }
}

/// Encodes elements as any type but double precision.
fn encode_f32(to: Float, values: &[f32], out: &mut [u8]) {
    match to {
        Float::F16 => {
            let mut halves = [f16::ZERO; BLOCK];
            for (values, out) in values.chunks(BLOCK).zip(out.chunks_mut(BLOCK * 2)) {
                let halves = &mut halves[..values.len()];
                halves.convert_from_f32_slice(values);
                for (half, bytes) in halves.iter().zip(out.as_chunks_mut().0) {
                    *bytes = half.to_ne_bytes();
                }
            }
        }
        Float::BF16 => {
            for (value, bytes) in values.iter().zip(out.as_chunks_mut().0) {
                *bytes = rounded_bf16(*value).to_ne_bytes();
            }
        }
        Float::F32 | Float::F64 => {
            for (value, bytes) in values.iter().zip(out.as_chunks_mut().0) {
                *bytes = value.to_ne_bytes();
            }
        }
    }
}

/// The upper half of a float, rounded; a NaN stays one. Without a branch, for the vectorizer.
fn rounded_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    let bits = if value.is_nan() { bits | 0x0040_0000 } else { rounded };
    (bits >> 16) as u16
}

/// Decodes elements of any type.
pub(crate) fn decode_f64(from: Float, bytes: &[u8], out: &mut [f64]) {
    match from {
        Float::F64 => {
            for (value, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *value = f64::from_ne_bytes(*bytes);
            }
        }
        Float::F32 => {
            for (value, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *value = f64::from(f32::from_ne_bytes(*bytes));
            }
        }
        from => {
            let mut block = [0f32; BLOCK];
            for (bytes, out) in bytes.chunks(BLOCK * 2).zip(out.chunks_mut(BLOCK)) {
                let block = &mut block[..out.len()];
                decode_f32(from, bytes, block);
                out.iter_mut().zip(block).for_each(|(out, value)| *out = f64::from(*value));
            }
        }
    }
}

/// The weighted sums of single precision elements of two or three sources, made in double precision
/// and rounded once; false if there are more or fewer. All slices are of the same length.
pub(crate) fn weighted_sums_f32(sources: &[&[u8]], weights: &[f64], out: &mut [u8]) -> bool {
    let elements = |bytes| <[u8]>::as_chunks::<4>(bytes).0.iter();
    let value = |bytes: &[u8; 4]| f64::from(f32::from_ne_bytes(*bytes));
    let out = out.as_chunks_mut::<4>().0.iter_mut();
    match (sources, weights) {
        ([a, b], [u, v]) => {
            for ((out, a), b) in out.zip(elements(a)).zip(elements(b)) {
                *out = ((u * value(a) + v * value(b)) as f32).to_ne_bytes();
            }
        }
        ([a, b, c], [u, v, w]) => {
            for (((out, a), b), c) in out.zip(elements(a)).zip(elements(b)).zip(elements(c)) {
                *out = ((u * value(a) + v * value(b) + w * value(c)) as f32).to_ne_bytes();
            }
        }
        _ => return false,
    }
    true
}

/// Encodes elements as any type, each rounded once.
pub(crate) fn encode_f64(to: Float, values: &[f64], out: &mut [u8]) {
    match to {
        Float::F64 => {
            for (value, bytes) in values.iter().zip(out.as_chunks_mut().0) {
                *bytes = value.to_ne_bytes();
            }
        }
        Float::F32 => {
            for (value, bytes) in values.iter().zip(out.as_chunks_mut().0) {
                *bytes = (*value as f32).to_ne_bytes();
            }
        }
        to => {
            let mut block = [0f32; BLOCK];
            for (values, out) in values.chunks(BLOCK).zip(out.chunks_mut(BLOCK * 2)) {
                let block = &mut block[..values.len()];
                block.iter_mut().zip(values).for_each(|(out, value)| *out = rounded_to_odd(*value));
                encode_f32(to, block, out);
            }
        }
    }
}

/// The single precision neighbour of a value whose last bit is one, if the value itself does not fit:
/// rounding that once more to half the bits gives what rounding once would.
fn rounded_to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let bits = nearest.to_bits();
    let back = f64::from(nearest);
    if back == value || value.is_nan() || bits & 1 == 1 {
        return nearest;
    }
    f32::from_bits(if back.abs() < value.abs() { bits + 1 } else { bits - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Float; 4] = [Float::F16, Float::BF16, Float::F32, Float::F64];

    fn one(from: Float, value: f64, to: Float) -> f64 {
        let (mut bytes, mut out, mut back) = (vec![0; from.size()], vec![0; to.size()], [0.0]);
        encode_f64(from, &[value], &mut bytes);
        convert(from, &bytes, to, &mut out);
        decode_f64(to, &out, &mut back);
        back[0]
    }

    #[test]
    fn values_that_fit_stay() {
        for from in ALL {
            for to in ALL {
                for value in
                    [0.0, -0.0, 1.0, -1.5, 0.0078125, 120.0, f64::INFINITY, f64::NEG_INFINITY]
                {
                    let converted = one(from, value, to);
                    assert_eq!(converted.to_bits(), value.to_bits(), "{from:?} {to:?} {value}");
                }
                assert!(one(from, f64::NAN, to).is_nan(), "{from:?} {to:?}");
            }
        }
    }

    #[test]
    fn rounding_is_to_nearest_with_ties_to_even_and_happens_once() {
        let eps = |bits: i32| 2f64.powi(-bits);
        assert_eq!(one(Float::F32, 1.0 + eps(11), Float::F16), 1.0);
        assert_eq!(one(Float::F32, 1.0 + 3.0 * eps(11), Float::F16), 1.0 + 2.0 * eps(10));
        assert_eq!(one(Float::F32, 1.0 + eps(8), Float::BF16), 1.0);
        assert_eq!(one(Float::F32, 1.0 + 3.0 * eps(8), Float::BF16), 1.0 + 2.0 * eps(7));
        // By way of single precision this would end at 1.
        assert_eq!(one(Float::F64, 1.0 + eps(11) + eps(40), Float::F16), 1.0 + eps(10));
        assert_eq!(one(Float::F64, 1.0 + eps(8) + eps(40), Float::BF16), 1.0 + eps(7));
        assert_eq!(one(Float::F32, 65520.0, Float::F16), f64::INFINITY);
        assert_eq!(one(Float::F32, 65519.0, Float::F16), 65504.0);
        assert_eq!(one(Float::F64, 1e300, Float::F32), f64::INFINITY);
        assert_eq!(one(Float::F32, 2f64.powi(-24), Float::F16), 2f64.powi(-24));
        assert_eq!(one(Float::F32, f64::from(f32::MAX), Float::BF16), f64::INFINITY);
    }

    #[test]
    fn many_are_converted_as_one() {
        let values: Vec<f64> = (0..5000).map(|i| f64::from(i - 2500) * 1.37).collect();
        for from in ALL {
            let mut bytes = vec![0; values.len() * from.size()];
            encode_f64(from, &values, &mut bytes);
            for to in ALL {
                let mut out = vec![0; values.len() * to.size()];
                convert(from, &bytes, to, &mut out);
                let mut back = vec![0.0; values.len()];
                decode_f64(to, &out, &mut back);
                for (value, converted) in values.iter().zip(back) {
                    assert_eq!(one(from, *value, to), converted, "{from:?} {to:?} {value}");
                }
            }
        }
    }
}
