//! Elements that lie one after another in row-major order, as tensors.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor};

use super::error::FormatError;
use super::region::Region;

/// The tensor that is a view of `bytes`, which are little-endian and lie in `region`; `None` if it
/// must be copied, because it would not lie aligned or would not be canonical.
///
/// The length must have been checked.
pub(super) fn view(
    dtype: DType,
    shape: &Shape,
    bytes: &Bytes,
    region: &Region,
) -> Result<Option<Tensor>, FormatError> {
    let element = dtype.size_bytes().unwrap_or(1).min(align_of::<u64>());
    let is_canonical = match canonical_byte(dtype) {
        Some(canonical) => bytes.iter().all(|byte| canonical(*byte) == *byte),
        None => true,
    };
    let is_native = cfg!(target_endian = "little") || element == 1;
    if !is_native || !is_canonical || !bytes.as_ptr().addr().is_multiple_of(element) {
        return Ok(None);
    }
    Ok(Some(Tensor::from_backing(dtype, shape, bytes.clone(), Arc::new(region.clone()))?))
}

/// Reads a tensor straight into its own memory. Groups of `word` bytes are big-endian if
/// `big_endian` is set.
pub(super) fn read(
    dtype: DType,
    shape: &Shape,
    big_endian: bool,
    from: &mut dyn Read,
) -> Result<Tensor, FormatError> {
    Tensor::from_fill(dtype, shape, |out| {
        from.read_exact(out)?;
        if big_endian != cfg!(target_endian = "big") {
            swap(word(dtype), out);
        }
        if let Some(canonical) = canonical_byte(dtype) {
            out.iter_mut().for_each(|byte| *byte = canonical(*byte));
        }
        Ok(())
    })
}

/// Reads a tensor that fills a region: a view of it where that is possible.
pub(super) fn read_region(
    dtype: DType,
    shape: &Shape,
    region: &Region,
) -> Result<Tensor, FormatError> {
    if let Some(bytes) = region.view()?
        && let Some(tensor) = view(dtype, shape, &bytes, region)?
    {
        return Ok(tensor);
    }
    read(dtype, shape, false, &mut region.stream())
}

/// The elements of a plain tensor in the order that files have, handed on piece by piece.
pub(super) fn for_each_piece(
    tensor: &Tensor,
    mut piece: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), FormatError> {
    let bytes = tensor.as_bytes()?;
    if cfg!(target_endian = "little") || word(tensor.dtype()) == 1 {
        return Ok(piece(bytes)?);
    }
    for part in bytes.chunks(1 << 16) {
        let mut part = part.to_vec();
        swap(word(tensor.dtype()), &mut part);
        piece(&part)?;
    }
    Ok(())
}

/// Turns every group of `word` bytes around.
pub(super) fn swap(word: usize, bytes: &mut [u8]) {
    if word > 1 {
        bytes.chunks_exact_mut(word).for_each(<[u8]>::reverse);
    }
}

/// The number of bytes that change places together: of a complex number, each half by itself.
fn word(dtype: DType) -> usize {
    let size = dtype.size_bytes().unwrap_or(1);
    if dtype.is_complex() { size / 2 } else { size }
}

/// How a byte of a one-byte element is brought into the form that it has in memory, for types that
/// do not use all values of a byte.
pub(super) fn canonical_byte(dtype: DType) -> Option<fn(u8) -> u8> {
    match dtype {
        DType::Bool => Some(|byte| u8::from(byte != 0)),
        DType::I4 | DType::U4 | DType::F4E2M1FN => Some(|byte| byte & 0x0f),
        DType::I2 | DType::U2 => Some(|byte| byte & 0x03),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use flowkeep_bundle::source::BytesSource;

    use super::*;

    fn region(bytes: &Bytes) -> Region {
        Region::of(Arc::new(BytesSource::new(bytes.clone())))
    }

    #[test]
    fn aligned_tensors_are_views() {
        let bytes = Bytes::from([0u64, 1, 2].map(u64::to_le_bytes).concat());
        // What a vector of bytes is aligned to is the allocator's choice: find a place that is.
        let at = bytes.as_ptr().addr().wrapping_neg() % 8;
        let aligned = bytes.slice(at..at + 8);
        let tensor = read_region(DType::U8, &[8].into(), &region(&aligned)).unwrap();
        assert_eq!(tensor.as_bytes().unwrap().as_ptr(), aligned.as_ptr());
        let tensor = read_region(DType::F64, &[1].into(), &region(&aligned)).unwrap();
        assert_eq!(tensor.as_bytes().unwrap().as_ptr(), aligned.as_ptr());
        let askew = bytes.slice(at + 1..at + 9);
        let tensor = read_region(DType::F64, &[1].into(), &region(&askew)).unwrap();
        assert_ne!(tensor.as_bytes().unwrap().as_ptr(), askew.as_ptr());
        assert_eq!(tensor.as_bytes().unwrap(), &askew[..]);
    }

    #[test]
    fn narrow_types_become_canonical() {
        let bytes = Bytes::from_static(&[0, 1, 2, 0xf3]);
        let read = |dtype| read_region(dtype, &[4].into(), &region(&bytes)).unwrap();
        assert_eq!(read(DType::Bool).as_slice::<bool>().unwrap(), &[false, true, true, true]);
        assert_eq!(read(DType::I4).as_bytes().unwrap(), &[0, 1, 2, 3]);
        assert_eq!(read(DType::U2).as_bytes().unwrap(), &[0, 1, 2, 3]);
    }

    #[test]
    fn big_endian_elements_are_turned_around() {
        let read = |dtype, mut bytes: &[u8]| {
            let n = bytes.len() / DType::size_bytes(dtype).unwrap();
            super::read(dtype, &[n].into(), true, &mut bytes).unwrap()
        };
        assert_eq!(read(DType::I16, &[0, 1, 2, 0]).as_slice::<i16>().unwrap(), &[1, 512]);
        let complex = [1f32.to_be_bytes(), 2f32.to_be_bytes()].concat();
        let complex = read(DType::Complex64, &complex);
        let complex = complex.as_slice::<flowkeep_tensor::Complex<f32>>().unwrap();
        assert_eq!((complex[0].re, complex[0].im), (1.0, 2.0));
    }
}
