//! Normal distributions between bounds of their own.

use std::marker::PhantomData;
use std::ops::{Add, Div, Mul, Neg, Sub};

use flowkeep_tensor::{DType, Tensor, f16};

use super::distribution::RandomFloat;
use super::philox::Philox;
use super::samples::check_end;
use super::stateful::Generator;
use super::stateless::Source;
use super::vector_shape;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, product};
use crate::ops::broadcast::{Broadcast, broadcast_shape};
use crate::ops::dispatch::{no_type, with_type};

/// How often a number may be drawn in vain.
const MAX_REJECTED: usize = 1000;

/// A float whose every operation is rounded to its type.
trait Rounded:
    RandomFloat
    + PartialOrd
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// The nearest value.
    fn of(x: f32) -> Self;
    fn sqrt(self) -> Self;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn is_finite(self) -> bool;
}

macro_rules! rounded {
    ($($t:ty, $of:expr, |$x:ident| $wide:expr, $back:expr;)*) => {$(
        impl Rounded for $t {
            fn of(x: f32) -> $t {
                $of(x)
            }

            fn sqrt(self) -> $t {
                let $x = self;
                $back($wide.sqrt())
            }

            fn exp(self) -> $t {
                let $x = self;
                $back($wide.exp())
            }

            fn ln(self) -> $t {
                let $x = self;
                $back($wide.ln())
            }

            fn is_finite(self) -> bool {
                <$t>::is_finite(self)
            }
        }
    )*};
}

rounded! {
    f16, f16::from_f32, |x| x.to_f32(), f16::from_f32;
    f32, |x: f32| x, |x| x, |x: f32| x;
    f64, f64::from, |x| x, |x: f64| x;
}

/// A normal distribution between two bounds.
///
/// Robert: "Simulation of truncated normal variables" (1995); normal numbers are tried where many of
/// them are within the bounds.
struct Truncated<T> {
    mean: T,
    /// Negative where the bounds were mirrored, so that what matters lies above the mean.
    stddev: T,
    /// The bounds, in standard deviations from the mean.
    min: T,
    max: T,
    method: Method<T>,
}

#[derive(Clone, Copy)]
enum Method<T> {
    Normal,
    /// Uniform between the bounds.
    Uniform {
        width: T,
        plus: T,
    },
    /// Exponential from the lower bound on, with the rate that is best.
    Exponential {
        rate: T,
    },
}

/// Numbers that were tried together, and whether each is taken.
type Tries<T> = ([(T, bool); 4], usize);

impl<T: Rounded> Truncated<T> {
    /// Errors: `INVALID_ARGUMENT` for a deviation that is not positive, bounds without anything between
    /// them, and bounds of which none is finite.
    fn new(mean: T, stddev: T, min: T, max: T) -> Result<Truncated<T>, Status> {
        let of = T::of;
        let valid = stddev > of(0.0) && min < max && (min.is_finite() || max.is_finite());
        if !valid {
            return Err(Status::invalid_argument("Invalid parameters"));
        }
        let mirrored = !min.is_finite() && min < of(0.0) || max < mean;
        let (min, max, stddev) = if mirrored { (max, min, -stddev) } else { (min, max, stddev) };
        let (min, max) = ((min - mean) / stddev, (max - mean) / stddev);
        let method = Truncated::method(min, max);
        Ok(Truncated { mean, stddev, min, max, method })
    }

    fn method(min: T, max: T) -> Method<T> {
        let of = T::of;
        let (one, two, four) = (of(1.3), of(2.0), of(4.0));
        if min < -one && max >= of(0.0) || max > one && min <= of(0.0) {
            return Method::Normal;
        }
        let root = (min * min + four).sqrt();
        let cutoff = two * (of(0.5) + (min * (min - root)) / four).exp() / (min + root);
        let width = max - min;
        if width < cutoff {
            let plus = if min < of(0.0) { of(0.0) } else { min * min };
            return Method::Uniform { width, plus };
        }
        Method::Exponential { rate: (min + root) / two }
    }

