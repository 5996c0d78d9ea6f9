//! TensorFlow's set ops: the values along the last dimension of a tensor, dense or sparse, are a set.

mod operation;
mod size;
mod source;

use flowkeep_tensor::DType;

use crate::kernel::{OpRegistration, TypeConstraint, op};

const MEMBERS: &[TypeConstraint] = &[(
    "T",
    &[DType::I8, DType::I16, DType::I32, DType::I64, DType::U8, DType::U16, DType::String],
)];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("DenseToDenseSetOperation").types(MEMBERS).cpu(operation::dense_to_dense),
    op("DenseToSparseSetOperation").types(MEMBERS).cpu(operation::dense_to_sparse),
    op("SetSize").types(MEMBERS).cpu(size::set_size),
    op("SparseToSparseSetOperation").types(MEMBERS).cpu(operation::sparse_to_sparse),
];
