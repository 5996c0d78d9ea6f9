//! The state of a generator in a variable, and the ops that take their numbers from it.
//!
//! The state of Philox, as `tf.random.Generator` keeps and checkpoints it, is an `int64` vector:
//!
//! ```text
//! lower half of the counter | upper half of the counter | key | anything
//! ```

use std::marker::PhantomData;

use flowkeep_tensor::{DType, Element, Tensor};

use super::distribution::{
    Distribution, FullInt, Normal, RandomFloat, RandomInt, TruncatedNormal, Uniform, UniformInt,
    fill,
};
use super::philox::Philox;
use super::stateful::bound;
use super::{scalar, shape_input};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::Built;
use crate::ops::dispatch::{no_type, with_float, with_type};
use crate::ops::state::not_found;
use crate::resource::{ResourceHandle, Variable};

/// The elements of a state that matter.
const LEN: usize = 3;

/// The number of an algorithm as an op was given it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Algorithm {
    /// Philox, or whatever suits the device: Philox.
    Any(i64),
    /// Philox by its own number.
    PhiloxAlone(i64),
}

impl Algorithm {
    fn check(self) -> Result<(), Status> {
        match self {
            Algorithm::Any(1 | 3) | Algorithm::PhiloxAlone(1) => Ok(()),
            Algorithm::Any(2) => {
                Err(Status::unimplemented("Non-XLA devices don't support the ThreeFry algorithm."))
            }
            Algorithm::Any(id) | Algorithm::PhiloxAlone(id) => {
                Err(Status::invalid_argument(format!("Unsupported algorithm id: {id}")))
            }
        }
    }

    fn check_len(self, len: usize) -> Result<(), Status> {
        let the = if matches!(self, Algorithm::Any(_)) { "the " } else { "" };
        match len >= LEN {
            true => Ok(()),
            false => Err(Status::invalid_argument(format!(
                "For {the}Philox algorithm, the size of state must be at least {LEN}; got {len}"
            ))),
        }
    }
}

/// Takes the blocks of `n_outputs` numbers from a state; gives the stream that starts with them.
///
/// Errors: `NOT_FOUND` for a variable without a value; `INVALID_ARGUMENT` for one that is no state, or
/// another algorithm; `UNIMPLEMENTED` for ThreeFry.
pub(super) fn advance(
    handle: &ResourceHandle,
    algorithm: Algorithm,
    n_outputs: u64,
) -> Result<Philox, Status> {
    handle.get::<Variable>()?.update(|slot| {
        let state = slot.as_mut().ok_or_else(|| not_found(handle))?;
        if state.dtype() != DType::I64 {
            let message =
                format!("dtype of RNG state variable must be int64, not {}", state.dtype());
            return Err(Status::invalid_argument(message));
        }
        let rank = state.shape().rank();
        if rank != 1 {
            let message = format!("RNG state must have one and only one dimension, not {rank}");
            return Err(Status::invalid_argument(message));
        }
        algorithm.check()?;
        algorithm.check_len(state.n_elements())?;
        let [low, high, key, ..] = state.make_mut::<i64>()? else {
            return Err(Status::internal("the state was shorter than it was"));
        };
        let stream = Philox::new(*key as u64, *low as u64, *high as u64);
        // As many as a generator of one node reserves.
        let (_, counter) = stream.skip(n_outputs.wrapping_mul(256)).key_and_counter();
        [*low, *high] = counter.map(|half| half as i64);
        Ok(stream)
    })
}

/// Lets a generator go on, as if `delta` numbers were taken from it; gives its state before.
///
/// Shapes: `alg []`, `delta []` → `[3]`.  Types: `alg` i32, `delta` u64; `value` i64.
/// Errors: as [`advance`], and `INVALID_ARGUMENT` for other shapes.
/// Source: OpDef `RngReadAndSkip`.
struct ReadAndSkip;

pub(super) fn read_and_skip(_: &KernelInit<'_>) -> Built {
    Ok(Box::new(ReadAndSkip))
}

impl OpKernel for ReadAndSkip {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let algorithm = Algorithm::Any(scalar::<i32>(cx, 1)?.into());
        let stream = advance(cx.resource(0)?, algorithm, scalar::<u64>(cx, 2)?)?;
        let (key, [low, high]) = stream.key_and_counter();
        cx.set_output(0, Tensor::from_elements([low, high, key].map(|word| word as i64).to_vec()))
    }
}

