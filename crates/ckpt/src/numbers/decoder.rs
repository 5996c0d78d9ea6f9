use flowkeep_tensor::{Complex, DType, narrow_value};

use super::blocks::{BLOCK_LEN, bf16_value, decode_into, f16_value};

/// Turns elements of any type of numbers into `f64`: exactly, but for integers beyond 53 bits.
pub(crate) struct Decoder {
    dtype: DType,
    size: usize,
    bytes: Option<Box<[f64; 256]>>,
}

impl Decoder {
    /// A decoder for a type; types without numbers have no values.
    pub(crate) fn new(dtype: DType) -> Decoder {
        let size = dtype.size_bytes().unwrap_or(1);
        Decoder { dtype, size, bytes: byte_values(dtype).map(Box::new) }
    }

    /// Calls `work` with the elements of a stretch, block by block.
    pub(crate) fn blocks(&self, bytes: &[u8], mut work: impl FnMut(&[f64])) {
        let mut block = [0.0; BLOCK_LEN];
        for bytes in bytes.chunks(BLOCK_LEN * self.size) {
            work(self.decode(bytes, &mut block));
        }
    }

    /// The elements that these bytes hold, at most a block of them; of complex numbers the magnitude.
    pub(crate) fn decode<'o>(&self, bytes: &[u8], out: &'o mut [f64; BLOCK_LEN]) -> &'o [f64] {
        use DType::{BF16, Complex64, Complex128, F16, F32, F64};
        use DType::{I16, I32, I64, QI16, QI32, QU16, U16, U32, U64};
        match self.dtype {
            F32 => decode_into(bytes, out, |element| f64::from(f32::from_ne_bytes(element))),
            F64 => decode_into(bytes, out, f64::from_ne_bytes),
            F16 => decode_into(bytes, out, |element| f64::from(f16_value(element))),
            BF16 => decode_into(bytes, out, |element| f64::from(bf16_value(element))),
            I16 | QI16 => decode_into(bytes, out, |element| i16::from_ne_bytes(element).into()),
            U16 | QU16 => decode_into(bytes, out, |element| u16::from_ne_bytes(element).into()),
            I32 | QI32 => decode_into(bytes, out, |element| i32::from_ne_bytes(element).into()),
            U32 => decode_into(bytes, out, |element| u32::from_ne_bytes(element).into()),
            I64 => decode_into(bytes, out, |element| i64::from_ne_bytes(element) as f64),
            U64 => decode_into(bytes, out, |element| u64::from_ne_bytes(element) as f64),
            Complex64 => decode_into(bytes, out, |element| magnitude_64(complex_64(element))),
            Complex128 => decode_into(bytes, out, |element| magnitude(complex_128(element))),
            _ => match &self.bytes {
                Some(values) => decode_into(bytes, out, |[byte]| values[usize::from(byte)]),
                None => &[],
            },
        }
    }

    /// As [`Decoder::decode`], real and imaginary parts; other numbers have an imaginary part of zero.
    pub(crate) fn decode_complex<'o>(
        &self,
        bytes: &[u8],
        out: &'o mut [Complex<f64>; BLOCK_LEN],
    ) -> &'o [Complex<f64>] {
        match self.dtype {
            DType::Complex64 => decode_into(bytes, out, complex_64),
            DType::Complex128 => decode_into(bytes, out, complex_128),
            _ => {
                let mut values = [0.0; BLOCK_LEN];
                let values = self.decode(bytes, &mut values);
                for (number, value) in out.iter_mut().zip(values) {
                    *number = Complex { re: *value, im: 0.0 };
                }
                &out[..values.len()]
            }
        }
    }
}

/// What each byte stands for, of types whose elements are one byte.
pub(crate) fn byte_values(dtype: DType) -> Option<[f64; 256]> {
    if dtype.size_bytes() != Some(1) {
        return None;
    }
    let value = |byte: u8| match dtype {
        DType::I8 | DType::QI8 => f64::from(byte as i8),
        dtype => narrow_value(dtype, byte).unwrap_or(f64::from(byte)),
    };
    Some(std::array::from_fn(|byte| value(byte as u8)))
}

/// The magnitude of a complex number; NaN as soon as one part is.
pub(crate) fn magnitude(number: Complex<f64>) -> f64 {
    match number {
        Complex { re, im } if re.is_nan() || im.is_nan() => f64::NAN,
        Complex { re, im } => re.hypot(im),
    }
}

/// As [`magnitude`], of parts that were `f32`, whose squares are far from the ends of the range.
fn magnitude_64(Complex { re, im }: Complex<f64>) -> f64 {
    (re * re + im * im).sqrt()
}

fn complex_64(element: [u8; 8]) -> Complex<f64> {
    let [a, b, c, d, e, f, g, h] = element;
    let (re, im) = (f32::from_ne_bytes([a, b, c, d]), f32::from_ne_bytes([e, f, g, h]));
    Complex { re: re.into(), im: im.into() }
}

fn complex_128(element: [u8; 16]) -> Complex<f64> {
    let (parts, _) = element.as_chunks();
    match parts {
        [re, im] => Complex { re: f64::from_ne_bytes(*re), im: f64::from_ne_bytes(*im) },
        _ => Complex::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_with_numbers_has_values() {
        for dtype in DType::ALL {
            let bytes = vec![1; dtype.size_bytes().unwrap_or(4) * (BLOCK_LEN + 3)];
            let decoder = Decoder::new(*dtype);
            let mut lens = Vec::new();
            decoder.blocks(&bytes, |values| lens.push(values.len()));
            let mut out = [Complex::default(); BLOCK_LEN];
            let n_complex = decoder.decode_complex(&bytes[..16], &mut out).len();
            match dtype.size_bytes() {
                Some(size) => assert_eq!((&*lens, n_complex), (&[BLOCK_LEN, 3][..], 16 / size)),
                None => assert!(lens.iter().all(|len| *len == 0) && n_complex == 0, "{dtype}"),
            }
        }
    }

    #[test]
    fn magnitudes_do_not_overflow() {
        let max = f64::from(f32::MAX);
        assert_eq!(magnitude_64(Complex { re: 3.0 * max, im: 4.0 * max }), 5.0 * max);
        assert_eq!(magnitude(Complex { re: 3e300, im: 4e300 }), 5e300);
        assert!(magnitude(Complex { re: f64::INFINITY, im: f64::NAN }).is_nan());
        assert!(magnitude_64(Complex { re: f64::INFINITY, im: f64::NAN }).is_nan());
    }
}
