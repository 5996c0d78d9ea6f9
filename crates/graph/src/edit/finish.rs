//! The end of an edit: names, types and inputs of what has changed; order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::GraphEdit;
use crate::graph::node_id;
use crate::import::{
    Draft, Drafting, Edges, NodeParts, Source, check_outputs, check_types, topological,
};
use crate::node::{CLASS, colocation_target};
use crate::{Attr, AttrList, AttrsBuilder, Error, Graph, Node, NodeId, Output, is_valid_node_name};

/// The ids that the nodes of an edit have in the new graph.
#[derive(Clone, Debug)]
pub struct NewIds(Vec<Option<NodeId>>);

impl NewIds {
    /// The new id of a node; `None` if it was removed.
    pub fn get(&self, id: NodeId) -> Option<NodeId> {
        self.0.get(id.index()).copied().flatten()
    }

    /// An output with its node's new id; `None` if that was removed.
    pub fn output(&self, output: Output) -> Option<Output> {
        Some(Output { node: self.get(output.node)?, ..output })
    }
}

impl GraphEdit {
    /// The new graph, in topological order; where that leaves a choice, in the order of ids.
    ///
    /// Checked is what changed: names, attributes against ops, inputs against types, and that no
    /// input and no `_class` names a node that was removed.
    ///
    /// Errors: as [`Graph::import`].
    pub fn finish(self) -> Result<Graph, Error> {
        self.finish_with_ids().map(|(graph, _)| graph)
    }

    /// As [`GraphEdit::finish`], with the ids that the nodes have in the new graph.
    ///
    /// Errors: as [`Graph::import`].
    pub fn finish_with_ids(mut self) -> Result<(Graph, NewIds), Error> {
        let is_rewired = !self.removed.is_empty()
            || !self.old_order.is_empty()
            || self.changes.iter().any(|changes| changes.is_new || changes.inputs);
        self.check_names()?;
        if is_rewired {
            self.check_sources()?;
        }
        self.rename_classes();
        self.check_classes()?;
        self.settle_types()?;
        self.check_types()?;
        let new_ids = if is_rewired {
            let order = self.order()?;
            self.sort(&order)
        } else {
            NewIds((0..self.nodes.len()).map(|idx| Some(node_id(idx))).collect())
        };
        let GraphEdit { nodes, by_name, library, versions, extra, .. } = self;
        let nodes = nodes.into_iter().flatten().collect();
        Ok((Graph { nodes, by_name, library, versions, extra, order: Vec::new() }, new_ids))
    }

    /// Puts the nodes into this order.
    fn sort(&mut self, order: &[NodeId]) -> NewIds {
        let mut new_ids = vec![None; self.nodes.len()];
        for (idx, id) in order.iter().enumerate() {
            if let Some(new_id) = new_ids.get_mut(id.index()) {
                *new_id = Some(node_id(idx));
            }
        }
        let new_ids = NewIds(new_ids);
        let mut sorted = Vec::with_capacity(order.len());
        for id in order {
            let mut node = self.nodes.get_mut(id.index()).and_then(Option::take);
            if let Some(node) = &mut node {
                renumber(node, &new_ids);
            }
            sorted.push(node);
        }
        self.nodes = sorted;
        for id in self.by_name.values_mut() {
            *id = new_ids.get(*id).unwrap_or(*id);
        }
        new_ids
    }

    fn check_names(&mut self) -> Result<(), Error> {
        for (node, changes) in self.nodes.iter().zip(&self.changes) {
            if let Some(node) = node
                && changes.name
                && !is_valid_node_name(&node.name)
            {
                return Err(Error::NodeName { node: node.name.to_string() });
            }
        }
        let n_nodes = self.nodes.len() - self.removed.len();
        if self.by_name.len() == n_nodes {
            return Ok(());
        }
        let mut by_name: HashMap<Arc<str>, NodeId> = HashMap::with_capacity(n_nodes);
        for (id, node) in self.iter() {
            if by_name.insert(node.name.clone(), id).is_some() {
                return Err(Error::DuplicateNode { node: node.name.to_string() });
            }
        }
        self.by_name = by_name;
        Ok(())
    }

    /// Checks that all inputs are of nodes that are there.
    fn check_sources(&self) -> Result<(), Error> {
        for (_, node) in self.iter() {
            let data = node.inputs.iter().map(|input| (input.node, ""));
            let control = node.control_inputs.iter().map(|source| (*source, "^"));
            for (source, sign) in data.chain(control) {
                if self.node(source).is_none() {
                    let removed = self.removed.iter().find(|(id, _)| *id == source);
                    let input = match removed {
                        Some((_, name)) => format!("{sign}{name}"),
                        None => format!("{sign}#{}", source.0),
                    };
                    return Err(Error::UnknownInput { node: node.name.to_string(), input });
                }
            }
        }
        Ok(())
    }

