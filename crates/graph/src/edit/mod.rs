//! Graphs to other graphs.

use std::collections::HashMap;
use std::sync::Arc;

use flowkeep_proto::pb;

use crate::graph::{GraphExtra, node_id};
use crate::node::CLASS;
use crate::{Attr, Attrs, AttrsBuilder, Graph, Library, Node, NodeId, NodeSpec, Output};

mod consumers;
mod finish;

use consumers::Consumers;
pub use finish::NewIds;

/// A graph being changed: nodes are removed, rewired, renamed, altered and added, in any order, and
/// [`GraphEdit::finish`] checks what has changed and gives the new graph.
///
/// Nodes keep their ids until then; nodes that are added get ids behind all others. Each change
/// takes effect at once, and none is refused: what is wrong is told by [`GraphEdit::finish`]. All of
/// an edit takes time linear in the size of the graph and in the number of inputs that change.
///
/// ```
/// use flowkeep_graph::{Graph, GraphEdit, ImportOptions};
/// use flowkeep_proto::text;
///
/// let graph = Graph::import(
///     text::parse_message(
///         "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
///          node { name: 'i' op: 'Identity' input: 'x' attr { key: 'T' value { type: DT_FLOAT } } }
///          node { name: 'y' op: 'Neg' input: 'i' attr { key: 'T' value { type: DT_FLOAT } } }",
///     )?,
///     &ImportOptions::default(),
/// )?;
/// let mut edit = GraphEdit::new(graph);
/// let (x, i) = (edit.find("x").unwrap(), edit.find("i").unwrap());
/// edit.replace_output(i.output(0), x.output(0));
/// edit.remove(i);
/// let graph = edit.finish()?;
/// assert_eq!(graph.nodes()[1].inputs(), [x.output(0)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GraphEdit {
    nodes: Vec<Option<Node>>,
    changes: Vec<Changes>,
    by_name: HashMap<Arc<str>, NodeId>,
    /// The names that renamed nodes had in the original graph.
    old_names: HashMap<NodeId, Arc<str>>,
    /// The nodes that were removed, for messages.
    removed: Vec<(NodeId, Arc<str>)>,
    library: Arc<Library>,
    library_changed: bool,
    versions: Option<pb::VersionDef>,
    extra: GraphExtra,
    /// The order of the first nodes, where it is not that of their ids.
    old_order: Vec<NodeId>,
    /// Made when someone first asks who consumes something.
    consumers: Option<Consumers>,
}

/// What of a node has changed.
#[derive(Clone, Copy, Debug, Default)]
struct Changes {
    /// It was added.
    is_new: bool,
    name: bool,
    /// Op or attributes: the types of its ports may be others.
    types: bool,
    inputs: bool,
    /// `_class` was set in the course of the edit and names nodes by their new names.
    class: bool,
}

impl GraphEdit {
    /// An edit of `graph`; nothing of it is copied.
    pub fn new(graph: Graph) -> GraphEdit {
        let Graph { nodes, by_name, library, versions, extra, order } = graph;
        GraphEdit {
            changes: vec![Changes::default(); nodes.len()],
            nodes: nodes.into_iter().map(Some).collect(),
            by_name,
            old_names: HashMap::new(),
            removed: Vec::new(),
            library,
            library_changed: false,
            versions,
            extra,
            old_order: order,
            consumers: None,
        }
    }

    /// The ids of all nodes that are there.
    pub fn ids(&self) -> Vec<NodeId> {
        self.iter().map(|(id, _)| id).collect()
    }

