//! TensorFlow's array ops: they move, cut, join and describe tensors, and compute nothing.

mod blocks;
mod concat;
mod data_format;
mod diag;
mod diagonals;
mod gather;
mod identity;
mod one_hot;
mod pad;
mod partition;
mod reorder;
mod scatter;
mod scatter_nd;
mod shape;
mod slice;
mod slice_grad;
mod slice_spec;
mod sorted;
mod source;
mod split;
mod transform;
mod unique;

pub(super) use self::slice_spec::{Part, SliceSpec};
pub(in crate::ops) use gather::nd_gathered;
pub(in crate::ops) use identity::identity;
pub(in crate::ops) use pad::Mirroring;

use flowkeep_tensor::DType;

use crate::kernel::{OpRegistration, op};
use crate::ops::dispatch::{INDICES, NUMBERS, REALS};
use crate::ops::types::LISTED;

const BINNED: &[DType] = &[DType::I32, DType::I64, DType::F32, DType::F64];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("BatchToSpace").cpu(blocks::batch_to_space),
    op("BatchToSpaceND").cpu(blocks::batch_to_space),
    op("Bitcast").cpu(identity::bitcast).cheap(),
    op("BroadcastArgs").types(&[("T", INDICES)]).cpu(shape::broadcast_args).cheap(),
    op("BroadcastGradientArgs")
        .types(&[("T", INDICES)])
        .cpu(shape::broadcast_gradient_args)
        .cheap(),
    op("BroadcastTo").cpu(transform::broadcast_to),
    op("Concat").cpu(concat::concat_v1),
    op("ConcatOffset").cpu(shape::concat_offset).cheap(),
    op("ConcatV2").cpu(concat::concat_v2),
    op("ConjugateTranspose").cpu(transform::conjugate_transpose),
    op("Const").cpu(source::constant).cheap(),
    op("DataFormatDimMap").types(&[("T", INDICES)]).cpu(data_format::dim_map).cheap(),
    op("DataFormatVecPermute").types(&[("T", INDICES)]).cpu(data_format::vec_permute).cheap(),
    op("DeepCopy").cpu(identity::identity).cheap(),
    op("DeviceIndex").cpu(data_format::device_index).cheap(),
    op("Diag").cpu(diag::diag),
    op("DiagPart").cpu(diag::diag_part),
    op("DynamicPartition").cpu(partition::dynamic_partition),
    op("DynamicStitch").cpu(scatter::dynamic_stitch),
    op("Empty").cpu(source::empty),
    op("EnsureShape").cpu(identity::ensure_shape).cheap(),
    op("ExpandDims").cpu(shape::expand_dims).cheap(),
    op("Fill").cpu(source::fill),
    op("Gather").cpu(gather::gather),
    op("GatherNd").cpu(gather::gather_nd),
    op("GatherV2").cpu(gather::gather_v2),
    op("GuaranteeConst").cpu(identity::identity).cheap(),
    op("HistogramFixedWidth")
        .types(&[("T", BINNED), ("dtype", INDICES)])
        .cpu(sorted::histogram_fixed_width),
    op("Identity").cpu(identity::identity).cheap(),
    op("IdentityN").cpu(identity::identity_n).cheap(),
    op("InplaceAdd").types(&[("T", NUMBERS)]).cpu(scatter::inplace_add),
    op("InplaceSub").types(&[("T", NUMBERS)]).cpu(scatter::inplace_sub),
    op("InplaceUpdate").cpu(scatter::inplace_update),
    op("InvertPermutation").types(&[("T", INDICES)]).cpu(transform::invert_permutation).cheap(),
    op("ListDiff").types(&[("T", LISTED), ("out_idx", INDICES)]).cpu(sorted::list_diff),
    op("LowerBound").types(&[("T", REALS), ("out_type", INDICES)]).cpu(sorted::lower_bound),
    op("MatrixBandPart").cpu(diag::matrix_band_part),
    op("MatrixDiag").cpu(diag::matrix_diag),
    op("MatrixDiagPart").cpu(diag::matrix_diag_part),
    op("MatrixDiagPartV2").cpu(diag::matrix_diag_part),
    op("MatrixDiagPartV3").cpu(diag::matrix_diag_part),
    op("MatrixDiagV2").cpu(diag::matrix_diag),
    op("MatrixDiagV3").cpu(diag::matrix_diag),
    op("MatrixSetDiag").cpu(diag::matrix_set_diag),
    op("MatrixSetDiagV2").cpu(diag::matrix_set_diag),
    op("MatrixSetDiagV3").cpu(diag::matrix_set_diag),
    op("MirrorPad").cpu(pad::mirror_pad),
    op("MirrorPadGrad").types(&[("T", NUMBERS)]).cpu(slice_grad::mirror_pad_grad),
    op("OneHot").cpu(one_hot::one_hot),
    op("OnesLike").cpu(source::ones_like),
    op("Pack").cpu(concat::pack),
    op("Pad").cpu(pad::pad),
    op("PadV2").cpu(pad::pad_v2),
    op("ParallelDynamicStitch").cpu(scatter::dynamic_stitch),
    op("Placeholder").cpu(source::placeholder).cheap(),
    op("PlaceholderV2").cpu(source::placeholder).cheap(),
    op("PlaceholderWithDefault").cpu(identity::identity).cheap(),
    op("PreventGradient").cpu(identity::identity).cheap(),
    op("Rank").cpu(shape::rank).cheap(),
    op("Reshape").cpu(shape::reshape).cheap(),
    op("Reverse").cpu(reorder::reverse_v1),
    op("ReverseSequence").cpu(reorder::reverse_sequence),
    op("ReverseV2").cpu(transform::reverse),
    op("Roll").cpu(reorder::roll),
    op("ScatterNd").types(&[("Tindices", INDICES)]).cpu(scatter_nd::scatter_nd),
    op("ScatterNdNonAliasingAdd")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter_nd::tensor_scatter_add),
    op("Shape").cpu(shape::shape).cheap(),
    op("ShapeN").cpu(shape::shape).cheap(),
    op("Size").cpu(shape::size).cheap(),
    op("Slice").cpu(slice::slice),
    op("Snapshot").cpu(identity::identity).cheap(),
    op("SpaceToBatch").cpu(blocks::space_to_batch),
    op("SpaceToBatchND").cpu(blocks::space_to_batch),
    op("Split").cpu(split::split),
    op("SplitV").cpu(split::split_v),
    op("Squeeze").cpu(shape::squeeze).cheap(),
    op("StopGradient").cpu(identity::identity).cheap(),
    op("StridedSlice").cpu(slice::strided_slice),
    op("StridedSliceGrad").types(&[("Index", INDICES)]).cpu(slice_grad::strided_slice_grad),
    op("TensorScatterAdd")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter_nd::tensor_scatter_add),
    op("TensorScatterMax")
        .types(&[("T", REALS), ("Tindices", INDICES)])
        .cpu(scatter_nd::tensor_scatter_max),
    op("TensorScatterMin")
        .types(&[("T", REALS), ("Tindices", INDICES)])
        .cpu(scatter_nd::tensor_scatter_min),
    op("TensorScatterSub")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter_nd::tensor_scatter_sub),
    op("TensorScatterUpdate").types(&[("Tindices", INDICES)]).cpu(scatter::tensor_scatter_update),
    op("Tile").cpu(transform::tile),
    op("Transpose").cpu(transform::transpose),
    op("Unique").types(&[("out_idx", INDICES)]).cpu(unique::unique),
    op("UniqueV2").types(&[("out_idx", INDICES)]).cpu(unique::unique),
    op("UniqueWithCounts").types(&[("out_idx", INDICES)]).cpu(unique::unique),
    op("UniqueWithCountsV2").types(&[("out_idx", INDICES)]).cpu(unique::unique),
    op("Unpack").cpu(split::unpack),
    op("UpperBound").types(&[("T", REALS), ("out_type", INDICES)]).cpu(sorted::upper_bound),
    op("Where").cpu(transform::indices_where),
    op("ZerosLike").cpu(source::zeros_like),
];
