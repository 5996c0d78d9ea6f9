//! What convolutions can do on the way out, for nodes behind them.

use std::any::Any;

use super::layout::DataFormat;
use crate::kernel::{KernelContext, OpKernel, Status};
use crate::ops::args::Built;

/// What a node makes of each element of its first input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Adds the bias of its channel, from the second input.
    Bias(DataFormat),
    /// Cuts it off at 0.
    Relu,
    /// Cuts it off at 0 and 6.
    Relu6,
}

/// A kernel that says so.
struct Tailed {
    kernel: Box<dyn OpKernel>,
    tail: Tail,
}

/// The kernel that is built, with what it does.
pub(super) fn with(tail: Tail, built: Built) -> Built {
    Ok(Box::new(Tailed { kernel: built?, tail }))
}

impl OpKernel for Tailed {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        self.kernel.compute(cx)
    }

    fn facts(&self) -> Option<&dyn Any> {
        Some(&self.tail)
    }
}
