//! Values of variables that may not be initialized yet.

use std::collections::{BTreeMap, HashMap};

use flowkeep_proto::pb;

use super::create::NewNode;
use super::{GLOBAL_VARIABLES, LOCAL_VARIABLES, Scope, Variable};
use crate::{
    Attr, AttrsBuilder, CollectionItem, Error, Node, NodeId, Output, collection_keys as keys,
};

/// How many nodes may lie between an initial value and a variable that it is made from.
const MAX_DEPTH: usize = 256;

impl Scope {
    /// The value of a variable, or what it starts with if it is not initialized: a conditional built of
    /// `Switch` and `Merge`, as TensorFlow 1 makes them. `Variable.initialized_value`.
    ///
    /// Errors: `INVALID_ARGUMENT` for a variable that was imported without its initial value; as the ops.
    pub fn initialized_value(&mut self, variable: &Variable) -> Result<Output, Error> {
        let initial = variable.initial_value().ok_or_else(|| {
            let name = variable.name(&self.graph);
            let message = format!("the initial value of variable '{name}' is not known");
            Error::Variable { name, message }
        })?;
        let is_resource = variable.is_resource();
        let op = if is_resource { "VarIsInitializedOp" } else { "IsVariableInitialized" };
        let predicate = self.op(op).input(variable.handle()).build_one()?;
        self.scoped("cond", |scope, _| {
            let switch = scope.op("Switch").input(predicate).input(predicate).build()?;
            let if_true = scope.with_op_name("switch_t").identity(switch.output(1))?;
            let if_false = scope.with_op_name("switch_f").identity(switch.output(0))?;
            let predicate = scope.with_op_name("pred_id").identity(predicate)?;
            let (switch, made, value) = scope.read_switched(variable, predicate)?;
            scope.note_branch([predicate, if_true], &made, variable.handle(), switch)?;
            let switched = scope.switched(initial, predicate)?;
            let made = [switched.output(0), switched.output(1)];
            scope.note_branch([predicate, if_false], &made, initial, switched.output(0))?;
            scope.op("Merge").input_list([switched.output(0), value]).build_one()
        })
    }

    /// Reads a variable where the predicate holds. Gives the switch, all tensors that were made, and the
    /// value.
    fn read_switched(
        &mut self,
        variable: &Variable,
        predicate: Output,
    ) -> Result<(Output, Vec<Output>, Output), Error> {
        if !variable.is_resource() {
            let mut inner = self.name_scope("read")?;
            let name = inner.current_name_scope();
            let switch = inner.switched(variable.handle(), predicate)?.output(1);
            let value = inner.with_op_name(&name).identity(switch)?;
            return Ok((switch, vec![switch, value], value));
        }
        let (switch, read) = {
            let mut outer = self.name_scope("Read")?;
            let mut inner = outer.name_scope("ReadVariableOp")?;
            let name = inner.current_name_scope();
            let switch = inner.switched(variable.handle(), predicate)?.output(1);
            let read = inner.op("ReadVariableOp").input(switch);
            let read = read.attr("dtype", Attr::Type(variable.dtype())).name(&name).build_one()?;
            (switch, read)
        };
        let value = self.identity(read)?;
        Ok((switch, vec![switch, read, value], value))
    }

    /// A tensor that goes one way or the other.
    fn switched(&mut self, tensor: Output, predicate: Output) -> Result<NodeId, Error> {
        let node = self.graph.get(tensor.node);
        let is_ref = node.is_some_and(|node| matches!(node.op(), "Variable" | "VariableV2"));
        let op = if is_ref { "RefSwitch" } else { "Switch" };
        let mut beside = self.colocate_only_with(tensor)?;
        beside.op(op).input(tensor).input(predicate).name("Switch").build()
    }

    /// Puts one branch of a conditional into the collection of them.
    fn note_branch(
        &mut self,
        [predicate, pivot]: [Output; 2],
        made: &[Output],
        outer: Output,
        inner: Output,
    ) -> Result<(), Error> {
        let name = |tensor: Output| self.graph.tensor_name(tensor).to_string();
        let is_true = self.graph.get(pivot.node).is_some_and(|node| node.name().ends_with("_t"));
        let mut values: Vec<String> = made.iter().map(|tensor| name(*tensor)).collect();
        values.extend([predicate, pivot, outer].map(name));
        values.sort();
        let external = [(name(outer), name(inner)), (name(predicate), name(predicate))];
        let mut def = pb::CondContextDef {
            pred_name: name(predicate),
            pivot_name: name(pivot),
            branch: i32::from(is_true),
            values_def: Some(pb::ValuesDef { values, external_values: BTreeMap::from(external) }),
            ..pb::CondContextDef::default()
        };
        def.context_name = self.names.unique("cond_text");
        self.collections.add(keys::COND_CONTEXT, CollectionItem::Cond(Box::new(def)));
        Ok(())
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
