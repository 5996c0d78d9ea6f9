//! Which step it is.

use std::collections::HashSet;

use flowkeep_graph::{CollectionItem, Collections, Graph, Node, NodeId, collection_keys};
use flowkeep_runtime::Session;

use crate::Error;
use crate::saver::value_of;

/// The name of the variable that counts steps, where no collection says it.
const GLOBAL_STEP: &str = "global_step";
/// The ops that change the variable that is their first input.
const ASSIGNS: [&str; 8] = [
    "Assign",
    "AssignAdd",
    "AssignAddVariableOp",
    "AssignSub",
    "AssignSubVariableOp",
    "AssignVariableOp",
    "CountUpTo",
    "ResourceCountUpTo",
];
/// The ops that may do anything with a variable that they are given.
const CALLS: [&str; 6] =
    ["Case", "If", "PartitionedCall", "StatefulPartitionedCall", "StatelessIf", "While"];

/// Who counts steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    /// The graph, in the tensor of this name.
    GlobalStep(String),
    /// Nobody but us.
    Own,
}

impl Counter {
    /// The counter of a graph, of which the train op must be seen to move it.
    pub(super) fn of(graph: &Graph, collections: &Collections, train_ops: &[String]) -> Counter {
        let found = global_step(graph, collections);
        let moved = found.filter(|(variable, _)| is_moved(graph, *variable, train_ops));
        moved.map_or(Counter::Own, |(_, tensor)| Counter::GlobalStep(tensor))
    }

    /// The step that variables are of, which a checkpoint of this name may have given.
    pub(super) fn now(&self, session: &Session, prefix: Option<&str>) -> Result<i64, Error> {
        match self {
            Counter::GlobalStep(name) => value_of(session, &name.as_str().into()),
            Counter::Own => {
                let number = prefix.and_then(|name| name.rsplit_once('-')?.1.parse().ok());
                Ok(number.filter(|step| *step >= 0).unwrap_or(0))
            }
        }
    }

    /// The step after a run of the train op.
    pub(super) fn after(&self, session: &Session, step: i64) -> Result<i64, Error> {
        match self {
            Counter::GlobalStep(_) => self.now(session, None),
            Counter::Own => Ok(step.saturating_add(1)),
        }
    }
}

/// The variable that counts steps, and the tensor that it is read by: `tf.train.get_global_step`.
fn global_step(graph: &Graph, collections: &Collections) -> Option<(NodeId, String)> {
    let keys = [collection_keys::GLOBAL_STEP, collection_keys::GLOBAL_VARIABLES];
    for key in keys {
        for item in collections.get(key) {
            let (variable, tensor) = match item {
                CollectionItem::Variable(variable) => (variable.op(), variable.graph_element()),
                CollectionItem::Tensor(tensor) => (tensor.node, *tensor),
                _ => continue,
            };
            let named = graph.get(variable).is_some_and(|node| node.name() == GLOBAL_STEP);
            if named || key == collection_keys::GLOBAL_STEP {
                return Some((variable, graph.tensor_name(tensor).to_string()));
            }
        }
    }
    let node = graph.node_by_name(GLOBAL_STEP)?;
    let is_ref = |node: &Node| matches!(node.op(), "Variable" | "VariableV2");
    graph
        .get(node)
        .is_some_and(is_ref)
        .then(|| (node, graph.tensor_name(node.output(0)).to_string()))
}

/// Whether running the train ops changes a variable, as far as the graph tells.
fn is_moved(graph: &Graph, variable: NodeId, train_ops: &[String]) -> bool {
    let mut todo: Vec<NodeId> =
        train_ops.iter().filter_map(|name| graph.get_operation_by_name(name).ok()).collect();
    let mut seen: HashSet<NodeId> = todo.iter().copied().collect();
    while let Some(node) = todo.pop().and_then(|id| graph.get(id)) {
        let mut inputs = node.inputs().iter().map(|input| input.node);
        let is_moved = if ASSIGNS.contains(&node.op()) {
            inputs.next() == Some(variable)
        } else {
            CALLS.contains(&node.op()) && inputs.any(|input| input == variable)
        };
        if is_moved {
            return true;
        }
        let needed = node.inputs().iter().map(|input| input.node);
        let needed = needed.chain(node.control_inputs().iter().copied());
        todo.extend(needed.filter(|id| seen.insert(*id)));
    }
    false
}

#[cfg(test)]
mod tests {
    use flowkeep_graph::builder::{Scope, VariableOptions};

    use super::*;

    #[test]
    fn a_counter_must_be_moved_by_the_train_op() {
        for resource in [false, true] {
            let mut scope = Scope::new();
            let options = |scope: &mut Scope, name: &str| {
                let options = VariableOptions::new().use_resource(resource).trainable(false);
                scope.get_variable(name, options.initializer(0i64)).unwrap()
            };
            let (step, other) = (options(&mut scope, "global_step"), options(&mut scope, "other"));
            let count = scope.assign_add(&step, 1i64).unwrap();
            let idle = scope.assign_add(&other, 1i64).unwrap();
            let read = scope.with_op_name("read").identity(step.snapshot()).unwrap();
            scope.with_op_name("counts").group([count]).unwrap();
            scope.with_op_name("idles").group([idle, read.node]).unwrap();
            let of = |op: &str| Counter::of(scope.graph(), scope.collections(), &[op.to_owned()]);
            let tensor =
                if resource { "global_step/Read/ReadVariableOp:0" } else { "global_step:0" };
            assert_eq!(of("counts"), Counter::GlobalStep(tensor.to_owned()));
            assert_eq!(of("idles"), Counter::Own);
        }
    }

    #[test]
    fn numbers_in_names_are_steps() {
        let session = Session::new(Default::default(), Default::default());
        let cases = [
            (None, 0),
            (Some("model.ckpt-12"), 12),
            (Some("model.ckpt-00000012"), 12),
            (Some("model.ckpt"), 0),
            (Some("run-a"), 0),
        ];
        for (name, step) in cases {
            assert_eq!(Counter::Own.now(&session, name).unwrap(), step, "{name:?}");
        }
    }
}
