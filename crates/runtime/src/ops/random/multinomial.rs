//! Classes drawn by their logits.

use std::marker::PhantomData;

use flowkeep_linalg::Pool;
use flowkeep_tensor::{Element, Tensor};

use super::distribution::RandomFloat;
use super::philox::Philox;
use super::stateful::Generator;
use super::stateless::scrambled;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::Built;
use crate::ops::dispatch::{no_type, with_float, with_type};

/// The logits of a run, and how many classes are drawn of each row.
struct Run<'a> {
    logits: &'a Tensor,
    n_samples: usize,
}

impl<'a> Run<'a> {
    /// Errors: `INVALID_ARGUMENT` for other ranks, a negative number and no classes.
    fn new(cx: &'a KernelContext<'_>) -> Result<Run<'a>, Status> {
        let invalid = |message: String| Err(Status::invalid_argument(message));
        let (logits, n_samples) = (cx.input(0)?, cx.input(1)?);
        if logits.shape().rank() != 2 {
            return invalid(format!("logits should be a matrix, got shape {}", logits.shape()));
        }
        if !n_samples.shape().is_scalar() {
            let shape = n_samples.shape();
            return invalid(format!("num_samples should be a scalar, got shape {shape}"));
        }
        let given = n_samples.to_scalar::<i32>()?;
        let Ok(n_samples) = usize::try_from(given) else {
            return invalid(format!("num_samples should be non-negative, got {given}"));
        };
        if logits.dims()[1] == 0 {
            return invalid("num_classes should be positive, got 0".to_owned());
        }
        Ok(Run { logits, n_samples })
    }

    /// What a run reserves, in blocks: more than it will need; the reference computes it with 32 bits.
    fn n_reserved(&self) -> u64 {
        let (n_rows, n_samples) = (self.logits.dims()[0] as i32, self.n_samples as i32);
        let n_words = (n_samples.wrapping_add(3) / 4).wrapping_mul(8);
        i64::from(n_rows.wrapping_mul(n_words)).wrapping_mul(256) as u64
    }

    fn fill<T: Logit, O: Class>(
        &self,
        cx: &KernelContext<'_>,
        stream: impl FnOnce() -> Philox,
    ) -> Result<Tensor, Status> {
        let mut out = Tensor::zeros(O::DTYPE, [self.logits.dims()[0], self.n_samples])?;
        if out.n_elements() > 0 {
            let logits = self.logits.as_slice::<T>()?;
            draw(cx.pool(), stream(), logits, self.n_samples, out.make_mut::<O>()?);
        }
        Ok(out)
    }
}

/// Draws `n_samples` classes for each row of `logits`: two words each, one row after another.
fn draw<T: Logit, O: Class>(
    pool: &Pool,
    stream: Philox,
    logits: &[T],
    n_samples: usize,
    out: &mut [O],
) {
    let n_classes = logits.len() / (out.len() / n_samples);
    pool.parallel_chunks(out, n_samples, |row, out| {
        let logits = &logits[row * n_classes..][..n_classes];
        let cumulated = cumulate(logits);
        let total = cumulated.last().copied().unwrap_or(0.0);
        // A block has the words of two samples.
        let first = row * n_samples;
        let mut stream = stream.skip(first as u64 / 2);
        let mut block = if first % 2 == 1 { stream.next() } else { [0; 4] };
        for (i, out) in out.iter_mut().enumerate() {
            if (first + i).is_multiple_of(2) {
                block = stream.next();
            }
            let bound = f64::uniform(block, first + i) * total;
            *out = O::class(cumulated.partition_point(|sum| *sum <= bound));
        }
    });
}

/// The sums of the weights of all classes up to each one; logits that are not finite weigh nothing.
fn cumulate<T: Logit>(logits: &[T]) -> Vec<f64> {
    let finite = |logit: &T| Some((*logit).into()).filter(|logit: &f64| logit.is_finite());
    let max = logits.iter().filter_map(finite).fold(f64::MIN, f64::max);
    let mut total = 0.0;
    let weight = |logit: &T| finite(logit).map_or(0.0, |logit| (logit - max).exp());
    let sums = logits.iter().map(|logit| {
        total += weight(logit);
        total
    });
    sums.collect()
}

/// A type of logits.
trait Logit: Element + Into<f64> {}

impl<T: RandomFloat + Into<f64>> Logit for T {}

/// A type of classes.
trait Class: Element {
    /// The number of a class.
    fn class(at: usize) -> Self;
}

impl Class for i32 {
    fn class(at: usize) -> i32 {
        at as i32
    }
}

impl Class for i64 {
    fn class(at: usize) -> i64 {
        at as i64
    }
}

/// Draws classes by their logits, which need not be normalized.
///
/// Shapes: `logits [B, C]`, `num_samples []` → `[B, num_samples]`.  Types: `T` a float; `output_dtype` i32
/// or i64.
/// Errors: `INVALID_ARGUMENT` for other ranks, a negative `num_samples` and no classes.
/// Source: OpDef `Multinomial`: double cumulative sums, and the first that exceeds a uniform part of the
/// last. The reference starts anew in the stream wherever it splits the rows among threads; here the
/// rows follow each other, as they do in the reference on one thread.
struct Multinomial<T, O> {
    generator: Generator,
    dtypes: PhantomData<(T, O)>,
}

macro_rules! build {
    ($init:expr, $kernel:ident $fields:tt) => {{
        let (dtype, classes) = ($init.attr_type("T")?, $init.attr_type("output_dtype")?);
        with_type!(
            classes,
            O in [I32 => i32, I64 => i64] => with_float!(
                dtype,
                T => Ok(Box::new($kernel::<T, O> $fields)),
                else Err(no_type($init, dtype))
            ),
            else Err(no_type($init, classes))
        )
    }};
}

pub(super) fn multinomial(init: &KernelInit<'_>) -> Built {
    let generator = Generator::new(init)?;
    build!(init, Multinomial { generator, dtypes: PhantomData })
}

impl<T: Logit, O: Class> OpKernel for Multinomial<T, O> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let run = Run::new(cx)?;
        let out = run.fill::<T, O>(cx, || self.generator.reserve(run.n_reserved()))?;
        cx.set_output(0, out)
    }
}

/// Draws classes by their logits, from two seeds.
///
/// Shapes: `seed [2]`, else as `Multinomial`.  Types, errors, source: as there.
struct StatelessMultinomial<T, O> {
    dtypes: PhantomData<(T, O)>,
}

pub(super) fn stateless_multinomial(init: &KernelInit<'_>) -> Built {
    build!(init, StatelessMultinomial { dtypes: PhantomData })
}

impl<T: Logit, O: Class> OpKernel for StatelessMultinomial<T, O> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let stream = scrambled(cx.input(2)?)?;
        let out = Run::new(cx)?.fill::<T, O>(cx, || stream)?;
        cx.set_output(0, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_that_are_not_finite_weigh_nothing() {
        let sums = cumulate(&[f32::NEG_INFINITY, 1.0, f32::NAN, 1.0, f32::INFINITY]);
        assert_eq!(sums, [0.0, 1.0, 1.0, 2.0, 2.0]);
    }

    #[test]
    fn classes_do_not_depend_on_the_number_of_threads() {
        let logits: Vec<f32> = (0..35).map(|i| (i % 4) as f32).collect();
        let draw = |threads| {
            let mut out = vec![0i32; 7 * 11];
            draw(&Pool::new(threads), Philox::new(1, 0, 2), &logits, 11, &mut out);
            out
        };
        assert_eq!(draw(1), draw(3));
    }
}
