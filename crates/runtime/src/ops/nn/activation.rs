//! Activation functions, element by element.

use std::marker::PhantomData;

use flowkeep_linalg::{Float, elementwise};
use flowkeep_tensor::Element;

use super::real::Real;
use super::tail::{self, Tail};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::dispatch::{no_type, with_float, with_real};

/// Replaces every element `x` by a function of it, in place where nobody else needs the value.
///
/// Shapes: any.  Types: floats; `Relu` and `Relu6` also integers. NaN stays NaN.
/// Errors: none but of memory.
/// Source: OpDefs `Relu` (`max(x, 0)`), `Relu6` (`min(max(x, 0), 6)`), `LeakyRelu` (`x` or, below 0,
/// `alpha * x`), `Elu` (`exp(x) - 1` below 0), `Selu` (the same scaled), `Softplus`
/// (`log(exp(x) + 1)`), `Softsign` (`x / (|x| + 1)`).
struct Map<T, F> {
    f: F,
    dtype: PhantomData<T>,
}

impl<T: Element, F: Fn(T) -> T + Copy + Send + Sync> OpKernel for Map<T, F> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let mut x = cx.take_input(0)?;
        if x.is_unique() {
            elementwise::map_in_place(cx.pool(), x.make_mut::<T>()?, self.f);
            return cx.set_output(0, x);
        }
        let mut y = cx.allocate(T::DTYPE, x.shape())?;
        elementwise::map(cx.pool(), x.as_slice::<T>()?, y.make_mut::<T>()?, self.f);
        cx.set_output(0, y)
    }
}

fn map<T: Element>(
    f: impl Fn(T) -> T + Copy + Send + Sync + 'static,
) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Map { f, dtype: PhantomData }))
}

/// A kernel that computes in the wide type.
fn map_wide<T: Real>(
    f: impl Fn(T::Wide) -> T::Wide + Copy + Send + Sync + 'static,
) -> Result<Box<dyn OpKernel>, Status> {
    map(
        #[inline(always)]
        move |x: T| T::narrow(f(x.widen())),
    )
}

/// A number that can be cut off at 0 and at 6.
trait Clip: Element + PartialOrd {
    /// 6.
    const SIX: Self;
}

macro_rules! clip {
    ($($t:ty = $six:expr),*) => {$(
        impl Clip for $t {
            const SIX: $t = $six;
        }
    )*};
}

clip!(
    f32 = 6.0,
    f64 = 6.0,
    i8 = 6,
    i16 = 6,
    i32 = 6,
    i64 = 6,
    u8 = 6,
    u16 = 6,
    u32 = 6,
    u64 = 6,
    flowkeep_tensor::f16 = flowkeep_tensor::f16::from_f32_const(6.0),
    flowkeep_tensor::bf16 = flowkeep_tensor::bf16::from_f32_const(6.0)
);

pub(super) fn relu(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    let built = with_real!(
        dtype,
        T => map(|x: T| if x < T::default() { T::default() } else { x }),
        else Err(no_type(init, dtype))
    );
    tail::with(Tail::Relu, built)
}

pub(super) fn relu6(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    let built = with_real!(
        dtype,
        T => map(|x: T| {
            let x = if x < T::default() { T::default() } else { x };
            if x > <T as Clip>::SIX { <T as Clip>::SIX } else { x }
        }),
        else Err(no_type(init, dtype))
    );
    tail::with(Tail::Relu6, built)
}

pub(super) fn leaky_relu(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let (dtype, alpha) = (init.attr_type("T")?, f64::from(init.attr_float("alpha")?));
    with_float!(dtype, T => map_wide::<T>(leaky(alpha)), else Err(no_type(init, dtype)))
}

pub(super) fn elu(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    with_float!(dtype, T => map_wide::<T>(scaled_elu(1.0, 1.0)), else Err(no_type(init, dtype)))
}

pub(super) fn selu(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    /// The two constants of the paper on self-normalizing networks, the second times the first.
    const SCALE: f64 = 1.050_700_987_355_480_5;
    const SCALE_ALPHA: f64 = 1.758_099_340_847_376_9;
    let dtype = init.attr_type("T")?;
    with_float!(
        dtype,
        T => map_wide::<T>(scaled_elu(SCALE, SCALE_ALPHA)),
        else Err(no_type(init, dtype))
    )
}

pub(super) fn softplus(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    with_float!(dtype, T => map_wide::<T>(softplus_of), else Err(no_type(init, dtype)))
}

pub(super) fn softsign(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    with_float!(dtype, T => map_wide::<T>(softsign_of), else Err(no_type(init, dtype)))
}

fn leaky<F: Float>(alpha: f64) -> impl Fn(F) -> F + Copy + Send + Sync {
    let alpha = F::from_f64(alpha);
    #[inline(always)]
    move |x: F| if x > F::ZERO { x } else { x.times(alpha) }
}

fn scaled_elu<F: Float>(above: f64, below: f64) -> impl Fn(F) -> F + Copy + Send + Sync {
    let (above, below) = (F::from_f64(above), F::from_f64(below));
    #[inline(always)]
    move |x: F| {
        let low = x.exponential().minus(F::ONE).times(below);
        let high = x.times(above);
        if x < F::ZERO { low } else { high }
    }
}

#[inline(always)]
fn softplus_of<F: Float>(x: F) -> F {
    // Where exp(x) is below half an epsilon, or above its inverse, one of the summands vanishes.
    let limit = if size_of::<F>() == 4 { 13.942_385 } else { 34.043_653_389_117_15 };
    let limit = F::from_f64(limit);
    let exp = x.exponential();
    // The logarithm belongs to the rounded sum; the quotient gives back what rounding took.
    let sum = exp.plus(F::ONE);
    let middle = sum.log().times(exp.divided(sum.minus(F::ONE)));
    if x > limit {
        x
    } else if x < F::ZERO.minus(limit) {
        exp
    } else {
        middle
    }
}

#[inline(always)]
fn softsign_of<F: Float>(x: F) -> F {
    let size = if x < F::ZERO { F::ZERO.minus(x) } else { x };
    x.divided(size.plus(F::ONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elu_is_not_accurate_near_zero_as_in_tensorflow() {
        let elu = scaled_elu::<f32>(1.0, 1.0);
        assert_eq!(elu(-1e-8), 0.0);
        assert_eq!(elu(f32::NEG_INFINITY), -1.0);
        assert_eq!(elu(3.5), 3.5);
        assert!(elu(f32::NAN).is_nan());
    }

    #[test]
    fn softplus_approaches_its_asymptotes() {
        assert_eq!(softplus_of(0.0f64), std::f64::consts::LN_2);
        assert_eq!(softplus_of(100.0f32), 100.0);
        assert_eq!(softplus_of(-50.0f64), (-50.0f64).exp());
        assert_eq!(softplus_of(f32::NEG_INFINITY), 0.0);
        assert!(softplus_of(f32::NAN).is_nan());
        assert!((softplus_of(1.0f32) - 1.313_261_7).abs() < 2e-7);
    }

    #[test]
    fn softsign_keeps_the_sign() {
        assert_eq!(softsign_of(-1.0f32), -0.5);
        assert_eq!(softsign_of(3.0f64), 0.75);
        assert!(softsign_of(f32::INFINITY).is_nan());
    }
}
