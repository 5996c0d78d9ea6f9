use flowkeep_tensor::DType;

use super::Optimizer;
use super::optimizer::python_variables;
use crate::builder::{Scope, Variable};
use crate::gradients::{AggregationMethod, Gradient, GradientOptions};
use crate::{Error, NodeId, Output, collection_keys};

/// The types that losses and variables may have.
const VALID: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];

/// How a loss is made smaller.
///
/// ```
/// use flowkeep_graph::optimizers::Minimize;
///
/// let minimize = Minimize { name: Some("train".to_owned()), ..Minimize::default() };
/// assert!(minimize.gate_gradients);
/// ```
#[derive(Clone, Debug)]
pub struct Minimize {
    /// The variable that counts steps.
    pub global_step: Option<Variable>,
    /// The variables to change; without any said, those of the collection `trainable_variables`.
    pub var_list: Option<Vec<Variable>>,
    /// Whether no gradient of a node's inputs is used before all of them are there, as by default:
    /// `GATE_OP`, or else `GATE_NONE`.
    pub gate_gradients: bool,
    /// How several gradients of one tensor are added up.
    pub aggregation_method: AggregationMethod,
    /// Whether the nodes of each gradient are on the device of the node that it is the gradient of.
    pub colocate_gradients_with_ops: bool,
    /// The name of the node that trains, if it is not that of the optimizer.
    pub name: Option<String>,
    /// The gradient of the loss to start with; without, ones.
    pub grad_loss: Option<Output>,
}

impl Default for Minimize {
    fn default() -> Minimize {
        Minimize {
            global_step: None,
            var_list: None,
            gate_gradients: true,
            aggregation_method: AggregationMethod::default(),
            colocate_gradients_with_ops: false,
            name: None,
            grad_loss: None,
        }
    }
}

impl Minimize {
    /// Counting steps with this variable.
    pub fn counting(global_step: &Variable) -> Minimize {
        Minimize { global_step: Some(global_step.clone()), ..Minimize::default() }
    }
}

impl Optimizer {
    /// Adds the nodes that change variables so that a loss gets smaller: `Optimizer.minimize`. Gives
    /// the node to run for one step.
    ///
    /// Errors: as [`Optimizer::compute_gradients`] and [`Optimizer::apply_gradients`];
    /// `INVALID_ARGUMENT` if the loss depends on none of the variables.
    pub fn minimize(
        &mut self,
        scope: &mut Scope,
        loss: Output,
        minimize: &Minimize,
    ) -> Result<NodeId, Error> {
        let gradients = self.compute_gradients(scope, loss, minimize)?;
        if gradients.iter().all(|(gradient, _)| gradient.is_none()) {
            let variables = gradients.iter().map(|(_, variable)| variable);
            return Err(self.refused(format!(
                "No gradients provided for any variable, check your graph for ops that do not support gradients, between \
                 variables {} and loss {}.",
                python_variables(variables, scope.graph()),
                scope.python_tensor(loss)
            )));
        }
        let (step, name) = (minimize.global_step.as_ref(), minimize.name.as_deref());
        self.apply_gradients(scope, &gradients, step, name)
    }

    /// Adds the nodes that compute the gradients of a loss: `Optimizer.compute_gradients`. Gives each
    /// variable with its gradient, if there is one.
    ///
    /// Errors: as [`Scope::gradients_with`]; `INVALID_ARGUMENT`, with TensorFlow's texts, without
    /// variables, and for a loss or variables that are no floats.
    pub fn compute_gradients(
        &self,
        scope: &mut Scope,
        loss: Output,
        minimize: &Minimize,
    ) -> Result<Vec<(Option<Gradient>, Variable)>, Error> {
        self.check()?;
        for tensor in [Some(loss), minimize.grad_loss].into_iter().flatten() {
            let name = scope.graph().tensor_name(tensor).to_string();
            self.check_dtype(scope.dtype(tensor).unwrap_or(DType::F32), &name)?;
        }
        let variables: Vec<Variable> = match &minimize.var_list {
            Some(variables) => variables.clone(),
            None => {
                let collections = scope.collections();
                let names = [
                    collection_keys::TRAINABLE_VARIABLES,
                    collection_keys::TRAINABLE_RESOURCE_VARIABLES,
                ];
                names.into_iter().flat_map(|name| collections.variables(name)).cloned().collect()
            }
        };
        if variables.is_empty() {
            return Err(self.refused("No variables to optimize.".to_owned()));
        }
        let mut options = GradientOptions::new()
            .gate_gradients(minimize.gate_gradients)
            .aggregation_method(minimize.aggregation_method)
            .colocate_gradients_with_ops(minimize.colocate_gradients_with_ops);
        if let Some(gradient) = minimize.grad_loss {
            options = options.grad_ys([Some(gradient)]);
        }
        let gradients = scope.gradients_with([loss], &variables, &options)?;
        let pairs: Vec<_> = gradients.into_iter().zip(variables).collect();
        for (_, variable) in pairs.iter().filter(|(gradient, _)| gradient.is_some()) {
            self.check_dtype(variable.dtype(), &variable.name(scope.graph()))?;
        }
        Ok(pairs)
    }

    fn check_dtype(&self, dtype: DType, name: &str) -> Result<(), Error> {
        if VALID.contains(&dtype) {
            return Ok(());
        }
        let valid: Vec<String> =
            VALID.iter().map(|dtype| format!("tf.{}", dtype.python_name())).collect();
        Err(self.refused(format!(
            "Invalid type tf.{} for {name}, expected: [{}].",
            dtype.python_name(),
            valid.join(", ")
        )))
    }
}
