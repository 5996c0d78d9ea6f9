//! TensorFlow's string ops: tensors of byte strings, joined, measured and read.

use crate::kernel::OpRegistration;

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[];
