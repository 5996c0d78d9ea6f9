use flowkeep_tensor::DType;

use super::Hyper;
use super::rule::{Arg, Prepared, Rule, Update};
use super::slots::NewSlots;
use crate::builder::{Initializer, Scope, Variable, number};
use crate::{Error, NodeId, Output};

/// FTRL: `tf.compat.v1.train.FtrlOptimizer`.
///
/// Slots: `accum`, `linear`.
#[derive(Clone, Debug)]
pub struct Ftrl {
    /// The learning rate.
    pub learning_rate: Hyper,
    /// How the learning rate falls, zero or less; -0.5 by default.
    pub learning_rate_power: f64,
    /// What accumulators start with, zero or more; 0.1 by default.
    pub initial_accumulator_value: f64,
    /// The weight of the sum of magnitudes, zero or more; zero by default.
    pub l1_regularization_strength: f64,
    /// The weight of the sum of squares, zero or more; zero by default.
    pub l2_regularization_strength: f64,
    /// The weight of the sum of squares that gradients get, zero or more; zero by default.
    pub l2_shrinkage_regularization_strength: f64,
    /// What the paper calls beta; zero by default.
    pub beta: f64,
    /// What slots `accum` are called, if not like the optimizer.
    pub accum_name: Option<String>,
    /// What slots `linear` are called, if not like the optimizer.
    pub linear_name: Option<String>,
}

impl Ftrl {
    /// With this learning rate, and defaults for all else.
    pub fn new(learning_rate: impl Into<Hyper>) -> Ftrl {
        Ftrl {
            learning_rate: learning_rate.into(),
            learning_rate_power: -0.5,
            initial_accumulator_value: 0.1,
            l1_regularization_strength: 0.0,
            l2_regularization_strength: 0.0,
            l2_shrinkage_regularization_strength: 0.0,
            beta: 0.0,
            accum_name: None,
            linear_name: None,
        }
    }

    fn shrinks(&self) -> bool {
        self.l2_shrinkage_regularization_strength > 0.0
    }
}

impl Rule for Ftrl {
    fn default_name(&self) -> &'static str {
        "Ftrl"
    }

    fn check(&self) -> Result<(), Error> {
        for (name, value, sign) in [
            ("initial_accumulator_value", self.initial_accumulator_value, "positive"),
            ("learning_rate_power", self.learning_rate_power, "negative"),
            ("l1_regularization_strength", self.l1_regularization_strength, "positive"),
            ("l2_regularization_strength", self.l2_regularization_strength, "positive"),
            (
                "l2_shrinkage_regularization_strength",
                self.l2_shrinkage_regularization_strength,
                "positive",
            ),
        ] {
            if if sign == "positive" { value < 0.0 } else { value > 0.0 } {
                let message = format!("{name} {value:.6} needs to be {sign} or zero");
                return Err(Error::Variable { name: "Ftrl".to_owned(), message });
            }
        }
        Ok(())
    }

    fn create_slots(&self, cx: &mut NewSlots<'_>, variables: &[Variable]) -> Result<(), Error> {
        let start = self.initial_accumulator_value;
        let initializer = Initializer::function(move |scope, initial| {
            let ones = scope.ones(&initial.shape, initial.dtype)?;
            scope.times(ones, number(initial.dtype, start)?)
        });
        let accum_name = self.accum_name.as_deref().unwrap_or(cx.name);
        let linear_name = self.linear_name.as_deref().unwrap_or(cx.name);
        variables.iter().try_for_each(|variable| {
            cx.made(variable, "accum", initializer.clone(), accum_name)?;
            cx.zeros(variable, "linear", linear_name)
        })
    }

    fn prepare(&self, scope: &mut Scope) -> Result<Prepared, Error> {
        let hypers = [
            ("learning_rate", &self.learning_rate),
            ("l1_regularization_strength", &self.l1_regularization_strength.into()),
        ];
        let mut prepared = Prepared::new(scope, hypers)?;
        let adjusted = self.adjusted_l2(scope)?;
        prepared.add("adjusted_l2_regularization_strength", adjusted);
        for (name, value) in [
            ("beta", self.beta),
            ("l2_shrinkage_regularization_strength", self.l2_shrinkage_regularization_strength),
            ("learning_rate_power", self.learning_rate_power),
        ] {
            prepared.add(name, Hyper::from(value).tensor(scope, name)?);
        }
        Ok(prepared)
    }

    fn update(&self, cx: &mut Update<'_>) -> Result<NodeId, Error> {
        let rows = cx.deduplicated()?;
        let mut args = vec![
            Arg::Slot("accum"),
            Arg::Slot("linear"),
            Arg::Gradient,
            Arg::Hyper("learning_rate"),
            Arg::Hyper("l1_regularization_strength"),
            Arg::Hyper("adjusted_l2_regularization_strength"),
        ];
        if self.shrinks() {
            args.push(Arg::Hyper("l2_shrinkage_regularization_strength"));
        }
        args.push(Arg::Hyper("learning_rate_power"));
        cx.apply(if self.shrinks() { "FtrlV2" } else { "Ftrl" }, rows, &args, &[])
    }
}

impl Ftrl {
    /// `l2_regularization_strength + beta / (2 * max(learning_rate, 1e-36))`.
    fn adjusted_l2(&self, scope: &mut Scope) -> Result<Output, Error> {
        // Numbers take the type of the tensor that they are combined with.
        let dtype = match &self.learning_rate {
            Hyper::Number(_) => DType::F32,
            Hyper::Operand(operand) => scope.operand_dtype(operand).unwrap_or(DType::F32),
        };
        let rate = self.learning_rate.operand()?;
        let rate = scope.maximum(rate, number(dtype, 1e-36)?)?;
        let twice = scope.times(number(dtype, 2.0)?, rate)?;
        let beta = scope.truediv(number(dtype, self.beta)?, twice)?;
        let l2 = number(dtype, self.l2_regularization_strength)?;
        scope.plus(l2, beta)
    }
}
