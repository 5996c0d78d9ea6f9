//! Binomial distributions.

use std::ops::{Mul, Sub};

use flowkeep_tensor::{DType, Element, Shape, Tensor, f16};

use super::philox::Philox;
use super::samples::{BLOCKS, MAX_TRIES, Pair, Sampled, Sampler, check_end, sample};
use super::state::{self, Algorithm};
use super::stateless::Source;
use super::vector_shape;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, product};
use crate::ops::broadcast::{Broadcast, broadcast_shape};
use crate::ops::dispatch::{no_type, with_type};

/// The blocks of a number that [`Method::Inversion`] makes.
const INVERSION_BLOCKS: u64 = 42;

/// A binomial distribution.
struct Binomial {
    count: f64,
    method: Method,
    /// Whether the number is counted down from `count`.
    mirrored: bool,
}

enum Method {
    /// The same number every time.
    Constant(f64),
    /// Geometric numbers, which `log_q` makes, are summed until the sum exceeds the count.
    Inversion { log_q: f64 },
    /// Transformed rejection.
    Rejection(Rejection),
}

/// Hörmann: "The generation of binomial random variates" (1993), algorithm BTRS, with the constants'
/// names of the paper; as in the reference, the last test takes one logarithm where the paper has none.
struct Rejection {
    a: f64,
    b: f64,
    c: f64,
    alpha: f64,
    v_r: f64,
    r: f64,
    m: f64,
    /// What does not change in the last test.
    mode: f64,
}

impl Binomial {
    /// The distribution of `count` trials of probability `prob`, which are rounded as numbers of type
    /// `T` are.
    fn new<T>(count: T, prob: T) -> Binomial
    where
        T: Sampled + PartialOrd + Into<f64> + Mul<Output = T> + Sub<Output = T>,
    {
        let trials: f64 = count.into();
        let p: f64 = prob.into();
        let constant = |x| Binomial { count: trials, method: Method::Constant(x), mirrored: false };
        if trials <= 0.0 || p <= 0.0 {
            return constant(0.0);
        } else if p >= 1.0 {
            return constant(trials);
        } else if p.is_nan() {
            return constant(p);
        }
        let mirrored = p > 0.5;
        let rare = if mirrored { T::from_double(1.0) - prob } else { prob };
        let often = Into::<f64>::into(count * rare) >= 10.0;
        let rare: f64 = rare.into();
        let method = match often {
            true => Method::Rejection(Rejection::new(trials, rare)),
            false => Method::Inversion { log_q: (-rare).ln_1p() },
        };
        Binomial { count: trials, method, mirrored }
    }
}

impl Sampler for Binomial {
    fn blocks(&self) -> u64 {
        match self.method {
            Method::Inversion { .. } => INVERSION_BLOCKS,
            Method::Constant(_) | Method::Rejection(_) => BLOCKS,
        }
    }

    fn draw(&self, stream: Philox) -> Option<f64> {
        let number = match &self.method {
            Method::Constant(x) => Some(*x),
            Method::Inversion { log_q } => invert(self.count, *log_q, stream),
            Method::Rejection(rejection) => rejection.draw(self.count, stream),
        }?;
        Some(if self.mirrored { self.count - number } else { number })
    }
}

fn invert(count: f64, log_q: f64, mut stream: Philox) -> Option<f64> {
    let mut uniforms = Pair::default();
    let mut sum = 0.0;
    (0..MAX_TRIES).map(|n| n as f64).find(|_| {
        sum += (uniforms.uniform(&mut stream).ln() / log_q).ceil();
        sum > count
    })
}

impl Rejection {
    fn new(count: f64, p: f64) -> Rejection {
        let deviation = (count * p * (1.0 - p)).sqrt();
        let b = 1.15 + 2.53 * deviation;
        let r = p / (1.0 - p);
        let m = ((count + 1.0) * p).floor();
        let mode = (m + 0.5) * ((m + 1.0) / (r * (count - m + 1.0))).ln()
            + stirling_rest(m)
            + stirling_rest(count - m);
        Rejection {
            a: -0.0873 + 0.0248 * b + 0.01 * p,
            b,
            c: count * p + 0.5,
            alpha: (2.83 + 5.1 / b) * deviation,
            v_r: 0.92 - 4.2 / b,
            r,
            m,
            mode,
        }
    }

