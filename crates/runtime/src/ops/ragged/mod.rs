//! TensorFlow's ragged ops: tensors whose rows have lengths of their own, as values and where rows end.

mod bincount;
mod gather;
mod range;
mod to_sparse;
mod to_tensor;

use flowkeep_tensor::{DType, Tensor};

use crate::kernel::{OpRegistration, Status, op};
use crate::ops::dispatch::INDICES;

const COUNTED: &[DType] = &[DType::F32, DType::F64, DType::I32, DType::I64];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("RaggedBincount").types(&[("T", COUNTED), ("Tidx", INDICES)]).cpu(bincount::ragged_bincount),
    op("RaggedGather")
        .types(&[("Tindices", INDICES), ("Tsplits", INDICES)])
        .cpu(gather::ragged_gather),
    op("RaggedRange").types(&[("T", COUNTED), ("Tsplits", INDICES)]).cpu(range::ragged_range),
    op("RaggedTensorToSparse")
        .types(&[("Tsplits", INDICES)])
        .cpu(to_sparse::ragged_tensor_to_sparse),
    op("RaggedTensorToTensor")
        .types(&[("Tindex", INDICES), ("Tshape", INDICES)])
        .cpu(to_tensor::ragged_tensor_to_tensor),
];

/// Row splits as a vector of this type.
///
/// Errors: `INVALID_ARGUMENT` if one does not fit it.
fn splits_tensor(splits: Vec<i64>, dtype: DType) -> Result<Tensor, Status> {
    if dtype == DType::I64 {
        return Ok(Tensor::from_elements(splits));
    }
    let narrow: Result<Vec<i32>, _> = splits.into_iter().map(i32::try_from).collect();
    let too_many = |_| Status::invalid_argument("the row splits do not fit int32");
    Ok(Tensor::from_elements(narrow.map_err(too_many)?))
}
