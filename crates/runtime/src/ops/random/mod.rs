//! TensorFlow's random ops.

use crate::kernel::OpRegistration;

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[];
