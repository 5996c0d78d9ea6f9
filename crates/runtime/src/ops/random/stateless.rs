//! Random ops whose numbers follow from their inputs.

use std::marker::PhantomData;

use flowkeep_tensor::{DType, Tensor};

use super::distribution::{
    Distribution, FullInt, Normal, RandomFloat, RandomInt, TruncatedNormal, Uniform, UniformInt,
    fill,
};
use super::philox::Philox;
use super::stateful::bound;
use super::{scalar, shape_input};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::ints;
use crate::ops::dispatch::{no_type, with_float, with_type};

/// Where an op finds its stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// In input 1: two seeds.
    Seeds,
    /// In inputs 1 to 3: a key, a counter of one or two words of 64 bits, the algorithm.
    KeyAndCounter,
}

impl Source {
    /// The source of an op whose name says it; `StatelessRandomGammaV2` is one with seeds.
    pub(super) fn of(init: &KernelInit<'_>) -> Source {
        match init.op() {
            "StatelessRandomGammaV2" => Source::Seeds,
            op if op.ends_with("V2") || op.ends_with("V3") => Source::KeyAndCounter,
            _ => Source::Seeds,
        }
    }

    /// The stream, and the number of the first input after those that give it.
    ///
    /// Errors: `INVALID_ARGUMENT` for other shapes, and for another algorithm than Philox.
    pub(super) fn stream(self, cx: &KernelContext<'_>) -> Result<(Philox, usize), Status> {
        match self {
            Source::Seeds => Ok((scrambled(cx.input(1)?)?, 2)),
            Source::KeyAndCounter => {
                let stream = given(scalar::<i32>(cx, 3)?, cx.input(1)?, cx.input(2)?)?;
                Ok((stream, 4))
            }
        }
    }
}

/// The stream of two seeds: they are the counter of a block that gives key and counter.
pub(super) fn scrambled(seed: &Tensor) -> Result<Philox, Status> {
    const KEY: u64 = 0x0246_1e29_3ec8_f720;
    let seeds = match seed.dtype() {
        DType::U64 => seed.as_slice::<u64>()?.to_vec(),
        DType::U32 => seed.as_slice::<u32>()?.iter().map(|seed| (*seed).into()).collect(),
        _ => ints(seed)?.into_iter().map(|seed| seed as u64).collect(),
    };
    let (&[low, high], 1) = (&seeds[..], seed.shape().rank()) else {
        let shape = seed.shape();
        return Err(Status::invalid_argument(format!("seed must have shape [2], not {shape}")));
    };
    let [a, b, c, d] = Philox::new(KEY, low, high).next().map(u64::from);
    Ok(Philox::new(b << 32 | a, 0, d << 32 | c))
}

fn given(algorithm: i32, key: &Tensor, counter: &Tensor) -> Result<Philox, Status> {
    let &[value] = key.as_slice::<u64>()? else { return Err(no_key(key)) };
    if key.shape().rank() != 1 {
        return Err(no_key(key));
    }
    let algorithm = if algorithm == AUTO { PHILOX } else { algorithm };
    // The reference takes the number of the algorithm for that of its words.
    if counter.shape().rank() != 1 || (counter.n_elements() as i64) < algorithm.into() {
        return Err(no_counter(algorithm, counter));
    }
    if algorithm != PHILOX {
        return Err(Status::invalid_argument(format!("Unsupported algorithm id: {algorithm}")));
    }
    match counter.as_slice::<u64>()? {
        [low, high, ..] => Ok(Philox::new(value, *low, *high)),
        _ => Err(no_counter(2, counter)),
    }
}

fn no_counter(at_least: i32, counter: &Tensor) -> Status {
    Status::invalid_argument(format!(
        "counter must be a vector with length at least {at_least}; got shape: {}. (Note that batched counters are not \
         supported yet.)",
        counter.shape()
    ))
}

fn no_key(key: &Tensor) -> Status {
    Status::invalid_argument(format!(
        "key must have shape [1], not {}. (Note that batched keys are not supported yet.)",
        key.shape()
    ))
}

/// The number of Philox; that of ThreeFry, 2, has no CPU kernel in the reference either.
const PHILOX: i32 = 1;

/// The number that stands for what suits the device.
const AUTO: i32 = 3;

