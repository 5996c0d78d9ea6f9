use std::fmt;
use std::sync::Arc;

use flowkeep_tensor::{DType, Shape, Tensor};

use super::constant::filled_attr;
use super::random::{number, shape_operand};
use super::{Operand, Scope};
use crate::{Attr, AttrsBuilder, Error, Output};

/// Constants of fewer elements than this are stored, larger ones filled when they are run.
const MAX_STORED: usize = 1000;
/// The standard deviation of the normal distribution when it is cut at two of its own.
const TRUNCATED_STDDEV: f64 = 0.879_625_661_034_239_8;

/// What a variable starts with.
///
/// Random ones take a seed of their own, or `None` for the graph's
/// ([`Scope::set_random_seed`]).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Initializer {
    /// Zeros, `false`, or empty strings.
    Zeros,
    /// Ones, or `true`.
    Ones,
    /// One number everywhere.
    Constant(f64),
    /// Numbers drawn evenly from `[min, max)`.
    RandomUniform {
        /// The least.
        min: f64,
        /// The bound that is not reached.
        max: f64,
        /// The seed.
        seed: Option<i64>,
    },
    /// Numbers of the normal distribution.
    RandomNormal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        stddev: f64,
        /// The seed.
        seed: Option<i64>,
    },
    /// Numbers of the normal distribution within two standard deviations of the mean.
    TruncatedNormal {
        /// The mean.
        mean: f64,
        /// The standard deviation, before the rest is cut off.
        stddev: f64,
        /// The seed.
        seed: Option<i64>,
    },
    /// Random numbers whose variance depends on the shape.
    VarianceScaling {
        /// The variance is this over the number that `mode` says.
        scale: f64,
        /// What the variance is divided by.
        mode: FanMode,
        /// How numbers are distributed.
        distribution: Distribution,
        /// The seed.
        seed: Option<i64>,
    },
    /// A tensor, which gives the variable its shape and type.
    Value(Operand),
    /// What a function adds to the graph.
    Function(InitializerFn),
}

/// What [`Initializer::VarianceScaling`] divides the variance by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FanMode {
    /// The number of inputs of each unit.
    FanIn,
    /// The number of units that each input goes to.
    FanOut,
    /// The mean of both.
    FanAvg,
}

/// How the numbers of [`Initializer::VarianceScaling`] are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Evenly.
    Uniform,
    /// Normally, without what is beyond two standard deviations.
    TruncatedNormal,
    /// Normally.
    UntruncatedNormal,
}

/// The shape that a variable's initial value is asked for in.
#[derive(Clone, Debug)]
pub struct InitialShape {
    /// The shape.
    pub shape: Shape,
    /// Of a part of a partitioned variable, the shape of the whole.
    pub full_shape: Shape,
    /// The type.
    pub dtype: DType,
}

type Function = dyn Fn(&mut Scope, &InitialShape) -> Result<Output, Error> + Send + Sync;

/// A function that adds an initial value to a graph.
#[derive(Clone)]
pub struct InitializerFn(Arc<Function>);

impl fmt::Debug for InitializerFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InitializerFn")
    }
}

impl Initializer {
    /// Numbers drawn evenly, with a variance that keeps that of signals through the layer: the default
    /// of variables of floats.
    pub fn glorot_uniform() -> Initializer {
        Initializer::VarianceScaling {
            scale: 1.0,
            mode: FanMode::FanAvg,
            distribution: Distribution::Uniform,
            seed: None,
        }
    }

    /// Normally distributed numbers, with a variance that keeps that of signals through the layer.
    pub fn glorot_normal() -> Initializer {
        Initializer::VarianceScaling {
            scale: 1.0,
            mode: FanMode::FanAvg,
            distribution: Distribution::TruncatedNormal,
            seed: None,
        }
    }

    /// What a function adds to the graph.
    pub fn function(
        function: impl Fn(&mut Scope, &InitialShape) -> Result<Output, Error> + Send + Sync + 'static,
    ) -> Initializer {
        Initializer::Function(InitializerFn(Arc::new(function)))
    }

