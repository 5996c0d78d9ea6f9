use std::collections::HashSet;
use std::sync::Arc;

use super::reach::forget_colocation;
use crate::{Error, Graph, GraphEdit, NodeId};

/// What [`remove_training_nodes`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrainingReport {
    /// The CheckNumerics nodes that were removed, in the order of the graph.
    pub removed: Vec<Arc<str>>,
    /// The Identity and StopGradient nodes that were taken out, in the order of the graph; their
    /// consumers take what they took.
    pub spliced: Vec<Arc<str>>,
}

/// Removes nodes that matter in training alone.
///
/// CheckNumerics always goes. Identity and StopGradient go unless they wait for a node, are waited
/// for, or are named by a `_class`. Protected nodes stay: without protection an Identity that is an
/// output goes too. Names among `protected` that are no nodes mean nothing.
///
/// Unlike TensorFlow's tool, this one feeds the consumers of a CheckNumerics from its input, where
/// that one takes the input from them; takes what is removed out of `_class`; and keeps the library
/// and the versions.
///
/// Errors: as [`Graph::import`](crate::Graph::import).
pub fn remove_training_nodes<S: AsRef<str>>(
    graph: Graph,
    protected: &[S],
) -> Result<(Graph, TrainingReport), Error> {
    let protected: HashSet<&str> = protected.iter().map(AsRef::as_ref).collect();
    let mut edit = GraphEdit::new(graph);
    let mut report = TrainingReport::default();
    for id in edit.ids() {
        let Some(node) = edit.node(id) else { continue };
        if node.op() == "CheckNumerics" && !protected.contains(node.name()) {
            edit.replace_control(id, &[]);
            report.removed.extend(splice(&mut edit, id));
        }
    }
    forget_colocation(&mut edit);

    let mut pinned: HashSet<NodeId> = HashSet::new();
    for (id, node) in edit.iter() {
        if !node.control_inputs().is_empty() {
            pinned.insert(id);
            pinned.extend(node.control_inputs());
        }
        pinned.extend(node.colocation().filter_map(|target| edit.find(target)));
    }
    for id in edit.ids() {
        let Some(node) = edit.node(id) else { continue };
        if matches!(node.op(), "Identity" | "StopGradient")
            && !protected.contains(node.name())
            && !pinned.contains(&id)
        {
            report.spliced.extend(splice(&mut edit, id));
        }
    }
    Ok((edit.finish()?, report))
}

/// Removes a node whose output is its input; gives its name.
fn splice(edit: &mut GraphEdit, id: NodeId) -> Option<Arc<str>> {
    let node = edit.node(id)?;
    let name = node.shared_name().clone();
    let input = *node.inputs().first()?;
    edit.replace_output(id.output(0), input);
    edit.remove(id);
    Some(name)
}
