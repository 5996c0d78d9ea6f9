//! What transforms of graphs ask of a session: the values of its variables, and those of constants.

use std::sync::Arc;

use flowkeep_graph::transform::{Evaluator, VariableInfo, VariableValues};
use flowkeep_graph::{Error, Graph, Node, Output};
use flowkeep_tensor::Tensor;

use crate::resource::Variable;
use crate::{Session, SessionOptions};

/// The values that variables have in the session at the moment.
///
/// A variable without a value, or one that the session has not made yet, has none.
impl VariableValues for Session {
    fn value(&self, variable: &VariableInfo<'_>) -> Result<Option<Tensor>, Error> {
        let (kind, name) = match variable.is_resource {
            // An empty name is a name like others there.
            true => (Variable::KIND, variable.node.attrs().str("shared_name")?),
            false => (Variable::REF_KIND, &variable.shared_name.as_bytes().to_vec().into()),
        };
        let name = std::str::from_utf8(name).unwrap_or(variable.shared_name);
        let handle = self.resources().lookup(variable.container, kind, name);
        let found = handle.and_then(|handle| handle.get::<Variable>().ok());
        Ok(found.and_then(|found| found.value()))
    }
}

/// Computes constants with the kernels of a registry, for
/// [`fold_constants`](flowkeep_graph::transform::fold_constants).
///
/// Each call has a session of its own. What fails is asked for again without the rest, so that one
/// node that cannot be computed keeps no other from it.
#[derive(Clone, Debug, Default)]
pub struct ConstantEvaluator {
    options: SessionOptions,
}

impl ConstantEvaluator {
    /// An evaluator whose sessions have these options.
    pub fn new(options: SessionOptions) -> ConstantEvaluator {
        ConstantEvaluator { options }
    }
}

impl Evaluator for ConstantEvaluator {
    fn supports(&self, node: &Node) -> bool {
        self.options.registry.get(node.op()).is_some_and(|row| row.cpu_builder().is_some())
    }

    fn evaluate(&self, graph: &Arc<Graph>, outputs: &[Output]) -> Vec<Result<Tensor, Error>> {
        let session = Session::new(graph.clone(), self.options.clone());
        let names: Vec<String> =
            outputs.iter().map(|output| graph.tensor_name(*output).to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut results = Vec::with_capacity(outputs.len());
        run(&session, &names, &mut results);
        results
    }
}

fn run(session: &Session, names: &[&str], results: &mut Vec<Result<Tensor, Error>>) {
    match session.run(&[], names, &[]) {
        Ok(values) => results.extend(values.into_iter().map(Ok)),
        Err(error) if names.len() == 1 => {
            results.push(Err(Error::Outside { code: error.code(), message: error.to_string() }));
        }
        Err(_) => {
            let (first, second) = names.split_at(names.len() / 2);
            run(session, first, results);
            run(session, second, results);
        }
    }
}