    /// Lets `_class` follow nodes that were renamed.
    fn rename_classes(&mut self) {
        let old_names = self.old_names.iter();
        let renamed: HashMap<&str, &str> = old_names
            .filter_map(|(id, old)| Some((&**old, &*self.nodes.get(id.index())?.as_ref()?.name)))
            .collect();
        if renamed.is_empty() {
            return;
        }
        let mut changed = Vec::new();
        for (idx, (node, changes)) in self.nodes.iter().zip(&self.changes).enumerate() {
            let Some(node) = node else { continue };
            if changes.class || !node.colocation().any(|target| renamed.contains_key(target)) {
                continue;
            }
            let classes = node.attr(CLASS).and_then(Attr::as_strs).unwrap_or_default();
            let classes: Arc<[Bytes]> = classes
                .iter()
                .map(|class| {
                    match colocation_target(class).and_then(|target| renamed.get(target)) {
                        Some(name) => format!("loc:@{name}").into(),
                        None => class.clone(),
                    }
                })
                .collect();
            changed.push((idx, node.attrs.with(CLASS, Attr::List(AttrList::Str(classes)))));
        }
        for (idx, attrs) in changed {
            if let Some(node) = self.nodes.get_mut(idx).and_then(Option::as_mut) {
                node.attrs = attrs;
            }
        }
    }

    /// Checks that no `_class` names a node that was removed, and that those that were set name nodes.
    fn check_classes(&self) -> Result<(), Error> {
        let names = self.removed.iter().map(|(_, name)| &**name);
        let gone: HashSet<&str> = names.filter(|name| !self.by_name.contains_key(*name)).collect();
        let any_set = self.changes.iter().any(|changes| changes.class);
        if gone.is_empty() && !any_set {
            return Ok(());
        }
        for (node, changes) in self.nodes.iter().zip(&self.changes) {
            let Some(node) = node else { continue };
            let is_unknown = |target: &&str| {
                gone.contains(target) || changes.class && !self.by_name.contains_key(*target)
            };
            if let Some(target) = node.colocation().find(is_unknown) {
                return Err(Error::UnknownColocation {
                    node: node.name.to_string(),
                    target: target.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Checks attributes where they, or the op, changed, and finds out the types of the ports.
    fn settle_types(&mut self) -> Result<(), Error> {
        let producer = self.versions.as_ref().map_or(0, |versions| versions.producer);
        let mut drafting = Drafting::default();
        for (node, changes) in self.nodes.iter_mut().zip(&mut self.changes) {
            let Some(node) = node else { continue };
            // Calls of functions by name have no definition among the ops.
            changes.types |= self.library_changed && node.def.is_none();
            if !changes.types {
                continue;
            }
            if node.op.is_empty() {
                return Err(Error::NoOpType { node: node.name.to_string() });
            }
            let parts = NodeParts {
                name: node.name.clone(),
                op: &node.op.clone(),
                device: node.device.clone(),
                extra: node.extra.take(),
            };
            let attrs = AttrsBuilder::from(&node.attrs);
            let draft = Draft::new(parts, attrs, &self.library, &mut drafting)?;
            draft.check_deprecation(producer)?;
            let inputs = std::mem::take(&mut node.inputs);
            let control_inputs = std::mem::take(&mut node.control_inputs);
            *node = draft.finish(inputs, control_inputs);
        }
        Ok(())
    }

    /// Checks the inputs of the nodes that changed, and of those that nodes feed whose types did.
    fn check_types(&self) -> Result<(), Error> {
        let retyped =
            |id: NodeId| self.changes.get(id.index()).is_some_and(|changes| changes.types);
        let any_retyped = self.changes.iter().any(|changes| changes.types);
        for (node, changes) in self.nodes.iter().zip(&self.changes) {
            let Some(node) = node else { continue };
            let is_concerned = changes.types
                || changes.inputs
                || any_retyped && node.inputs.iter().any(|input| retyped(input.node));
            if is_concerned {
                let node_at = |id: NodeId| self.node(id).map(Source::from);
                check_outputs(&node.name, &node.inputs, node_at)?;
                if let Some(signature) = node.signature(&self.library)
                    && node.output_types.is_some()
                    && node.input_types.len() != node.inputs.len()
                {
                    let expected = &node.input_types;
                    return Err(signature.arity_error(&node.name, expected, node.inputs.len()));
                }
                check_types(node.into(), &node.inputs, node_at)?;
            }
        }
        Ok(())
    }

    /// The ids of the nodes that are there, in topological order.
    fn order(&self) -> Result<Vec<NodeId>, Error> {
        let ids = self.ids();
        let mut place = vec![NodeId(0); self.nodes.len()];
        for (idx, id) in ids.iter().enumerate() {
            if let Some(place) = place.get_mut(id.index()) {
                *place = node_id(idx);
            }
        }
        let place = |id: NodeId| place.get(id.index()).copied().unwrap_or(id);
        let mut edges = Edges::with_capacity(ids.len());
        for (_, node) in self.iter() {
            for input in node.inputs.iter() {
                edges.push_data(Output { node: place(input.node), ..*input });
            }
            node.control_inputs.iter().for_each(|source| edges.push_control(place(*source)));
            edges.finish_node();
        }
        let op = |idx: usize| ids.get(idx).and_then(|id| self.node(*id)).map_or("", Node::op);
        let order = topological(&edges, op)?;
        Ok(order.iter().filter_map(|id| ids.get(id.index()).copied()).collect())
    }
}

fn renumber(node: &mut Node, new_ids: &NewIds) {
    for input in node.inputs.iter_mut() {
        *input = new_ids.output(*input).unwrap_or(*input);
    }
    for source in &mut node.control_inputs {
        *source = new_ids.get(*source).unwrap_or(*source);
    }
    let mut sources = std::mem::take(&mut node.control_inputs).into_vec();
    sources.sort_unstable();
    sources.dedup();
    node.control_inputs = sources.into();
}
