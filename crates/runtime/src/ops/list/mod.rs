//! Lists of tensors as values: TensorFlow's list ops.

mod access;
mod concat;
mod make;
mod merge;
mod push;
mod rows;
mod scatter;
mod stack;
mod sum;

use flowkeep_tensor::DType;

pub(super) use self::merge::{as_shape, merge};
pub(super) use self::rows::{cut, join, sum_of};
pub(super) use self::sum::{add_n, zeros_like};
use crate::Value;
use crate::kernel::{KernelContext, OpRegistration, Status, op};
use crate::ops::dispatch::INDICES;
use crate::variant::TensorList;

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("EmptyTensorList").types(SHAPES).cpu(make::empty).cheap(),
    op("TensorListConcat").cpu(concat::concat),
    op("TensorListConcatLists").cpu(push::concat_lists).cheap(),
    op("TensorListConcatV2").types(SHAPES).cpu(concat::concat),
    op("TensorListElementShape").types(SHAPES).cpu(access::element_shape).cheap(),
    op("TensorListFromTensor").types(SHAPES).cpu(stack::from_tensor),
    op("TensorListGather").cpu(stack::gather),
    op("TensorListGetItem").cpu(access::get_item).cheap(),
    op("TensorListLength").cpu(access::length).cheap(),
    op("TensorListPopBack").cpu(push::pop_back).cheap(),
    op("TensorListPushBack").cpu(push::push_back).cheap(),
    op("TensorListPushBackBatch").cpu(push::push_back_batch).cheap(),
    op("TensorListReserve").types(SHAPES).cpu(make::reserve).cheap(),
    op("TensorListResize").cpu(access::resize).cheap(),
    op("TensorListScatter").types(SHAPES).cpu(scatter::scatter),
    op("TensorListScatterIntoExistingList").cpu(scatter::scatter_into),
    op("TensorListScatterV2").types(SHAPES).cpu(scatter::scatter),
    op("TensorListSetItem").cpu(access::set_item).cheap(),
    op("TensorListSplit").types(SHAPES).cpu(concat::split),
    op("TensorListStack").cpu(stack::stack),
];

const SHAPES: &[(&str, &[DType])] = &[("shape_type", INDICES)];

/// The list at input `idx`, taken: if nobody else has it, it can be changed in place.
fn take_list(cx: &mut KernelContext<'_>, idx: usize) -> Result<TensorList, Status> {
    match cx.take_value(idx)? {
        Value::Variant(variant) => variant.into_list(),
        value => Err(Status::invalid_argument(format!(
            "Input handle is not a list. Saw: '{}'",
            value.dtype()
        ))),
    }
}

/// Checks that a list holds what the node says.
fn check_type(list: &TensorList, dtype: DType) -> Result<(), Status> {
    if list.dtype == dtype {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "Invalid data types; op elements {dtype} but list elements {}",
        list.dtype
    )))
}
