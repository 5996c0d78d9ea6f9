//! The variables that an optimizer keeps beside those that it trains.

use std::collections::BTreeMap;

use flowkeep_tensor::{DType, Tensor};

use super::Hyper;
use crate::builder::{Initializer, Operand, Scope, Variable, VariableOptions, number};
use crate::{Error, NodeId, Output};

/// What an optimizer keeps: of each variable that it trains, by the name of the slot; and for all.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    by_name: BTreeMap<&'static str, BTreeMap<NodeId, Variable>>,
    shared: BTreeMap<&'static str, Variable>,
}

impl Slots {
    pub(super) fn get(&self, slot: &str, variable: &Variable) -> Option<&Variable> {
        self.by_name.get(slot)?.get(&variable.op())
    }

    /// The names of slots that have been made for some variable.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.by_name.keys().copied()
    }

    /// A variable that is kept for all.
    pub(super) fn shared(&self, name: &str) -> Option<&Variable> {
        self.shared.get(name)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Variable> {
        self.shared.values().chain(self.by_name.values().flat_map(BTreeMap::values))
    }
}

/// Slots in the making.
#[derive(Debug)]
pub(super) struct NewSlots<'a> {
    pub(super) scope: &'a mut Scope,
    pub(super) slots: &'a mut Slots,
    /// The name of the optimizer, which slots are called by.
    pub(super) name: &'a str,
}

impl NewSlots<'_> {
    /// Makes a slot of a variable that is not there yet, with zeros.
    pub(super) fn zeros(
        &mut self,
        variable: &Variable,
        slot: &'static str,
        op_name: &str,
    ) -> Result<(), Error> {
        self.made(variable, slot, Initializer::Zeros, op_name)
    }

    /// Makes a slot of a variable that is not there yet, with an initializer.
    pub(super) fn made(
        &mut self,
        variable: &Variable,
        slot: &'static str,
        initializer: Initializer,
        op_name: &str,
    ) -> Result<(), Error> {
        if self.slots.get(slot, variable).is_some() {
            return Ok(());
        }
        let is_value = matches!(initializer, Initializer::Value(_));
        let dtype = (!is_value).then_some(variable.dtype());
        let made = self.scope.slot(variable, initializer, dtype, op_name)?;
        self.slots.by_name.entry(slot).or_default().insert(variable.op(), made);
        Ok(())
    }

    /// A constant like a variable, all of one number.
    ///
    /// Errors: `UNIMPLEMENTED` for a variable whose shape is not known.
    pub(super) fn filled(&mut self, variable: &Variable, value: f64) -> Result<Output, Error> {
        let shape = variable.shape().to_shape().ok_or_else(|| {
            let name = variable.name(self.scope.graph());
            Error::Unsupported(format!("slots of variable '{name}', whose shape is not known"))
        })?;
        let value: Tensor = number(variable.dtype(), value)?;
        self.scope.colocate_with(variable)?.filled(&value, &shape, "Const")
    }

    /// Makes a variable that is kept for all, if it is not there yet, on the device of `beside`.
    pub(super) fn shared(
        &mut self,
        name: &'static str,
        initial_value: &Hyper,
        beside: &Variable,
    ) -> Result<(), Error> {
        if self.slots.shared.contains_key(name) {
            return Ok(());
        }
        let initial_value: Operand = initial_value.operand()?;
        let options = VariableOptions::new().initializer(initial_value).trainable(false);
        let mut inner = self.scope.colocate_with(beside)?;
        let options = options.use_resource(beside.is_resource());
        let made = inner.with_op_name(name).variable(options)?;
        self.slots.shared.insert(name, made);
        Ok(())
    }
}

/// The operand as one of this type, by a node where that is needed: `tf.cast`.
pub(super) fn cast(scope: &mut Scope, operand: Operand, dtype: DType) -> Result<Operand, Error> {
    match operand {
        // A resource of the type is left to be read by the op that takes it.
        Operand::Variable(variable) if variable.is_resource() && variable.dtype() == dtype => {
            Ok(Operand::Variable(variable))
        }
        operand => Ok(scope.cast(operand, dtype)?.into()),
    }
}
