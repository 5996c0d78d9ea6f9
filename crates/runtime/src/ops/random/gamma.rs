//! Gamma distributions.

use std::marker::PhantomData;

use flowkeep_tensor::{DType, Shape, Tensor, f16};

use super::philox::Philox;
use super::samples::{MAX_TRIES, Pair, Sampled, Sampler, check_end, parameters, sample};
use super::stateful::Generator;
use super::stateless::Source;
use super::{follow, shape_input};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{self, Built};
use crate::ops::dispatch::{no_type, with_type};

/// A gamma distribution of rate 1.
///
/// Marsaglia, Tsang: "A simple method for generating gamma variables" (2000); exponential numbers
/// for a shape of 1.
struct Gamma {
    alpha: f64,
    /// The constants that the paper calls d and c.
    d: f64,
    c: f64,
}

impl Gamma {
    fn new(alpha: f64) -> Gamma {
        let d = if alpha < 1.0 { alpha + 2.0 / 3.0 } else { alpha - 1.0 / 3.0 };
        Gamma { alpha, d, c: 1.0 / 3.0 / d.sqrt() }
    }
}

impl Sampler for Gamma {
    fn draw(&self, mut stream: Philox) -> Option<f64> {
        let (mut normals, mut uniforms) = (Pair::default(), Pair::default());
        if self.alpha == 1.0 {
            return Some(-(-uniforms.uniform(&mut stream)).ln_1p());
        }
        for _ in 0..MAX_TRIES {
            let x = normals.normal(&mut stream);
            let root = 1.0 + self.c * x;
            if root <= 0.0 {
                continue;
            }
            let v = root * root * root;
            let u = uniforms.uniform(&mut stream);
            let accepted = u < 1.0 - 0.0331 * (x * x) * (x * x)
                || u.ln() < 0.5 * x * x + self.d * (1.0 - v + v.ln());
            if accepted {
                let number = self.d * v;
                // A shape below 1 is made of the one that is greater by 1.
                let boost = match self.alpha < 1.0 {
                    true => uniforms.uniform(&mut stream).powf(self.alpha.recip()),
                    false => 1.0,
                };
                return Some(number * boost);
            }
        }
        None
    }
}

/// Fills a tensor of shape `shape`, which ends with that of `alpha`.
fn fill<T: Sampled>(
    cx: &KernelContext<'_>,
    stream: impl FnOnce(usize) -> Philox,
    shape: Shape,
    alpha: &Tensor,
) -> Result<Tensor, Status> {
    let samplers: Vec<Gamma> = parameters(alpha)?.into_iter().map(Gamma::new).collect();
    let mut out = Tensor::zeros(T::DTYPE, shape)?;
    if out.n_elements() > 0 {
        let stream = stream(out.n_elements());
        sample(cx.pool(), stream, &samplers, out.make_mut::<T>()?)?;
    }
    Ok(out)
}

/// Makes gamma numbers of rate 1, for each shape parameter as many as asked for.
///
/// Shapes: `shape [R]`, `alpha [A..]` → `[shape.., A..]`.  Types: `T` half, float or double.
/// Errors: `INVALID_ARGUMENT` for a shape that is no vector or has negative dimensions.
/// Source: OpDef `RandomGamma`; the same tries are taken as by the reference, values up to the
/// accuracy of logarithm, power, sine and cosine.
struct RandomGamma<T> {
    generator: Generator,
    dtype: PhantomData<T>,
}

pub(super) fn random_gamma(init: &KernelInit<'_>) -> Built {
    let (generator, dtype) = (Generator::new(init)?, init.attr_type("T")?);
    with_type!(
        dtype,
        T in [F16 => f16, F32 => f32, F64 => f64] =>
            Ok(Box::new(RandomGamma::<T> { generator, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Sampled> OpKernel for RandomGamma<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (shape, alpha) = (cx.input(0)?, cx.input(1)?);
        if shape.shape().rank() != 1 {
            return Err(no_vector(shape)?);
        }
        let shape = follow(&shape_input(shape)?, alpha.shape())?;
        let out = fill::<T>(cx, |n| self.generator.reserve_outputs(n), shape, alpha)?;
        cx.set_output(0, out)
    }
}

/// The error for a shape that is no vector, which the reference words for this op alone.
fn no_vector(shape: &Tensor) -> Result<Status, Status> {
    let values = match args::ints(shape)?[..] {
        [value] if shape.shape().is_scalar() => value.to_string(),
        _ => "...".to_owned(),
    };
    Ok(Status::invalid_argument(format!(
        "shape must be a vector of {{int32,int64}}, got shape: Tensor<type: {} shape: {} values: {values}>",
        shape.dtype(),
        shape.shape()
    )))
}

/// Makes gamma numbers of rate 1 from seeds, or from a key and a counter.
///
/// Shapes: `shape [R]`, `seed [2]` (for V3: `key [1]`, `counter [2]`, `alg []`), `alpha`, whose shape
/// ends `shape` → a tensor of that shape.  Types: `dtype` half, float or double.
/// Errors: `INVALID_ARGUMENT` for other shapes, and for another algorithm than Philox.
/// Source: OpDefs `StatelessRandomGammaV2`, `StatelessRandomGammaV3`; accuracy as `RandomGamma`.
struct StatelessGamma<T> {
    source: Source,
    dtype: PhantomData<T>,
}

pub(super) fn stateless_gamma(init: &KernelInit<'_>) -> Built {
    let (source, dtype) = (Source::of(init), init.attr_type("dtype")?);
    with_type!(
        dtype,
        T in [F16 => f16, F32 => f32, F64 => f64] =>
            Ok(Box::new(StatelessGamma::<T> { source, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Sampled> OpKernel for StatelessGamma<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (stream, next) = self.source.stream(cx)?;
        let shape = shape_input(cx.input(0)?)?;
        let alpha = cx.input(next)?;
        if shape.n_elements() > 0 {
            check_end(&shape, alpha.shape())?;
        }
        let out = fill::<T>(cx, |_| stream, shape, alpha)?;
        cx.set_output(0, out)
    }
}

/// The types of gamma numbers.
pub(super) const TYPES: &[DType] = &[DType::F16, DType::F32, DType::F64];
