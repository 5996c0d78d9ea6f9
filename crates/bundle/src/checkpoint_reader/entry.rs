use flowkeep_tensor::{DType, Shape, TensorSlice};

use crate::{BundleReader, Entry, V1Entry, slice_key};

/// What a checkpoint of either format says about a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointEntry {
    /// The element type.
    pub dtype: DType,
    /// The full shape.
    pub shape: Shape,
    /// What is stored: the tensor, or its slices in the order in which they were added.
    pub parts: Vec<StoredPart>,
}

/// A tensor or a slice of one as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredPart {
    /// Which part of the tensor this is.
    pub slice: TensorSlice,
    /// The number of the file; `None` if a bundle's entry for the slice is missing or damaged.
    pub file: Option<u32>,
    /// The length in the file in bytes, if it is known without reading the tensor: in a bundle.
    pub size: Option<u64>,
}

impl CheckpointEntry {
    /// Whether the tensor is stored in slices, be it a single one.
    pub fn is_partitioned(&self) -> bool {
        !matches!(self.parts.as_slice(), [part] if part.slice.is_full())
    }

    /// The slices that are stored; of a tensor that is not partitioned, the full one.
    pub fn slices(&self) -> impl Iterator<Item = &TensorSlice> {
        self.parts.iter().map(|part| &part.slice)
    }

    /// The length of all parts in bytes, if it is known.
    pub fn size(&self) -> Option<u64> {
        self.parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.size?))
    }

    pub(super) fn of_bundle(reader: &BundleReader, key: &[u8], entry: Entry) -> CheckpointEntry {
        let part = |slice: TensorSlice, stored: Option<&Entry>| StoredPart {
            slice,
            file: stored.map(|entry| entry.shard),
            size: stored.map(|entry| entry.size),
        };
        let mut parts = Vec::new();
        if !entry.is_partitioned() {
            parts.push(part(TensorSlice::full(entry.shape.rank()), Some(&entry)));
        }
        for slice in &entry.slices {
            let stored = reader.entry(slice_key::encode(key, slice)).ok();
            parts.push(part(slice.clone(), stored.as_ref()));
        }
        CheckpointEntry { dtype: entry.dtype, shape: entry.shape, parts }
    }
}

impl From<V1Entry> for CheckpointEntry {
    fn from(entry: V1Entry) -> CheckpointEntry {
        let V1Entry { dtype, shape, slices, files, .. } = entry;
        let parts = slices.into_iter().zip(files);
        let parts = parts.map(|(slice, file)| StoredPart { slice, file: Some(file), size: None });
        CheckpointEntry { dtype, shape, parts: parts.collect() }
    }
}
