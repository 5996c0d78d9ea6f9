//! Variables that are there: found by name, and started with something else.

use super::{PartitionedVariable, Scope, Variable};
use crate::{CollectionItem, Element, Error, Output};

impl Scope {
    /// The variables that [`Scope::get_variable`] has made, with their full names, in no fixed order.
    /// Parts of a variable are here one by one, `p/part_0`.
    pub fn stored_variables(&self) -> impl Iterator<Item = (&str, &Variable)> {
        self.variables.whole.iter().map(|(name, variable)| (name.as_str(), variable))
    }

    /// Gives a variable another initial value, which `initializer` assigns to it: the output of
    /// `Assign` for a reference, the node `AssignVariableOp` for a resource.
    ///
    /// The variable that is given back is also the one in collections and the one that
    /// [`Scope::get_variable`] finds from now on. Values of type [`Variable`] that were taken before
    /// stand for the same variable, with its old initializer.
    ///
    /// Errors: `INVALID_ARGUMENT` for an initial value of another shape.
    pub fn set_initializer(
        &mut self,
        variable: &Variable,
        initializer: Element,
        initial_value: Output,
    ) -> Result<Variable, Error> {
        self.refine_shape(initial_value, variable.shape())?;
        let renewed = variable.with_initializer(initializer, initial_value);
        self.renew(&renewed);
        Ok(renewed)
    }

    /// Puts a variable in the place of what stood for it.
    pub(super) fn renew(&mut self, renewed: &Variable) {
        let renew = |place: &mut Variable| {
            if place.handle() == renewed.handle() {
                *place = renewed.clone();
            }
        };
        self.variables.whole.values_mut().for_each(renew);
        let partitioned = self.variables.partitioned.values_mut();
        partitioned.flat_map(PartitionedVariable::parts_mut).for_each(renew);
        for item in self.collections.items_mut() {
            if let CollectionItem::Variable(variable) = item {
                renew(variable);
            }
        }
    }
}
