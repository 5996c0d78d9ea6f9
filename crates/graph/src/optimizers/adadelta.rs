use super::Hyper;
use super::rule::{Arg, Prepared, Rule, Update};
use super::slots::NewSlots;
use crate::builder::{Scope, Variable};
use crate::{Error, NodeId};

/// Adadelta: `tf.compat.v1.train.AdadeltaOptimizer`.
///
/// Slots: `accum`, `accum_update`.
#[derive(Clone, Debug)]
pub struct Adadelta {
    /// The learning rate; 0.001 by default.
    pub learning_rate: Hyper,
    /// How slowly averages change; 0.95 by default.
    pub rho: Hyper,
    /// What keeps quotients finite; 1e-8 by default.
    pub epsilon: Hyper,
}

impl Default for Adadelta {
    fn default() -> Adadelta {
        Adadelta { learning_rate: 0.001.into(), rho: 0.95.into(), epsilon: 1e-8.into() }
    }
}

impl Rule for Adadelta {
    fn default_name(&self) -> &'static str {
        "Adadelta"
    }

    fn create_slots(&self, cx: &mut NewSlots<'_>, variables: &[Variable]) -> Result<(), Error> {
        variables.iter().try_for_each(|variable| {
            cx.zeros(variable, "accum", cx.name)?;
            cx.zeros(variable, "accum_update", cx.name)
        })
    }

    fn prepare(&self, scope: &mut Scope) -> Result<Prepared, Error> {
        let hypers = [("lr", &self.learning_rate), ("rho", &self.rho), ("epsilon", &self.epsilon)];
        Prepared::new(scope, hypers)
    }

    fn update(&self, cx: &mut Update<'_>) -> Result<NodeId, Error> {
        let rows = cx.deduplicated()?;
        let args = [
            Arg::Slot("accum"),
            Arg::Slot("accum_update"),
            Arg::Hyper("lr"),
            Arg::Hyper("rho"),
            Arg::Hyper("epsilon"),
            Arg::Gradient,
        ];
        cx.apply("Adadelta", rows, &args, &[])
    }
}