/// Makes random floats from seeds, or from a key and a counter.
///
/// Shapes: `shape [R]`, `seed [2]` (for V2: `key [1]`, `counter [2]`, `alg` a scalar) → a tensor of
/// that shape.  Types: `dtype` a float.
/// Errors: `INVALID_ARGUMENT` for other shapes, and for another algorithm than Philox.
/// Source: OpDefs `StatelessRandomUniform`, `StatelessRandomNormal`, `StatelessTruncatedNormal` and
/// their V2.
struct StatelessFloats<T, D> {
    source: Source,
    distribution: D,
    dtype: PhantomData<T>,
}

impl<T: RandomFloat, D: Distribution<T>> OpKernel for StatelessFloats<T, D> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (stream, _) = self.source.stream(cx)?;
        let mut out = cx.allocate(T::DTYPE, shape_input(cx.input(0)?)?)?;
        fill(cx.pool(), stream, &self.distribution, out.make_mut::<T>()?);
        cx.set_output(0, out)
    }
}

macro_rules! builder {
    ($name:ident, $distribution:expr) => {
        /// Builds the kernel of the op of that name, or of its V2.
        pub(super) fn $name(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
            let (source, dtype) = (Source::of(init), init.attr_type("dtype")?);
            let distribution = $distribution;
            with_float!(
                dtype,
                T => Ok(Box::new(StatelessFloats { source, distribution, dtype: PhantomData::<T> })),
                else Err(no_type(init, dtype))
            )
        }
    };
}

builder!(uniform, Uniform);
builder!(normal, Normal);
builder!(truncated_normal, TruncatedNormal);

/// Makes random integers from seeds, or from a key and a counter: between two bounds, or of any
/// value.
///
/// Shapes: as the floats, then `minval` and `maxval` scalars.  Types: i32, i64, u32 or u64.
/// Errors: as the floats, and `INVALID_ARGUMENT` for `minval >= maxval` unless nothing is to be made.
/// Source: OpDefs `StatelessRandomUniformInt`, `StatelessRandomUniformFullInt` and their V2.
struct StatelessInts<T, const FULL: bool> {
    source: Source,
    dtype: PhantomData<T>,
}

pub(super) fn uniform_int<const FULL: bool>(
    init: &KernelInit<'_>,
) -> Result<Box<dyn OpKernel>, Status> {
    let (source, dtype) = (Source::of(init), init.attr_type("dtype")?);
    with_type!(
        dtype,
        T in [I32 => i32, I64 => i64, U32 => u32, U64 => u64] =>
            Ok(Box::new(StatelessInts::<T, FULL> { source, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T, const FULL: bool> OpKernel for StatelessInts<T, FULL>
where
    T: RandomInt + PartialOrd + std::fmt::Display,
{
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (stream, next) = self.source.stream(cx)?;
        let mut out = cx.allocate(T::DTYPE, shape_input(cx.input(0)?)?)?;
        if FULL {
            fill(cx.pool(), stream, &FullInt, out.make_mut::<T>()?);
            return cx.set_output(0, out);
        }
        let low = bound::<T>(cx.input(next)?, "minval")?;
        let high = bound::<T>(cx.input(next + 1)?, "maxval")?;
        if low >= high && out.n_elements() > 0 {
            let message = format!("Need minval < maxval, got {low} >= {high}");
            return Err(Status::invalid_argument(message));
        }
        fill(cx.pool(), stream, &UniformInt { low, high }, out.make_mut::<T>()?);
        cx.set_output(0, out)
    }
}

/// Gives the key and the counter of two seeds, and the algorithm where the op wants it.
///
/// Shapes: `seed [2]` → `key [1]`, `counter [2]`, `alg []`.  Types: u64; `alg` i32.
/// Errors: `INVALID_ARGUMENT` for another number of seeds.
/// Source: OpDefs `StatelessRandomGetKeyCounter`, `StatelessRandomGetKeyCounterAlg`.
struct GetKeyCounter;

pub(super) fn get_key_counter(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(GetKeyCounter))
}

impl OpKernel for GetKeyCounter {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (key, counter) = scrambled(cx.input(0)?)?.key_and_counter();
        cx.set_output(0, Tensor::from_elements(vec![key]))?;
        cx.set_output(1, Tensor::from_elements(counter.to_vec()))?;
        if cx.n_outputs() > 2 {
            cx.set_output(2, Tensor::scalar(PHILOX))?;
        }
        Ok(())
    }
}

/// Gives the algorithm that suits this device: Philox.
///
/// Shapes: a scalar.  Types: i32.  Source: OpDef `StatelessRandomGetAlg`.
struct GetAlg;

pub(super) fn get_alg(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(GetAlg))
}

impl OpKernel for GetAlg {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        cx.set_output(0, Tensor::scalar(PHILOX))
    }
}