    /// What a variable of this type starts with when nothing is said; `None` if that must be said.
    pub(super) fn default_for(dtype: DType) -> Option<Initializer> {
        let is_float = dtype.is_floating();
        let is_zero = dtype.is_integer() || matches!(dtype, DType::Bool | DType::String);
        if is_float {
            Some(Initializer::glorot_uniform())
        } else {
            is_zero.then_some(Initializer::Zeros)
        }
    }
}

/// A tensor as the initial value.
impl<T: Into<Operand>> From<T> for Initializer {
    fn from(value: T) -> Initializer {
        Initializer::Value(value.into())
    }
}

impl Scope {
    /// Adds what an initializer gives for a shape, in the current name scope: `initializer(shape)`.
    ///
    /// Errors: `INVALID_ARGUMENT` for a type that the initializer does not have.
    pub fn initialized(
        &mut self,
        initializer: &Initializer,
        shape: &Shape,
        dtype: DType,
    ) -> Result<Output, Error> {
        let (shape, full_shape) = (shape.clone(), shape.clone());
        self.initial_value(initializer, &InitialShape { shape, full_shape, dtype })
    }

    /// As [`Scope::initialized`], for a shape that is known only when the graph runs: a vector, or
    /// [`Operand::packed`] numbers.
    ///
    /// Errors: `INVALID_ARGUMENT` also for initializers that have to know the shape.
    pub fn initialized_of(
        &mut self,
        initializer: &Initializer,
        shape: impl Into<Operand>,
        dtype: DType,
    ) -> Result<Output, Error> {
        let (name, value) = match initializer {
            Initializer::RandomUniform { min, max, seed } => {
                return self.random_uniform(shape, *min..*max, dtype, *seed);
            }
            Initializer::RandomNormal { mean, stddev, seed } => {
                return self.random_normal(shape, *mean, *stddev, dtype, *seed);
            }
            Initializer::TruncatedNormal { mean, stddev, seed } => {
                return self.truncated_normal(shape, *mean, *stddev, dtype, *seed);
            }
            Initializer::Zeros => ("zeros", 0.0),
            Initializer::Ones => ("ones", 1.0),
            _ => {
                return Err(Error::Arguments(
                    "the initializer has to know the shape beforehand".to_owned(),
                ));
            }
        };
        let value = number(dtype, value)?;
        self.scoped(name, |scope, name| {
            let shape = scope.tensor(shape, "packed")?;
            let value = scope.tensor(value, "Const")?;
            scope.op("Fill").input(shape).input(value).name(name).build_one()
        })
    }

    /// Adds the initial value of a variable, in the current name scope.
    pub(super) fn initial_value(
        &mut self,
        initializer: &Initializer,
        initial: &InitialShape,
    ) -> Result<Output, Error> {
        let InitialShape { shape, full_shape, dtype } = initial;
        match initializer {
            Initializer::Zeros => self.zeros(shape, *dtype),
            Initializer::Ones => self.ones(shape, *dtype),
            Initializer::Constant(value) => self.filled(&number(*dtype, *value)?, shape, "Const"),
            Initializer::RandomUniform { min, max, seed } => {
                self.random_uniform(shape_operand(shape)?, *min..*max, *dtype, *seed)
            }
            Initializer::RandomNormal { mean, stddev, seed } => {
                self.random_normal(shape_operand(shape)?, *mean, *stddev, *dtype, *seed)
            }
            Initializer::TruncatedNormal { mean, stddev, seed } => {
                self.truncated_normal(shape_operand(shape)?, *mean, *stddev, *dtype, *seed)
            }
            Initializer::VarianceScaling { scale, mode, distribution, seed } => {
                let variance = scale / mode.fan(full_shape).max(1.0);
                let shape = shape_operand(shape)?;
                match distribution {
                    Distribution::Uniform => {
                        let limit = (3.0 * variance).sqrt();
                        self.random_uniform(shape, -limit..limit, *dtype, *seed)
                    }
                    Distribution::TruncatedNormal => {
                        let stddev = variance.sqrt() / TRUNCATED_STDDEV;
                        self.truncated_normal(shape, 0.0, stddev, *dtype, *seed)
                    }
                    Distribution::UntruncatedNormal => {
                        self.random_normal(shape, 0.0, variance.sqrt(), *dtype, *seed)
                    }
                }
            }
            Initializer::Value(operand) => self.tensor(operand.clone(), "initial_value"),
            Initializer::Function(InitializerFn(function)) => function(self, initial),
        }
    }