/// Lets a generator go on, as if `delta` numbers were taken from it.
///
/// Shapes: `algorithm []`, `delta []`.  Types: i64.
/// Errors: as [`advance`], and `INVALID_ARGUMENT` for other shapes.  Source: OpDef `RngSkip`.
struct Skip;

pub(super) fn skip(_: &KernelInit<'_>) -> Built {
    Ok(Box::new(Skip))
}

impl OpKernel for Skip {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let algorithm = Algorithm::Any(scalar::<i64>(cx, 1)?);
        advance(cx.resource(0)?, algorithm, scalar::<i64>(cx, 2)? as u64)?;
        Ok(())
    }
}

/// Makes numbers from the state of a generator, which goes on.
///
/// Shapes: `algorithm []`, `shape [R]` → a tensor of that shape.
/// Errors: as [`advance`], and `INVALID_ARGUMENT` for other shapes.
fn draw<T: Element, D: Distribution<T>>(
    cx: &mut KernelContext<'_>,
    distribution: &D,
) -> Result<(), Status> {
    let algorithm = Algorithm::Any(scalar::<i64>(cx, 1)?);
    let mut out = cx.allocate(T::DTYPE, shape_input(cx.input(2)?)?)?;
    let stream = advance(cx.resource(0)?, algorithm, out.n_elements() as u64)?;
    fill(cx.pool(), stream, distribution, out.make_mut::<T>()?);
    cx.set_output(0, out)
}

/// Random floats of a generator: uniform in `[0, 1)`, normal, or normal within two standard
/// deviations.
///
/// Shapes, errors: as [`draw`].  Types: `dtype` a float.
/// Source: OpDefs `StatefulUniform`, `StatefulStandardNormalV2`, `StatefulTruncatedNormal`.
struct Floats<T, D> {
    distribution: D,
    dtype: PhantomData<T>,
}

impl<T: RandomFloat, D: Distribution<T>> OpKernel for Floats<T, D> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        draw(cx, &self.distribution)
    }
}

macro_rules! builder {
    ($name:ident, $distribution:expr) => {
        /// Builds the kernel of the op of that name.
        pub(super) fn $name(init: &KernelInit<'_>) -> Built {
            let (dtype, distribution) = (init.attr_type("dtype")?, $distribution);
            with_float!(
                dtype,
                T => Ok(Box::new(Floats { distribution, dtype: PhantomData::<T> })),
                else Err(no_type(init, dtype))
            )
        }
    };
}

builder!(uniform, Uniform);
builder!(standard_normal, Normal);
builder!(truncated_normal, TruncatedNormal);

/// Random integers of a generator, of any value.
///
/// Shapes, errors: as [`draw`].  Types: `dtype` i32, i64, u32 or u64.
/// Source: OpDef `StatefulUniformFullInt`.
struct FullInts<T>(PhantomData<T>);

pub(super) fn uniform_full_int(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    with_type!(
        dtype,
        T in [I32 => i32, I64 => i64, U32 => u32, U64 => u64] =>
            Ok(Box::new(FullInts::<T>(PhantomData))),
        else Err(no_type(init, dtype))
    )
}

impl<T: RandomInt> OpKernel for FullInts<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        draw::<T, _>(cx, &FullInt)
    }
}

/// Random integers of a generator, from `minval` up to, not including, `maxval`.
///
/// Shapes: as [`draw`]; `minval` and `maxval` scalars.  Types: `dtype` i32 or i64.
/// Errors: as [`draw`], and `INVALID_ARGUMENT` for `minval >= maxval`, even if nothing is to be made.
/// Source: OpDef `StatefulUniformInt`.
struct Ints<T>(PhantomData<T>);

pub(super) fn uniform_int(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    with_type!(
        dtype,
        T in [I32 => i32, I64 => i64] => Ok(Box::new(Ints::<T>(PhantomData))),
        else Err(no_type(init, dtype))
    )
}

impl<T: RandomInt + PartialOrd + std::fmt::Display> OpKernel for Ints<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        scalar::<i64>(cx, 1)?;
        let low = bound::<T>(cx.input(3)?, "minval")?;
        let high = bound::<T>(cx.input(4)?, "maxval")?;
        if low >= high {
            let message = format!("Need minval < maxval, got {low} >= {high}");
            return Err(Status::invalid_argument(message));
        }
        draw(cx, &UniformInt { low, high })
    }
}
