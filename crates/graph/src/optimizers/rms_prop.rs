use super::Hyper;
use super::rule::{Arg, Prepared, Rule, Update};
use super::slots::NewSlots;
use crate::builder::{Initializer, Scope, Variable};
use crate::{Error, NodeId};

/// RMSProp: `tf.compat.v1.train.RMSPropOptimizer`.
///
/// Slots: `rms`, `momentum`, and if centered `mg`.
#[derive(Clone, Debug)]
pub struct RmsProp {
    /// The learning rate.
    pub learning_rate: Hyper,
    /// How slowly averages change; 0.9 by default.
    pub decay: Hyper,
    /// How much of the last update is repeated; nothing by default.
    pub momentum: Hyper,
    /// What keeps quotients finite; 1e-10 by default.
    pub epsilon: Hyper,
    /// Whether gradients are taken from their mean.
    pub centered: bool,
}

impl RmsProp {
    /// With this learning rate, and defaults for all else.
    pub fn new(learning_rate: impl Into<Hyper>) -> RmsProp {
        RmsProp {
            learning_rate: learning_rate.into(),
            decay: 0.9.into(),
            momentum: 0.0.into(),
            epsilon: 1e-10.into(),
            centered: false,
        }
    }
}

impl Rule for RmsProp {
    fn default_name(&self) -> &'static str {
        "RMSProp"
    }

    fn create_slots(&self, cx: &mut NewSlots<'_>, variables: &[Variable]) -> Result<(), Error> {
        variables.iter().try_for_each(|variable| {
            cx.made(variable, "rms", Initializer::Ones, cx.name)?;
            if self.centered {
                cx.zeros(variable, "mg", cx.name)?;
            }
            cx.zeros(variable, "momentum", cx.name)
        })
    }

    fn prepare(&self, scope: &mut Scope) -> Result<Prepared, Error> {
        let hypers = [
            ("learning_rate", &self.learning_rate),
            ("decay", &self.decay),
            ("momentum", &self.momentum),
            ("epsilon", &self.epsilon),
        ];
        Prepared::new(scope, hypers)
    }

    fn update(&self, cx: &mut Update<'_>) -> Result<NodeId, Error> {
        let rows = cx.deduplicated()?;
        let args = [
            Arg::Slot("mg"),
            Arg::Slot("rms"),
            Arg::Slot("momentum"),
            Arg::Hyper("learning_rate"),
            Arg::Hyper("decay"),
            Arg::Hyper("momentum"),
            Arg::Hyper("epsilon"),
            Arg::Gradient,
        ];
        match (self.centered, &args) {
            (true, args) => cx.apply("CenteredRMSProp", rows, args, &[]),
            (false, [_, args @ ..]) => cx.apply("RMSProp", rows, args, &[]),
        }
    }
}
