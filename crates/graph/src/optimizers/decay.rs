//! Learning rates that change with the number of steps.
//!
//! Each takes the learning rate to start with and the number of steps so far, and gives a scalar of the
//! type of the learning rate. Where a name is given, as in `scope.with_op_name("rate").cosine_decay(…)`,
//! it is that of the name scope.

use flowkeep_tensor::DType;

use super::Hyper;
use crate::builder::{Operand, Scope, number};
use crate::{Error, Output};

/// The name of the constant that a learning rate becomes.
const INITIAL: &str = "initial_learning_rate";

impl Scope {
    /// `learning_rate * decay_rate ^ (step / decay_steps)`, with the quotient rounded down if
    /// `staircase`: `tf.compat.v1.train.exponential_decay`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn exponential_decay(
        &mut self,
        learning_rate: impl Into<Hyper>,
        step: impl Into<Operand>,
        decay_steps: i32,
        decay_rate: f64,
        staircase: bool,
    ) -> Result<Output, Error> {
        let (learning_rate, step) = (learning_rate.into(), step.into());
        let decay_rate = number(DType::F32, decay_rate)?.into();
        self.decayed_exponentially(&learning_rate, step, decay_steps, decay_rate, staircase)
    }

    /// `learning_rate * e ^ (-decay_rate * step / decay_steps)`, with `step / decay_steps` rounded
    /// down if `staircase`: `tf.compat.v1.train.natural_exp_decay`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn natural_exp_decay(
        &mut self,
        learning_rate: impl Into<Hyper>,
        step: impl Into<Operand>,
        decay_steps: i32,
        decay_rate: f64,
        staircase: bool,
    ) -> Result<Output, Error> {
        let (learning_rate, step) = (learning_rate.into(), step.into());
        let name = self.take_op_name("");
        let negative = self.neg(number(DType::F32, decay_rate)?)?;
        let base = self.exp(negative)?.into();
        let mut named = self.with_op_name(&name);
        named.decayed_exponentially(&learning_rate, step, decay_steps, base, staircase)
    }

    fn decayed_exponentially(
        &mut self,
        learning_rate: &Hyper,
        step: Operand,
        decay_steps: i32,
        decay_rate: Operand,
        staircase: bool,
    ) -> Result<Output, Error> {
        self.scoped("ExponentialDecay", |scope, name| {
            let (rate, dtype) = scope.learning_rate(learning_rate)?;
            let decay_steps = scope.cast(decay_steps, dtype)?;
            let decay_rate = scope.cast(decay_rate, dtype)?;
            let step = scope.cast(step, dtype)?;
            let mut power = scope.over(step, decay_steps)?;
            if staircase {
                power = scope.floor(power)?;
            }
            let factor = scope.pow(decay_rate, power)?;
            scope.with_op_name(name).mul(rate, factor)
        })
    }

    /// `learning_rate / (1 + decay_rate * step / decay_steps)`, with `step / decay_steps` rounded down
    /// if `staircase`: `tf.compat.v1.train.inverse_time_decay`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn inverse_time_decay(
        &mut self,
        learning_rate: impl Into<Hyper>,
        step: impl Into<Operand>,
        decay_steps: i32,
        decay_rate: f64,
        staircase: bool,
    ) -> Result<Output, Error> {
        let (learning_rate, step) = (learning_rate.into(), step.into());
        self.scoped("InverseTimeDecay", |scope, name| {
            let (rate, dtype) = scope.learning_rate(&learning_rate)?;
            let decay_steps = scope.cast(decay_steps, dtype)?;
            let decay_rate = scope.cast_number(decay_rate, dtype)?;
            let step = scope.cast(step, dtype)?;
            let mut quotient = scope.over(step, decay_steps)?;
            if staircase {
                quotient = scope.floor(quotient)?;
            }
            let one = scope.tensor(1i32, "Const")?;
            let one = scope.cast(one, dtype)?;
            let product = scope.mul(decay_rate, quotient)?;
            let divisor = scope.add(one, product)?;
            scope.with_op_name(name).truediv(rate, divisor)
        })
    }

    /// From `learning_rate` to `end_learning_rate` within `decay_steps`, in a straight line or, with a
    /// `power` other than 1, a curve; with `cycle` again and again:
    /// `tf.compat.v1.train.polynomial_decay`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build).
    pub fn polynomial_decay(
        &mut self,
        learning_rate: impl Into<Hyper>,
        step: impl Into<Operand>,
        decay_steps: i32,
        end_learning_rate: f64,
        power: f64,
        cycle: bool,
    ) -> Result<Output, Error> {
        let (learning_rate, step) = (learning_rate.into(), step.into());
        self.scoped("PolynomialDecay", |scope, name| {
            let (rate, dtype) = scope.learning_rate(&learning_rate)?;
            let end = scope.cast_number(end_learning_rate, dtype)?;
            let power = scope.cast_number(power, dtype)?;
            let mut step = scope.cast(step, dtype)?;
            let mut steps = scope.cast(decay_steps, dtype)?;
            if cycle {
                let is_first = scope.equal(step, number(dtype, 0.0)?)?;
                let n_cycles = scope.over(step, number(dtype, f64::from(decay_steps))?)?;
                let n_cycles = scope.ceil(n_cycles)?;
                let n_cycles = scope.select_v2(is_first, number(dtype, 1.0)?, n_cycles)?;
                steps = scope.mul(steps, n_cycles)?;
            } else {
                step = scope.minimum(step, steps)?;
            }
            let done = scope.over(step, steps)?;
            let range = scope.minus(rate, end)?;
            let left = scope.minus(number(dtype, 1.0)?, done)?;
            let factor = scope.pow(left, power)?;
            let above = scope.mul(range, factor)?;
            scope.with_op_name(name).add(above, end)
        })
    }

    /// From `learning_rate` to `alpha` of it within `decay_steps`, along half a cosine:
    /// `tf.compat.v1.train.cosine_decay`.
    ///
    /// Errors: as [`NodeBuilder::build`](crate::builder::NodeBuilder::build); `INVALID_ARGUMENT` for a
    /// learning rate that is no `float`, as TensorFlow does.
    pub fn cosine_decay(
        &mut self,
        learning_rate: impl Into<Hyper>,
        step: impl Into<Operand>,
        decay_steps: i32,
        alpha: f64,
    ) -> Result<Output, Error> {
        let (learning_rate, step) = (learning_rate.into(), step.into());
        self.scoped("CosineDecay", |scope, _| {
            let (rate, dtype) = scope.learning_rate(&learning_rate)?;
            let decay_steps = scope.cast(decay_steps, dtype)?;
            let step = scope.cast(step, dtype)?;
            let step = scope.minimum(step, decay_steps)?;
            let done = scope.over(step, decay_steps)?;
            let cosine = scope.raised_cosine(done, dtype)?;
            let scaled = scope.times(number(dtype, 1.0 - alpha)?, cosine)?;
            let factor = scope.plus(scaled, number(dtype, alpha)?)?;
            scope.mul(rate, factor)
        })
    }

    /// Along a straight line times `num_periods` of a cosine, within `decay_steps`:
    /// `tf.compat.v1.train.linear_cosine_decay`.
    ///
    /// Errors: as [`Scope::cosine_decay`].
    pub fn linear_cosine_decay(
        &mut self,
        learning_rate: impl Into<Hyper>,
        step: impl Into<Operand>,
        decay_steps: i32,
        num_periods: f64,
        alpha: f64,
        beta: f64,
    ) -> Result<Output, Error> {
        let (learning_rate, step) = (learning_rate.into(), step.into());
        self.scoped("LinearCosineDecay", |scope, name| {
            let (rate, dtype) = scope.learning_rate(&learning_rate)?;
            let decay_steps = scope.cast(decay_steps, dtype)?;
            let num_periods = scope.cast_number(num_periods, dtype)?;
            let alpha = scope.cast_number(alpha, dtype)?;
            let beta = scope.cast_number(beta, dtype)?;
            let step = scope.cast(step, dtype)?;
            let step = scope.minimum(step, decay_steps)?;
            let left = scope.minus(decay_steps, step)?;
            let linear = scope.over(left, decay_steps)?;
            let done = scope.over(step, decay_steps)?;
            let twice = scope.times(number(dtype, 2.0)?, num_periods)?;
            let fraction = scope.times(twice, done)?;
            let cosine = scope.raised_cosine(fraction, dtype)?;
            let raised = scope.plus(alpha, linear)?;
            let product = scope.times(raised, cosine)?;
            let factor = scope.plus(product, beta)?;
            scope.with_op_name(name).mul(rate, factor)
        })
    }

    /// `0.5 * (1 + cos(pi * x))`.
    fn raised_cosine(&mut self, x: Output, dtype: DType) -> Result<Output, Error> {
        let pi = self.constant(number(DType::F32, std::f64::consts::PI)?)?;
        let angle = self.times(pi, x)?;
        let cosine = self.op("Cos").input(angle).build_one()?;
        let raised = self.plus(number(dtype, 1.0)?, cosine)?;
        self.times(number(dtype, 0.5)?, raised)
    }

    /// The tensor of a learning rate, and its type.
    fn learning_rate(&mut self, rate: &Hyper) -> Result<(Output, DType), Error> {
        let rate = rate.tensor(self, INITIAL)?;
        Ok((rate, self.dtype(rate).unwrap_or(DType::F32)))
    }

    /// A number of Python cast to this type.
    fn cast_number(&mut self, value: f64, dtype: DType) -> Result<Output, Error> {
        self.cast(number(DType::F32, value)?, dtype)
    }
}