    fn draw(&self, count: f64, mut stream: Philox) -> Option<f64> {
        let Rejection { a, b, c, alpha, v_r, r, m, mode } = *self;
        let mut uniforms = Pair::default();
        for _ in 0..MAX_TRIES {
            let u = uniforms.uniform(&mut stream) - 0.5;
            let v = uniforms.uniform(&mut stream);
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + c).floor();
            if us >= 0.07 && v <= v_r {
                return Some(k);
            }
            if k < 0.0 || k > count {
                continue;
            }
            let v = (v * alpha / (a / (us * us) + b)).ln();
            let left = count - k + 1.0;
            let bound = mode
                + (count + 1.0) * ((count - m + 1.0) / left).ln()
                + (k + 0.5) * (r * left / (k + 1.0)).ln()
                - stirling_rest(k)
                - stirling_rest(count - k);
            if v <= bound {
                return Some(k);
            }
        }
        None
    }
}

/// What Stirling's formula lacks of the logarithm of `k!`, in terms of `k + 1`.
fn stirling_rest(k: f64) -> f64 {
    const SMALL: [f64; 10] = [
        0.081_061_466_795_327_2,
        0.041_340_695_955_409_2,
        0.027_677_925_684_998_3,
        0.020_790_672_103_765_09,
        0.016_644_691_189_821_1,
        0.013_876_128_823_070_7,
        0.011_896_709_945_891_7,
        0.010_411_265_261_972_0,
        0.009_255_462_182_712_73,
        0.008_330_563_433_362_87,
    ];
    if k <= 9.0 {
        return SMALL[k.max(0.0) as usize];
    }
    let square = (k + 1.0) * (k + 1.0);
    (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / (k + 1.0)
}

/// The counts and probabilities of a run, and the shape of what it makes.
struct Run<'a> {
    counts: &'a Tensor,
    probs: &'a Tensor,
    batch: Shape,
    shape: Shape,
}

impl<'a> Run<'a> {
    /// Errors: `INVALID_ARGUMENT` for shapes that do not fit together.
    fn new(shape_input: &Tensor, counts: &'a Tensor, probs: &'a Tensor) -> Result<Run<'a>, Status> {
        let batch = broadcast_shape(counts.dims(), probs.dims()).ok_or_else(|| {
            Status::invalid_argument(format!(
                "counts and probs must have compatible batch dimensions: {} vs. {}",
                counts.shape(),
                probs.shape()
            ))
        })?;
        let shape = vector_shape(shape_input)?;
        check_end(&shape, &batch)?;
        Ok(Run { counts, probs, batch, shape })
    }

    /// The numbers of the distributions, and those of each.
    fn sizes(&self) -> (u64, u64) {
        let n_sample_dims = self.shape.rank() - self.batch.rank();
        let (samples, batch) = self.shape.dims().split_at(n_sample_dims);
        (product(batch) as u64, product(samples) as u64)
    }

    fn fill(&self, cx: &KernelContext<'_>, stream: Philox, dtype: DType) -> Result<Tensor, Status> {
        let mut samplers = Vec::new();
        if self.shape.n_elements() > 0 {
            samplers.reserve_exact(self.batch.n_elements());
            let counts = self.counts;
            with_type!(
                counts.dtype(),
                T in [F16 => f16, F32 => f32, F64 => f64] => self.samplers::<T>(&mut samplers)?,
                else return Err(Status::invalid_argument("counts are floats"))
            );
        }
        let mut out = Tensor::zeros(dtype, self.shape.clone())?;
        with_type!(
            dtype,
            T in [F16 => f16, F32 => f32, F64 => f64, I32 => i32, I64 => i64] =>
                sample(cx.pool(), stream, &samplers, out.make_mut::<T>()?)?,
            else return Err(Status::invalid_argument("binomial numbers are real numbers"))
        );
        Ok(out)
    }

    fn samplers<T>(&self, samplers: &mut Vec<Binomial>) -> Result<(), Status>
    where
        T: Element + Sampled + PartialOrd + Into<f64> + Mul<Output = T> + Sub<Output = T>,
    {
        let (counts, probs) = (self.counts.as_slice::<T>()?, self.probs.as_slice::<T>()?);
        let walk = Broadcast::new(self.batch.dims(), [self.counts.dims(), self.probs.dims()]);
        walk.for_each_row(0, self.batch.n_elements(), |_, [count, prob], n| {
            for i in 0..n {
                let at = |from: usize, operand| if walk.repeats(operand) { from } else { from + i };
                samplers.push(Binomial::new(counts[at(count, 0)], probs[at(prob, 1)]));
            }
        });
        Ok(())
    }
}

