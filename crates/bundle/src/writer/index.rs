use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;

use flowkeep_proto::pb;
use flowkeep_tensor::{DType, Shape, TensorSlice};
use prost::Message;

use crate::key::text;
use crate::overlap::find_overlap;
use crate::table::{self, TableWriter};
use crate::{BundleHeader, Error, slice_key};

/// The index of a bundle that is being written.
#[derive(Debug, Default)]
pub(crate) struct IndexBuilder {
    entries: BTreeMap<Vec<u8>, pb::BundleEntryProto>,
}

/// Why entries of two parts of a bundle, each with a key, cannot be in one.
#[derive(Debug)]
pub(crate) enum Conflict {
    /// The key has been there.
    Duplicate(Vec<u8>),
    /// A tensor that was in slices is whole.
    NotASlice(Vec<u8>),
    /// Slices disagree about the whole tensor.
    Mismatch(Vec<u8>),
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Error {
        match conflict {
            Conflict::Duplicate(key) | Conflict::NotASlice(key) => Error::DuplicateKey { key },
            Conflict::Mismatch(key) => Error::invalid(format!(
                "slices of tensor {} disagree about its type or shape",
                text(&key)
            )),
        }
    }
}

/// Where a value lies, and its checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) shard: u32,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) masked_crc32c: u32,
}

impl IndexBuilder {
    /// Checks that a tensor may be added under this key.
    ///
    /// Errors: `INVALID_ARGUMENT` for the empty key, the key of a slice, a key that is there, and
    /// resources, which are handles to something else.
    pub(crate) fn check(&self, key: &[u8], dtype: DType) -> Result<(), Error> {
        if key.is_empty() {
            return Err(Error::invalid("a tensor cannot be stored under the empty key"));
        }
        if slice_key::decode(key).is_some() {
            let what = format!("the key of {} is that of a slice, not of a tensor", text(key));
            return Err(Error::invalid(what));
        }
        check_dtype(key, dtype)?;
        match self.entries.contains_key(key) {
            true => Err(Error::DuplicateKey { key: key.to_vec() }),
            false => Ok(()),
        }
    }

    /// Checks that a slice may be added to the tensor of this name; gives the slice's key.
    ///
    /// Errors: as [`IndexBuilder::check`]; also if the tensor is there whole, with another type or
    /// shape, or has the slice.
    pub(crate) fn check_slice(
        &self,
        name: &[u8],
        dtype: DType,
        full_shape: &Shape,
        slice: &TensorSlice,
    ) -> Result<Vec<u8>, Error> {
        match self.entries.get(name) {
            None => self.check(name, dtype)?,
            Some(full) if full.slices.is_empty() => {
                return Err(Error::DuplicateKey { key: name.to_vec() });
            }
            Some(full) => {
                let same = full.dtype == dtype.number()
                    && full.shape.as_ref() == Some(&full_shape.to_proto());
                if !same {
                    return Err(Conflict::Mismatch(name.to_vec()).into());
                }
            }
        }
        let key = slice_key::encode(name, slice);
        match self.entries.contains_key(&key) {
            true => Err(Error::DuplicateKey { key }),
            false => Ok(key),
        }
    }

    /// Adds the entry of a value, which has been checked.
    pub(crate) fn add(&mut self, key: Vec<u8>, dtype: DType, shape: &Shape, stored: Stored) {
        self.entries.insert(
            key,
            pb::BundleEntryProto {
                dtype: dtype.number(),
                shape: Some(shape.to_proto()),
                shard_id: i32::try_from(stored.shard).unwrap_or(i32::MAX),
                offset: i64::try_from(stored.offset).unwrap_or(i64::MAX),
                size: i64::try_from(stored.size).unwrap_or(i64::MAX),
                crc32c: stored.masked_crc32c,
                slices: Vec::new(),
            },
        );
    }

    /// Adds a slice to the entry of the whole tensor; it has been checked.
    pub(crate) fn add_to_full(
        &mut self,
        name: &[u8],
        dtype: DType,
        full_shape: &Shape,
        slice: &TensorSlice,
    ) {
        let full = self.entries.entry(name.to_vec());
        full.or_insert_with(|| full_entry(dtype, full_shape)).slices.push(slice.to_proto());
    }

    /// Adds an entry of another part of the bundle; slices of one tensor come together.
    pub(crate) fn merge(
        &mut self,
        key: Vec<u8>,
        entry: pb::BundleEntryProto,
    ) -> Result<(), Conflict> {
        match self.entries.entry(key) {
            Place::Vacant(place) => {
                place.insert(entry);
            }
            Place::Occupied(mut place) => {
                let full = place.get_mut();
                if full.slices.is_empty() {
                    return Err(Conflict::Duplicate(place.key().clone()));
                }
                if entry.slices.is_empty() {
                    return Err(Conflict::NotASlice(place.key().clone()));
                }
                if full.dtype != entry.dtype || full.shape != entry.shape {
                    return Err(Conflict::Mismatch(place.key().clone()));
                }
                full.slices.extend(entry.slices);
            }
        }
        Ok(())
    }

    /// All entries, in order of their keys.
    pub(crate) fn into_entries(self) -> BTreeMap<Vec<u8>, pb::BundleEntryProto> {
        self.entries
    }

    /// Checks what can only be seen when everything is there: that no slices overlap.
    pub(crate) fn check_whole(&self) -> Result<(), Error> {
        for (key, entry) in self.entries.iter().filter(|(_, entry)| !entry.slices.is_empty()) {
            let shape = Shape::from_proto(&entry.shape.clone().unwrap_or_default())?;
            let slices = entry.slices.iter().map(TensorSlice::from_proto);
            let slices = slices.collect::<Result<Vec<_>, _>>()?;
            let ranges = slices.iter().map(|slice| slice.resolve(&shape));
            let ranges = ranges.collect::<Result<Vec<_>, _>>()?;
            if let Some((a, b)) = find_overlap(&ranges) {
                let name = |idx: usize| slices.get(idx).map(TensorSlice::to_string);
                let (a, b) = (name(a).unwrap_or_default(), name(b).unwrap_or_default());
                let what = format!("Overlapping slices of tensor {}: {a} and {b}", text(key));
                return Err(Error::invalid(what));
            }
        }
        Ok(())
    }

    /// The content of the index file.
    pub(crate) fn encode(&self, n_shards: u32) -> Result<Vec<u8>, table::Error> {
        let mut table = TableWriter::new(Vec::new());
        table.add(b"", &BundleHeader::encode(n_shards))?;
        let mut value = Vec::new();
        for (key, entry) in &self.entries {
            value.clear();
            // A vector takes everything.
            let _ = entry.encode(&mut value);
            table.add(key, &value)?;
        }
        table.finish()
    }
}

/// The entry of a tensor in slices, as yet without any.
fn full_entry(dtype: DType, shape: &Shape) -> pb::BundleEntryProto {
    pb::BundleEntryProto {
        dtype: dtype.number(),
        shape: Some(shape.to_proto()),
        ..Default::default()
    }
}

fn check_dtype(key: &[u8], dtype: DType) -> Result<(), Error> {
    if dtype == DType::Resource {
        let what = format!("tensor {} is a resource, which cannot be stored", text(key));
        return Err(Error::invalid(what));
    }
    Ok(())
}
