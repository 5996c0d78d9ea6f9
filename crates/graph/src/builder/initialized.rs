//! Values of variables that may not be initialized yet.

use std::collections::HashMap;

use super::create::NewNode;
use super::{GLOBAL_VARIABLES, LOCAL_VARIABLES, Scope, Variable};
use crate::{Attr, AttrsBuilder, Error, Node, NodeId, Output};

/// How many nodes may lie between an initial value and a variable that it is made from.
const MAX_DEPTH: usize = 256;

impl Scope {
    /// The value of a variable, or what it starts with if it is not initialized: a conditional.
    /// `Variable.initialized_value`.
    ///
    /// Errors: `INVALID_ARGUMENT` for a variable that was imported without its initial value; as
    /// [`Scope::cond`].
    pub fn initialized_value(&mut self, variable: &Variable) -> Result<Output, Error> {
        let initial = variable.initial_value().ok_or_else(|| {
            let name = variable.name(&self.graph);
            let message = format!("the initial value of variable '{name}' is not known");
            Error::Variable { name, message }
        })?;
        let is_resource = variable.is_resource();
        let op = if is_resource { "VarIsInitializedOp" } else { "IsVariableInitialized" };
        let predicate = self.op(op).input(variable.handle()).build_one()?;
        self.cond(predicate, |scope| scope.read_value(variable), |_| Ok(initial))
    }

    /// The value of a variable as a node of its own: `Variable.read_value`.
    fn read_value(&mut self, variable: &Variable) -> Result<Output, Error> {
        if !variable.is_resource() {
            return self.with_op_name("read").identity(variable.handle());
        }
        let read = {
            let mut inner = self.name_scope("Read")?;
            let read = inner.op("ReadVariableOp").input(variable.handle());
            read.attr("dtype", Attr::Type(variable.dtype())).build_one()?
        };
        self.identity(read)
    }

    /// A value that can be computed before other variables are initialized: with nodes in place of
    /// those that read variables, which take what these start with as long as there is nothing else.
    /// `name` is put behind the names of the nodes.
    pub(super) fn guarded(&mut self, value: Output, name: &str) -> Result<Output, Error> {
        if self.variable_behind(value).is_none() {
            return Ok(value);
        }
        let mut known = Known { name, nodes: HashMap::new(), depth: 0 };
        let node = self.guarded_node(value.node, &mut known)?;
        Ok(node.map_or(value, |guarded| match guarded {
            Guarded::Node(id) => id.output(value.index),
            Guarded::Value(value) => value,
        }))
    }

    /// What stands for a node; `None` if it depends on no variable.
    fn guarded_node(
        &mut self,
        id: NodeId,
        known: &mut Known<'_>,
    ) -> Result<Option<Guarded>, Error> {
        if let Some(guarded) = known.nodes.get(&id) {
            return Ok(*guarded);
        }
        known.nodes.insert(id, None);
        if known.depth > MAX_DEPTH {
            let name = self.graph.node(id).name();
            return Err(Error::Unsupported(format!(
                "an initial value that is made from others by more than {MAX_DEPTH} nodes, such as '{name}'"
            )));
        }
        let Some(node) = self.graph.get(id).cloned() else { return Ok(None) };
        let guarded = match node.op() {
            "IsVariableInitialized" | "VarIsInitializedOp" | "ReadVariableOp" | "If" => None,
            "Variable" | "VariableV2" | "VarHandleOp" => {
                let collections = [GLOBAL_VARIABLES, LOCAL_VARIABLES];
                let found = collections.into_iter().find_map(|name| {
                    self.collections.variables(name).find(|variable| variable.op() == id)
                });
                match found.cloned() {
                    None => None,
                    Some(variable) => Some(Guarded::Value(self.initialized_value(&variable)?)),
                }
            }
            _ => {
                known.depth += 1;
                let copy = self.guarded_copy(&node, known)?;
                known.depth -= 1;
                copy
            }
        };
        known.nodes.insert(id, guarded);
        Ok(guarded)
    }

    /// The node with other inputs, if some of them have to be others.
    fn guarded_copy(
        &mut self,
        node: &Node,
        known: &mut Known<'_>,
    ) -> Result<Option<Guarded>, Error> {
        let mut inputs = Vec::with_capacity(node.inputs().len());
        for input in node.inputs() {
            inputs.push(match self.guarded_node(input.node, known)? {
                None => *input,
                Some(Guarded::Node(id)) => id.output(input.index),
                Some(Guarded::Value(value)) => value,
            });
        }
        if inputs == node.inputs() {
            return Ok(None);
        }
        let op = if node.op() == "RefSwitch" { "Switch" } else { node.op() };
        let mut attrs = AttrsBuilder::default();
        for (name, attr) in node.attrs().iter() {
            attrs.set(name, attr.clone());
        }
        let name = format!("{}_{}", node.name(), known.name);
        let new = NewNode { op, name: &name, inputs, control_inputs: Vec::new(), attrs };
        self.create(new).map(|id| Some(Guarded::Node(id)))
    }
}

/// The nodes that were looked at.
#[derive(Debug)]
struct Known<'a> {
    /// What is put behind the names of new ones.
    name: &'a str,
    nodes: HashMap<NodeId, Option<Guarded>>,
    /// How many nodes lie between the value and the one that is looked at.
    depth: usize,
}

/// What stands for a node.
#[derive(Clone, Copy, Debug)]
enum Guarded {
    /// Another node, output for output.
    Node(NodeId),
    /// The value of a variable.
    Value(Output),
}
