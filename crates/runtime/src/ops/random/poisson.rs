//! Poisson distributions.

use std::marker::PhantomData;

use flowkeep_tensor::{DType, Tensor, f16};

use super::philox::Philox;
use super::samples::{MAX_TRIES, Pair, Sampled, Sampler, check_end, parameters, sample};
use super::stateful::Generator;
use super::stateless::Source;
use super::{follow, shape_input};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::Built;
use crate::ops::dispatch::{no_type, with_type};
use crate::ops::gamma::ln_gamma;

/// A Poisson distribution whose numbers are at most `highest`.
struct Poisson {
    rate: f64,
    highest: f64,
    method: Method,
}

enum Method {
    /// Uniform numbers are multiplied until the product is at most this: Knuth, "Seminumerical
    /// algorithms", 3.4.1.
    Product { bound: f64 },
    /// Transformed rejection: Hörmann, "The transformed rejection method for generating Poisson random
    /// variables" (1993), with the constants' names of the paper.
    Rejection { log_rate: f64, a: f64, b: f64, inv_alpha: f64 },
}

impl Poisson {
    fn new(rate: f64, highest: f64) -> Poisson {
        let method = if rate < 10.0 {
            Method::Product { bound: (-rate).exp() }
        } else {
            let b = 0.931 + 2.53 * rate.sqrt();
            let a = -0.059 + 0.02483 * b;
            Method::Rejection { log_rate: rate.ln(), a, b, inv_alpha: 1.1239 + 1.1328 / (b - 3.4) }
        };
        Poisson { rate, highest, method }
    }
}

impl Sampler for Poisson {
    fn draw(&self, mut stream: Philox) -> Option<f64> {
        let mut uniforms = Pair::default();
        let mut uniform = || uniforms.uniform(&mut stream);
        match self.method {
            Method::Product { bound } => {
                let mut product = 1.0;
                (0..MAX_TRIES).map(|n| n as f64).find(|n| {
                    product *= uniform();
                    product <= bound && *n <= self.highest
                })
            }
            Method::Rejection { log_rate, a, b, inv_alpha } => {
                for _ in 0..MAX_TRIES {
                    let u = uniform() - 0.5;
                    let v = uniform();
                    let us = 0.5 - u.abs();
                    let k = ((2.0 * a / us + b) * u + self.rate + 0.43).floor();
                    if k > self.highest {
                        continue;
                    }
                    if us >= 0.07 && v <= 0.9277 - 3.6224 / (b - 2.0) {
                        return Some(k);
                    }
                    if k < 0.0 || us < 0.013 && v > us {
                        continue;
                    }
                    let s = (v * inv_alpha / (a / (us * us) + b)).ln();
                    if s <= -self.rate + k * log_rate - ln_gamma(k + 1.0) {
                        return Some(k);
                    }
                }
                None
            }
        }
    }
}

/// Draws numbers of the rates of a tensor.
fn fill<T: Sampled>(
    cx: &KernelContext<'_>,
    stream: Philox,
    rates: &Tensor,
    out: &mut Tensor,
) -> Result<(), Status> {
    let rates = parameters(rates)?.into_iter();
    let samplers: Vec<Poisson> = rates.map(|rate| Poisson::new(rate, T::HIGHEST)).collect();
    sample(cx.pool(), stream, &samplers, out.make_mut::<T>()?)
}

/// Makes Poisson numbers, for each rate as many as asked for.
///
/// Shapes: `shape [R]`, `rate [A..]` → `[shape.., A..]`.  Types: `R` and `dtype` half, float, double, i32
/// or i64.
/// Errors: `INVALID_ARGUMENT` for a shape that is no vector or has negative dimensions, and for a rate
/// of which `dtype` holds no number.
/// Source: OpDef `RandomPoissonV2`; the reference goes on without end where this is an error.
struct RandomPoisson<T> {
    generator: Generator,
    dtype: PhantomData<T>,
}

pub(super) fn random_poisson(init: &KernelInit<'_>) -> Built {
    let (generator, dtype) = (Generator::new(init)?, init.attr_type("dtype")?);
    with_type!(
        dtype,
        T in [F16 => f16, F32 => f32, F64 => f64, I32 => i32, I64 => i64] =>
            Ok(Box::new(RandomPoisson::<T> { generator, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Sampled> OpKernel for RandomPoisson<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let rates = cx.input(1)?;
        let mut out = Tensor::zeros(T::DTYPE, follow(&shape_input(cx.input(0)?)?, rates.shape())?)?;
        let stream = self.generator.reserve_outputs(out.n_elements());
        fill::<T>(cx, stream, rates, &mut out)?;
        cx.set_output(0, out)
    }
}

/// Makes Poisson numbers from two seeds.
///
/// Shapes: `shape [R]`, `seed [2]`, `lam`, whose shape ends `shape` → a tensor of that shape.
/// Types, errors: as `RandomPoissonV2`, and `INVALID_ARGUMENT` for other shapes.
/// Source: OpDef `StatelessRandomPoisson`.
struct StatelessPoisson<T>(PhantomData<T>);

pub(super) fn stateless_poisson(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    with_type!(
        dtype,
        T in [F16 => f16, F32 => f32, F64 => f64, I32 => i32, I64 => i64] =>
            Ok(Box::new(StatelessPoisson::<T>(PhantomData))),
        else Err(no_type(init, dtype))
    )
}

impl<T: Sampled> OpKernel for StatelessPoisson<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let shape = shape_input(cx.input(0)?)?;
        let (stream, next) = Source::Seeds.stream(cx)?;
        let rates = cx.input(next)?;
        if shape.n_elements() > 0 {
            check_end(&shape, rates.shape())?;
        }
        let mut out = Tensor::zeros(T::DTYPE, shape)?;
        fill::<T>(cx, stream, rates, &mut out)?;
        cx.set_output(0, out)
    }
}

/// The types of rates and of Poisson numbers.
pub(super) const TYPES: &[DType] = &[DType::F16, DType::F32, DType::F64, DType::I32, DType::I64];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_beyond_the_type_end_without_a_number() {
        let draw = |rate, highest| Poisson::new(rate, highest).draw(Philox::new(1, 0, 2));
        assert_eq!(draw(f64::NAN, f64::MAX), None);
        assert_eq!(draw(1e12, i32::HIGHEST), None);
        assert_eq!(draw(-1.0, 65504.0), Some(0.0));
        assert!(draw(1e12, f64::MAX).is_some_and(|k| (k - 1e12).abs() < 1e7));
    }
}
