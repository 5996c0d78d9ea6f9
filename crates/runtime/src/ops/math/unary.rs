//! The kernel behind all ops of one operand: reuse of memory, threads.

use flowkeep_linalg::Pool;
use flowkeep_tensor::{Element, Tensor};

use super::scalar::Loops;
use crate::kernel::{KernelContext, OpKernel, Status};

/// Elements that are copied aside at a time when a result is written over its operand.
const BLOCK: usize = 512;

/// A function of each element, from type `T` to type `O`.
pub(super) struct Unary<T, O> {
    map: Box<Map<T, O>>,
    /// Elements per task.
    grain: usize,
    /// Writes the result over the operand, where `T` is `O`.
    overwrite: Option<Overwrite<T, O>>,
}

type Map<T, O> = dyn Fn(&Pool, &[T], &mut [O]) + Send + Sync;
type Overwrite<T, O> = fn(&Unary<T, O>, &Pool, &mut Tensor) -> Result<(), Status>;

/// The kernel of plain arithmetic, which memory cannot keep up with.
pub(super) fn unary<T: Loops>(f: impl Fn(T) -> T + Copy + Send + Sync + 'static) -> Unary<T, T> {
    Unary { overwrite: Some(overwrite::<T>), ..unary_to(f) }
}

/// The kernel of a function that takes many cycles for an element.
pub(super) fn costly<T: Loops>(f: impl Fn(T) -> T + Copy + Send + Sync + 'static) -> Unary<T, T> {
    Unary { grain: 4 << 10, ..unary(f) }
}

/// As [`costly`], of a function whose loops can be vectorized for `float`.
pub(super) fn vectorized<T: Loops>(
    f: impl Fn(T) -> T + Copy + Send + Sync + 'static,
) -> Unary<T, T> {
    let map = move |pool: &Pool, a: &[T], out: &mut [T]| T::map_costly(pool, a, out, f);
    Unary { map: Box::new(map), grain: 4 << 10, overwrite: Some(overwrite::<T>) }
}

/// The kernel of plain arithmetic with results of any type.
///
/// Here and below functions are passed as they are: behind a reference they are not compiled into loops.
pub(super) fn unary_to<T: Loops, O: Element>(
    f: impl Fn(T) -> O + Copy + Send + Sync + 'static,
) -> Unary<T, O> {
    let map = move |pool: &Pool, a: &[T], out: &mut [O]| T::map(pool, a, out, f);
    Unary { map: Box::new(map), grain: 32 << 10, overwrite: None }
}

fn overwrite<T: Loops>(kernel: &Unary<T, T>, pool: &Pool, own: &mut Tensor) -> Result<(), Status> {
    pool.parallel_chunks(own.make_mut::<T>()?, kernel.grain, |_, own| {
        let mut aside = [T::default(); BLOCK];
        for own in own.chunks_mut(BLOCK) {
            let aside = &mut aside[..own.len()];
            aside.copy_from_slice(own);
            (kernel.map)(pool, aside, own);
        }
    });
    Ok(())
}

impl<T: Loops, O: Element> OpKernel for Unary<T, O> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let pool = cx.pool();
        if self.overwrite.is_some()
            && let Some(own) = cx.input_mut(0)
            && own.n_elements() == 1
        {
            let operand = [own.as_slice::<T>()?[0]];
            (self.map)(pool, &operand, own.make_mut::<O>()?);
            return cx.forward_input(0, 0);
        }
        let mut input = cx.take_input(0)?;
        let grain = self.grain;
        if let Some(overwrite) = self.overwrite
            && input.is_unique()
        {
            overwrite(self, pool, &mut input)?;
            return cx.set_output(0, input);
        }
        let mut output = cx.allocate(O::DTYPE, input.shape())?;
        let values = input.as_slice::<T>()?;
        pool.parallel_chunks(output.make_mut::<O>()?, grain, |idx, out| {
            (self.map)(pool, &values[idx * grain..][..out.len()], out);
        });
        cx.set_output(0, output)
    }
}
