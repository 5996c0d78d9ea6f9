use flowkeep_bundle::ElementReader;
use flowkeep_tensor::{DType, Shape, Tensor};

use crate::Error;
use crate::parallel::in_parallel;

/// The bytes that tools work on in one go: a multiple of every element's size, and few enough to stay
/// in a processor's cache.
pub(crate) const STRETCH_LEN: usize = 512 << 10;

/// The plain elements of a tensor, to be read stretch by stretch, by several threads, without holding
/// all of them where the format allows it.
#[derive(Debug)]
pub struct Elements<'a>(Source<'a>);

#[derive(Debug)]
enum Source<'a> {
    Stored(ElementReader<'a>),
    Memory(Tensor),
}

impl<'a> Elements<'a> {
    pub(crate) fn stored(reader: ElementReader<'a>) -> Elements<'a> {
        Elements(Source::Stored(reader))
    }

    /// The elements of a tensor in memory.
    ///
    /// Errors: `UNIMPLEMENTED` for strings.
    pub fn of(tensor: Tensor) -> Result<Elements<'a>, Error> {
        tensor.as_bytes()?;
        Ok(Elements(Source::Memory(tensor)))
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match &self.0 {
            Source::Stored(reader) => reader.dtype(),
            Source::Memory(tensor) => tensor.dtype(),
        }
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        match &self.0 {
            Source::Stored(reader) => reader.shape(),
            Source::Memory(tensor) => tensor.shape(),
        }
    }

    /// The length of all elements in bytes.
    pub fn len_bytes(&self) -> u64 {
        match &self.0 {
            Source::Stored(reader) => reader.len_bytes(),
            Source::Memory(tensor) => tensor.len_bytes() as u64,
        }
    }

    /// Reads the elements from byte `at` on, in the machine's byte order, in row-major order.
    ///
    /// Errors: `OUT_OF_RANGE` beyond the last element; what the system reports.
    pub fn read_at(&self, at: u64, out: &mut [u8]) -> Result<(), Error> {
        match &self.0 {
            Source::Stored(reader) => {
                reader.read_at(at, out)?;
                to_machine_order(reader.dtype(), out);
            }
            Source::Memory(tensor) => {
                let bytes = tensor.as_bytes()?;
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                let stretch = bytes.get(start..start.saturating_add(out.len()));
                let stretch = stretch.ok_or_else(|| {
                    Error::Invalid(format!("byte {at} is beyond the {} of a tensor", bytes.len()))
                })?;
                out.copy_from_slice(stretch);
            }
        }
        Ok(())
    }

    /// Calls `work` with each stretch of 512 KiB and the place where it begins, on several threads;
    /// gives the results in order of the places, which do not depend on the number of threads.
    ///
    /// Errors: as [`Elements::read_at`].
    pub fn map_stretches<T: Send>(
        &self,
        n_threads: usize,
        work: impl Fn(u64, &[u8]) -> T + Sync,
    ) -> Result<Vec<T>, Error> {
        let n_stretches = self.len_bytes().div_ceil(STRETCH_LEN as u64);
        let stretch = |number: u64, buffer: &mut Vec<u8>| -> Result<T, Error> {
            let at = number * STRETCH_LEN as u64;
            let len = (self.len_bytes() - at).min(STRETCH_LEN as u64) as usize;
            Ok(work(at, self.stretch(at, len, buffer)?))
        };
        in_parallel(n_threads, n_stretches, Vec::new, stretch)
    }

    /// The `len` bytes from `at` on, as [`Elements::read_at`] gives them: those in memory, or read into
    /// the buffer.
    pub(crate) fn stretch<'b>(
        &'b self,
        at: u64,
        len: usize,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], Error> {
        if let Source::Memory(tensor) = &self.0
            && let Ok(start) = usize::try_from(at)
            && let Some(bytes) = tensor.as_bytes()?.get(start..start.saturating_add(len))
        {
            return Ok(bytes);
        }
        buffer.resize(len, 0);
        self.read_at(at, buffer)?;
        Ok(buffer)
    }

    /// Whether reading means no reading at all, so that it can be done again.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(&self.0, Source::Memory(_))
    }

    /// Compares what was read with its checksum, where the format has one.
    ///
    /// Errors: as [`ElementReader::finish`].
    pub fn finish(&self) -> Result<(), Error> {
        match &self.0 {
            Source::Stored(reader) => Ok(reader.finish()?),
            Source::Memory(_) => Ok(()),
        }
    }
}

/// Turns little-endian elements into those of the machine, or back.
pub(crate) fn to_machine_order(dtype: DType, bytes: &mut [u8]) {
    if cfg!(target_endian = "big") {
        let size = dtype.size_bytes().unwrap_or(1);
        let word = if dtype.is_complex() { size / 2 } else { size };
        bytes.chunks_exact_mut(word.max(1)).for_each(<[u8]>::reverse);
    }
}