/// Makes binomial numbers from two seeds.
///
/// Shapes: `shape [R]`, `seed [2]`, `counts [A..]` and `probs [B..]`, which broadcast to what ends `shape`
/// → a tensor of that shape.  Types: `T` half, float or double; `dtype` these, i32 or i64.
/// Errors: `INVALID_ARGUMENT` for other shapes, and for a count that is no number.
/// Source: OpDef `StatelessRandomBinomial`; the same tries are taken as by the reference, which goes on
/// without end for such a count.
struct StatelessBinomial(DType);

pub(super) fn stateless_binomial(init: &KernelInit<'_>) -> Built {
    Ok(Box::new(StatelessBinomial(dtype(init)?)))
}

fn dtype(init: &KernelInit<'_>) -> Result<DType, Status> {
    let dtype = init.attr_type("dtype")?;
    if NUMBERS.contains(&dtype) { Ok(dtype) } else { Err(no_type(init, dtype)) }
}

impl OpKernel for StatelessBinomial {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (stream, next) = Source::Seeds.stream(cx)?;
        let run = Run::new(cx.input(0)?, cx.input(next)?, cx.input(next + 1)?)?;
        let out = run.fill(cx, stream, self.0)?;
        cx.set_output(0, out)
    }
}

/// Makes binomial numbers from the state of a generator, which goes on.
///
/// Shapes: `algorithm []`, then as `StatelessRandomBinomial`.  Types: as there.
/// Errors: as there and of the state, see [`state::advance`].
/// Source: OpDef `StatefulRandomBinomial`.
struct StatefulBinomial(DType);

pub(super) fn stateful_binomial(init: &KernelInit<'_>) -> Built {
    Ok(Box::new(StatefulBinomial(dtype(init)?)))
}

impl OpKernel for StatefulBinomial {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let run = Run::new(cx.input(2)?, cx.input(3)?, cx.input(4)?)?;
        let algorithm = cx.input(1)?;
        if !algorithm.shape().is_scalar() {
            let message = format!("algorithm must be of shape [], not {}", algorithm.shape());
            return Err(Status::invalid_argument(message));
        }
        let algorithm = Algorithm::PhiloxAlone(algorithm.to_scalar::<i64>()?);
        let (n_batch, n_each) = run.sizes();
        let n_outputs = n_batch.wrapping_mul(200).wrapping_mul(n_each.wrapping_add(3)) / 4;
        let stream = state::advance(cx.resource(0)?, algorithm, n_outputs)?;
        let out = run.fill(cx, stream, self.0)?;
        cx.set_output(0, out)
    }
}

/// The types of counts and probabilities.
pub(super) const PARAMETERS: &[DType] = &[DType::F16, DType::F32, DType::F64];

/// The types of binomial numbers.
pub(super) const NUMBERS: &[DType] = &[DType::F16, DType::F32, DType::F64, DType::I32, DType::I64];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_without_chance_need_no_words() {
        let draw = |count: f64, prob: f64| Binomial::new(count, prob).draw(Philox::new(1, 0, 2));
        assert_eq!(draw(-3.0, 0.5), Some(0.0));
        assert_eq!(draw(7.0, 0.0), Some(0.0));
        assert_eq!(draw(7.5, 1.5), Some(7.5));
        assert!(draw(7.0, f64::NAN).is_some_and(f64::is_nan));
    }

    #[test]
    fn a_count_that_is_no_number_ends_without_one() {
        assert!(Binomial::new(f64::NAN, 0.5).draw(Philox::new(1, 0, 2)).is_none());
    }

    #[test]
    fn the_mean_is_that_of_the_distribution() {
        for (count, prob) in [(5.0f64, 0.3), (1000.0, 0.7), (40.0, 0.5)] {
            let binomial = Binomial::new(count, prob);
            let stream = Philox::new(1, 0, 2);
            let draw = |n: u64| binomial.draw(stream.skip(n * binomial.blocks())).unwrap();
            let mean = (0..2000).map(draw).sum::<f64>() / 2000.0;
            let deviation = (count * prob * (1.0 - prob)).sqrt();
            assert!((mean - count * prob).abs() < deviation / 10.0, "{count} {prob}: {mean}");
        }
    }
}
