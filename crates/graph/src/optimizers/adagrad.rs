use super::Hyper;
use super::rule::{Arg, Prepared, Rule, Update};
use super::slots::NewSlots;
use crate::builder::{Initializer, Scope, Variable};
use crate::{Error, NodeId};

/// Adagrad: `tf.compat.v1.train.AdagradOptimizer`.
///
/// Slots: `accumulator`.
#[derive(Clone, Debug)]
pub struct Adagrad {
    /// The learning rate.
    pub learning_rate: Hyper,
    /// What accumulators start with, more than zero; 0.1 by default.
    pub initial_accumulator_value: f64,
}

/// Adagrad with dual averaging, for models with few weights that are not zero:
/// `tf.compat.v1.train.AdagradDAOptimizer`.
///
/// Slots: `gradient_accumulator`, `gradient_squared_accumulator`.
#[derive(Clone, Debug)]
pub struct AdagradDa {
    /// The learning rate.
    pub learning_rate: Hyper,
    /// The number of steps so far, of type `int64`.
    pub global_step: Variable,
    /// What accumulators of squares start with, more than zero; 0.1 by default.
    pub initial_gradient_squared_accumulator_value: f64,
    /// The weight of the sum of magnitudes; zero by default.
    pub l1_regularization_strength: f64,
    /// The weight of the sum of squares; zero by default.
    pub l2_regularization_strength: f64,
}

impl Adagrad {
    /// With this learning rate, and defaults for all else.
    pub fn new(learning_rate: impl Into<Hyper>) -> Adagrad {
        Adagrad { learning_rate: learning_rate.into(), initial_accumulator_value: 0.1 }
    }
}

impl AdagradDa {
    /// With this learning rate and number of steps, and defaults for all else.
    pub fn new(learning_rate: impl Into<Hyper>, global_step: &Variable) -> AdagradDa {
        AdagradDa {
            learning_rate: learning_rate.into(),
            global_step: global_step.clone(),
            initial_gradient_squared_accumulator_value: 0.1,
            l1_regularization_strength: 0.0,
            l2_regularization_strength: 0.0,
        }
    }
}

/// Fails for what accumulators cannot start with.
pub(super) fn check_positive(name: &str, value: f64) -> Result<(), Error> {
    if value > 0.0 {
        return Ok(());
    }
    let message = format!("{name} must be positive: {value:?}");
    Err(Error::Variable { name: name.to_owned(), message })
}

impl Rule for Adagrad {
    fn default_name(&self) -> &'static str {
        "Adagrad"
    }

    fn check(&self) -> Result<(), Error> {
        check_positive("initial_accumulator_value", self.initial_accumulator_value)
    }

    fn create_slots(&self, cx: &mut NewSlots<'_>, variables: &[Variable]) -> Result<(), Error> {
        let start = Initializer::Constant(self.initial_accumulator_value);
        variables
            .iter()
            .try_for_each(|variable| cx.made(variable, "accumulator", start.clone(), cx.name))
    }

    fn prepare(&self, scope: &mut Scope) -> Result<Prepared, Error> {
        Prepared::new(scope, [("learning_rate", &self.learning_rate)])
    }

    fn update(&self, cx: &mut Update<'_>) -> Result<NodeId, Error> {
        let rows = cx.deduplicated()?;
        let args = [Arg::Slot("accumulator"), Arg::Hyper("learning_rate"), Arg::Gradient];
        cx.apply("Adagrad", rows, &args, &[])
    }
}

impl Rule for AdagradDa {
    fn default_name(&self) -> &'static str {
        "AdagradDA"
    }

    fn check(&self) -> Result<(), Error> {
        let start = self.initial_gradient_squared_accumulator_value;
        check_positive("initial_gradient_squared_accumulator_value", start)
    }

    fn create_slots(&self, cx: &mut NewSlots<'_>, variables: &[Variable]) -> Result<(), Error> {
        let start = self.initial_gradient_squared_accumulator_value;
        variables.iter().try_for_each(|variable| {
            let (zeros, squares) = (cx.filled(variable, 0.0)?, cx.filled(variable, start)?);
            cx.made(variable, "gradient_accumulator", zeros.into(), cx.name)?;
            cx.made(variable, "gradient_squared_accumulator", squares.into(), cx.name)
        })
    }

    fn prepare(&self, scope: &mut Scope) -> Result<Prepared, Error> {
        let mut prepared = Prepared::new(scope, [("learning_rate", &self.learning_rate)])?;
        let mut beside = scope.colocate_with(prepared.get("learning_rate")?)?;
        let step = beside.identity(&self.global_step)?;
        let one = crate::builder::number(self.global_step.dtype(), 1.0)?;
        let next = beside.plus(step, one)?;
        prepared.add("global_step", next);
        Ok(prepared)
    }

    fn update(&self, cx: &mut Update<'_>) -> Result<NodeId, Error> {
        let rows = cx.deduplicated()?;
        let step = cx.prepared.get("global_step")?;
        let device = cx.scope.graph().node(cx.variable.op()).device().to_owned();
        let step = cx.scope.device(&device)?.identity(step)?;
        let args = [
            Arg::Slot("gradient_accumulator"),
            Arg::Slot("gradient_squared_accumulator"),
            Arg::Gradient,
            Arg::Hyper("learning_rate"),
            Arg::Number(self.l1_regularization_strength),
            Arg::Number(self.l2_regularization_strength),
            Arg::Tensor(step),
        ];
        cx.apply("AdagradDA", rows, &args, &[])
    }
}
