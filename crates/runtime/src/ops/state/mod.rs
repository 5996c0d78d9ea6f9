//! TensorFlow's state ops: variables of both kinds.

mod assign;
mod count;
mod gather;
mod handle;
mod reference;
mod scatter;
mod scatter_nd;
mod strided_assign;
mod temporary;

pub(crate) use handle::not_found;

use crate::kernel::{OpRegistration, op};
use crate::ops::array::identity;
use crate::ops::dispatch::{INDICES, NUMBERS, REALS};

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("Assign").cpu(reference::assign).cheap(),
    op("AssignAdd").types(&[("T", NUMBERS)]).cpu(assign::add_ref),
    op("AssignAddVariableOp").types(&[("dtype", NUMBERS)]).cpu(assign::add_resource),
    op("AssignSub").types(&[("T", NUMBERS)]).cpu(assign::sub_ref),
    op("AssignSubVariableOp").types(&[("dtype", NUMBERS)]).cpu(assign::sub_resource),
    op("AssignVariableOp").cpu(handle::assign_variable).cheap(),
    op("CountUpTo").types(&[("T", INDICES)]).cpu(count::count_up_to).cheap(),
    op("DestroyResourceOp").cpu(handle::destroy_resource).cheap(),
    op("DestroyTemporaryVariable").cpu(temporary::destroy).cheap(),
    op("DisableCopyOnRead").cpu(handle::disable_copy_on_read).cheap(),
    op("IsVariableInitialized").cpu(reference::is_variable_initialized).cheap(),
    op("ReadVariableOp").cpu(handle::read_variable).cheap(),
    op("RefIdentity").cpu(identity).cheap(),
    op("ResourceCountUpTo").types(&[("T", INDICES)]).cpu(count::count_up_to).cheap(),
    op("ResourceGather").types(&[("Tindices", INDICES)]).cpu(gather::resource_gather),
    op("ResourceGatherNd").types(&[("Tindices", INDICES)]).cpu(gather::resource_gather_nd),
    op("ResourceScatterAdd")
        .types(&[("dtype", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::resource::<scatter::Add>),
    op("ResourceScatterDiv")
        .types(&[("dtype", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::resource::<scatter::Div>),
    op("ResourceScatterMax")
        .types(&[("dtype", REALS), ("Tindices", INDICES)])
        .cpu(scatter::resource_ordered::<scatter::Max>),
    op("ResourceScatterMin")
        .types(&[("dtype", REALS), ("Tindices", INDICES)])
        .cpu(scatter::resource_ordered::<scatter::Min>),
    op("ResourceScatterMul")
        .types(&[("dtype", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::resource::<scatter::Mul>),
    op("ResourceScatterNdAdd")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::resource_nd::<scatter::Add>),
    op("ResourceScatterNdMax")
        .types(&[("T", REALS), ("Tindices", INDICES)])
        .cpu(scatter::resource_nd_ordered::<scatter::Max>),
    op("ResourceScatterNdMin")
        .types(&[("T", REALS), ("Tindices", INDICES)])
        .cpu(scatter::resource_nd_ordered::<scatter::Min>),
    op("ResourceScatterNdSub")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::resource_nd::<scatter::Sub>),
    op("ResourceScatterNdUpdate").types(&[("Tindices", INDICES)]).cpu(scatter::resource_nd_update),
    op("ResourceScatterSub")
        .types(&[("dtype", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::resource::<scatter::Sub>),
    op("ResourceScatterUpdate").types(&[("Tindices", INDICES)]).cpu(scatter::resource_update),
    op("ResourceStridedSliceAssign").cpu(strided_assign::strided_slice_assign),
    op("ScatterAdd")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::reference::<scatter::Add>),
    op("ScatterDiv")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::reference::<scatter::Div>),
    op("ScatterMax")
        .types(&[("T", REALS), ("Tindices", INDICES)])
        .cpu(scatter::reference_ordered::<scatter::Max>),
    op("ScatterMin")
        .types(&[("T", REALS), ("Tindices", INDICES)])
        .cpu(scatter::reference_ordered::<scatter::Min>),
    op("ScatterMul")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::reference::<scatter::Mul>),
    op("ScatterNdAdd")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::reference_nd::<scatter::Add>),
    op("ScatterNdMax")
        .types(&[("T", REALS), ("Tindices", INDICES)])
        .cpu(scatter::reference_nd_ordered::<scatter::Max>),
    op("ScatterNdMin")
        .types(&[("T", REALS), ("Tindices", INDICES)])
        .cpu(scatter::reference_nd_ordered::<scatter::Min>),
    op("ScatterNdSub")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::reference_nd::<scatter::Sub>),
    op("ScatterNdUpdate").types(&[("Tindices", INDICES)]).cpu(scatter::reference_nd_update),
    op("ScatterSub")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(scatter::reference::<scatter::Sub>),
    op("ScatterUpdate").types(&[("Tindices", INDICES)]).cpu(scatter::reference_update),
    op("StridedSliceAssign").cpu(strided_assign::strided_slice_assign),
    op("TemporaryVariable").cpu(temporary::temporary).cheap(),
    op("VarHandleOp").cpu(handle::var_handle).cheap(),
    op("VarIsInitializedOp").cpu(handle::var_is_initialized).cheap(),
    op("Variable").cpu(reference::variable).cheap(),
    op("VariableShape").types(&[("out_type", INDICES)]).cpu(handle::variable_shape).cheap(),
    op("VariableV2").cpu(reference::variable).cheap(),
];
