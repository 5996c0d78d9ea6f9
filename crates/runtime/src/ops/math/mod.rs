//! TensorFlow's math ops.

mod matmul;
mod reduce;

use crate::kernel::{OpRegistration, op};
use crate::ops::dispatch::{INDICES, NUMBERS, REALS};

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("All").types(&[("Tidx", INDICES)]).cpu(reduce::all),
    op("Any").types(&[("Tidx", INDICES)]).cpu(reduce::any),
    op("BatchMatMul").types(&[("T", NUMBERS)]).cpu(matmul::batch_matmul),
    op("BatchMatMulV2").types(&[("T", NUMBERS)]).cpu(matmul::batch_matmul),
    op("MatMul").types(&[("T", NUMBERS)]).cpu(matmul::matmul),
    op("Max").types(&[("T", REALS), ("Tidx", INDICES)]).cpu(reduce::max),
    op("Mean").types(&[("T", NUMBERS), ("Tidx", INDICES)]).cpu(reduce::mean),
    op("Min").types(&[("T", REALS), ("Tidx", INDICES)]).cpu(reduce::min),
    op("Prod").types(&[("T", NUMBERS), ("Tidx", INDICES)]).cpu(reduce::prod),
    op("Sum").types(&[("T", NUMBERS), ("Tidx", INDICES)]).cpu(reduce::sum),
];
