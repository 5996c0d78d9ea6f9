use flowkeep_proto::pb;
use prost::Message;

use super::ObjectNode;
use super::lookup::Index;
use super::paths::{Origin, origins};
use crate::Error;

/// The objects of a checkpoint, checked: every id is that of a node, and there is a root.
///
/// Nodes are known by their number, their id. There may be nodes that no path leads to.
#[derive(Clone, Debug)]
pub struct ObjectGraph {
    pub(super) nodes: Vec<ObjectNode>,
    /// How each node is reached from the root.
    pub(super) origins: Vec<Origin>,
    pub(super) index: Index,
}

impl ObjectGraph {
    /// Reads an object graph, the value of [`OBJECT_GRAPH_KEY`](super::OBJECT_GRAPH_KEY).
    ///
    /// Errors: `DATA_LOSS` if the bytes are no such message, and as [`ObjectGraph::new`].
    pub fn decode(bytes: &[u8]) -> Result<ObjectGraph, Error> {
        let message = pb::TrackableObjectGraph::decode(bytes).map_err(|error| {
            Error::ObjectGraph { what: format!("object graph cannot be parsed: {error}") }
        })?;
        let nodes = message.nodes.into_iter().enumerate().map(|(idx, object)| {
            ObjectNode::from_proto(object).map_err(|id| Error::ObjectGraph {
                what: format!("object graph: node {idx} refers to node {id}"),
            })
        });
        ObjectGraph::new(nodes.collect::<Result<_, _>>()?)
    }

    /// Makes an object graph of nodes; the first is the root.
    ///
    /// Errors: `DATA_LOSS` if there is none, or one refers to a node that is not there.
    pub fn new(nodes: Vec<ObjectNode>) -> Result<ObjectGraph, Error> {
        let n_nodes = nodes.len();
        let failed = |what| Err(Error::ObjectGraph { what });
        if n_nodes == 0 || i32::try_from(n_nodes).is_err() {
            return failed(format!("object graph has {n_nodes} nodes"));
        }
        for (idx, node) in nodes.iter().enumerate() {
            let children = node.children.iter().map(|child| child.node_id);
            let slots = node.slot_variables.iter();
            let slots = slots.flat_map(|slot| [slot.original_variable, slot.slot_variable]);
            if let Some(id) = children.chain(slots).find(|id| *id >= n_nodes) {
                return failed(format!(
                    "object graph: node {idx} refers to node {id} of {n_nodes} nodes"
                ));
            }
        }
        Ok(ObjectGraph { origins: origins(&nodes), index: Index::new(&nodes), nodes })
    }

    /// The graph as bytes, which are those that TensorFlow writes for it.
    pub fn encode(&self) -> Vec<u8> {
        let nodes = self.nodes.iter().map(ObjectNode::to_proto).collect();
        pb::TrackableObjectGraph { nodes }.encode_to_vec()
    }

    /// All nodes, by id; never empty.
    pub fn nodes(&self) -> &[ObjectNode] {
        &self.nodes
    }

    /// The node of an id.
    pub fn node(&self, id: usize) -> Option<&ObjectNode> {
        self.nodes.get(id)
    }
}

/// By nodes alone.
impl PartialEq for ObjectGraph {
    fn eq(&self, other: &ObjectGraph) -> bool {
        self.nodes == other.nodes
    }
}

impl Eq for ObjectGraph {}

#[cfg(test)]
mod tests {
    use flowkeep_tensor::Code;

    use super::super::{Child, SlotVariable};
    use super::*;

    fn child(node_id: usize, local_name: &str) -> Child {
        Child { node_id, local_name: local_name.into() }
    }

    #[track_caller]
    fn refused(result: Result<ObjectGraph, Error>, what: &str) {
        let error = result.unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (Code::DataLoss, what));
    }

    #[test]
    fn references_must_be_to_nodes() {
        refused(ObjectGraph::new(Vec::new()), "object graph has 0 nodes");
        refused(ObjectGraph::decode(b""), "object graph has 0 nodes");
        let node = ObjectNode { children: vec![child(1, "x")], ..ObjectNode::default() };
        let what = "object graph: node 0 refers to node 1 of 1 nodes";
        refused(ObjectGraph::new(vec![node]), what);
        for (original_variable, slot_variable) in [(0, 1), (1, 0)] {
            let slot = SlotVariable { original_variable, slot_name: String::new(), slot_variable };
            let node = ObjectNode { slot_variables: vec![slot], ..ObjectNode::default() };
            refused(ObjectGraph::new(vec![node]), what);
        }
        // A node whose child has the id -1.
        let negative = [&[0x0a, 13, 0x0a, 11, 0x08][..], &[0xff; 9], &[1]].concat();
        refused(ObjectGraph::decode(&negative), "object graph: node 0 refers to node -1");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let error = ObjectGraph::decode(b"\x0a\x05").unwrap_err();
        assert_eq!(error.code(), Code::DataLoss);
        assert!(error.to_string().starts_with("object graph cannot be parsed: "), "{error}");
    }

    #[test]
    fn graphs_survive_their_bytes() {
        let nodes = vec![
            ObjectNode { children: vec![child(1, "a"), child(0, "self")], ..ObjectNode::default() },
            ObjectNode { has_checkpoint_values: Some(false), ..ObjectNode::default() },
        ];
        let graph = ObjectGraph::new(nodes).unwrap();
        // An unset mark, a mark of false: the latter is an empty message.
        assert_eq!(
            graph.encode(),
            b"\x0a\x0f\x0a\x05\x08\x01\x12\x01a\x0a\x06\x12\x04self\x0a\x02\x2a\x00".to_vec()
        );
        assert_eq!(ObjectGraph::decode(&graph.encode()).unwrap(), graph);
    }
}
