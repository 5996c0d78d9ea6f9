//! Assigning to variables.

use flowkeep_tensor::PartialShape;

use super::super::create_variable::is_compatible;
use super::super::text::python_shape;
use super::super::{GLOBAL_VARIABLES, LOCAL_VARIABLES, Operand, Scope, Variable};
use crate::{Attr, Error, NodeId};

impl Scope {
    /// The node that gives a variable another value: `tf.compat.v1.assign`, op `Assign` or
    /// `AssignVariableOp`.
    ///
    /// Errors: `INVALID_ARGUMENT` for a value of another shape or type.
    pub fn assign(
        &mut self,
        variable: &Variable,
        value: impl Into<Operand>,
    ) -> Result<NodeId, Error> {
        if !variable.is_resource() {
            return self.op("Assign").input(variable.handle()).input(value).build();
        }
        let name = self.op_name.take().unwrap_or_default();
        let value = self.tensor(value, "Const")?;
        if !is_compatible(variable.shape(), self.shape(value)) {
            let variable_name = self.graph.tensor_name(variable.handle());
            return Err(Error::Variable {
                name: variable_name.node.clone(),
                message: format!(
                    "Cannot assign value to variable ' {variable_name}': Shape mismatch.The variable shape {}, and \
                     the assigned value shape {} are incompatible.",
                    python_shape(variable.shape()),
                    python_shape(self.shape(value))
                ),
            });
        }
        let is_known = variable.shape().to_shape().is_some();
        let op = self.op("AssignVariableOp").input(variable.handle()).input(value);
        op.attr("validate_shape", Attr::Bool(is_known)).name(&name).build()
    }

    /// The node that adds to a variable: `tf.compat.v1.assign_add`.
    ///
    /// Errors: `INVALID_ARGUMENT` for a value of another shape or type.
    pub fn assign_add(
        &mut self,
        variable: &Variable,
        delta: impl Into<Operand>,
    ) -> Result<NodeId, Error> {
        self.update("AssignAdd", "AssignAddVariableOp", variable, delta.into())
    }

    /// The node that subtracts from a variable: `tf.compat.v1.assign_sub`.
    ///
    /// Errors: `INVALID_ARGUMENT` for a value of another shape or type.
    pub fn assign_sub(
        &mut self,
        variable: &Variable,
        delta: impl Into<Operand>,
    ) -> Result<NodeId, Error> {
        self.update("AssignSub", "AssignSubVariableOp", variable, delta.into())
    }

    fn update(
        &mut self,
        by_ref: &str,
        by_handle: &str,
        variable: &Variable,
        delta: Operand,
    ) -> Result<NodeId, Error> {
        if !variable.is_resource() {
            return self.op(by_ref).input(variable.handle()).input(delta).build();
        }
        let name = self.op_name.take().unwrap_or_default();
        let delta = self.tensor(delta, "Const")?;
        self.op(by_handle).input(variable.handle()).input(delta).name(&name).build()
    }

    /// The node that initializes the variables of the collection
    /// [`GLOBAL_VARIABLES`]: `init`.
    ///
    /// Errors: as [`Scope::group`].
    pub fn global_variables_initializer(&mut self) -> Result<NodeId, Error> {
        self.initializer_of(GLOBAL_VARIABLES)
    }

    /// The node that initializes the variables of the collection
    /// [`LOCAL_VARIABLES`]: `init`.
    ///
    /// Errors: as [`Scope::group`].
    pub fn local_variables_initializer(&mut self) -> Result<NodeId, Error> {
        self.initializer_of(LOCAL_VARIABLES)
    }

    /// The node that initializes these variables.
    ///
    /// Errors: as [`Scope::group`].
    pub fn variables_initializer<'v>(
        &mut self,
        variables: impl IntoIterator<Item = &'v Variable>,
    ) -> Result<NodeId, Error> {
        let initializers: Vec<NodeId> = variables.into_iter().map(Variable::initializer).collect();
        let name = self.take_op_name("init");
        let mut named = self.with_op_name(&name);
        if initializers.is_empty() { named.no_op() } else { named.group(initializers) }
    }

    fn initializer_of(&mut self, collection: &str) -> Result<NodeId, Error> {
        let variables: Vec<Variable> = self.collections.variables(collection).cloned().collect();
        self.variables_initializer(&variables)
    }

    /// Says what is known of the shape of a tensor.
    pub(crate) fn set_shape(&mut self, tensor: crate::Output, shape: PartialShape) {
        self.shapes.set(tensor, shape);
    }

    /// Learns what the shape of a tensor is beyond what its op says.
    pub(crate) fn refine_shape(
        &mut self,
        tensor: crate::Output,
        shape: &PartialShape,
    ) -> Result<(), Error> {
        let merged = super::super::shape::merged(self.shape(tensor), shape);
        let node = || self.graph.tensor_name(tensor).node;
        let merged = merged.map_err(|message| Error::Shape { node: node(), message })?;
        self.shapes.set(tensor, merged);
        Ok(())
    }
}
