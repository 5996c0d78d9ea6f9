//! The kernel behind all ops of two operands: broadcasting, reuse of memory, threads.

use bytes::Bytes;
use flowkeep_linalg::Pool;
use flowkeep_tensor::{Element, Shape, Tensor};

use super::scalar::Loops;
use crate::kernel::{KernelContext, OpKernel, Status};
use crate::ops::broadcast::{Broadcast, broadcast_shape};

/// Output elements per task.
const GRAIN: usize = 32 << 10;
/// Elements that are laid out side by side on the stack, where operands are not.
const BLOCK: usize = 512;
/// As many, for tensors that have no more: what is on the stack is cleared each time.
const SMALL_BLOCK: usize = 32;
/// Rows shorter than this are not worth a call of their own.
const SHORT_ROW: usize = 64;

/// One operand along a run of output elements.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a, T> {
    /// One element for each.
    Row(&'a [T]),
    /// The same element for all.
    Repeated(T),
}

/// Computes the only output element of two operands that have one each.
type One<T, O> = dyn Fn(T, T) -> O + Send + Sync;

/// Computes a run of output elements. Of two repeated operands there is one output element.
type Rows<T, O> = dyn Fn(&Pool, Operand<'_, T>, Operand<'_, T>, &mut [O]) + Send + Sync;

/// Refuses values of the second operand that the function is not defined for.
pub(super) type Check<T> = fn(&[T]) -> Result<(), Status>;

/// A function of two broadcast operands of type `T`, with results of type `O`.
pub(super) struct Binary<T, O> {
    one: Box<One<T, O>>,
    rows: Box<Rows<T, O>>,
    check: Option<Check<T>>,
    /// Writes the result over an operand, where `T` is `O`.
    overwrite: Option<Overwrite<T, O>>,
    /// The scalar result for operands that do not fit together; else that is an error.
    unfit: Option<O>,
}

type Overwrite<T, O> = fn(&Binary<T, O>, &Pool, &mut Tensor, &Tensor, Own) -> Result<(), Status>;

/// Which operand is overwritten.
#[derive(Clone, Copy, PartialEq)]
enum Own {
    First,
    Second,
}

/// The kernel of a function whose results have the operands' type.
pub(super) fn binary<T: Loops>(
    f: impl Fn(T, T) -> T + Copy + Send + Sync + 'static,
) -> Binary<T, T> {
    Binary { overwrite: Some(overwrite::<T>), ..predicate(f) }
}

/// The kernel of a function with results of any type.
pub(super) fn predicate<T: Loops, O: Element>(
    f: impl Fn(T, T) -> O + Copy + Send + Sync + 'static,
) -> Binary<T, O> {
    let rows = move |pool: &Pool, a: Operand<'_, T>, b: Operand<'_, T>, out: &mut [O]| match (a, b)
    {
        (Operand::Row(a), Operand::Row(b)) => T::zip(pool, a, b, out, f),
        (Operand::Row(a), Operand::Repeated(b)) => T::map(pool, a, out, |a| f(a, b)),
        (Operand::Repeated(a), Operand::Row(b)) => T::map(pool, b, out, |b| f(a, b)),
        (Operand::Repeated(a), Operand::Repeated(b)) => out.fill(f(a, b)),
    };
    Binary { one: Box::new(f), rows: Box::new(rows), check: None, overwrite: None, unfit: None }
}

impl<T: Loops, O: Element> Binary<T, O> {
    /// Looks at the second operand first, unless there is nothing to compute.
    pub(super) fn checked(self, check: Check<T>) -> Binary<T, O> {
        Binary { check: Some(check), ..self }
    }

    /// Gives a scalar instead of an error for operands that do not fit together.
    pub(super) fn unfit(self, value: O) -> Binary<T, O> {
        Binary { unfit: Some(value), ..self }
    }

