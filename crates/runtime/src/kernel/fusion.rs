//! Kernels that do the work of two nodes, or leave notes for one another.

use std::sync::Arc;

use crate::kernel::{OpKernel, Origin};

/// What the kernel of an op can do together with that of a node before it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fusion {
    /// The kernel that does the work of a node (the first argument) and of one that alone reads its
    /// only output, as the first input (the second argument); its inputs are those of the first and the
    /// others of the second. Errors of the first node have this origin.
    pub(crate) merge:
        Option<fn(&dyn OpKernel, &dyn OpKernel, &Arc<Origin>) -> Option<Arc<dyn OpKernel>>>,
    /// For a gradient whose first two inputs are what a node (the first argument) reads first and what
    /// it makes of it: the kernels of both, if the first one can leave a trace for the other.
    pub(crate) trace: Option<fn(&dyn OpKernel, &dyn OpKernel) -> Option<Traced>>,
}

/// Kernels of a node and of its gradient: the first one has one more output, the trace, the other one
/// more input.
pub(crate) struct Traced {
    pub(crate) node: Arc<dyn OpKernel>,
    pub(crate) gradient: Arc<dyn OpKernel>,
}
