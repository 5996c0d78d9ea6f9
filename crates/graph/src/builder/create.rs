//! Nodes into the graph, with all that the scopes say.

use super::Scope;
use super::class_scopes::set_groups;
use super::name_scopes::check_node_name;
use crate::{Attr, AttrsBuilder, Error, NodeId, NodeSpec, Output};

/// A node whose inputs exist.
#[derive(Debug)]
pub(super) struct NewNode<'a> {
    pub(super) op: &'a str,
    /// Its name within the current name scope, or with a slash at its end the whole name.
    pub(super) name: &'a str,
    pub(super) inputs: Vec<Output>,
    pub(super) control_inputs: Vec<NodeId>,
    pub(super) attrs: AttrsBuilder,
}

impl Scope {
    /// The name for an op: the one that was given, or else `default`.
    pub(crate) fn take_op_name(&mut self, default: &str) -> String {
        self.op_name.take().unwrap_or_else(|| default.to_owned())
    }

    /// Creates a node.
    ///
    /// Errors: as [`Graph::add_node`](crate::Graph::add_node); `INVALID_ARGUMENT` for shapes that do
    /// not fit. The name is taken even so.
    pub(super) fn create(&mut self, mut new: NewNode<'_>) -> Result<NodeId, Error> {
        if self.is_computed_by_body(new.op, &new.inputs) {
            let NewNode { op, name, inputs, attrs, .. } = new;
            let name = name.strip_suffix('/').unwrap_or(name);
            let new = NewNode { op, name, inputs, control_inputs: Vec::new(), attrs };
            let made = self.in_function(|scope| Ok((scope.create(new)?.output(0), false)))?;
            return Ok(made.node);
        }
        new.inputs = self.captured(new.inputs)?;
        let name = match new.name.strip_suffix('/') {
            Some(whole) => whole.to_owned(),
            None => self.names.unique(new.name),
        };
        check_node_name(&name)?;
        let data_inputs: Vec<NodeId> = new.inputs.iter().map(|input| input.node).collect();
        let mut control_inputs = self.control.for_inputs(&data_inputs);
        control_inputs.extend(new.control_inputs);
        let own_name = name.clone();
        let name = match self.capturing.as_deref() {
            Some(capturing) => {
                control_inputs.retain(|id| capturing.is_gradient(*id));
                format!("{}{name}", capturing.prefix)
            }
            None => name,
        };
        let inputs = self.within_branches(new.inputs, &mut control_inputs)?;
        // Shapes are those of the inputs as they were given, as in TensorFlow.
        let given = inputs.clone();
        let (inputs, context) = self.inputs_in_context(new.op, inputs, &mut control_inputs)?;
        let spec = NodeSpec::new(name, new.op)
            .inputs(given)
            .control_inputs(control_inputs)
            .device(self.device_of_new_node());
        let groups = self.groups_of_new_node();
        let id = self.graph.add_node(NodeSpec { attrs: new.attrs, ..spec })?;
        if let Err(error) = self.shapes.infer(&self.graph, id) {
            if let Some(node) = self.graph.nodes.pop() {
                self.graph.by_name.remove(&node.name);
            }
            return Err(match error {
                Error::Shape { message, .. } => Error::Shape { node: own_name, message },
                error => error,
            });
        }
        if context.is_some()
            && let Some(node) = self.graph.nodes.get_mut(id.index())
        {
            node.inputs = inputs.as_slice().into();
        }
        self.control.made(id);
        self.made_within_branches(id);
        self.made_in_context(id, context);
        if !groups.is_empty() {
            if let Some(node) = self.graph.nodes.get_mut(id.index()) {
                set_groups(&mut node.attrs, groups);
            }
            self.classes.made(id);
        }
        self.fill_container(id)?;
        Ok(id)
    }

    /// Puts a stateful op that names no container into the one of the scope.
    fn fill_container(&mut self, id: NodeId) -> Result<(), Error> {
        let is_open = self.graph.get(id).is_some_and(|node| {
            let container = node.attr("container").and_then(Attr::as_str);
            node.is_stateful() && container.is_some_and(|name| name.is_empty())
        });
        if is_open && !self.container.is_empty() {
            let container = Attr::Str(self.container.clone().into_bytes().into());
            self.set_attr(id, "container", container)?;
        }
        Ok(())
    }
}
