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
}

/// Checks names, which it takes out of the message, and finds the node of each input.
pub(super) fn link(nodes: &mut [pb::NodeDef], input_map: &InputMap) -> Result<Linked, Error> {
    let mut names: Vec<Arc<str>> = Vec::with_capacity(nodes.len());
    let mut by_name: HashMap<Arc<str>, NodeId> = HashMap::with_capacity(nodes.len());
    for (idx, node) in nodes.iter_mut().enumerate() {
        let name: Arc<str> = std::mem::take(&mut node.name).into();
        let owned = || name.to_string();
        if !is_valid_node_name(&name) {
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
        names.push(name);
    }
    let of_graph = |id: NodeId| node_id(nodes.len().saturating_add(id.index()));
    let mut edges = Edges::with_capacity(nodes.len());
    for (node, name) in nodes.iter().zip(&names) {
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
    }
    Ok(Linked { names, by_name, edges })
}

impl Linked {
    /// The first node that the node's `_class` names and that is not there.
    pub(super) fn unknown_class<'a>(&self, node: &'a pb::NodeDef) -> Option<&'a str> {
        let value = node.attr.get(CLASS).and_then(|attr| attr.value.as_ref());
        let Some(Value::List(list)) = value else { return None };
        let mut targets = list.s.iter().filter_map(|class| colocation_target(class));
        targets.find(|target| !self.by_name.contains_key(*target))
    }
}
