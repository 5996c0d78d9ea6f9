use flowkeep_runtime::kernel::{KernelContext, KernelInit, OpKernel, Status};
use flowkeep_tensor::Tensor;

use super::{Built, args};

/// The pattern of the names of all shards: `model-?????-of-00012`.
///
/// Inputs: the base name (string) and the number of shards (i32), both scalars. Output: a string
/// scalar.
/// Errors: `INVALID_ARGUMENT` if an input is not a scalar.
/// Source: OpDef `ShardedFilespec`.
struct ShardedFilespec;

pub(super) fn build(_: &KernelInit<'_>) -> Built {
    Ok(Box::new(ShardedFilespec))
}

impl OpKernel for ShardedFilespec {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let basename = args::scalar_string(cx, 0, "basename")?;
        let num_shards = args::scalar(cx, 1, "num_shards")?.to_scalar::<i32>()?;
        let pattern = [basename, format!("-?????-of-{num_shards:05}").as_bytes()].concat();
        cx.set_output(0, Tensor::scalar_string(pattern))
    }
}
