use flowkeep_proto::pb;
use flowkeep_tensor::{DType, Shape};
use prost::Message;

use crate::entry::decode_shape;
use crate::v1::TensorMeta;
use crate::{BundleReader, Error};

/// What a checkpoint says that a tensor is, even if it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Declared {
    /// The number of the element type, which need not be that of any.
    pub dtype: i32,
    /// The full shape.
    pub shape: Shape,
    /// The number of slices that are listed: in a bundle, 0 for a tensor that is stored whole, in a V1
    /// checkpoint then 1.
    pub n_slices: usize,
}

impl Declared {
    pub(super) fn of_v1(tensor: &TensorMeta) -> Declared {
        let TensorMeta { dtype, shape, slices, .. } = tensor;
        Declared { dtype: *dtype, shape: shape.clone(), n_slices: slices.len() }
    }

    /// What the entry `value` says about the tensor, or slice, `key`.
    pub(super) fn of_bundle(
        reader: &BundleReader,
        key: &[u8],
        value: &[u8],
    ) -> Result<Declared, Error> {
        let bad = |what: &str| reader.bad_entry(key, format!("{what}: {}", crate::key::text(key)));
        let entry = pb::BundleEntryProto::decode(value);
        let entry = entry.map_err(|_| bad("entry is not parseable"))?;
        let dtype = DType::from_number(entry.dtype).unwrap_or(DType::Variant);
        let shape = decode_shape(entry.shape.as_ref(), dtype);
        let shape = shape.map_err(|_| bad("Invalid tensor shape"))?;
        Ok(Declared { dtype: entry.dtype, shape, n_slices: entry.slices.len() })
    }
}
