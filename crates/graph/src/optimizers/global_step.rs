//! The variable that counts steps.

use flowkeep_proto::pb;
use flowkeep_tensor::DType;

use crate::builder::{Initializer, Scope, Variable, VariableOptions};
use crate::{Error, collection_keys};

impl Scope {
    /// The variable that counts steps, if there is one: that of the collection `global_step`, or the one
    /// that is called so. `tf.compat.v1.train.get_global_step`.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, if it is no whole number.
    pub fn get_global_step(&self) -> Result<Option<Variable>, Error> {
        let mut collected = self.collections().variables(collection_keys::GLOBAL_STEP);
        let found = match (collected.next(), collected.next()) {
            (Some(only), None) => Some(only),
            (Some(_), Some(_)) => None,
            (None, _) => {
                let named = self.graph().node_by_name(collection_keys::GLOBAL_STEP);
                let all = self
                    .collections()
                    .iter()
                    .flat_map(|(name, _)| self.collections().variables(name));
                named.and_then(|id| all.into_iter().find(|variable| variable.op() == id))
            }
        };
        let Some(step) = found else { return Ok(None) };
        let refused = |message| Err(Error::Variable { name: step.name(self.graph()), message });
        if !step.dtype().is_integer() {
            let suffix = if step.is_resource() { "" } else { "_ref" };
            return refused(format!(
                "Existing \"global_step\" does not have integer type: <dtype: '{}{suffix}'>",
                step.dtype().python_name()
            ));
        }
        if step.shape().to_shape().is_some_and(|shape| shape.rank() != 0) {
            let shape = crate::builder::python_shape(step.shape());
            return refused(format!("Existing \"global_step\" is not scalar: {shape}"));
        }
        Ok(Some(step.clone()))
    }

    /// The variable that counts steps, `global_step`, which is made if it is not there:
    /// `tf.compat.v1.train.get_or_create_global_step`.
    ///
    /// Errors: as [`Scope::get_global_step`] and [`Scope::get_variable`].
    pub fn get_or_create_global_step(&mut self) -> Result<Variable, Error> {
        match self.get_global_step()? {
            Some(step) => Ok(step),
            None => self.create_global_step(),
        }
    }

    /// Makes the variable that counts steps: `tf.compat.v1.train.create_global_step`.
    ///
    /// Errors: `INVALID_ARGUMENT` if it is there.
    pub fn create_global_step(&mut self) -> Result<Variable, Error> {
        let name = collection_keys::GLOBAL_STEP;
        if self.get_global_step()?.is_some() {
            let message = "\"global_step\" already exists.".to_owned();
            return Err(Error::Variable { name: name.to_owned(), message });
        }
        let options = VariableOptions::new()
            .shape([])
            .dtype(DType::I64)
            .initializer(Initializer::Zeros)
            .trainable(false)
            .collections([collection_keys::GLOBAL_VARIABLES, name])
            .aggregation(pb::VariableAggregation::OnlyFirstReplica);
        let mut root = self.name_scope("")?;
        root.get_variable(name, options)
    }
}
