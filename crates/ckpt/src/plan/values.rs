use std::collections::HashMap;

use flowkeep_graph::transform::{VariableInfo, VariableValues};
use flowkeep_tensor::{Code, Tensor, TensorSlice};

use super::{Outcome, Plan, PlanItem};
use crate::{Checkpoint, Error};

/// The values that variables would have once a plan was carried out, read when they are asked for.
///
/// It is what [`freeze`](flowkeep_graph::transform::freeze) takes:
///
/// ```
/// use std::path::Path;
///
/// use flowkeep_ckpt::plan::{Plan, PlanValues, Target, TargetOptions};
/// use flowkeep_ckpt::Checkpoint;
/// use flowkeep_graph::file::GraphFile;
/// use flowkeep_graph::transform::{FreezeOptions, freeze};
/// use flowkeep_graph::{Graph, ImportOptions};
///
/// let plans = Path::new("../../fixtures/plans");
/// let file = GraphFile::open(&plans.join("ref.meta"))?;
/// let target = Target::of_file(file.clone(), &TargetOptions::default())?;
/// let from = Checkpoint::open(&plans.join("good"))?;
/// let plan = Plan::new(&from, &target)?;
///
/// let (def, _) = file.into_meta_graph_def(None)?;
/// let graph = Graph::import(def.graph_def.unwrap_or_default(), &ImportOptions::default())?;
/// let options = FreezeOptions::new(["dense/kernel/read"]);
/// let (graph, report) = freeze(graph, &PlanValues::new(&plan), &options)?;
/// assert_eq!((graph.nodes()[0].op(), report.len_bytes()), ("Const", 24));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PlanValues<'a> {
    from: &'a Checkpoint,
    /// By the name of the variable's node: what restores it, and the part that it takes.
    items: HashMap<&'a str, (&'a PlanItem<'a>, Option<&'a TensorSlice>)>,
}

impl<'a> PlanValues<'a> {
    /// The values of all variables that are part of the plan.
    pub fn new(plan: &'a Plan<'a>) -> PlanValues<'a> {
        let items = plan.items.iter().flat_map(|item| {
            let placed = item.wanted.placed.iter();
            placed.map(move |(variable, slice)| (variable.as_str(), (item, slice.as_ref())))
        });
        PlanValues { from: plan.from, items: items.collect() }
    }

    /// Whether a variable is part of the plan.
    pub fn knows(&self, variable: &VariableInfo<'_>) -> bool {
        self.item(variable).is_some()
    }

    /// What restores a variable. Resources are the same if they share a name, which is that of the first
    /// node.
    fn item(
        &self,
        variable: &VariableInfo<'_>,
    ) -> Option<(&'a PlanItem<'a>, Option<&'a TensorSlice>)> {
        let shared = || self.items.get(variable.shared_name).filter(|_| variable.is_resource);
        self.items.get(variable.name).or_else(shared).copied()
    }

    /// What the checkpoint has for a variable that it can restore.
    fn read(
        &self,
        variable: &VariableInfo<'_>,
        item: &PlanItem<'_>,
        slice: Option<&TensorSlice>,
    ) -> Result<Tensor, Error> {
        let name = item.source.map_or(&item.wanted.name, |source| &source.name);
        let value = match slice {
            Some(slice) => self.from.slice(name, slice)?,
            None => self.from.tensor(name)?,
        };
        match (&item.outcome, variable.shape().to_shape()) {
            (Outcome::Reshaped, Some(shape)) => Ok(value.reshape(shape)?),
            _ => Ok(value),
        }
    }
}

impl VariableValues for PlanValues<'_> {
    fn value(&self, variable: &VariableInfo<'_>) -> Result<Option<Tensor>, flowkeep_graph::Error> {
        let outside = |code, message| flowkeep_graph::Error::Outside { code, message };
        let Some((item, slice)) = self.item(variable) else { return Ok(None) };
        if item.ok() {
            let value = self.read(variable, item, slice).map(Some);
            return value.map_err(|error| outside(error.code(), error.to_string()));
        }
        let code = match item.outcome {
            Outcome::Missing { .. } => Code::NotFound,
            Outcome::Damaged => Code::DataLoss,
            _ => Code::InvalidArgument,
        };
        let message = item.error().unwrap_or_else(|| {
            format!("variable {} does not fit {}", variable.name, self.from.found())
        });
        Err(outside(code, message))
    }
}