    /// Computes the only output element of two operands that have these.
    #[inline]
    fn single(&self, cx: &mut KernelContext<'_>, a: T, b: T) -> Result<(), Status> {
        if let Some(check) = self.check {
            check(&[b])?;
        }
        // The result has the shape of the operand with more dimensions.
        let like = usize::from(cx.input(0)?.dims().len() < cx.input(1)?.dims().len());
        cx.set_single(like, (self.one)(a, b))
    }

    /// Computes the output elements from `start` on.
    fn part(
        &self,
        pool: &Pool,
        walk: &Broadcast<2>,
        (a, b): (&[T], &[T]),
        start: usize,
        out: &mut [O],
    ) {
        if walk.row_len() >= SHORT_ROW || walk.row_len() >= start + out.len() {
            walk.for_each_row(start, out.len(), |position, [at_a, at_b], n| {
                let a = operand(walk.repeats(0), a, at_a, n);
                let b = operand(walk.repeats(1), b, at_b, n);
                (self.rows)(pool, a, b, &mut out[position..position + n]);
            });
            return;
        }
        let (mut a_block, mut b_block) = ([T::default(); BLOCK], [T::default(); BLOCK]);
        for (block_idx, out) in out.chunks_mut(BLOCK).enumerate() {
            let (a_block, b_block) = (&mut a_block[..out.len()], &mut b_block[..out.len()]);
            walk.for_each_row(start + block_idx * BLOCK, out.len(), |position, [at_a, at_b], n| {
                lay_out(walk.repeats(0), a, at_a, &mut a_block[position..position + n]);
                lay_out(walk.repeats(1), b, at_b, &mut b_block[position..position + n]);
            });
            (self.rows)(pool, Operand::Row(a_block), Operand::Row(b_block), out);
        }
    }
}

fn operand<T: Copy>(repeats: bool, values: &[T], at: usize, n: usize) -> Operand<'_, T> {
    if repeats { Operand::Repeated(values[at]) } else { Operand::Row(&values[at..at + n]) }
}

fn lay_out<T: Copy>(repeats: bool, values: &[T], at: usize, to: &mut [T]) {
    if repeats { to.fill(values[at]) } else { to.copy_from_slice(&values[at..][..to.len()]) }
}

/// Computes into `own`, which has the shape of the result and belongs to nobody else.
///
/// The old elements are copied aside block by block: safe code cannot read and write one slice.
fn overwrite<T: Loops>(
    kernel: &Binary<T, T>,
    pool: &Pool,
    own: &mut Tensor,
    other: &Tensor,
    which: Own,
) -> Result<(), Status> {
    match own.n_elements() <= SMALL_BLOCK {
        true => overwrite_by::<T, SMALL_BLOCK>(kernel, pool, own, other, which),
        false => overwrite_by::<T, BLOCK>(kernel, pool, own, other, which),
    }
}

/// [`overwrite`], by `N` elements at a time.
fn overwrite_by<T: Loops, const N: usize>(
    kernel: &Binary<T, T>,
    pool: &Pool,
    own: &mut Tensor,
    other: &Tensor,
    which: Own,
) -> Result<(), Status> {
    let walk = Broadcast::new(own.dims(), [other.dims()]);
    let (own, other) = (own.make_mut::<T>()?, other.as_slice::<T>()?);
    let is_one_row = walk.row_len() == own.len();
    pool.parallel_chunks(own, GRAIN, |chunk_idx, own| {
        let (mut aside, mut laid_out) = ([T::default(); N], [T::default(); N]);
        for (block_idx, own) in own.chunks_mut(N).enumerate() {
            let start = chunk_idx * GRAIN + block_idx * N;
            let aside = &mut aside[..own.len()];
            aside.copy_from_slice(own);
            let other = if is_one_row {
                operand(walk.repeats(0), other, if walk.repeats(0) { 0 } else { start }, own.len())
            } else {
                walk.for_each_row(start, own.len(), |position, [at], n| {
                    lay_out(walk.repeats(0), other, at, &mut laid_out[position..position + n]);
                });
                Operand::Row(&laid_out[..own.len()])
            };
            match which {
                Own::First => (kernel.rows)(pool, Operand::Row(aside), other, own),
                Own::Second => (kernel.rows)(pool, other, Operand::Row(aside), own),
            }
        }
    });
    Ok(())
}

