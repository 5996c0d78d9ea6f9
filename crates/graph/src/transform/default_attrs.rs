//! Attributes that say no more than the definition of the op does.

use std::collections::{HashMap, HashSet};

use flowkeep_proto::pb;

use crate::{Attr, op_def};

/// What [`strip_default_attrs`] or [`remove_new_default_attrs`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttrReport {
    /// The attributes that were removed: those of the graph's nodes, then those of functions' nodes.
    pub removed: Vec<RemovedAttr>,
}

/// An attribute that was removed from a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemovedAttr {
    /// The function whose body the node is in; `None` for nodes of the graph.
    pub function: Option<String>,
    /// The node.
    pub node: String,
    /// Its op.
    pub op: String,
    /// The attribute.
    pub attr: String,
}

/// Removes the attributes that have the default value of their op, from the nodes of a graph and of
/// its functions.
///
/// What is left of a graph can be read by an older TensorFlow that does not know the newest
/// attributes. This works on the message, since a [`Graph`](crate::Graph) always has its defaults.
/// Calls of functions by name, and ops that are not in the table, keep all attributes.
pub fn strip_default_attrs(def: &mut pb::GraphDef) -> AttrReport {
    let functions = function_names(def);
    remove_attrs(def, |node, attr, value| {
        if functions.contains(&node.op) {
            return false;
        }
        let default = op_def::lookup(&node.op)
            .and_then(|op| op.attr(attr))
            .and_then(|attr| attr.default.as_ref());
        default.is_some_and(|default| *default == Attr::from_proto(value.clone()))
    })
}

/// Removes the attributes that the table of ops does not know and that have the default value of the
/// writer's definition of the op: what import does with the list of ops of a MetaGraph
/// (`stripped_op_list`).
pub fn remove_new_default_attrs(def: &mut pb::GraphDef, producer: &pb::OpList) -> AttrReport {
    let producer: HashMap<&str, &pb::OpDef> =
        producer.op.iter().map(|op| (op.name.as_str(), op)).collect();
    remove_attrs(def, |node, attr, value| {
        let Some(consumer) = op_def::lookup(&node.op) else { return false };
        let declared = |op: &&pb::OpDef| op.attr.iter().find(|def| def.name == attr).cloned();
        let default = producer.get(node.op.as_str()).and_then(declared);
        let default = default.and_then(|def| def.default_value);
        consumer.attr(attr).is_none() && default.as_ref() == Some(value)
    })
}

pub(super) fn function_names(def: &pb::GraphDef) -> HashSet<String> {
    let functions = def.library.iter().flat_map(|library| &library.function);
    functions.filter_map(|function| Some(function.signature.as_ref()?.name.clone())).collect()
}

/// Removes the attributes of all nodes for which `is_removed` says so.
fn remove_attrs(
    def: &mut pb::GraphDef,
    is_removed: impl Fn(&pb::NodeDef, &str, &pb::AttrValue) -> bool,
) -> AttrReport {
    let mut report = AttrReport::default();
    let mut strip = |function: Option<&str>, node: &mut pb::NodeDef| {
        let names: Vec<String> = node
            .attr
            .iter()
            .filter(|(name, value)| is_removed(node, name, value))
            .map(|(name, _)| name.clone())
            .collect();
        for attr in names {
            node.attr.remove(&attr);
            report.removed.push(RemovedAttr {
                function: function.map(str::to_owned),
                node: node.name.clone(),
                op: node.op.clone(),
                attr,
            });
        }
    };
    def.node.iter_mut().for_each(|node| strip(None, node));
    for function in def.library.iter_mut().flat_map(|library| &mut library.function) {
        let name = function.signature.as_ref().map_or("", |signature| &signature.name);
        function.node_def.iter_mut().for_each(|node| strip(Some(name), node));
    }
    report
}
