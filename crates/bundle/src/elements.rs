//! Reading the elements of a tensor stretch by stretch.

use std::sync::{Arc, Mutex, PoisonError};

use flowkeep_tensor::{DType, Shape, Tensor};

use crate::value::{Shard, Value, plain};
use crate::{BundleReader, Entry, Error, crc32c};

/// The elements of a tensor of plain elements, to be read stretch by stretch, in any order, by
/// several threads: for work on tensors that need not be in memory whole.
///
/// Each stretch goes into the checksum as it is read; [`ElementReader::finish`] tells whether
/// everything was what had been written.
///
/// ```
/// use std::path::Path;
///
/// use flowkeep_bundle::BundleReader;
///
/// let reader = BundleReader::open(Path::new("../../fixtures/bundles/partitioned"))?;
/// let elements = reader.elements("w")?;
/// let mut row = [0; 12];
/// let mut sum = 0.0;
/// for at in (0..elements.len_bytes()).step_by(row.len()) {
///     elements.read_at(at, &mut row)?;
///     let (numbers, _) = row.as_chunks();
///     sum += numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).sum::<f32>();
/// }
/// elements.finish()?;
/// assert_eq!(sum, 66.0);
/// # Ok::<(), flowkeep_bundle::Error>(())
/// ```
pub struct ElementReader<'a> {
    reader: &'a BundleReader,
    key: Vec<u8>,
    entry: Entry,
    from: Elements,
}

enum Elements {
    /// The data file, and the checksums of the stretches that have been read: where they begin, and
    /// how long they are.
    Shard(Arc<Shard>, Mutex<Vec<(u64, u64, u32)>>),
    /// A tensor that has to be put together first.
    Memory(Tensor),
}

impl BundleReader {
    /// The elements of a tensor. One that is stored in slices, or in the other byte order, is read
    /// into memory now.
    ///
    /// Errors: as [`BundleReader::tensor`]; `UNIMPLEMENTED` for strings and variants.
    pub fn elements(&self, key: impl AsRef<[u8]>) -> Result<ElementReader<'_>, Error> {
        let key = key.as_ref();
        let entry = self.entry(key)?;
        if entry.dtype.size_bytes().is_none() {
            return Err(flowkeep_tensor::Error::NotPlain(entry.dtype).into());
        }
        let from = if entry.is_partitioned()
            || self.header().is_foreign()
            || cfg!(target_endian = "big")
        {
            Elements::Memory(self.tensor(key)?)
        } else {
            let shard = self.shard(entry.shard)?;
            self.value(key, &entry, &shard).check_place()?;
            Elements::Shard(shard, Mutex::default())
        };
        Ok(ElementReader { reader: self, key: key.to_vec(), entry, from })
    }
}

impl ElementReader<'_> {
    /// The element type.
    pub fn dtype(&self) -> DType {
        self.entry.dtype
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.entry.shape
    }

    /// The length of all elements in bytes.
    pub fn len_bytes(&self) -> u64 {
        match &self.from {
            Elements::Shard(..) => self.entry.size,
            Elements::Memory(tensor) => u64::try_from(tensor.len_bytes()).unwrap_or(u64::MAX),
        }
    }

    /// Reads the elements from byte `at` on, little-endian, in row-major order.
    ///
    /// Errors: `OUT_OF_RANGE` beyond the last element; what the system reports.
    pub fn read_at(&self, at: u64, out: &mut [u8]) -> Result<(), Error> {
        let len = u64::try_from(out.len()).unwrap_or(u64::MAX);
        if at.checked_add(len).is_none_or(|end| end > self.len_bytes()) {
            return Err(self.out_of_range(at, len));
        }
        match &self.from {
            Elements::Shard(shard, read) => {
                self.value(shard).read_part(at, out)?;
                let crc = crc32c::crc32c(out);
                read.lock().unwrap_or_else(PoisonError::into_inner).push((at, len, crc));
                plain::to_canonical_form(self.entry.dtype, out);
            }
            Elements::Memory(tensor) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                let bytes = tensor.as_bytes()?.get(start..start.saturating_add(out.len()));
                out.copy_from_slice(bytes.ok_or_else(|| self.out_of_range(at, len))?);
                plain::to_stored_form(self.entry.dtype, out);
            }
        }
        Ok(())
    }

    /// Compares the checksum of everything that was read with the stored one, unless the reader's
    /// options forbid it.
    ///
    /// Errors: `DATA_LOSS` if it is another; `FAILED_PRECONDITION` if the stretches that were read
    /// are not just the whole tensor.
    pub fn finish(&self) -> Result<(), Error> {
        let Elements::Shard(shard, read) = &self.from else { return Ok(()) };
        let mut read = read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        read.sort_unstable();
        let (mut joined, mut end) = (crc32c::Joined::new(), 0u64);
        for (at, len, stretch) in read {
            if at != end {
                break;
            }
            joined.add(stretch, len);
            end = end.saturating_add(len);
        }
        if end != self.entry.size {
            let key = crate::key::text(&self.key);
            return Err(Error::Invalid {
                code: flowkeep_tensor::Code::FailedPrecondition,
                what: format!(
                    "tensor {key} was not read whole, so its checksum cannot be compared"
                ),
            });
        }
        self.value(shard).check(joined.crc())
    }

    fn value<'a>(&'a self, shard: &'a Shard) -> Value<'a> {
        self.reader.value(&self.key, &self.entry, shard)
    }

    fn out_of_range(&self, at: u64, len: u64) -> Error {
        let key = crate::key::text(&self.key);
        let n = self.len_bytes();
        Error::Invalid {
            code: flowkeep_tensor::Code::OutOfRange,
            what: format!("tensor {key} has {n} bytes, but {len} were asked for from byte {at} on"),
        }
    }
}

impl std::fmt::Debug for ElementReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ElementReader")
            .field("key", &crate::key::text(&self.key))
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}