    /// All nodes that are there, those of the original graph in its order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        let ids = (0..self.nodes.len())
            .map(|place| self.old_order.get(place).copied().unwrap_or(node_id(place)));
        ids.filter_map(|id| Some((id, self.node(id)?)))
    }

    /// A node as it is now; `None` if it was removed.
    ///
    /// The types of a node that was added, or given other attributes, are settled at the end.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())?.as_ref()
    }

    /// The node that has this name now.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.by_name.get(name).copied()
    }

    /// The functions that nodes may call.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// Gives the graph another library.
    pub fn set_library(&mut self, library: Arc<Library>) {
        self.extra.has_library |= !library.is_empty();
        self.library = library;
        self.library_changed = true;
    }

    /// Sets the versions of the graph's writer and readers.
    pub fn set_versions(&mut self, versions: Option<pb::VersionDef>) {
        self.versions = versions;
    }

    /// Adds a node; its inputs are ids of this edit, and may be of nodes that are added later, see
    /// [`GraphEdit::next_id`].
    pub fn add(&mut self, spec: NodeSpec) -> NodeId {
        let NodeSpec { name, op, inputs, control_inputs, attrs, device, extra } = spec;
        let id = self.next_id();
        self.by_name.insert(name.clone(), id);
        if let Some(consumers) = &mut self.consumers {
            inputs.iter().for_each(|input| consumers.push(input.node, id));
            control_inputs.iter().for_each(|source| consumers.push(*source, id));
        }
        self.nodes.push(Some(Node {
            name,
            op,
            def: None,
            is_stateful: false,
            inputs: inputs.as_slice().into(),
            control_inputs: control_inputs.into(),
            attrs: attrs.finish(),
            device,
            input_types: Default::default(),
            output_types: None,
            extra,
        }));
        self.changes.push(Changes {
            is_new: true,
            name: true,
            types: true,
            inputs: true,
            class: true,
        });
        id
    }

    /// The id that the next node gets that is added.
    pub fn next_id(&self) -> NodeId {
        node_id(self.nodes.len())
    }

    /// Removes a node. Whoever consumes it must be removed too, or be fed from elsewhere, before the
    /// edit is finished.
    pub fn remove(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(id.index()).and_then(Option::take) {
            self.forget_name(&node.name, id);
            self.removed.push((id, node.name));
        }
    }

    /// Removes the nodes for which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(NodeId, &Node) -> bool) {
        for idx in 0..self.nodes.len() {
            let id = node_id(idx);
            if self.node(id).is_some_and(|node| !keep(id, node)) {
                self.remove(id);
            }
        }
    }

    /// Renames a node. Inputs follow, and so do the `_class` attributes that name the node, but for
    /// those that are set in the course of the edit. Nothing else does.
    pub fn rename(&mut self, id: NodeId, name: impl Into<Arc<str>>) {
        let name = name.into();
        let Some((node, changes)) = self.change(id) else { return };
        changes.name = true;
        let is_new = changes.is_new;
        let old = std::mem::replace(&mut node.name, name.clone());
        self.forget_name(&old, id);
        self.by_name.insert(name, id);
        if !is_new {
            self.old_names.entry(id).or_insert(old);
        }
    }

    /// Puts another node in the place of one, under the same id: who consumed that consumes it.
    pub fn replace(&mut self, id: NodeId, spec: NodeSpec) {
        let NodeSpec { name, op, inputs, control_inputs, attrs, device, extra } = spec;
        if self.node(id).is_some_and(|node| node.name != name) {
            self.rename(id, name);
        }
        self.set_op(id, op);
        self.set_inputs(id, inputs);
        self.set_control_inputs(id, control_inputs);
        self.set_attrs(id, attrs.finish());
        self.set_device(id, device);
        if let Some((node, _)) = self.change(id) {
            node.extra = extra;
        }
    }

    /// Gives a node another data input at a place that it has.
    pub fn set_input(&mut self, id: NodeId, index: usize, input: Output) {
        let Some((node, changes)) = self.change(id) else { return };
        if let Some(place) = node.inputs.get_mut(index) {
            *place = input;
            changes.inputs = true;
            self.consumes(id, input.node);
        }
    }

    /// Gives a node other data inputs.
    pub fn set_inputs(&mut self, id: NodeId, inputs: impl Into<Box<[Output]>>) {
        let Some((node, changes)) = self.change(id) else { return };
        changes.inputs = true;
        let inputs: Box<[Output]> = inputs.into();
        node.inputs = (&*inputs).into();
        inputs.iter().for_each(|input| self.consumes(id, input.node));
    }

    /// Gives a node other control inputs.
    pub fn set_control_inputs(&mut self, id: NodeId, sources: impl Into<Box<[NodeId]>>) {
        let Some((node, changes)) = self.change(id) else { return };
        changes.inputs = true;
        let sources = sources.into();
        node.control_inputs = sources.clone();
        sources.iter().for_each(|source| self.consumes(id, *source));
    }

    /// Feeds whoever consumes `from` from `to` instead; those who only wait for its node still do.
    ///
    /// A node that is fed by `from` and feeds `to` is no exception: give it its input back.
    pub fn replace_output(&mut self, from: Output, to: Output) {
        for id in self.take_consumers(from.node) {
            let Some((node, changes)) = self.change(id) else { continue };
            let mut hit = false;
            for input in node.inputs.iter_mut().filter(|input| **input == from) {
                *input = to;
                hit = true;
            }
            changes.inputs |= hit;
            if uses(node, from.node) {
                self.consumes(id, from.node);
            }
            if hit && to.node != from.node {
                self.consumes(id, to.node);
            }
        }
    }

    /// Lets whoever waits for `from` wait for the nodes `to` instead.
    pub fn replace_control(&mut self, from: NodeId, to: &[NodeId]) {
        for id in self.take_consumers(from) {
            let Some((node, changes)) = self.change(id) else { continue };
            let hit = node.control_inputs.contains(&from);
            if hit {
                changes.inputs = true;
                let others = node.control_inputs.iter().copied().filter(|source| *source != from);
                let mut sources: Vec<NodeId> = others.chain(to.iter().copied()).collect();
                sources.sort_unstable();
                sources.dedup();
                node.control_inputs = sources.into();
            }
            if node.inputs.iter().any(|input| input.node == from) {
                self.consumes(id, from);
            }
            if hit {
                to.iter().for_each(|source| self.consumes(id, *source));
            }
        }
    }

    /// The nodes that a node feeds, or that wait for it, in order and each once.
    pub fn consumers(&mut self, id: NodeId) -> Vec<NodeId> {
        let found = self.take_consumers(id);
        found.iter().for_each(|consumer| self.consumes(*consumer, id));
        found
    }

    /// Gives a node another op. Its attributes stay: those of the new op must be set, others removed.
    pub fn set_op(&mut self, id: NodeId, op: impl Into<Arc<str>>) {
        let Some((node, changes)) = self.change(id) else { return };
        changes.types = true;
        node.op = op.into();
    }

    /// Gives a node other attributes; defaults may be left out.
    pub fn set_attrs(&mut self, id: NodeId, attrs: Attrs) {
        let Some((node, changes)) = self.change(id) else { return };
        changes.types = true;
        changes.class = true;
        node.attrs = attrs;
    }

    /// Gives an attribute of a node a value, instead of the one it may have.
    pub fn set_attr(&mut self, id: NodeId, name: &str, attr: Attr) {
        let Some((node, changes)) = self.change(id) else { return };
        changes.types |= !name.starts_with('_');
        changes.class |= name == CLASS;
        node.attrs = node.attrs.with(name, attr);
    }

    /// Forgets an attribute of a node; one that has a default comes back with that.
    pub fn remove_attr(&mut self, id: NodeId, name: &str) {
        let Some((node, changes)) = self.change(id) else { return };
        let mut attrs = AttrsBuilder::from(&node.attrs);
        if attrs.remove(name).is_some() {
            changes.types |= !name.starts_with('_');
            node.attrs = attrs.finish();
        }
    }

    /// Asks for another device for a node; the empty string asks for none.
    pub fn set_device(&mut self, id: NodeId, device: impl Into<Arc<str>>) {
        if let Some((node, _)) = self.change(id) {
            node.device = device.into();
        }
    }

    fn change(&mut self, id: NodeId) -> Option<(&mut Node, &mut Changes)> {
        let node = self.nodes.get_mut(id.index())?.as_mut()?;
        Some((node, self.changes.get_mut(id.index())?))
    }

    fn forget_name(&mut self, name: &str, id: NodeId) {
        if self.by_name.get(name) == Some(&id) {
            self.by_name.remove(name);
        }
    }

    fn consumes(&mut self, consumer: NodeId, source: NodeId) {
        if let Some(consumers) = &mut self.consumers {
            consumers.push(source, consumer);
        }
    }

    /// The nodes that `source` feeds or that wait for it, taken out of the index.
    fn take_consumers(&mut self, source: NodeId) -> Vec<NodeId> {
        let consumers = self.consumers.get_or_insert_with(|| Consumers::new(&self.nodes));
        let mut found = consumers.take(source);
        found.sort_unstable();
        found.dedup();
        found.retain(|id| {
            let node = self.nodes.get(id.index()).and_then(Option::as_ref);
            node.is_some_and(|node| uses(node, source))
        });
        found
    }
}

/// Whether `source` feeds the node, or the node waits for it.
fn uses(node: &Node, source: NodeId) -> bool {
    node.inputs.iter().any(|input| input.node == source) || node.control_inputs.contains(&source)
}
