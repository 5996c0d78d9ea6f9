//! TensorFlow's random ops.
//!
//! The numbers are TensorFlow's: the same seeds give the same bits, on any number of threads.

mod distribution;
mod philox;
mod stateful;
mod stateless;

use flowkeep_tensor::{DType, Shape, Tensor};

use crate::kernel::{OpRegistration, Status, TypeConstraint, op};
use crate::ops::args;
use crate::ops::dispatch::FLOATS;

const FLOAT: &[TypeConstraint] = &[("dtype", FLOATS)];
const INT: &[TypeConstraint] = &[("dtype", &[DType::I32, DType::I64, DType::U32, DType::U64])];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("RandomShuffle").cpu(stateful::random_shuffle).stateful(),
    op("RandomStandardNormal").types(FLOAT).cpu(stateful::random_standard_normal).stateful(),
    op("RandomUniform").types(FLOAT).cpu(stateful::random_uniform).stateful(),
    op("RandomUniformInt").cpu(stateful::random_uniform_int).stateful(),
    op("StatelessRandomGetAlg").cpu(stateless::get_alg).cheap(),
    op("StatelessRandomGetKeyCounter").cpu(stateless::get_key_counter).cheap(),
    op("StatelessRandomGetKeyCounterAlg").cpu(stateless::get_key_counter).cheap(),
    op("StatelessRandomNormal").types(FLOAT).cpu(stateless::normal),
    op("StatelessRandomNormalV2").types(FLOAT).cpu(stateless::normal),
    op("StatelessRandomUniform").types(FLOAT).cpu(stateless::uniform),
    op("StatelessRandomUniformFullInt").types(INT).cpu(stateless::uniform_int::<true>),
    op("StatelessRandomUniformFullIntV2").types(INT).cpu(stateless::uniform_int::<true>),
    op("StatelessRandomUniformInt").types(INT).cpu(stateless::uniform_int::<false>),
    op("StatelessRandomUniformIntV2").types(INT).cpu(stateless::uniform_int::<false>),
    op("StatelessRandomUniformV2").types(FLOAT).cpu(stateless::uniform),
    op("StatelessTruncatedNormal").types(FLOAT).cpu(stateless::truncated_normal),
    op("StatelessTruncatedNormalV2").types(FLOAT).cpu(stateless::truncated_normal),
    op("TruncatedNormal").types(FLOAT).cpu(stateful::truncated_normal).stateful(),
];

/// The shape that a tensor asks for.
///
/// Errors: `INVALID_ARGUMENT` if it is no vector or has negative dimensions.
fn shape_input(tensor: &Tensor) -> Result<Shape, Status> {
    if tensor.shape().rank() != 1 {
        let message =
            format!("shape must be a vector of {{int32,int64}}, got shape {}", tensor.shape());
        return Err(Status::invalid_argument(message));
    }
    args::shape(&args::ints(tensor)?)
}
