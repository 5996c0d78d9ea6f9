use std::sync::Arc;

use super::reach::{find_all, prune};
use crate::{Error, Graph, GraphEdit};

/// What [`extract_sub_graph`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtractReport {
    /// The nodes that were removed, in the order of the graph.
    pub removed: Vec<Arc<str>>,
}

/// The part of a graph that some nodes need: what leads to them over data inputs, control inputs and
/// `_class`.
///
/// The library stays whole; see [`prune_library`](super::prune_library).
///
/// ```
/// use flowkeep_graph::transform::extract_sub_graph;
/// use flowkeep_graph::{Attr, Graph, NodeSpec};
/// use flowkeep_tensor::DType;
///
/// let mut graph = Graph::new();
/// let x = graph.add_node(NodeSpec::new("x", "Placeholder").attr("dtype", Attr::Type(DType::F32)))?;
/// let node = |name| NodeSpec::new(name, "Neg").input(x.output(0)).attr("T", Attr::Type(DType::F32));
/// graph.add_node(node("y"))?;
/// graph.add_node(node("z"))?;
/// let (graph, report) = extract_sub_graph(graph, &["z"])?;
/// assert_eq!(graph.nodes().iter().map(|node| node.name()).collect::<Vec<_>>(), ["x", "z"]);
/// assert_eq!(&*report.removed[0], "y");
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
///
/// Errors: `NOT_FOUND`, with TensorFlow's text, for a destination that is no node.
pub fn extract_sub_graph<S: AsRef<str>>(
    graph: Graph,
    destinations: &[S],
) -> Result<(Graph, ExtractReport), Error> {
    let mut edit = GraphEdit::new(graph);
    let roots = find_all(&edit, destinations)?;
    let removed = prune(&mut edit, &roots);
    Ok((edit.finish()?, ExtractReport { removed }))
}
