//! The extension API: what a kernel is, what it is given, and how it is registered.
//!
//! Flowkeep's own ops use nothing else, so an op from outside has the same standing:
//!
//! ```
//! use flowkeep_runtime::kernel::{KernelContext, KernelInit, OpKernel, OpRegistration, Status, op};
//!
//! struct Twice;
//!
//! impl OpKernel for Twice {
//!     fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
//!         let mut x = cx.take_input(0)?;
//!         x.make_mut::<f32>()?.iter_mut().for_each(|x| *x *= 2.0);
//!         cx.set_output(0, x)
//!     }
//! }
//!
//! fn build(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
//!     Ok(Box::new(Twice))
//! }
//!
//! const OPS: &[OpRegistration] = &[op("Snapshot").cpu(build)];
//! let mut registry = flowkeep_runtime::Registry::standard();
//! registry.add(OPS);
//! assert!(registry.get("Snapshot").is_some());
//! ```

mod context;
mod files;
mod fusion;
mod init;
mod registration;
mod settings;
mod status;

use std::any::Any;

pub use context::KernelContext;
pub(crate) use context::Place;
pub use files::{FileAccess, FileUse};
pub(crate) use fusion::{Fusion, Traced};
pub use init::KernelInit;
pub use registration::{KernelBuilder, OpRegistration, Registry, TypeConstraint, op};
pub(crate) use status::Origin;
pub use status::Status;

/// The code of one node: made once per plan, run once per step, from any thread.
pub trait OpKernel: Send + Sync {
    /// Reads the inputs of `cx`, sets its outputs.
    ///
    /// Errors: whatever the op's documentation says; the executor adds the node's name. A kernel
    /// never panics, whatever shapes and values come in.
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status>;

    /// What kernels need to know that run in one with this one; the rows of their ops say which.
    fn facts(&self) -> Option<&dyn Any> {
        None
    }
}
