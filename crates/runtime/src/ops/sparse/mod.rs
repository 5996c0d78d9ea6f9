//! TensorFlow's sparse ops: tensors as the indices, the values and the dimensions of their entries.

mod add;
mod cross;
mod dense;
mod parts;
mod reduce;
mod reshape;
mod rows;
mod slice;
mod to_dense;

use flowkeep_tensor::DType;

use crate::kernel::{OpRegistration, TypeConstraint, op};
use crate::ops::dispatch::{INDICES, NUMBERS, REALS};

const ADDABLE: &[TypeConstraint] = &[(
    "T",
    &[
        DType::F32,
        DType::F64,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::Complex64,
        DType::Complex128,
    ],
)];
const FACTORS: &[DType] = &[
    DType::F16,
    DType::BF16,
    DType::F32,
    DType::F64,
    DType::I32,
    DType::Complex64,
    DType::Complex128,
];
const SOFT: &[DType] = &[DType::F16, DType::F32, DType::F64];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("RaggedFillEmptyRows").cpu(rows::ragged_fill_empty_rows),
    op("RaggedFillEmptyRowsGrad").types(&[("T", NUMBERS)]).cpu(rows::fill_empty_rows_grad),
    op("SparseAdd").types(ADDABLE).cpu(add::sparse_add),
    op("SparseAddGrad").types(ADDABLE).cpu(add::sparse_add_grad),
    op("SparseConcat").cpu(slice::sparse_concat),
    op("SparseCross").cpu(cross::sparse_cross),
    op("SparseCrossHashed").cpu(cross::sparse_cross_hashed),
    op("SparseCrossV2").cpu(cross::sparse_cross_v2),
    op("SparseDenseCwiseAdd").types(&[("T", REALS)]).cpu(dense::sparse_dense_cwise_add),
    op("SparseDenseCwiseDiv").types(&[("T", REALS)]).cpu(dense::sparse_dense_cwise_div),
    op("SparseDenseCwiseMul").types(&[("T", REALS)]).cpu(dense::sparse_dense_cwise_mul),
    op("SparseFillEmptyRows").cpu(rows::sparse_fill_empty_rows),
    op("SparseFillEmptyRowsGrad").types(&[("T", NUMBERS)]).cpu(rows::fill_empty_rows_grad),
    op("SparseReduceMax").types(&[("T", REALS)]).cpu(reduce::sparse_reduce_max),
    op("SparseReduceMaxSparse").types(&[("T", REALS)]).cpu(reduce::sparse_reduce_max_sparse),
    op("SparseReduceSum").types(&[("T", NUMBERS)]).cpu(reduce::sparse_reduce_sum),
    op("SparseReduceSumSparse").types(&[("T", NUMBERS)]).cpu(reduce::sparse_reduce_sum_sparse),
    op("SparseReorder").cpu(reshape::sparse_reorder),
    op("SparseReshape").cpu(reshape::sparse_reshape),
    op("SparseSlice").cpu(slice::sparse_slice),
    op("SparseSliceGrad").types(&[("T", NUMBERS)]).cpu(slice::sparse_slice_grad),
    op("SparseSoftmax").types(&[("T", SOFT)]).cpu(reduce::sparse_softmax),
    op("SparseSparseMaximum").types(&[("T", REALS)]).cpu(add::sparse_sparse_maximum),
    op("SparseSparseMinimum").types(&[("T", REALS)]).cpu(add::sparse_sparse_minimum),
    op("SparseSplit").cpu(slice::sparse_split),
    op("SparseTensorDenseAdd")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(dense::sparse_tensor_dense_add),
    op("SparseTensorDenseMatMul")
        .types(&[("T", FACTORS), ("Tindices", INDICES)])
        .cpu(dense::sparse_tensor_dense_mat_mul),
    op("SparseToDense").types(&[("Tindices", INDICES)]).cpu(to_dense::sparse_to_dense),
];
