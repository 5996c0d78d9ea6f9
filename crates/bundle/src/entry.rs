use std::path::Path;

use flowkeep_proto::pb;
use flowkeep_tensor::{DType, MAX_RANK, REF_OFFSET, Shape, TensorSlice};
use prost::Message;

use crate::key::text;
use crate::{Error, crc32c};

/// The largest number of slices of one tensor.
pub(crate) const MAX_SLICES: usize = 1_000_000;

/// What the index says about a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The element type.
    pub dtype: DType,
    /// The shape; of a partitioned tensor, the full one.
    pub shape: Shape,
    /// The number of the data file. Without meaning for a partitioned tensor, as are `offset`,
    /// `size` and `crc32c`.
    pub shard: u32,
    /// The first byte in the data file.
    pub offset: u64,
    /// The length in the data file in bytes.
    pub size: u64,
    /// The checksum of those bytes (for strings and variants also of lengths), unmasked.
    pub crc32c: u32,
    /// The slices of a partitioned tensor, each stored under its own
    /// [`slice_key`](crate::slice_key); empty for a tensor that is stored whole.
    pub slices: Vec<TensorSlice>,
}

/// Why an entry is refused.
pub(crate) enum EntryError {
    Corrupt(String),
    UnknownType(i32),
}

impl EntryError {
    /// The error of the entry `key` in the index `path`.
    pub(crate) fn at(self, path: &Path, key: &[u8]) -> Error {
        let key = key.to_vec();
        match self {
            EntryError::Corrupt(what) => Error::Entry { path: path.into(), key, what },
            EntryError::UnknownType(number) => {
                Error::UnsupportedType { key, dtype: number.to_string() }
            }
        }
    }
}

impl Entry {
    /// Whether the tensor is stored in slices.
    pub fn is_partitioned(&self) -> bool {
        !self.slices.is_empty()
    }

    pub(crate) fn decode(key: &[u8], bytes: &[u8], n_shards: u32) -> Result<Entry, EntryError> {
        let key = || text(key);
        let corrupt = |what: String| Err(EntryError::Corrupt(what));
        let Ok(proto) = pb::BundleEntryProto::decode(bytes) else {
            return corrupt(format!("Entry for key {} not parseable.", key()));
        };
        let dtype = match decode_dtype(proto.dtype)? {
            Some(dtype) => dtype,
            None => {
                return corrupt(format!("Entry for key {} has data type {}", key(), proto.dtype));
            }
        };
        let shape = match decode_shape(proto.shape.as_ref(), dtype) {
            Ok(shape) => shape,
            Err(what) => return corrupt(format!("Invalid tensor shape: {} {what}", key())),
        };
        let mut entry = Entry {
            dtype,
            shape,
            shard: 0,
            offset: 0,
            size: 0,
            crc32c: crc32c::unmask(proto.crc32c),
            slices: Vec::new(),
        };
        if proto.slices.is_empty() {
            let shard = u32::try_from(proto.shard_id).ok().filter(|shard| *shard < n_shards);
            let range = u64::try_from(proto.offset).ok().zip(u64::try_from(proto.size).ok());
            let range = range.filter(|_| proto.offset.checked_add(proto.size).is_some());
            let (Some(shard), Some((offset, size))) = (shard, range) else {
                return corrupt(format!(
                    "Entry for key {} has an impossible place: shard {} of {n_shards}, offset {}, size {}",
                    key(),
                    proto.shard_id,
                    proto.offset,
                    proto.size
                ));
            };
            (entry.shard, entry.offset, entry.size) = (shard, offset, size);
            if let Err(expected) = entry.check_size() {
                return corrupt(format!(
                    "Invalid size in bundle entry: key {}; stored size {size}; expected size {expected}",
                    key()
                ));
            }
        } else {
            entry.slices = match decode_slices(&proto.slices, &entry.shape) {
                Ok(slices) => slices,
                Err(what) => {
                    return corrupt(format!("Entry for key {} has bad slices: {what}", key()));
                }
            };
        }
        Ok(entry)
    }

    /// Compares the stored size with what type and shape ask for; an error says what that is.
    fn check_size(&self) -> Result<(), String> {
        let n = u64::try_from(self.shape.n_elements()).unwrap_or(u64::MAX);
        match (self.dtype, self.dtype.size_bytes()) {
            (_, Some(element)) => {
                let element = u64::try_from(element).unwrap_or(u64::MAX);
                match n.checked_mul(element) {
                    Some(size) if size == self.size => Ok(()),
                    size => {
                        Err(size.map_or_else(|| "beyond 64 bits".into(), |size| size.to_string()))
                    }
                }
            }
            // A length of at least one byte each, then a checksum; TensorFlow lets the latter be
            // absent where there are no elements.
            (DType::String, None) => {
                let least = n.saturating_add(4);
                if self.size >= least || (n == 0 && self.size == 0) {
                    return Ok(());
                }
                Err(format!("is at least {least}"))
            }
            (_, None) => Ok(()),
        }
    }
}

/// The type of this number, or `None` if no tensor in a file can have it.
pub(crate) fn decode_dtype(number: i32) -> Result<Option<DType>, EntryError> {
    match DType::from_number(number) {
        Ok(dtype) => Ok(Some(dtype).filter(|_| number < REF_OFFSET && dtype != DType::Resource)),
        Err(_) if number == 0 => Ok(None),
        Err(_) => Err(EntryError::UnknownType(number)),
    }
}

/// The shape of a tensor of this type; an error says what is wrong with it.
pub(crate) fn decode_shape(
    proto: Option<&pb::TensorShapeProto>,
    dtype: DType,
) -> Result<Shape, String> {
    let Some(proto) = proto else { return Ok(Shape::SCALAR) };
    if proto.unknown_rank {
        return Err("of unknown rank".into());
    }
    if proto.dim.len() > MAX_RANK {
        return Err(format!("with {} dimensions, more than {MAX_RANK}", proto.dim.len()));
    }
    let mut n_elements = 1i64;
    let mut dims = Vec::with_capacity(proto.dim.len());
    for dim in &proto.dim {
        dims.push(usize::try_from(dim.size).map_err(|_| format!("with dimension {}", dim.size))?);
        n_elements = n_elements.checked_mul(dim.size).ok_or("with too many elements")?;
    }
    let len_bytes = i64::try_from(dtype.size_bytes().unwrap_or(1))
        .ok()
        .and_then(|size| n_elements.checked_mul(size));
    len_bytes.and_then(|len| isize::try_from(len).ok()).ok_or("with too many elements")?;
    Ok(Shape::from(dims))
}

/// Each slice by itself; whether they overlap is seen when the tensor is read.
fn decode_slices(
    protos: &[pb::TensorSliceProto],
    shape: &Shape,
) -> Result<Vec<TensorSlice>, String> {
    if protos.len() > MAX_SLICES {
        return Err(format!("{} slices, more than {MAX_SLICES}", protos.len()));
    }
    let mut slices = Vec::with_capacity(protos.len());
    for proto in protos {
        let slice = TensorSlice::from_proto(proto).map_err(|error| error.to_string())?;
        slice.resolve(shape).map_err(|error| error.to_string())?;
        slices.push(slice);
    }
    Ok(slices)
}
