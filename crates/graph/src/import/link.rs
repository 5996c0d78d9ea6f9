//! Names and edges of a message.

use std::collections::HashMap;
use std::sync::Arc;

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;

use super::{Edges, InputMap};
use crate::graph::node_id;
use crate::names::is_valid_node_name;
use crate::node::{CLASS, colocation_target};
use crate::{Error, InputRef, NodeId};

/// The nodes of a message and what they name. Nodes are known by their place in it; nodes of the
/// graph that is imported into follow behind.
#[derive(Debug)]
pub(super) struct Linked {
    pub(super) names: Vec<Arc<str>>,
    pub(super) by_name: HashMap<Arc<str>, NodeId>,
    pub(super) edges: Edges,
    /// The nodes whose `_class` names no node of the message, with what it names.
    pub(super) unknown_classes: HashMap<usize, String>,
}

/// Checks names and finds the node of each input.
///
/// `names` are the names of the nodes, which were taken out of them.
pub(super) fn link(
    nodes: &[pb::NodeDef],
    names: Vec<Arc<str>>,
    input_map: &InputMap,
) -> Result<Linked, Error> {
    let mut by_name: HashMap<Arc<str>, NodeId> = HashMap::with_capacity(nodes.len());
    for (idx, (node, name)) in nodes.iter().zip(&names).enumerate() {
        let owned = || name.to_string();
        if !is_valid_node_name(name) {
            return Err(Error::NodeName { node: owned() });
        }
        if by_name.insert(name.clone(), node_id(idx)).is_some() {
            return Err(Error::DuplicateNode { node: owned() });
        }
        if node.op.is_empty() {
            return Err(Error::NoOpType { node: owned() });
        }
        let mut inputs = node.input.iter().skip_while(|input| !input.starts_with('^'));
        if inputs.any(|input| !input.starts_with('^')) {
            return Err(Error::ControlOrder { node: owned() });
        }
    }
    let of_graph = |id: NodeId| node_id(nodes.len().saturating_add(id.index()));
    let mut edges = Edges::with_capacity(nodes.len());
    let mut unknown_classes = HashMap::new();
    for (idx, (node, name)) in nodes.iter().zip(&names).enumerate() {
        for input in &node.input {
            let find = |source: &str| {
                by_name.get(source).copied().ok_or_else(|| Error::UnknownInput {
                    node: name.to_string(),
                    input: input.clone(),
                })
            };
            match InputRef::parse(input) {
                InputRef::Data { node, index } => {
                    edges.push_data(match input_map.output(node, index) {
                        Some(output) => of_graph(output.node).output(output.index),
                        None => find(node)?.output(index),
                    })
                }
                InputRef::Control(node) => edges.push_control(match input_map.control(node) {
                    Some(id) => of_graph(id),
                    None => find(node)?,
                }),
            }
        }
        edges.finish_node();
        let unknown = |target: &&str| !by_name.contains_key(*target);
        if let Some(target) =
            classes(node).filter_map(|class| colocation_target(class)).find(unknown)
        {
            unknown_classes.insert(idx, target.to_owned());
        }
    }
    Ok(Linked { names, by_name, edges, unknown_classes })
}

/// The elements of a node's `_class`.
fn classes(node: &pb::NodeDef) -> impl Iterator<Item = &[u8]> {
    let value = node.attr.get(CLASS).and_then(|attr| attr.value.as_ref());
    let list = match value {
        Some(Value::List(list)) => &list.s[..],
        _ => &[],
    };
    list.iter().map(|class| &class[..])
}