    /// The numbers that the next blocks make.
    fn tries(&self, stream: &mut Philox) -> Tries<T> {
        let mut tries = [(T::of(0.0), false); 4];
        let block = stream.next();
        match self.method {
            Method::Normal => {
                for (i, pair) in tries.chunks_mut(2).enumerate().take(T::PER_BLOCK / 2) {
                    for (x, entry) in T::normal(block, 2 * i).into_iter().zip(pair) {
                        *entry = (x, x >= self.min && x <= self.max);
                    }
                }
                (tries, T::PER_BLOCK)
            }
            Method::Uniform { width, plus } => {
                let second = stream.next();
                for (i, entry) in tries.iter_mut().enumerate().take(T::PER_BLOCK) {
                    let z = T::uniform(block, i) * width + self.min;
                    let log = (plus - z * z) / T::of(2.0);
                    *entry = (z, T::uniform(second, i) <= log.exp());
                }
                (tries, T::PER_BLOCK)
            }
            Method::Exponential { rate } => {
                for (i, entry) in tries.iter_mut().enumerate().take(T::PER_BLOCK / 2) {
                    let z = -T::uniform(block, 2 * i).ln() / rate + self.min;
                    let x = if self.min < rate { rate - z } else { self.min - rate };
                    let likelihood = (-x * x / T::of(2.0)).exp();
                    let accepted = T::uniform(block, 2 * i + 1) <= likelihood && z < self.max;
                    *entry = (z, accepted);
                }
                (tries, T::PER_BLOCK / 2)
            }
        }
    }

    /// Fills `slots` from the next blocks of a stream.
    ///
    /// Errors: `INTERNAL` when one number is rejected too often.
    fn fill<'a>(
        &self,
        stream: &mut Philox,
        mut slots: impl Iterator<Item = &'a mut T>,
    ) -> Result<(), Status> {
        let (limit, what) = match self.method {
            Method::Normal => (MAX_REJECTED + 1, "randn rejection sampler failed to accept"),
            // The two blanks are the reference's.
            Method::Uniform { .. } => (MAX_REJECTED, "uniform rejection sampler failed to  accept"),
            Method::Exponential { .. } => {
                (MAX_REJECTED, "exponential distribution rejection sampler failed to accept")
            }
        };
        let mut n_rejected = 0;
        let mut slot = slots.next();
        while slot.is_some() {
            let (tries, n) = self.tries(stream);
            for (z, accepted) in tries.into_iter().take(n) {
                if !accepted {
                    n_rejected += 1;
                    if n_rejected >= limit {
                        return Err(Status::internal(format!("TruncatedNormal {what} a sample.")));
                    }
                    continue;
                }
                let Some(out) = slot else { break };
                *out = z * self.stddev + self.mean;
                slot = slots.next();
                if slot.is_none() {
                    break;
                }
                n_rejected = 0;
            }
        }
        Ok(())
    }
}

/// Makes normal numbers between bounds, for the rows of a tensor.
///
/// Shapes: `shape [R]`, `means`, `stdevs`, `minvals`, `maxvals` scalars or of length 1 or `shape[0]` → a
/// tensor of that shape.  Types: `dtype` half, float or double.
/// Errors: `INVALID_ARGUMENT` for other shapes, deviations that are not positive and bounds without
/// anything between them; `INTERNAL` when a number is rejected 1000 times.
/// Source: OpDef `ParameterizedTruncatedNormal`. The reference starts anew in the stream wherever it
/// splits the rows among threads; here they follow each other, as in the reference on one thread.
struct RowsTruncated<T> {
    generator: Generator,
    dtype: PhantomData<T>,
}

