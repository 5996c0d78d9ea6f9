use super::Hyper;
use super::rule::{Arg, Prepared, Rule, Update};
use super::slots::NewSlots;
use crate::builder::{Scope, Variable};
use crate::{Error, NodeId};

/// Gradient descent with proximal regularization:
/// `tf.compat.v1.train.ProximalGradientDescentOptimizer`.
///
/// Its numbers have to be of the type of the variables, unless these are resources whose gradients are
/// rows.
#[derive(Clone, Debug)]
pub struct ProximalGradientDescent {
    /// The learning rate.
    pub learning_rate: Hyper,
    /// The weight of the sum of magnitudes; zero by default.
    pub l1_regularization_strength: Hyper,
    /// The weight of the sum of squares; zero by default.
    pub l2_regularization_strength: Hyper,
}

/// Adagrad with proximal regularization: `tf.compat.v1.train.ProximalAdagradOptimizer`.
///
/// Its numbers have to be of the type of the variables, unless these are resources whose gradients are
/// rows. Slots: `accumulator`.
#[derive(Clone, Debug)]
pub struct ProximalAdagrad {
    /// The learning rate.
    pub learning_rate: Hyper,
    /// What accumulators start with, more than zero; 0.1 by default.
    pub initial_accumulator_value: f64,
    /// The weight of the sum of magnitudes; zero by default.
    pub l1_regularization_strength: Hyper,
    /// The weight of the sum of squares; zero by default.
    pub l2_regularization_strength: Hyper,
}

impl ProximalGradientDescent {
    /// With this learning rate, and defaults for all else.
    pub fn new(learning_rate: impl Into<Hyper>) -> ProximalGradientDescent {
        ProximalGradientDescent {
            learning_rate: learning_rate.into(),
            l1_regularization_strength: 0.0.into(),
            l2_regularization_strength: 0.0.into(),
        }
    }
}

impl ProximalAdagrad {
    /// With this learning rate, and defaults for all else.
    pub fn new(learning_rate: impl Into<Hyper>) -> ProximalAdagrad {
        ProximalAdagrad {
            learning_rate: learning_rate.into(),
            initial_accumulator_value: 0.1,
            l1_regularization_strength: 0.0.into(),
            l2_regularization_strength: 0.0.into(),
        }
    }
}

/// Rate, strengths and gradient, cast only where TensorFlow casts them.
fn arguments(cx: &Update<'_>, is_sparse: bool) -> [Arg; 4] {
    let arg = if is_sparse && cx.variable.is_resource() { Arg::Hyper } else { Arg::AsIs };
    [
        arg("learning_rate"),
        arg("l1_regularization_strength"),
        arg("l2_regularization_strength"),
        Arg::Gradient,
    ]
}

impl Rule for ProximalGradientDescent {
    fn default_name(&self) -> &'static str {
        "ProximalGradientDescent"
    }

    fn prepare(&self, scope: &mut Scope) -> Result<Prepared, Error> {
        let hypers = [
            ("learning_rate", &self.learning_rate),
            ("l1_regularization_strength", &self.l1_regularization_strength),
            ("l2_regularization_strength", &self.l2_regularization_strength),
        ];
        Prepared::new(scope, hypers)
    }

    fn update(&self, cx: &mut Update<'_>) -> Result<NodeId, Error> {
        let rows = cx.deduplicated()?;
        let args = arguments(cx, rows.indices.is_some());
        cx.apply("ProximalGradientDescent", rows, &args, &[])
    }
}

impl Rule for ProximalAdagrad {
    fn default_name(&self) -> &'static str {
        "ProximalAdagrad"
    }

    fn check(&self) -> Result<(), Error> {
        super::adagrad::check_positive("initial_accumulator_value", self.initial_accumulator_value)
    }

    fn create_slots(&self, cx: &mut NewSlots<'_>, variables: &[Variable]) -> Result<(), Error> {
        variables.iter().try_for_each(|variable| {
            let start = cx.filled(variable, self.initial_accumulator_value)?;
            cx.made(variable, "accumulator", start.into(), cx.name)
        })
    }

    fn prepare(&self, scope: &mut Scope) -> Result<Prepared, Error> {
        let hypers = [
            ("learning_rate", &self.learning_rate),
            ("l1_regularization_strength", &self.l1_regularization_strength),
            ("l2_regularization_strength", &self.l2_regularization_strength),
        ];
        Prepared::new(scope, hypers)
    }

    fn update(&self, cx: &mut Update<'_>) -> Result<NodeId, Error> {
        let rows = cx.deduplicated()?;
        let [rate, l1, l2, gradient] = arguments(cx, rows.indices.is_some());
        cx.apply("ProximalAdagrad", rows, &[Arg::Slot("accumulator"), rate, l1, l2, gradient], &[])
    }
}
