//! Variables that belong to others, as what an optimizer remembers of each.

use flowkeep_tensor::{DType, Shape};

use super::{Initializer, SaveSlice, Scope, ScopeTarget, Variable, VariableOptions};
use crate::Error;

impl Scope {
    /// Adds a variable `primary/name` that belongs to `primary`: of its kind, on its device, not to be
    /// trained, and a slice of a whole where `primary` is one.
    ///
    /// An initializer that is no value needs the type; the shape is that of `primary`.
    ///
    /// Errors: as [`Scope::get_variable`]; `INVALID_ARGUMENT` for a shape that is not known.
    pub(crate) fn slot(
        &mut self,
        primary: &Variable,
        initializer: Initializer,
        dtype: Option<DType>,
        name: &str,
    ) -> Result<Variable, Error> {
        let primary_name = self.graph.node(primary.op()).name().to_owned();
        let mut options = VariableOptions::new()
            .initializer(initializer.clone())
            .trainable(false)
            .use_resource(primary.is_resource());
        options.dtype = dtype;
        if !matches!(initializer, Initializer::Value(_)) {
            options.shape = Some(primary.shape().clone());
        }
        let default_name = format!("{primary_name}/{name}");
        let slot = {
            let mut scope = self.variable_scope(ScopeTarget::Default(&default_name))?;
            scope.variable_scopes.current_mut().defaults.partitioner = None;
            let mut scope = scope.colocate_with(primary)?;
            scope.get_variable("", options)?
        };
        let Some(whole) = primary.save_slice() else { return Ok(slot) };
        let Some(rank) = slot.shape().rank().filter(|rank| *rank > 0) else { return Ok(slot) };
        // TensorFlow cuts as much off as the primary's name is long, whatever is there.
        let slot_name: String =
            self.graph.node(slot.op()).name().chars().skip(primary_name.len() + 1).collect();
        let first = |dims: &[usize]| dims.iter().take(rank).copied().collect::<Vec<usize>>();
        let slot = slot.with_save_slice(SaveSlice {
            full_name: format!("{}/{slot_name}", whole.full_name),
            full_shape: Shape::from(first(whole.full_shape.dims())),
            offset: first(&whole.offset),
            shape: Shape::from(first(whole.shape.dims())),
        });
        self.renew(&slot);
        Ok(slot)
    }
}
