//! TensorFlow's control flow ops that are kernels; calls are expanded by the plan.

use crate::kernel::{KernelContext, KernelInit, OpKernel, OpRegistration, Status, op};

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[op("NoOp").cpu(no_op).cheap()];

/// Does nothing; stands for its control inputs.
struct NoOp;

impl OpKernel for NoOp {
    fn compute(&self, _: &mut KernelContext<'_>) -> Result<(), Status> {
        Ok(())
    }
}

fn no_op(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(NoOp))
}