impl<T: Loops, O: Element> OpKernel for Binary<T, O> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        // What loops do most is a function of its own, which has little to set up.
        match (cx.single(0), cx.single(1)) {
            (Some(a), Some(b)) => self.single(cx, a, b),
            _ => self.many(cx),
        }
    }
}

impl<T: Loops, O: Element> Binary<T, O> {
    /// Computes the output of operands of any size.
    #[inline(never)]
    fn many(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        if cx.input(0)?.n_elements() == 1 && cx.input(1)?.n_elements() == 1 {
            let (a, b) = (cx.slice::<T>(0)?[0], cx.slice::<T>(1)?[0]);
            return self.single(cx, a, b);
        }
        let (mut a, mut b) = (cx.take_input(0)?, cx.take_input(1)?);
        let pool = cx.pool();
        let Some(shape) = broadcast_shape(a.dims(), b.dims()) else {
            return match self.unfit {
                Some(value) => cx.set_output(0, Tensor::scalar(value)),
                None => Err(incompatible(&a, &b)),
            };
        };
        if shape.n_elements() == 0 {
            return cx.set_output(0, Tensor::zeros(O::DTYPE, shape)?);
        }
        if let Some(check) = self.check {
            check(b.as_slice::<T>()?)?;
        }
        if let Some(overwrite) = self.overwrite {
            if a.shape() == &shape && a.is_unique() {
                overwrite(self, pool, &mut a, &b, Own::First)?;
                return cx.set_output(0, a);
            }
            if b.shape() == &shape && b.is_unique() {
                overwrite(self, pool, &mut b, &a, Own::Second)?;
                return cx.set_output(0, b);
            }
        }
        let mut output = cx.allocate(O::DTYPE, &shape)?;
        let walk = Broadcast::new(shape.dims(), [a.dims(), b.dims()]);
        let operands = (a.as_slice::<T>()?, b.as_slice::<T>()?);
        pool.parallel_chunks(output.make_mut::<O>()?, GRAIN, |idx, out| {
            self.part(pool, &walk, operands, idx * GRAIN, out);
        });
        cx.set_output(0, output)
    }
}

/// The error of two operands that do not broadcast together.
pub(super) fn incompatible(a: &Tensor, b: &Tensor) -> Status {
    Status::invalid_argument(format!("Incompatible shapes: {} vs. {}", a.shape(), b.shape()))
}

/// Computes `f` of two broadcast string tensors, one element at a time.
///
/// Errors: `INVALID_ARGUMENT` if the operands do not fit together.
pub(super) fn zip_strings<O>(
    a: &Tensor,
    b: &Tensor,
    mut f: impl FnMut(&Bytes, &Bytes) -> O,
) -> Result<(Shape, Vec<O>), Status> {
    let shape = broadcast_shape(a.dims(), b.dims()).ok_or_else(|| incompatible(a, b))?;
    // The size is checked before the values are made.
    let n = Tensor::zeros(flowkeep_tensor::DType::Bool, &shape)?.n_elements();
    let mut values = Vec::with_capacity(n);
    if n > 0 {
        let walk = Broadcast::new(shape.dims(), [a.dims(), b.dims()]);
        let (a, b) = (a.as_strings()?, b.as_strings()?);
        let step = |idx, i| if walk.repeats(idx) { 0 } else { i };
        walk.for_each_row(0, n, |_, [at_a, at_b], n| {
            values.extend((0..n).map(|i| f(&a[at_a + step(0, i)], &b[at_b + step(1, i)])));
        });
    }
    Ok((shape, values))
}
