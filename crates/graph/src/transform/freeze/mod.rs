use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flowkeep_tensor::{DType, Shape, Tensor};

use super::reach::{find_all, prune};
use crate::{Error, Graph, GraphEdit};

mod calls;
mod carry;
mod convert;
mod values;

use calls::Functions;
use convert::{Converter, Selection};
pub use values::{VariableInfo, VariableValues};

/// Which variables [`freeze`] makes constants of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FreezeOptions {
    /// The nodes that the graph is for; what they do not need goes.
    pub outputs: Vec<String>,
    /// The variables to freeze, by the names of their nodes; `None` for all.
    pub allow: Option<BTreeSet<String>>,
    /// The variables that stay, by the names of their nodes.
    pub deny: BTreeSet<String>,
}

impl FreezeOptions {
    /// Options that freeze all variables that `outputs` need.
    pub fn new<S: Into<String>>(outputs: impl IntoIterator<Item = S>) -> FreezeOptions {
        FreezeOptions {
            outputs: outputs.into_iter().map(Into::into).collect(),
            ..Default::default()
        }
    }
}

/// What [`freeze`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FreezeReport {
    /// The variables that became constants, in the order of the graph; behind them those that
    /// functions make for themselves.
    pub frozen: Vec<FrozenVariable>,
    /// The variables that are needed and stay, in the order of the graph.
    pub kept: Vec<Arc<str>>,
    /// Reads of variables that waited for other nodes and do not any more.
    pub freed: Vec<Arc<str>>,
    /// The functions that were made, by the names of those that they were made from.
    pub functions: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// The nodes of the graph that were removed, in its order.
    pub removed: Vec<Arc<str>>,
}

impl FreezeReport {
    /// The bytes of all constants that were variables.
    pub fn len_bytes(&self) -> usize {
        self.frozen.iter().fold(0, |sum, variable| sum.saturating_add(variable.len_bytes))
    }
}

/// A variable that is a constant now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrozenVariable {
    /// The node's name.
    pub name: Arc<str>,
    /// The type of its elements.
    pub dtype: DType,
    /// Its shape.
    pub shape: Shape,
    /// Its size, 0 for strings.
    pub len_bytes: usize,
}

impl FrozenVariable {
    fn new(name: Arc<str>, value: &Tensor) -> FrozenVariable {
        FrozenVariable {
            name,
            dtype: value.dtype(),
            shape: value.shape().clone(),
            len_bytes: match value.dtype() {
                DType::String => 0,
                _ => value.len_bytes(),
            },
        }
    }
}

/// Makes constants of variables: the result computes what the graph computes with these values, and
/// needs no checkpoint.
///
/// The graph is cut to what the outputs need. A Variable, VariableV2 or VarHandleOp becomes a Const of
/// its name; what took the handle takes the value: ReadVariableOp becomes Identity, ResourceGather
/// GatherV2, ResourceGatherNd GatherNd, VariableShape Shape, and what asks whether it is initialized
/// becomes true. Handles are followed through Identity, Switch, Merge, Enter, Exit and NextIteration;
/// references through their twins. They are followed into the functions of PartitionedCall, If, Case
/// and While, of their other forms, and of calls by name: for each way in which handles are passed,
/// `f` or `f_7` becomes a function `f_frozen_0`.
///
/// As TensorFlow does, reads of variables wait for nothing any more; the report names those that
/// did.
///
/// Beyond TensorFlow: old Variable nodes, ResourceGather in functions and with `batch_dims`,
/// StatelessCase, calls by name, functions that return handles, and variables that functions make
/// for themselves are frozen too.
///
/// ```
/// use std::collections::HashMap;
///
/// use flowkeep_graph::transform::{FreezeOptions, freeze};
/// use flowkeep_graph::{Graph, ImportOptions};
/// use flowkeep_proto::text;
/// use flowkeep_tensor::Tensor;
///
/// let graph = Graph::import(
///     text::parse_message(
///         "node { name: 'v' op: 'VarHandleOp' attr { key: 'dtype' value { type: DT_FLOAT } }
///            attr { key: 'shape' value { shape { dim { size: 2 } } } } }
///          node { name: 'r' op: 'ReadVariableOp' input: 'v' attr { key: 'dtype' value { type: DT_FLOAT } } }",
///     )?,
///     &ImportOptions::default(),
/// )?;
/// let values = HashMap::from([("v".to_owned(), Tensor::from_elements(vec![1f32, 2.0]))]);
/// let (graph, report) = freeze(graph, &values, &FreezeOptions::new(["r"]))?;
/// assert_eq!((graph.nodes()[0].op(), graph.nodes()[1].op()), ("Const", "Identity"));
/// assert_eq!(report.len_bytes(), 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Errors: `NOT_FOUND` for outputs that are no nodes and variables that have no value;
/// `INVALID_ARGUMENT` for values of another type or shape than the variable's, and where a frozen
/// variable is needed as one, as by an Assign; `UNIMPLEMENTED` for functions that call themselves;
/// errors of `values`.
pub fn freeze(
    graph: Graph,
    values: &dyn VariableValues,
    options: &FreezeOptions,
) -> Result<(Graph, FreezeReport), Error> {
    let mut edit = GraphEdit::new(graph);
    let roots = find_all(&edit, &options.outputs)?;
    let mut removed = prune(&mut edit, &roots);

    let selection = Selection { values, allow: options.allow.as_ref(), deny: &options.deny };
    let mut functions = Functions::new(edit.library().clone(), selection);
    let mut converter = Converter::new(&mut edit, &mut functions);
    converter.convert_all()?;
    let stuck = converter.into_stuck();
    removed.extend(prune(&mut edit, &roots));
    if let Some(stuck) = stuck.into_iter().find(|stuck| edit.node(stuck.node).is_some()) {
        return Err(stuck.error);
    }
    let (library, mut report) = functions.finish(&edit)?;
    if let Some(library) = library {
        edit.set_library(library);
    }
    report.removed = removed;
    Ok((edit.finish()?, report))
}
