//! The nodes of a message, in order, as nodes of the graph.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_proto::pb;

use super::link::Linked;
use super::naming::Naming;
use super::order::check_complete;
use super::shapes::StoredShapes;
use super::{Draft, Drafting, NodeParts, Source, producer};
use crate::graph::node_id;
use crate::node::{CLASS, Extra, colocation_target, is_merge};
use crate::{Attr, AttrList, Error, Graph, ImportOptions, Library, Node, NodeId, Output};

/// What nodes are built from.
pub(super) struct Build<'a> {
    pub(super) graph: &'a Graph,
    pub(super) linked: &'a Linked,
    pub(super) naming: &'a Naming,
    pub(super) library: &'a Library,
    pub(super) options: &'a ImportOptions,
    /// The version of the writer of the message.
    pub(super) producer: i32,
    /// Whether the shapes that are stored of outputs are dropped.
    pub(super) drops_shapes: bool,
}

/// Where a node's input comes from.
#[derive(Clone, Copy)]
struct Input {
    /// As an output of the graph when it is complete.
    output: Output,
    /// Whether the node that it comes from is not built yet.
    is_back_edge: bool,
}

impl Build<'_> {
    /// The nodes in `order`, to follow those of the graph.
    ///
    /// `positions` are the ids that nodes of the message will have, by their place in it.
    pub(super) fn nodes(
        &self,
        defs: Vec<pb::NodeDef>,
        order: &[NodeId],
        positions: &[NodeId],
    ) -> Result<Vec<Node>, Error> {
        let mut nodes: Vec<Node> = Vec::with_capacity(order.len());
        let mut back_edges: Vec<(usize, usize)> = Vec::new();
        let mut drafting = Drafting::default();
        let mut device: Arc<str> = "".into();
        let mut inputs = Vec::new();
        for (place, def) in in_order(defs, order) {
            self.inputs(place, &def, positions, &nodes, &mut inputs)?;
            let back = inputs.iter().enumerate().filter(|(_, input)| input.is_back_edge);
            back_edges.extend(back.map(|(index, _)| (nodes.len(), index)));
            let node =
                self.node(place, def, &inputs, positions, &nodes, &mut device, &mut drafting)?;
            nodes.push(node);
        }
        check_complete(&self.linked.edges, order)?;
        for (node, index) in back_edges {
            self.check_back_edge(&nodes, node, index)?;
        }
        if self.options.colocate_devices {
            colocate_devices(&mut nodes);
        }
        Ok(nodes)
    }

    /// A node that the graph has or that is built.
    fn built<'b>(&'b self, id: NodeId, nodes: &'b [Node]) -> Option<&'b Node> {
        match id.index().checked_sub(self.graph.len()) {
            None => self.graph.get(id),
            Some(idx) => nodes.get(idx),
        }
    }

    /// The id that a node of the message will have, or that a node of the graph has.
    fn position(&self, id: NodeId, positions: &[NodeId]) -> NodeId {
        match id.index().checked_sub(positions.len()) {
            None => positions.get(id.index()).copied().unwrap_or(id),
            Some(idx) => node_id(idx),
        }
    }

    /// Puts the data inputs of the node at `place` of the message into `inputs`.
    fn inputs(
        &self,
        place: usize,
        def: &pb::NodeDef,
        positions: &[NodeId],
        nodes: &[Node],
        inputs: &mut Vec<Input>,
    ) -> Result<(), Error> {
        let name = self.linked.names.get(place).map_or("", |name| &**name);
        if self.options.validate_colocation
            && let Some(target) = self.linked.unknown_class(def)
        {
            return Err(Error::UnknownColocation {
                node: name.to_owned(),
                target: target.to_owned(),
            });
        }
        inputs.clear();
        for input in self.linked.edges.data(place) {
            let output = self.position(input.node, positions).output(input.index);
            let source = self.built(output.node, nodes);
            if let Some(node) = source {
                let in_message = self.linked.names.get(input.node.index());
                let source = Source {
                    name: in_message.map_or(&*node.name, |name| name),
                    ..Source::from(node)
                };
                source.check_output(name, input.index).map_err(|error| with_hint(error, node))?;
            } else if !is_merge(&def.op) {
                return Err(Error::BackEdge { node: name.to_owned() });
            }
            inputs.push(Input { output, is_back_edge: source.is_none() });
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "they are the state of one loop")]
    fn node(
        &self,
        place: usize,
        mut def: pb::NodeDef,
        inputs: &[Input],
        positions: &[NodeId],
        nodes: &[Node],
        last_device: &mut Arc<str>,
        drafting: &mut Drafting,
    ) -> Result<Node, Error> {
        let options = self.options;
        if options.clear_devices {
            def.device.clear();
        }
        if def.device.is_empty() && !options.default_device.is_empty() {
            def.device.clone_from(&options.default_device);
        }
        if **last_device != *def.device {
            *last_device = def.device.as_str().into();
        }
        if let Some(ops) = &options.producer_op_list {
            producer::remove_defaults(&mut def, ops);
        }
        let name = self.linked.names.get(place).map(|name| self.naming.name(name));
        let parts = NodeParts {
            name: name.unwrap_or_default(),
            op: &def.op,
            device: last_device.clone(),
            extra: Extra::new(def.experimental_debug_info, def.experimental_type),
        };
        let stored_shapes =
            if self.drops_shapes { StoredShapes::take(&mut def.attr) } else { None };
        let attrs = def.attr.into_iter().map(|(name, value)| {
            let attr = Attr::from_proto(value);
            let attr = if name == CLASS { self.renamed_class(attr) } else { attr };
            (name, attr)
        });
        let draft = Draft::new(parts, attrs, self.library, drafting)?;
        draft.check_arity(inputs.len())?;
        draft.check_deprecation(self.producer)?;
        for (index, input) in inputs.iter().enumerate() {
            if let Some(source) = self.built(input.output.node, nodes) {
                Source::from(&draft).check_input(index, &source.into(), input.output.index)?;
            }
        }
        if let Some(shapes) = stored_shapes {
            shapes.check(draft.name(), draft.outputs().map(|outputs| outputs.types().len()))?;
        }
        let sources = self.linked.edges.control(place).iter();
        let mut control_inputs: Vec<NodeId> =
            sources.map(|source| self.position(*source, positions)).collect();
        control_inputs.extend_from_slice(&options.control_dependencies);
        control_inputs.sort_unstable();
        control_inputs.dedup();
        let inputs = inputs.iter().map(|input| input.output).collect();
        Ok(draft.finish(inputs, control_inputs.into()))
    }

    /// `_class` with the names that nodes get.
    fn renamed_class(&self, attr: Attr) -> Attr {
        match attr {
            Attr::List(AttrList::Str(classes)) if !self.naming.is_identity() => {
                let renamed = |class: &Bytes| match colocation_target(class) {
                    Some(target) => format!("loc:@{}", self.naming.any_name(target)).into(),
                    None => class.clone(),
                };
                Attr::List(AttrList::Str(classes.iter().map(renamed).collect()))
            }
            attr => attr,
        }
    }

    /// Checks an input that comes from a node behind.
    fn check_back_edge(&self, nodes: &[Node], node: usize, index: usize) -> Result<(), Error> {
        let Some(node) = nodes.get(node) else { return Ok(()) };
        let Some(input) = node.inputs.get(index) else { return Ok(()) };
        let Some(source) = self.built(input.node, nodes) else { return Ok(()) };
        if let Some(outputs) = source.output_types()
            && usize::try_from(input.index).is_ok_and(|index| index >= outputs.len())
        {
            return Err(Error::NoBackOutput {
                source_node: source.name.to_string(),
                index: input.index,
                n_outputs: outputs.len(),
            });
        }
        Source::from(node).check_input(index, &source.into(), input.index)
    }
}

