//! Ops without numbers that anyone could foresee.

use std::marker::PhantomData;
use std::sync::Arc;

use super::distribution::{FullInt, RandomInt, fill};
use super::philox::Philox;
use super::shape_input;
use super::stateful::entropy;
use crate::Value;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::{no_type, with_type};
use crate::resource::{Resource, ResourceHandle};

/// Makes integers of any value, others in every run of every process.
///
/// Shapes: `shape [R]` → a tensor of that shape.  Types: `dtype` i32, i64, u32 or u64.
/// Errors: `INVALID_ARGUMENT` for a shape that is no vector or has negative dimensions.
/// Source: OpDef `NonDeterministicInts`.
struct NonDeterministic<T>(PhantomData<T>);

pub(super) fn non_deterministic_ints(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    with_type!(
        dtype,
        T in [I32 => i32, I64 => i64, U32 => u32, U64 => u64] =>
            Ok(Box::new(NonDeterministic::<T>(PhantomData))),
        else Err(no_type(init, dtype))
    )
}

impl<T: RandomInt> OpKernel for NonDeterministic<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let mut out = cx.allocate(T::DTYPE, shape_input(cx.input(0)?)?)?;
        let stream = Philox::new(entropy(), entropy(), entropy());
        fill(cx.pool(), stream, &FullInt, out.make_mut::<T>()?);
        cx.set_output(0, out)
    }
}

/// A generator of seeds that makes none.
#[derive(Debug)]
struct DummySeedGenerator;

impl Resource for DummySeedGenerator {
    fn kind(&self) -> &'static str {
        "tensorflow::data::SeedGenerator"
    }
}

/// Gives the handle of a generator of seeds that makes none, for data sets with seeds of their own.
///
/// Shapes: the handle is a scalar.  Errors: none.  Source: OpDef `DummySeedGenerator`.
pub(super) fn dummy_seed_generator(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let handle = ResourceHandle::private("dummy_resource", Arc::new(DummySeedGenerator));
        cx.set_output(0, Value::Resource(handle))
    })
}
