//! Kernels that do the work of two nodes, or leave notes for one another.

use std::sync::Arc;

use crate::kernel::{OpKernel, Origin};

/// Makes the kernel of a node (the first argument) and of one behind it (the second argument). Errors of
/// the first node have this origin.
type Merge = fn(&dyn OpKernel, &dyn OpKernel, &Arc<Origin>) -> Option<Arc<dyn OpKernel>>;

/// Makes the kernels of a node (the first argument) and of its gradient (the second argument).
type Trace = fn(&dyn OpKernel, &dyn OpKernel) -> Option<Traced>;

/// What the kernel of an op can do together with that of a node before it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fusion {
    /// Does its work for a node whose only output it alone reads, as its first input; the inputs are
    /// those of that node and the others of its own.
    pub(crate) merge: Option<Merge>,
    /// As `merge`, for a node whose second input is the first one of the node before it; it has the
    /// inputs of that one.
    pub(crate) mask: Option<Merge>,
    /// For a gradient whose first two inputs are what a node reads first and what it makes of it: lets
    /// that node leave a trace for it.
    pub(crate) trace: Option<Trace>,
}

impl Fusion {
    /// Nothing.
    pub(crate) const NONE: Fusion = Fusion { merge: None, mask: None, trace: None };
}

/// Kernels of a node and of its gradient: the first one has one more output, the trace, the other one
/// more input.
pub(crate) struct Traced {
    pub(crate) node: Arc<dyn OpKernel>,
    pub(crate) gradient: Arc<dyn OpKernel>,
}
