use std::collections::HashMap;
use std::sync::Arc;

use flowkeep_proto::pb;

use crate::{Library, Node, NodeId, Output, TensorName};

/// A checked graph: every edge leads from an output that exists to an input that takes its type.
///
/// [`Graph::iter`] gives the nodes in topological order, but for the edges that lead from NextIteration
/// back to Merge. That is the order of their ids, unless a node was given inputs that were made after it
/// ([`Graph::extend_node`]). [`Graph::import`] makes one from a message, [`Graph::to_graph_def`] gives the message back.
///
/// ```
/// use flowkeep_graph::{Graph, ImportOptions};
/// use flowkeep_proto::pb;
///
/// let node = |name: &str, input: &[&str]| pb::NodeDef {
///     name: name.into(),
///     op: "NoOp".into(),
///     input: input.iter().map(|input| input.to_string()).collect(),
///     ..Default::default()
/// };
/// let def = pb::GraphDef { node: vec![node("b", &["^a"]), node("a", &[])], ..Default::default() };
/// let graph = Graph::import(def, &ImportOptions::default())?;
/// assert_eq!(graph.nodes()[0].name(), "a");
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) by_name: HashMap<Arc<str>, NodeId>,
    pub(crate) library: Arc<Library>,
    pub(crate) versions: Option<pb::VersionDef>,
    pub(crate) extra: GraphExtra,
    /// The topological order of the first nodes, where it is not that of their ids.
    pub(crate) order: Vec<NodeId>,
}

/// What a stored graph has that nothing reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct GraphExtra {
    pub(crate) version: i32,
    pub(crate) debug_info: Option<Box<pb::GraphDebugInfo>>,
    pub(crate) has_library: bool,
}

impl Graph {
    /// The nodes by their ids: a [`NodeId`] is the position among them.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes with their ids, in topological order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(place, node)| match self.order.get(place) {
            Some(id) => (*id, self.get(*id).unwrap_or(node)),
            None => (node_id(place), node),
        })
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node of an id that this graph gave out.
    ///
    /// # Panics
    ///
    /// For ids of another graph; [`Graph::get`] does not.
    #[expect(
        clippy::indexing_slicing,
        reason = "ids are only given out for nodes that exist, and nodes stay"
    )]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The node of an id, if there is one.
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }

    /// The node of a name.
    pub fn node_by_name(&self, name: &str) -> Option<NodeId> {
        self.by_name.get(name).copied()
    }

    /// The functions that nodes may call.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// The versions of the graph's writer and readers.
    pub fn versions(&self) -> Option<&pb::VersionDef> {
        self.versions.as_ref()
    }

    /// The version of the graph's writer; 0 when it did not say.
    pub fn producer(&self) -> i32 {
        self.versions.as_ref().map_or(0, |versions| versions.producer)
    }

    /// The name of a tensor, in full.
    pub fn tensor_name(&self, output: Output) -> TensorName {
        let node = self.get(output.node).map_or("", Node::name);
        TensorName { node: node.to_owned(), index: output.index }
    }
}

/// The id of the node at a position; positions are below 2^32 in every graph that was imported.
pub(crate) fn node_id(idx: usize) -> NodeId {
    NodeId(u32::try_from(idx).unwrap_or(u32::MAX))
}
