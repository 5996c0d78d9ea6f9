//! TensorFlow's random ops.
//!
//! The numbers are TensorFlow's: the same seeds give the same bits, on any number of threads. Where TensorFlow's
//! own depend on how it splits the work (`Multinomial` of several rows, `ParameterizedTruncatedNormal` and their
//! stateless forms), they are those of TensorFlow on one thread.

mod binomial;
mod distribution;
mod entropy;
mod gamma;
mod gamma_grad;
mod index_shuffle;
mod multinomial;
mod philox;
mod poisson;
mod samples;
mod shuffle;
mod state;
mod stateful;
mod stateless;
mod truncated;

use flowkeep_tensor::{DType, Element, Shape, Tensor};

use crate::kernel::{KernelContext, OpRegistration, Status, TypeConstraint, op};
use crate::ops::args;
use crate::ops::dispatch::FLOATS;

const BINOMIAL: &[TypeConstraint] = &[("T", binomial::PARAMETERS), ("dtype", binomial::NUMBERS)];
const FLOAT: &[TypeConstraint] = &[("dtype", FLOATS)];
const GAMMA: &[TypeConstraint] = &[("dtype", gamma::TYPES)];
const INT: &[TypeConstraint] = &[("dtype", &[DType::I32, DType::I64, DType::U32, DType::U64])];
const LOGITS: &[TypeConstraint] = &[("T", FLOATS)];
const SIGNED: &[TypeConstraint] = &[("dtype", &[DType::I32, DType::I64])];
const WIDE: &[DType] = &[DType::F32, DType::F64];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("DummySeedGenerator").cpu(entropy::dummy_seed_generator).cheap(),
    op("Multinomial").types(LOGITS).cpu(multinomial::multinomial).stateful(),
    op("NonDeterministicInts").types(INT).cpu(entropy::non_deterministic_ints),
    op("ParameterizedTruncatedNormal")
        .types(&[("dtype", truncated::TYPES)])
        .cpu(truncated::parameterized)
        .stateful(),
    op("RandomGamma").types(&[("T", gamma::TYPES)]).cpu(gamma::random_gamma).stateful(),
    op("RandomGammaGrad").types(&[("T", WIDE)]).cpu(gamma_grad::random_gamma_grad),
    op("RandomIndexShuffle").cpu(index_shuffle::random_index_shuffle),
    op("RandomPoissonV2")
        .types(&[("R", poisson::TYPES), ("dtype", poisson::TYPES)])
        .cpu(poisson::random_poisson)
        .stateful(),
    op("RandomShuffle").cpu(shuffle::random_shuffle).stateful(),
    op("RandomStandardNormal").types(FLOAT).cpu(stateful::random_standard_normal).stateful(),
    op("RandomUniform").types(FLOAT).cpu(stateful::random_uniform).stateful(),
    op("RandomUniformInt").cpu(stateful::random_uniform_int).stateful(),
    op("RngReadAndSkip").cpu(state::read_and_skip).cheap(),
    op("RngSkip").cpu(state::skip).cheap(),
    op("StatefulRandomBinomial").types(BINOMIAL).cpu(binomial::stateful_binomial),
    op("StatefulStandardNormalV2").types(FLOAT).cpu(state::standard_normal),
    op("StatefulTruncatedNormal").types(FLOAT).cpu(state::truncated_normal),
    op("StatefulUniform").types(FLOAT).cpu(state::uniform),
    op("StatefulUniformFullInt").types(INT).cpu(state::uniform_full_int),
    op("StatefulUniformInt").types(SIGNED).cpu(state::uniform_int),
    op("StatelessMultinomial").types(LOGITS).cpu(multinomial::stateless_multinomial),
    op("StatelessParameterizedTruncatedNormal")
        .types(&[("dtype", truncated::TYPES)])
        .cpu(truncated::stateless_parameterized),
    op("StatelessRandomBinomial").types(BINOMIAL).cpu(binomial::stateless_binomial),
    op("StatelessRandomGammaV2").types(GAMMA).cpu(gamma::stateless_gamma),
    op("StatelessRandomGammaV3").types(GAMMA).cpu(gamma::stateless_gamma),
    op("StatelessRandomGetAlg").cpu(stateless::get_alg).cheap(),
    op("StatelessRandomGetKeyCounter").cpu(stateless::get_key_counter).cheap(),
    op("StatelessRandomGetKeyCounterAlg").cpu(stateless::get_key_counter).cheap(),
    op("StatelessRandomNormal").types(FLOAT).cpu(stateless::normal),
    op("StatelessRandomNormalV2").types(FLOAT).cpu(stateless::normal),
    op("StatelessRandomPoisson")
        .types(&[("Rtype", poisson::TYPES), ("dtype", poisson::TYPES)])
        .cpu(poisson::stateless_poisson),
    op("StatelessRandomUniform").types(FLOAT).cpu(stateless::uniform),
    op("StatelessRandomUniformFullInt").types(INT).cpu(stateless::uniform_int::<true>),
    op("StatelessRandomUniformFullIntV2").types(INT).cpu(stateless::uniform_int::<true>),
    op("StatelessRandomUniformInt").types(INT).cpu(stateless::uniform_int::<false>),
    op("StatelessRandomUniformIntV2").types(INT).cpu(stateless::uniform_int::<false>),
    op("StatelessRandomUniformV2").types(FLOAT).cpu(stateless::uniform),
    op("StatelessShuffle").cpu(shuffle::stateless_shuffle),
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

/// The shape that a vector asks for.
///
/// Errors: `INVALID_ARGUMENT` if it is no vector or has negative dimensions.
fn vector_shape(tensor: &Tensor) -> Result<Shape, Status> {
    if tensor.shape().rank() != 1 {
        let message = format!("Input shape should be a vector, got shape: {}", tensor.shape());
        return Err(Status::invalid_argument(message));
    }
    args::shape(&args::ints(tensor)?)
}

/// The shape `first` with the dimensions of `then` behind it.
///
/// Errors: `INVALID_ARGUMENT` for too many dimensions or elements.
fn follow(first: &Shape, then: &Shape) -> Result<Shape, Status> {
    let dims: Vec<i64> = first.dims().iter().chain(then.dims()).map(|dim| *dim as i64).collect();
    args::shape(&dims)
}

/// The value of input `idx`, which must be a scalar.
///
/// Errors: `INVALID_ARGUMENT` if it is none.
fn scalar<T: Element>(cx: &KernelContext<'_>, idx: usize) -> Result<T, Status> {
    let tensor = cx.input(idx)?;
    if !tensor.shape().is_scalar() {
        let shape = tensor.shape();
        return Err(Status::invalid_argument(format!(
            "input {idx} (0-based) must have shape [], not {shape}"
        )));
    }
    Ok(tensor.to_scalar::<T>()?)
}
