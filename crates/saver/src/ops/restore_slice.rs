use flowkeep_runtime::kernel::{KernelContext, KernelInit, OpKernel, Status};

use super::Built;
use super::v1::Restoring;

/// Restores a tensor, or a slice of it, from a V1 checkpoint.
///
/// Inputs: the path of the file (one string) or a pattern, the tensor's name, and the slice
/// specification (empty for the whole tensor). Output: the tensor or the slice, however it is stored.
///
/// Errors: those of `Restore`; `INVALID_ARGUMENT` for a specification that is missing, malformed or of
/// another shape; `INTERNAL` for a slice outside of its shape.
/// Source: OpDef `RestoreSlice`.
struct RestoreSlice(Restoring);

pub(super) fn build(init: &KernelInit<'_>) -> Built {
    Ok(Box::new(RestoreSlice(Restoring::new(init)?)))
}

impl OpKernel for RestoreSlice {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let spec = cx.input(2)?.as_strings()?.first().ok_or_else(|| {
            Status::invalid_argument("shape_and_slice must have at least one element")
        })?;
        let tensor = self.0.restore(cx, spec)?;
        cx.set_output(0, tensor)
    }
}
