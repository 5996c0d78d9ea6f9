//! The slices of a partitioned tensor as a bundle stores them.

use flowkeep_tensor::{Tensor, TensorSlice};

use crate::overlap::{Ranges, find_overlap};
use crate::partition::{self, Partitioned, SliceStore};
use crate::{BundleReader, Entry, Error, slice_key};

/// Reads `slice` of the partitioned tensor `key`; `ranges` is what the slice covers.
pub(crate) fn read(
    reader: &BundleReader,
    key: &[u8],
    entry: &Entry,
    slice: &TensorSlice,
    ranges: &Ranges,
) -> Result<Tensor, Error> {
    let stored = ranges_of(reader, key, entry)?;
    let tensor = Partitioned { key, dtype: entry.dtype, slices: &entry.slices, ranges: &stored };
    partition::read(&BundleSlices { reader, key, full: entry }, &tensor, slice, ranges)
}

/// What the slices of a partitioned tensor cover, none of it twice.
pub(crate) fn ranges_of(
    reader: &BundleReader,
    key: &[u8],
    entry: &Entry,
) -> Result<Vec<Ranges>, Error> {
    let stored = entry.slices.iter().map(|stored| stored.resolve(&entry.shape));
    let stored = stored.collect::<Result<Vec<_>, _>>()?;
    match find_overlap(&stored) {
        None => Ok(stored),
        Some((a, b)) => {
            let name = |idx: usize| entry.slices.get(idx).map(TensorSlice::to_string);
            let (a, b) = (name(a).unwrap_or_default(), name(b).unwrap_or_default());
            Err(reader.bad_entry(key, format!("Overlapping slices: {a} and {b}")))
        }
    }
}

/// Key and entry of a slice of the tensor `name`, which must be what the tensor's own entry says.
pub(crate) fn entry_of(
    reader: &BundleReader,
    name: &[u8],
    full: &Entry,
    slice: &TensorSlice,
) -> Result<(Vec<u8>, Entry), Error> {
    let key = slice_key::encode(name, slice);
    let entry = reader.entry(&key)?;
    let shape = slice.shape_in(&full.shape)?;
    if entry.dtype == full.dtype && entry.shape == shape && !entry.is_partitioned() {
        return Ok((key, entry));
    }
    Err(reader.bad_entry(
        &key,
        format!(
            "slice {slice} of {} is stored with type {} and shape {}, not {} and {shape}",
            String::from_utf8_lossy(name),
            entry.dtype,
            entry.shape,
            full.dtype
        ),
    ))
}

struct BundleSlices<'a> {
    reader: &'a BundleReader,
    key: &'a [u8],
    full: &'a Entry,
}

impl SliceStore for BundleSlices<'_> {
    /// Key and entry of a slice.
    type Found = (Vec<u8>, Entry);

    fn find(&self, idx: usize) -> Result<Self::Found, Error> {
        let slice = self.full.slices.get(idx);
        let slice = slice.ok_or_else(|| self.reader.bad_entry(self.key, "no such slice".into()))?;
        entry_of(self.reader, self.key, self.full, slice)
    }

    /// Several slices could claim the same bytes and so blow up a small file.
    fn check_room(&self, found: &[&Self::Found]) -> Result<(), Error> {
        let mut shards: Vec<u32> = found.iter().map(|(_, entry)| entry.shard).collect();
        shards.sort_unstable();
        shards.dedup();
        let mut available = 0u64;
        for shard in shards {
            available = available.saturating_add(self.reader.shard(shard)?.source.len());
        }
        let claimed = found.iter().fold(0u64, |sum, (_, entry)| sum.saturating_add(entry.size));
        if claimed > available {
            let (name, dtype) = (String::from_utf8_lossy(self.key), self.full.dtype);
            return Err(self.reader.bad_entry(
                self.key,
                format!(
                    "slices of {name} of type {dtype} have {claimed} bytes, but their data files {available}"
                ),
            ));
        }
        Ok(())
    }

    fn read(&self, (key, entry): &Self::Found) -> Result<Tensor, Error> {
        self.reader.read_value(key, entry)
    }
}