/// The nodes in this order, with their places.
fn in_order(
    mut defs: Vec<pb::NodeDef>,
    order: &[NodeId],
) -> Box<dyn Iterator<Item = (usize, pb::NodeDef)> + '_> {
    if order.len() == defs.len() && order.iter().enumerate().all(|(idx, id)| id.index() == idx) {
        return Box::new(defs.into_iter().enumerate());
    }
    let take = move |id: &NodeId| Some((id.index(), std::mem::take(defs.get_mut(id.index())?)));
    Box::new(order.iter().filter_map(take))
}

/// Lets colocated nodes ask for the device of the first of their group that asks for one.
fn colocate_devices(nodes: &mut [Node]) {
    let by_name: HashMap<Arc<str>, usize> =
        nodes.iter().enumerate().map(|(idx, node)| (node.name.clone(), idx)).collect();
    let groups: Vec<(usize, Vec<usize>)> = nodes
        .iter()
        .enumerate()
        .filter_map(|(idx, node)| {
            let others = node.colocation().filter(|target| *target != node.name());
            let others: Vec<usize> =
                others.filter_map(|target| by_name.get(target).copied()).collect();
            (!others.is_empty()).then_some((idx, others))
        })
        .collect();
    let none: Arc<str> = "".into();
    for (idx, _) in &groups {
        if let Some(node) = nodes.get_mut(*idx) {
            node.device = none.clone();
        }
    }
    for (idx, others) in groups {
        let devices = others.iter().filter_map(|other| nodes.get(*other)).map(|node| &node.device);
        let device = devices.into_iter().find(|device| !device.is_empty()).cloned();
        if let (Some(device), Some(node)) = (device, nodes.get_mut(idx)) {
            node.device = device;
        }
    }
}

fn with_hint(mut error: Error, source: &Node) -> Error {
    if let Error::InvalidOutput { hint, .. } = &mut error
        && matches!(source.op(), "If" | "StatelessIf" | "While" | "StatelessWhile")
    {
        *hint = " Try using tf.compat.v1.experimental.output_all_intermediates(True).";
    }
    error
}
