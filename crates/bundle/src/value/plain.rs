use std::ops::Range;
use std::sync::Arc;

use flowkeep_tensor::{Backing, DType, Tensor};

use super::{Value, checksum};
use crate::Error;
use crate::source::Source;

/// The place of a view in its source.
pub(crate) struct Region {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Backing for Region {
    fn release(&self) {
        self.source.advise_unused(self.offset, self.len);
    }

    fn release_part(&self, bytes: Range<usize>) {
        let part = u64::try_from(bytes.start).ok().zip(u64::try_from(bytes.len()).ok());
        if let Some((start, len)) = part.filter(|(start, len)| start + len <= self.len) {
            self.source.advise_unused(self.offset + start, len);
        }
    }
}

impl Value<'_> {
    /// Reads elements that lie one after another, in row-major order.
    ///
    /// Where the source gives views and the elements are aligned there, the tensor is a view. In
    /// every other case the bytes are read straight into the tensor's own memory, so that a weight
    /// is held once.
    pub(crate) fn read_plain(&self) -> Result<Tensor, Error> {
        match self.view()? {
            Some(tensor) => Ok(tensor),
            None => self.read_copy(),
        }
    }

    /// As [`Value::read_plain`], into the tensor's own memory whatever the source gives.
    pub(crate) fn read_copy(&self) -> Result<Tensor, Error> {
        Tensor::from_fill(self.entry.dtype, &self.entry.shape, |out| self.fill(out))
    }

    /// The tensor as a view of its source, or `None` if it must be copied.
    fn view(&self) -> Result<Option<Tensor>, Error> {
        if self.swapped && swap_width(self.entry.dtype) > 1 || !self.shard.source.has_views() {
            return Ok(None);
        }
        let bytes = self.read_stored()?;
        let element = self.entry.dtype.size_bytes().unwrap_or(1);
        let canonical = match canonical_byte(self.entry.dtype) {
            Some(canonical) => bytes.iter().all(|byte| canonical(*byte) == *byte),
            None => true,
        };
        if !canonical || !bytes.as_ptr().addr().is_multiple_of(element.min(align_of::<u64>())) {
            return Ok(None);
        }
        self.check_bytes(&bytes)?;
        let region = Region {
            source: self.shard.source.clone(),
            offset: self.place(),
            len: self.entry.size,
        };
        let (dtype, shape) = (self.entry.dtype, &self.entry.shape);
        Ok(Some(Tensor::from_backing(dtype, shape, bytes, Arc::new(region))?))
    }

    fn fill(&self, out: &mut [u8]) -> Result<(), Error> {
        if self.verify {
            let crc = checksum::of_read(out, self.n_threads, |at, out| self.read_part(at, out))?;
            self.check(crc)?;
        } else {
            self.read_part(0, out)?;
        }
        if self.swapped {
            match swap_width(self.entry.dtype) {
                0 | 1 => {}
                width => out.chunks_exact_mut(width).for_each(<[u8]>::reverse),
            }
        }
        to_canonical_form(self.entry.dtype, out);
        Ok(())
    }
}

/// Whether the elements in memory are the bytes to be stored, in a little-endian bundle.
pub(crate) fn is_stored_form(dtype: DType) -> bool {
    (cfg!(target_endian = "little") || swap_width(dtype) == 1) && canonical_byte(dtype).is_none()
}

/// Turns elements in memory into the bytes to be stored.
pub(crate) fn to_stored_form(dtype: DType, elements: &mut [u8]) {
    if cfg!(target_endian = "big") {
        elements.chunks_exact_mut(swap_width(dtype).max(1)).for_each(<[u8]>::reverse);
    }
    to_canonical_form(dtype, elements);
}

/// Clears the bits of each byte that carry no value, for types that do not use them all.
pub(crate) fn to_canonical_form(dtype: DType, elements: &mut [u8]) {
    if let Some(canonical) = canonical_byte(dtype) {
        elements.iter_mut().for_each(|byte| *byte = canonical(*byte));
    }
}

/// The number of bytes that change places together: of a complex number, each half by itself.
fn swap_width(dtype: DType) -> usize {
    let size = dtype.size_bytes().unwrap_or(1);
    if dtype.is_complex() { size / 2 } else { size }
}

/// How a byte of a one-byte element is brought into the form that it has in memory, for types that
/// do not use all values of a byte.
fn canonical_byte(dtype: DType) -> Option<fn(u8) -> u8> {
    match dtype {
        DType::Bool => Some(|byte| u8::from(byte != 0)),
        DType::I4 | DType::U4 | DType::F4E2M1FN => Some(|byte| byte & 0x0f),
        DType::I2 | DType::U2 => Some(|byte| byte & 0x03),
        _ => None,
    }
}
