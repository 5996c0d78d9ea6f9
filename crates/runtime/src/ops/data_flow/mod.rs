//! TensorFlow's data flow ops: arrays and stacks of one run, optional values.

mod optional;
mod stack;
mod tensor_array;

use crate::kernel::{OpRegistration, op};

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("OptionalFromValue").cpu(optional::from_value).cheap(),
    op("OptionalGetValue").cpu(optional::get_value).cheap(),
    op("OptionalHasValue").cpu(optional::has_value).cheap(),
    op("OptionalNone").cpu(optional::none).cheap(),
    op("Stack").cpu(stack::stack).cheap(),
    op("StackClose").cpu(stack::close).cheap(),
    op("StackCloseV2").cpu(stack::close).cheap(),
    op("StackPop").cpu(stack::pop).cheap(),
    op("StackPopV2").cpu(stack::pop).cheap(),
    op("StackPush").cpu(stack::push).cheap(),
    op("StackPushV2").cpu(stack::push).cheap(),
    op("StackV2").cpu(stack::stack).cheap(),
    op("TensorArrayCloseV2").cpu(tensor_array::close).cheap(),
    op("TensorArrayCloseV3").cpu(tensor_array::close).cheap(),
    op("TensorArrayConcatV2").cpu(tensor_array::concat),
    op("TensorArrayConcatV3").cpu(tensor_array::concat),
    op("TensorArrayGatherV2").cpu(tensor_array::gather),
    op("TensorArrayGatherV3").cpu(tensor_array::gather),
    op("TensorArrayGradV2").cpu(tensor_array::gradient).cheap(),
    op("TensorArrayGradV3").cpu(tensor_array::gradient).cheap(),
    op("TensorArrayGradWithShape").cpu(tensor_array::gradient).cheap(),
    op("TensorArrayReadV2").cpu(tensor_array::read).cheap(),
    op("TensorArrayReadV3").cpu(tensor_array::read).cheap(),
    op("TensorArrayScatterV2").cpu(tensor_array::scatter),
    op("TensorArrayScatterV3").cpu(tensor_array::scatter),
    op("TensorArraySizeV2").cpu(tensor_array::size).cheap(),
    op("TensorArraySizeV3").cpu(tensor_array::size).cheap(),
    op("TensorArraySplitV2").cpu(tensor_array::split),
    op("TensorArraySplitV3").cpu(tensor_array::split),
    op("TensorArrayV2").cpu(tensor_array::make).cheap(),
    op("TensorArrayV3").cpu(tensor_array::make).cheap(),
    op("TensorArrayWriteV2").cpu(tensor_array::write).cheap(),
    op("TensorArrayWriteV3").cpu(tensor_array::write).cheap(),
];
