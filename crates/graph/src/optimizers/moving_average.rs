use std::collections::{BTreeMap, BTreeSet};

use flowkeep_tensor::DType;

use super::Hyper;
use crate::builder::{Operand, Scope, Variable, number};
use crate::{Attr, Error, Graph, Node, NodeId, Output, collection_keys};

/// Averages of variables in which recent values count most: `tf.train.ExponentialMovingAverage`.
///
/// ```
/// use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
/// use flowkeep_graph::optimizers::ExponentialMovingAverage;
///
/// let mut scope = Scope::new();
/// let w = scope.get_variable("w", VariableOptions::new().shape([3]).initializer(Initializer::Zeros))?;
/// let mut average = ExponentialMovingAverage::new(0.99);
/// average.apply(&mut scope, None)?;
/// assert_eq!(average.average_name(&scope, &w), "w/ExponentialMovingAverage");
/// let restored = average.variables_to_restore(&scope);
/// assert_eq!(restored["w/ExponentialMovingAverage"], w);
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExponentialMovingAverage {
    decay: Hyper,
    num_updates: Option<Operand>,
    name: String,
    averages: BTreeMap<NodeId, Variable>,
}

impl ExponentialMovingAverage {
    /// Averages that change the more slowly, the closer `decay` is to 1.
    pub fn new(decay: impl Into<Hyper>) -> ExponentialMovingAverage {
        ExponentialMovingAverage {
            decay: decay.into(),
            num_updates: None,
            name: "ExponentialMovingAverage".to_owned(),
            averages: BTreeMap::new(),
        }
    }

    /// With the number of updates so far, as long as which is small averages change faster.
    pub fn num_updates(mut self, num_updates: impl Into<Operand>) -> ExponentialMovingAverage {
        self.num_updates = Some(num_updates.into());
        self
    }

    /// With another name, which averages are called by.
    pub fn named(mut self, name: &str) -> ExponentialMovingAverage {
        self.name = name.to_owned();
        self
    }

    /// Adds the averages of variables that have none yet, and the node that updates those of all that
    /// are given: `ExponentialMovingAverage.apply`. If none are given, those of the collection
    /// `trainable_variables`.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's text, for variables that are no floats; as
    /// [`Scope::initialized_value`].
    pub fn apply(
        &mut self,
        scope: &mut Scope,
        variables: Option<&[Variable]>,
    ) -> Result<NodeId, Error> {
        let variables: Vec<Variable> = match variables {
            Some(variables) => variables.to_vec(),
            None => {
                let collections = scope.collections();
                collections.variables(collection_keys::TRAINABLE_VARIABLES).cloned().collect()
            }
        };
        for variable in &variables {
            let valid = [DType::BF16, DType::F16, DType::F32, DType::F64];
            if !valid.contains(&variable.dtype()) {
                let name = variable.name(scope.graph());
                let message = format!("The variables must be half, float, or double: {name}");
                return Err(Error::Variable { name, message });
            }
            if !self.averages.contains_key(&variable.op()) {
                let average = self.create(&mut scope.init_scope(), variable)?;
                self.averages.insert(variable.op(), average);
            }
        }
        let mut inner = scope.name_scope(&self.name)?;
        let name = inner.current_name_scope();
        let decay = self.effective_decay(&mut inner)?;
        let mut updates = Vec::with_capacity(variables.len());
        for variable in &variables {
            if let Some(average) = self.averages.get(&variable.op()) {
                updates.push(update(&mut inner, average, variable, decay)?);
            }
        }
        inner.with_op_name(&name).group(updates)
    }

    /// Makes the average of a variable, which starts with its value.
    fn create(&self, scope: &mut Scope, variable: &Variable) -> Result<Variable, Error> {
        let device = scope.graph().node(variable.op()).device().to_owned();
        let value = scope.device(&device)?.initialized_value(variable)?;
        let average = scope.slot(variable, value.into(), None, &self.name)?;
        let averaged = collection_keys::MOVING_AVERAGE_VARIABLES;
        scope.add_to_collection(averaged, variable.clone());
        Ok(average)
    }

    fn effective_decay(&self, scope: &mut Scope) -> Result<Output, Error> {
        let decay = self.decay.tensor(scope, "decay")?;
        let Some(n) = &self.num_updates else { return Ok(decay) };
        let n = scope.with_op_name("num_updates").cast(n.clone(), DType::F32)?;
        let above = scope.plus(1f32, n)?;
        let below = scope.plus(10f32, n)?;
        let early = scope.over(above, below)?;
        scope.minimum(decay, early)
    }

    /// The average of a variable; `None` before it was applied.
    pub fn average(&self, variable: &Variable) -> Option<&Variable> {
        self.averages.get(&variable.op())
    }

    /// The name of the average of a variable, or the name that it would get.
    pub fn average_name(&self, scope: &Scope, variable: &Variable) -> String {
        let name = |variable: &Variable| node_name(scope.graph(), variable);
        match self.average(variable) {
            Some(average) => name(average),
            None => scope.peek_unique_name(&format!("{}/{}", name(variable), self.name)),
        }
    }

    /// What to restore each variable from: those that are trained or averaged from their averages, all
    /// others from themselves. `ExponentialMovingAverage.variables_to_restore`, for a Saver.
    pub fn variables_to_restore(&self, scope: &Scope) -> BTreeMap<String, Variable> {
        let collections = scope.collections();
        let names =
            [collection_keys::TRAINABLE_VARIABLES, collection_keys::MOVING_AVERAGE_VARIABLES];
        let averaged = names.into_iter().flat_map(|name| collections.variables(name));
        let mut restored = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for variable in averaged {
            seen.insert(variable.op());
            restored.insert(self.average_name(scope, variable), variable.clone());
        }
        for variable in collections.variables(collection_keys::GLOBAL_VARIABLES) {
            let name = node_name(scope.graph(), variable);
            if !seen.contains(&variable.op()) && !restored.contains_key(&name) {
                restored.insert(name, variable.clone());
            }
        }
        restored
    }
}

fn node_name(graph: &Graph, variable: &Variable) -> String {
    graph.get(variable.op()).map_or("", Node::name).to_owned()
}

/// Moves an average towards the value of its variable: `assign_moving_average`.
fn update(
    scope: &mut Scope,
    average: &Variable,
    variable: &Variable,
    decay: Output,
) -> Result<NodeId, Error> {
    scope.scoped("AssignMovingAvg", |scope, name| {
        let dtype = scope.dtype(decay).unwrap_or(DType::F32);
        let share = scope.minus(number(dtype, 1.0)?, decay)?;
        let share = scope.cast(share, average.dtype())?;
        let now = scope.read(average)?;
        let distance = scope.minus(now, variable)?;
        let delta = scope.times(distance, share)?;
        if !average.is_resource() {
            return scope.with_op_name(name).assign_sub(average, delta);
        }
        let updated = scope.assign_sub(average, delta)?;
        let mut after = scope.control_dependencies([updated])?;
        let read = after.op("ReadVariableOp").input(average.handle());
        read.attr("dtype", Attr::Type(average.dtype())).build()?;
        Ok(updated)
    })
}
