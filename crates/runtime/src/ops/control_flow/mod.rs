//! TensorFlow's control flow ops that are kernels.
//!
//! They do no more than look at values: which way a value goes, and when, is the executor's
//! business, as are calls, conditions and loops of functions.

mod fake;
mod select;
mod switch;

use crate::kernel::{KernelContext, KernelInit, OpKernel, OpRegistration, Status, op};

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("ControlTrigger").cpu(no_op).cheap(),
    op("Enter").cpu(pass).cheap(),
    op("Exit").cpu(pass).cheap(),
    op("FakeParam").cpu(fake::fake_param).cheap(),
    op("LoopCond").cpu(pass).cheap(),
    op("Merge").cpu(switch::merge).cheap(),
    op("NextIteration").cpu(pass).cheap(),
    op("NoOp").cpu(no_op).cheap(),
    op("RefEnter").cpu(pass).cheap(),
    op("RefExit").cpu(pass).cheap(),
    op("RefMerge").cpu(switch::merge).cheap(),
    op("RefNextIteration").cpu(pass).cheap(),
    op("RefSelect").cpu(select::ref_select).cheap(),
    op("RefSwitch").cpu(switch::switch).cheap(),
    op("Switch").cpu(switch::switch).cheap(),
    op("_SwitchN").cpu(switch::switch_n).cheap(),
];

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

/// Hands its input on: into a loop, out of it, to the next iteration.
struct Pass;

impl OpKernel for Pass {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let value = cx.take_value(0)?;
        cx.set_output(0, value)
    }
}

fn pass(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Pass))
}
