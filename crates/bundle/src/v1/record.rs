//! Records of slices: finding them in their file, and from their bytes to tensors.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor, TensorSlice};

use super::decode::Values;
use super::wire::Malformed;
use crate::key::text;
use crate::table::{self, LazyTable, Located};
use crate::value::plain::Region;
use crate::{Error, slice_key};

/// A file of a V1 checkpoint that is open.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) table: LazyTable,
}

/// The record of a slice, which is one of shape `shape`.
pub(super) struct Record<'a> {
    pub(super) file: &'a File,
    pub(super) name: &'a [u8],
    pub(super) slice: &'a TensorSlice,
    pub(super) dtype: DType,
    pub(super) shape: Shape,
}

impl Record<'_> {
    /// Reads the slice.
    ///
    /// Errors: `DATA_LOSS` if the record is missing or damaged, or has not as many values as the
    /// slice; `UNIMPLEMENTED` for types that V1 checkpoints do not hold.
    pub(super) fn read(&self) -> Result<Tensor, Error> {
        let key = slice_key::encode(self.name, self.slice);
        let found = self.file.table.find(&key).map_err(|error| self.damaged_block(error))?;
        let Some(found) = found else {
            return Err(self.damaged(None, "there is no record"));
        };
        let offset = Some(found.offset);
        let record = found.block.slice(found.value.clone());
        let Some(values) = Values::new(&record, self.dtype) else {
            let (key, dtype) = (self.name.to_vec(), self.dtype.to_string());
            return Err(Error::UnsupportedType { key, dtype });
        };
        let malformed = |Malformed| self.damaged(offset, "the record is malformed");
        let n = values.count().map_err(malformed)?;
        if n != self.shape.n_elements() {
            let what = format!("{n} values are stored instead of {}", self.shape.n_elements());
            return Err(self.damaged(offset, &what));
        }
        if let Some(place) = values.in_place().and_then(|bytes| place_in(&found.block, bytes)) {
            drop(record);
            return self.read_in_place(found, place);
        }
        if self.dtype != DType::String || self.worth_sharing(&found, record.len()) {
            return values.read(&self.shape, &record, malformed);
        }
        let record = Bytes::copy_from_slice(&record);
        let values = Values::new(&record, self.dtype);
        let read = values.map(|values| values.read(&self.shape, &record, malformed));
        read.unwrap_or_else(|| Err(malformed(Malformed)))
    }

    /// The fewest bytes that the record can have, with `min_len` bytes for each value.
    pub(super) fn min_len(&self, min_len: u64) -> u64 {
        u64::try_from(self.shape.n_elements()).unwrap_or(u64::MAX).saturating_mul(min_len)
    }

    /// The most bytes that records of the file can have, judged by how that of this one is stored.
    pub(super) fn max_file_len(&self) -> Result<u64, Error> {
        let key = slice_key::encode(self.name, self.slice);
        self.file.table.max_contents_len(&key).map_err(|error| self.damaged_block(error))
    }

    /// The tensor whose elements lie in the block as they are in memory: a view of the source where
    /// that has views and they are aligned; a view of the block if that is nearly all of it; else a
    /// copy.
    fn read_in_place(&self, found: Located, place: Range<usize>) -> Result<Tensor, Error> {
        let len = place.len();
        let align = self.dtype.size_bytes().unwrap_or(1).min(align_of::<u64>()).max(1);
        let bytes = found.block.slice(place.clone());
        let source = self.file.table.source();
        if found.plain && source.has_views() && bytes.as_ptr().addr().is_multiple_of(align) {
            let offset = found.offset.saturating_add(u64::try_from(place.start).unwrap_or(0));
            let region = Region {
                source: Arc::clone(source),
                offset,
                len: u64::try_from(len).unwrap_or(u64::MAX),
            };
            return Ok(Tensor::from_backing(self.dtype, &self.shape, bytes, Arc::new(region))?);
        }
        if self.worth_sharing(&found, len) {
            drop(bytes);
            let bytes = aligned(found.block, place, align);
            return Ok(Tensor::from_bytes(self.dtype, &self.shape, bytes)?);
        }
        Tensor::from_fill(self.dtype, &self.shape, |out| {
            out.copy_from_slice(&bytes);
            Ok(())
        })
    }

    /// Whether a tensor may keep the memory of its block, of which `len` bytes are its own.
    fn worth_sharing(&self, found: &Located, len: usize) -> bool {
        let views = found.plain && self.file.table.source().has_views();
        views || len >= found.block.len() / 4 * 3
    }

    fn damaged(&self, offset: Option<u64>, what: &str) -> Error {
        let what = format!("Error copying slice data: {what}");
        let (path, name) = (self.file.path.clone(), text(self.name));
        let what = match self.slice.is_full() {
            true => what,
            false => format!("{what} (slice {})", self.slice),
        };
        match offset {
            Some(offset) => Error::Value { path, key: self.name.to_vec(), offset, what },
            None => {
                let what = format!("{what} of tensor {name}");
                Error::Entry { path, key: self.name.to_vec(), what }
            }
        }
    }

    fn damaged_block(&self, error: table::Error) -> Error {
        let path = self.file.path.clone();
        match error {
            table::Error::Corrupt { what, offset } => self.damaged(Some(offset), what),
            table::Error::Io(source) => Error::Io { path, source },
            source => Error::Table { path, source },
        }
    }
}

/// Where a part of a block lies in it.
fn place_in(block: &Bytes, part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(block.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= block.len()).then_some(start..end)
}

/// A part of a block, moved towards its beginning to where it is aligned if nobody else looks at
/// the block; as it is otherwise.
fn aligned(block: Bytes, place: Range<usize>, align: usize) -> Bytes {
    let Some(start) = block.as_ptr().addr().checked_add(place.start) else {
        return block.slice(place);
    };
    let excess = start % align;
    match block.try_into_mut() {
        Ok(mut block) if excess > 0 && excess <= place.start => {
            let (start, len) = (place.start - excess, place.len());
            block.copy_within(place, start);
            block.freeze().slice(start..start + len)
        }
        Ok(block) => block.freeze().slice(place),
        Err(block) => block.slice(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_block_are_aligned_in_their_own_memory() {
        let content: Vec<u8> = (0..100).collect();
        for start in 8..24 {
            let block = Bytes::from(content.clone());
            let memory = block.as_ptr().addr();
            let part = aligned(block, start..start + 64, 8);
            assert_eq!(part, content[start..start + 64]);
            let at = part.as_ptr().addr();
            assert!(at.is_multiple_of(8) && (memory..memory + start + 1).contains(&at), "{start}");
        }
        let shared = Bytes::from(content.clone());
        let part = aligned(shared.clone(), 9..73, 8);
        assert_eq!((part, &shared[..]), (shared.slice(9..73), &content[..]));
    }
}