pub(super) fn parameterized(init: &KernelInit<'_>) -> Built {
    let (generator, dtype) = (Generator::new(init)?, init.attr_type("dtype")?);
    with_type!(
        dtype,
        T in [F16 => f16, F32 => f32, F64 => f64] =>
            Ok(Box::new(RowsTruncated::<T> { generator, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

/// The parameters of the ops, by the names that messages give them.
const NAMES: [&str; 4] = ["means", "stddevs", "minvals", "maxvals"];

/// The rows of a run and the numbers of each; rows whose parameters are all the same are cut anew.
///
/// Errors: `INVALID_ARGUMENT` for parameters that are no vectors, or of another length.
fn cut(
    (n_rows, row_len): (usize, usize),
    parameters: [&Tensor; 4],
) -> Result<(usize, usize), Status> {
    const ROW_LEN: usize = 100;
    let invalid = |name: &str, what: &str, tensor: &Tensor| {
        let message = format!("Input {name} should {what}, got shape: {}", tensor.shape());
        Err(Status::invalid_argument(message))
    };
    for (tensor, name) in parameters.into_iter().zip(NAMES) {
        if tensor.shape().rank() > 1 {
            return invalid(name, "be a scalar or vector", tensor);
        }
    }
    let [means, stddevs, minvals, maxvals] = parameters;
    let alike = |tensor: &Tensor| tensor.n_elements() == 1;
    let scalar = |tensor: &Tensor| tensor.shape().is_scalar();
    if alike(means) && alike(stddevs) && scalar(minvals) && scalar(maxvals) {
        return Ok((n_rows.saturating_mul(row_len).div_ceil(ROW_LEN), ROW_LEN));
    }
    for (tensor, name) in parameters.into_iter().zip(NAMES) {
        if !alike(tensor) && tensor.n_elements() != n_rows {
            return invalid(name, "have length 1 or shape[0]", tensor);
        }
    }
    Ok((n_rows, row_len))
}

impl<T: Rounded> OpKernel for RowsTruncated<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let shape = vector_shape(cx.input(0)?)?;
        let [n_rows, row @ ..] = shape.dims() else {
            return Err(Status::invalid_argument(format!(
                "Shape tensor must not be empty, got Tensor<type: {} shape: [0] values: >",
                cx.input(0)?.dtype()
            )));
        };
        let mut out = Tensor::zeros(T::DTYPE, &shape)?;
        let rows = (*n_rows, product(row));
        let parameters = [cx.input(1)?, cx.input(2)?, cx.input(3)?, cx.input(4)?];
        let (n_rows, row_len) = cut(rows, parameters)?;
        let mut stream = self.generator.reserve(n_reserved(n_rows, row_len));
        let slices = [cx.slice(1)?, cx.slice(2)?, cx.slice(3)?, cx.slice(4)?];
        let mut left = out.make_mut::<T>()?;
        // Rows without numbers are looked at once for each of their parameters.
        let n_given = slices.iter().map(|values| values.len()).max().unwrap_or(0);
        let n_rows = if left.is_empty() { n_rows.min(n_given) } else { n_rows };
        for row in 0..n_rows {
            let [mean, stddev, min, max] =
                slices.map(|values: &[T]| values[if values.len() == 1 { 0 } else { row }]);
            let truncated = Truncated::new(mean, stddev, min, max)?;
            let (now, later) = left.split_at_mut(row_len.min(left.len()));
            truncated.fill(&mut stream, now.iter_mut())?;
            left = later;
        }
        cx.set_output(0, out)
    }
}

/// What a run reserves, in blocks; the reference computes it with 32 bits.
fn n_reserved(n_rows: usize, row_len: usize) -> u64 {
    let words = (n_rows as i32).wrapping_mul(2000).wrapping_mul((row_len as i32).wrapping_add(3));
    i64::from(words / 4) as u64
}

/// Makes normal numbers between bounds from two seeds.
///
/// Shapes: `shape [R]`, `seed [2]`; `means`, `stddevs`, `minvals` and `maxvals` broadcast to what ends
/// `shape` → a tensor of that shape.  Types: `dtype` half, float or double.
/// Errors, source: as `ParameterizedTruncatedNormal`; OpDef `StatelessParameterizedTruncatedNormal`.
struct StatelessTruncated<T>(PhantomData<T>);

pub(super) fn stateless_parameterized(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    with_type!(
        dtype,
        T in [F16 => f16, F32 => f32, F64 => f64] =>
            Ok(Box::new(StatelessTruncated::<T>(PhantomData))),
        else Err(no_type(init, dtype))
    )
}

impl<T: Rounded> OpKernel for StatelessTruncated<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (mut stream, next) = Source::Seeds.stream(cx)?;
        let parameters =
            [cx.input(next)?, cx.input(next + 1)?, cx.input(next + 2)?, cx.input(next + 3)?];
        let batch = parameters
            .iter()
            .try_fold(Vec::new(), |dims, tensor| {
                broadcast_shape(&dims, tensor.dims()).map(|shape| shape.dims().to_vec())
            })
            .ok_or_else(|| {
                let shapes = parameters.map(|tensor| tensor.shape().to_string()).join(" vs. ");
                Status::invalid_argument(format!(
                    "means, stddevs, minvals, maxvals must have compatible batch dimensions: {shapes}"
                ))
            })?;
        let shape = vector_shape(cx.input(0)?)?;
        check_end(&shape, &batch.as_slice().into())?;
        let mut out = Tensor::zeros(T::DTYPE, shape)?;
        if out.n_elements() > 0 {
            fill_batches::<T>(&mut stream, &batch, parameters, out.make_mut::<T>()?)?;
        }
        cx.set_output(0, out)
    }
}

/// Fills `out`, of shape `[S.., batch..]` and not empty, one distribution after another.
fn fill_batches<T: Rounded>(
    stream: &mut Philox,
    batch: &[usize],
    parameters: [&Tensor; 4],
    out: &mut [T],
) -> Result<(), Status> {
    let [means, stddevs, mins, maxs] = parameters.map(|tensor| tensor.as_slice::<T>());
    let slices = [means?, stddevs?, mins?, maxs?];
    let n_batches = product(batch);
    let walk = Broadcast::new(batch, parameters.map(|tensor| tensor.dims()));
    let mut done = Ok(());
    walk.for_each_row(0, n_batches, |position, offsets, n| {
        for i in 0..n {
            if done.is_err() {
                return;
            }
            let at = |operand: usize| {
                let from = offsets[operand];
                slices[operand][if walk.repeats(operand) { from } else { from + i }]
            };
            done = Truncated::new(at(0), at(1), at(2), at(3)).and_then(|truncated| {
                let slots = out.iter_mut().skip(position + i).step_by(n_batches);
                truncated.fill(stream, slots)
            });
        }
    });
    done
}

/// The types of these numbers.
pub(super) const TYPES: &[DType] = &[DType::F16, DType::F32, DType::F64];

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(mean: f32, stddev: f32, min: f32, max: f32) -> Vec<f32> {
        let mut out = vec![0.0; 1000];
        let truncated = Truncated::new(mean, stddev, min, max).unwrap();
        truncated.fill(&mut Philox::new(1, 0, 2), out.iter_mut()).unwrap();
        out
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let inf = f32::INFINITY;
        for (min, max) in [(-2.0, 2.0), (1.0, 1.5), (4.0, inf), (-inf, -4.0), (-0.5, 0.5)] {
            let numbers = draw(0.0, 1.0, min, max);
            assert!(numbers.iter().all(|x| (min..=max).contains(x)), "{min} {max}");
        }
    }

    #[test]
    fn parameters_that_mean_nothing_are_errors() {
        let inf = f64::INFINITY;
        let cases = [(0.0, -1.0, 1.0), (1.0, 1.0, 1.0), (1.0, -inf, inf), (f64::NAN, -1.0, 1.0)];
        for (stddev, min, max) in cases {
            let error = Truncated::new(0.0, stddev, min, max).err().unwrap();
            assert!(error.to_string().contains("Invalid parameters"));
        }
        let endless = Truncated::new(f64::NAN, 1.0, -1.0, 1.0).unwrap();
        let error = endless.fill(&mut Philox::new(1, 0, 2), [0.0].iter_mut()).unwrap_err();
        assert!(error.to_string().contains("rejection sampler failed to accept a sample"));
    }
}
