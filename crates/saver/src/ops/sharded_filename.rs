use flowkeep_runtime::kernel::{KernelContext, KernelInit, OpKernel, Status};
use flowkeep_tensor::Tensor;

use super::{Built, args};

/// The name of a shard: `model-00003-of-00012`.
///
/// Inputs: the base name (string), the shard's number and the number of shards (i32), all scalars.
/// Output: a string scalar. Numbers have at least five digits; none is refused.
/// Errors: `INVALID_ARGUMENT` if an input is not a scalar.
/// Source: OpDef `ShardedFilename`.
struct ShardedFilename;

pub(super) fn build(_: &KernelInit<'_>) -> Built {
    Ok(Box::new(ShardedFilename))
}

impl OpKernel for ShardedFilename {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let basename = args::scalar_string(cx, 0, "basename")?;
        let shard = args::scalar(cx, 1, "shard")?.to_scalar::<i32>()?;
        let num_shards = args::scalar(cx, 2, "num_shards")?.to_scalar::<i32>()?;
        let name = [basename, format!("-{shard:05}-of-{num_shards:05}").as_bytes()].concat();
        cx.set_output(0, Tensor::scalar_string(name))
    }
}
