use flowkeep_runtime::kernel::{KernelContext, KernelInit, OpKernel, Status};

use super::Built;
use super::v1::Restoring;

/// Restores a tensor from a V1 checkpoint.
///
/// Inputs: the path of the file (one string), or a pattern such as `model-?????-of-00002` for all
/// files of the checkpoint, and the tensor's name. Output: the tensor, put together if it is stored
/// in slices.
///
/// Errors: `NOT_FOUND` for a missing checkpoint or name; `INVALID_ARGUMENT` for several paths, for no
/// name, another type than the stored one, and if slices are missing; `INTERNAL` if files of the
/// checkpoint disagree; `DATA_LOSS` for damaged files; `UNIMPLEMENTED` for types that V1 checkpoints
/// do not hold.
/// Source: OpDef `Restore`. For a damaged record TensorFlow says `INVALID_ARGUMENT`.
struct Restore(Restoring);

pub(super) fn build(init: &KernelInit<'_>) -> Built {
    Ok(Box::new(Restore(Restoring::new(init)?)))
}

impl OpKernel for Restore {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let tensor = self.0.restore(cx, b"")?;
        cx.set_output(0, tensor)
    }
}
