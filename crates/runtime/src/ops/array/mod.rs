//! TensorFlow's array ops: they move, cut, join and describe tensors, and compute nothing.

mod concat;
mod gather;
mod identity;
mod one_hot;
mod pad;
mod partition;
mod scatter_nd;
mod shape;
mod slice;
mod slice_grad;
mod slice_spec;
mod source;
mod split;
mod transform;
mod unique;

use crate::kernel::{OpRegistration, op};
use crate::ops::dispatch::{INDICES, NUMBERS, REALS};

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("Bitcast").cpu(identity::bitcast).cheap(),
    op("BroadcastArgs").types(&[("T", INDICES)]).cpu(shape::broadcast_args).cheap(),
    op("BroadcastTo").cpu(transform::broadcast_to),
    op("Concat").cpu(concat::concat_v1),
    op("ConcatOffset").cpu(shape::concat_offset).cheap(),
    op("ConcatV2").cpu(concat::concat_v2),
    op("Const").cpu(source::constant).cheap(),
    op("DynamicPartition").cpu(partition::dynamic_partition),
    op("EnsureShape").cpu(identity::ensure_shape).cheap(),
    op("ExpandDims").cpu(shape::expand_dims).cheap(),
    op("Fill").cpu(source::fill),
    op("Gather").cpu(gather::gather),
    op("GatherNd").cpu(gather::gather_nd),
    op("GatherV2").cpu(gather::gather_v2),
    op("Identity").cpu(identity::identity).cheap(),
    op("IdentityN").cpu(identity::identity_n).cheap(),
    op("InvertPermutation").types(&[("T", INDICES)]).cpu(transform::invert_permutation).cheap(),
    op("MirrorPad").cpu(pad::mirror_pad),
    op("MirrorPadGrad").types(&[("T", NUMBERS)]).cpu(slice_grad::mirror_pad_grad),
    op("OneHot").cpu(one_hot::one_hot),
    op("OnesLike").cpu(source::ones_like),
    op("Pack").cpu(concat::pack),
    op("Pad").cpu(pad::pad),
    op("PadV2").cpu(pad::pad_v2),
    op("Placeholder").cpu(source::placeholder).cheap(),
    op("PlaceholderV2").cpu(source::placeholder).cheap(),
    op("PlaceholderWithDefault").cpu(identity::identity).cheap(),
    op("PreventGradient").cpu(identity::identity).cheap(),
    op("Rank").cpu(shape::rank).cheap(),
    op("Reshape").cpu(shape::reshape).cheap(),
    op("ReverseV2").cpu(transform::reverse),
    op("ScatterNd").types(&[("Tindices", INDICES)]).cpu(scatter_nd::scatter_nd),
    op("ScatterNdNonAliasingAdd")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter_nd::tensor_scatter_add),
    op("Shape").cpu(shape::shape).cheap(),
    op("ShapeN").cpu(shape::shape).cheap(),
    op("Size").cpu(shape::size).cheap(),
    op("Slice").cpu(slice::slice),
    op("Snapshot").cpu(identity::identity).cheap(),
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
    op("Tile").cpu(transform::tile),
    op("Transpose").cpu(transform::transpose),
    op("Unique").types(&[("out_idx", INDICES)]).cpu(unique::unique),
    op("UniqueV2").types(&[("out_idx", INDICES)]).cpu(unique::unique),
    op("UniqueWithCounts").types(&[("out_idx", INDICES)]).cpu(unique::unique),
    op("UniqueWithCountsV2").types(&[("out_idx", INDICES)]).cpu(unique::unique),
    op("Unpack").cpu(split::unpack),
    op("Where").cpu(transform::indices_where),
    op("ZerosLike").cpu(source::zeros_like),
];