    /// Zeros, `false` or empty strings: `tf.zeros`.
    ///
    /// Errors: `INVALID_ARGUMENT` for types that have no zero.
    pub fn zeros(&mut self, shape: &Shape, dtype: DType) -> Result<Output, Error> {
        let zero = match dtype {
            DType::Bool => Tensor::scalar(false),
            DType::String => Tensor::scalar_string(""),
            dtype => Tensor::zeros(dtype, Shape::SCALAR).map_err(|error| Error::Inputs {
                op: "Const".into(),
                message: error.to_string(),
            })?,
        };
        let name = self.take_op_name("zeros");
        self.small_or_fill(&zero, shape, &name)
    }

    /// Ones, or `true`: `tf.ones`.
    ///
    /// Errors: `INVALID_ARGUMENT` for types that have no one.
    pub fn ones(&mut self, shape: &Shape, dtype: DType) -> Result<Output, Error> {
        let one = if dtype == DType::Bool { Tensor::scalar(true) } else { number(dtype, 1.0)? };
        let name = self.take_op_name("ones");
        self.small_or_fill(&one, shape, &name)
    }

    /// A constant all elements of which are `value`.
    pub(crate) fn filled(
        &mut self,
        value: &Tensor,
        shape: &Shape,
        name: &str,
    ) -> Result<Output, Error> {
        let mut attrs = AttrsBuilder::default();
        attrs.set("dtype", Attr::Type(value.dtype()));
        attrs.set("value", filled_attr(value, shape));
        self.create_constant(name, attrs)
    }

    /// A constant if it is small, else a node of op Fill.
    fn small_or_fill(
        &mut self,
        value: &Tensor,
        shape: &Shape,
        name: &str,
    ) -> Result<Output, Error> {
        let mut inner = self.name_scope(name)?;
        let name = inner.current_name_scope();
        if shape.checked_n_elements().is_some_and(|n| n < MAX_STORED) {
            return inner.filled(value, shape, &name);
        }
        let shape = inner.tensor(shape_operand(shape)?, "shape_as_tensor")?;
        let value = inner.constant_named(value, "Const")?;
        inner.op("Fill").input(shape).input(value).name(&name).build_one()
    }
}

impl FanMode {
    /// What the variance is divided by, of a layer whose weights have this shape: the last two
    /// dimensions are inputs and units, those before them a window.
    fn fan(self, shape: &Shape) -> f64 {
        let float = |n: usize| u32::try_from(n).map_or(f64::MAX, f64::from);
        let (fan_in, fan_out) = match shape.dims() {
            [] => (1.0, 1.0),
            [n] => (float(*n), float(*n)),
            [window @ .., n_in, n_out] => {
                let window: f64 = window.iter().map(|n| float(*n)).product();
                (window * float(*n_in), window * float(*n_out))
            }
        };
        match self {
            FanMode::FanIn => fan_in,
            FanMode::FanOut => fan_out,
            FanMode::FanAvg => (fan_in + fan_out) / 2.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fans_count_windows() {
        let shape = Shape::from([3, 3, 4, 8]);
        assert_eq!(FanMode::FanIn.fan(&shape), 36.0);
        assert_eq!(FanMode::FanOut.fan(&shape), 72.0);
        assert_eq!(FanMode::FanAvg.fan(&shape), 54.0);
        assert_eq!(FanMode::FanIn.fan(&Shape::from([5])), 5.0);
        assert_eq!(FanMode::FanOut.fan(&Shape::SCALAR), 1.0);
    }

    #[test]
    fn large_constants_are_filled_when_they_are_run() {
        let mut scope = Scope::new();
        scope.zeros(&Shape::from([999]), DType::F32).unwrap();
        scope.zeros(&Shape::from([1000]), DType::F32).unwrap();
        let names: Vec<&str> = scope.graph().nodes().iter().map(|node| node.name()).collect();
        assert_eq!(names, ["zeros", "zeros_1/shape_as_tensor", "zeros_1/Const", "zeros_1"]);
    }
}
