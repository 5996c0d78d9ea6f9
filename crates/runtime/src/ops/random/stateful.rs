//! Random ops with a generator of their own, which goes on from run to run.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use flowkeep_tensor::{Element, Tensor};

use super::distribution::{
    Distribution, Normal, RandomFloat, RandomInt, TruncatedNormal, Uniform, UniformInt, fill,
};
use super::philox::Philox;
use super::shape_input;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::dispatch::{no_type, with_float, with_type};

/// The generator of one node.
pub(super) struct Generator(Mutex<Philox>);

impl Generator {
    /// The generator that the attributes `seed` and `seed2` start; a random one if both are 0.
    pub(super) fn new(init: &KernelInit<'_>) -> Result<Generator, Status> {
        let (seed, seed2) = match (init.attr_int("seed")?, init.attr_int("seed2")?) {
            (0, 0) => (entropy(), entropy()),
            (seed, seed2) => (seed as u64, seed2 as u64),
        };
        Ok(Generator(Mutex::new(Philox::new(seed, 0, seed2))))
    }

    /// The next `n_blocks` blocks, which nobody else gets.
    pub(super) fn reserve(&self, n_blocks: u64) -> Philox {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reserved = *stream;
        *stream = reserved.skip(n_blocks);
        reserved
    }

    /// What a run that makes `n` numbers reserves: more than it will need.
    pub(super) fn reserve_outputs(&self, n: usize) -> Philox {
        self.reserve((n as u64).saturating_mul(256))
    }
}

/// A number that differs from process to process and from call to call.
pub(super) fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Makes random floats: uniform in `[0, 1)`, normal, or normal within two standard deviations.
///
/// Shapes: `shape [R]` → a tensor of that shape.  Types: `dtype` a float; `shape` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for a shape that is no vector or has negative dimensions.
/// Source: OpDefs `RandomUniform`, `RandomStandardNormal`, `TruncatedNormal`; bit for bit the
/// reference's words, for normal numbers up to the accuracy of sine, cosine and logarithm.
struct RandomFloats<T, D> {
    generator: Generator,
    distribution: D,
    dtype: PhantomData<T>,
}

impl<T: RandomFloat, D: Distribution<T>> OpKernel for RandomFloats<T, D> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let mut out = cx.allocate(T::DTYPE, shape_input(cx.input(0)?)?)?;
        let stream = self.generator.reserve_outputs(out.n_elements());
        fill(cx.pool(), stream, &self.distribution, out.make_mut::<T>()?);
        cx.set_output(0, out)
    }
}

macro_rules! builder {
    ($name:ident, $distribution:expr) => {
        /// Builds the kernel of the op of that name.
        pub(super) fn $name(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
            let (generator, dtype) = (Generator::new(init)?, init.attr_type("dtype")?);
            let distribution = $distribution;
            with_float!(
                dtype,
                T => Ok(Box::new(RandomFloats { generator, distribution, dtype: PhantomData::<T> })),
                else Err(no_type(init, dtype))
            )
        }
    };
}

builder!(random_uniform, Uniform);
builder!(random_standard_normal, Normal);
builder!(truncated_normal, TruncatedNormal);

/// Makes random integers from `minval` up to, not including, `maxval`.
///
/// Shapes: `shape [R]`, `minval` and `maxval` scalars → a tensor of that shape.  Types: i32 or i64.
/// Errors: `INVALID_ARGUMENT` for a shape that is no vector or has negative dimensions, bounds that
/// are no scalars, and, unless nothing is to be made, `minval >= maxval`.
/// Source: OpDef `RandomUniformInt`.
struct RandomInts<T> {
    generator: Generator,
    dtype: PhantomData<T>,
}

pub(super) fn random_uniform_int(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let (generator, dtype) = (Generator::new(init)?, init.attr_type("Tout")?);
    with_type!(
        dtype,
        T in [I32 => i32, I64 => i64] =>
            Ok(Box::new(RandomInts { generator, dtype: PhantomData::<T> })),
        else Err(no_type(init, dtype))
    )
}

impl<T: RandomInt + PartialOrd + std::fmt::Display> OpKernel for RandomInts<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let low = bound::<T>(cx.input(1)?, "minval")?;
        let high = bound::<T>(cx.input(2)?, "maxval")?;
        let mut out = cx.allocate(T::DTYPE, shape_input(cx.input(0)?)?)?;
        if out.n_elements() > 0 {
            if low >= high {
                let message = format!("Need minval < maxval, got {low} >= {high}");
                return Err(Status::invalid_argument(message));
            }
            let stream = self.generator.reserve_outputs(out.n_elements());
            fill(cx.pool(), stream, &UniformInt { low, high }, out.make_mut::<T>()?);
        }
        cx.set_output(0, out)
    }
}

/// The value of a bound, which must be a scalar.
pub(super) fn bound<T: Element>(tensor: &Tensor, name: &str) -> Result<T, Status> {
    if !tensor.shape().is_scalar() {
        let message = format!("{name} must be 0-D, got shape {}", tensor.shape());
        return Err(Status::invalid_argument(message));
    }
    Ok(tensor.to_scalar::<T>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_get_different_blocks() {
        let generator = Generator(Mutex::new(Philox::new(1, 0, 2)));
        assert_eq!(generator.reserve_outputs(3), Philox::new(1, 0, 2));
        assert_eq!(generator.reserve_outputs(1), Philox::new(1, 768, 2));
        assert_ne!(entropy(), entropy());
    }
}
