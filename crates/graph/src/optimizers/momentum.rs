use super::Hyper;
use super::rule::{Arg, Prepared, Rule, Update};
use super::slots::NewSlots;
use crate::builder::{Scope, Variable};
use crate::{Attr, Error, NodeId};

/// Gradient descent with momentum: `tf.compat.v1.train.MomentumOptimizer`.
///
/// Slots: `momentum`.
#[derive(Clone, Debug)]
pub struct Momentum {
    /// The learning rate.
    pub learning_rate: Hyper,
    /// How much of the last update is repeated.
    pub momentum: Hyper,
    /// Whether the gradient counts as taken after the momentum.
    pub use_nesterov: bool,
}

impl Momentum {
    /// With this learning rate and momentum.
    pub fn new(learning_rate: impl Into<Hyper>, momentum: impl Into<Hyper>) -> Momentum {
        let (learning_rate, momentum) = (learning_rate.into(), momentum.into());
        Momentum { learning_rate, momentum, use_nesterov: false }
    }
}

impl Rule for Momentum {
    fn default_name(&self) -> &'static str {
        "Momentum"
    }

    fn create_slots(&self, cx: &mut NewSlots<'_>, variables: &[Variable]) -> Result<(), Error> {
        variables.iter().try_for_each(|variable| cx.zeros(variable, "momentum", cx.name))
    }

    fn prepare(&self, scope: &mut Scope) -> Result<Prepared, Error> {
        let hypers = [("learning_rate", &self.learning_rate), ("momentum", &self.momentum)];
        Prepared::new(scope, hypers)
    }

    fn update(&self, cx: &mut Update<'_>) -> Result<NodeId, Error> {
        let rows = cx.deduplicated()?;
        let args = [
            Arg::Slot("momentum"),
            Arg::Hyper("learning_rate"),
            Arg::Gradient,
            Arg::Hyper("momentum"),
        ];
        cx.apply("Momentum", rows, &args, &[("use_nesterov", Attr::Bool(self.use_nesterov))])
    }
}
