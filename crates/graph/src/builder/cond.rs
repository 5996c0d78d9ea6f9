//! Conditionals built of `Switch` and `Merge`, as TensorFlow 1 builds them.

use std::collections::{BTreeMap, BTreeSet};

use flowkeep_proto::pb;
use flowkeep_proto::pb::control_flow_context_def::Ctxt;

use super::Scope;
use crate::{CollectionItem, Error, NodeId, Output, collection_keys};

/// A branch of a conditional whose nodes are being made.
///
/// Whatever comes into it from outside goes through a switch, so that it is there only if the branch is
/// taken.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    name: String,
    predicate: Output,
    pivot: Output,
    is_true: bool,
    nodes: BTreeSet<NodeId>,
    /// The tensors that were seen: those of the branch, and those that came from outside.
    seen: BTreeSet<Output>,
    /// What stands in the branch for tensors from outside.
    switched: BTreeMap<Output, Output>,
    nested: Vec<pb::CondContextDef>,
}

/// What the function of a branch makes.
pub(crate) enum Made {
    /// A tensor, which is the result.
    Tensor(Output),
    /// A node, which has run when the branch has.
    Node(NodeId),
}

impl Scope {
    /// One tensor or the other, of which only that is computed which the predicate says: `tf.cond` of
    /// TensorFlow 1, nodes `Switch` and `Merge` in a name scope `cond`.
    ///
    /// What the functions make is in the branch, as are the nodes that it depends on if they are made
    /// by them. Variables that they make are not.
    ///
    /// Errors: as the functions; `INVALID_ARGUMENT` for tensors of two types, and for a predicate that
    /// is no truth value.
    pub fn cond(
        &mut self,
        predicate: Output,
        if_true: impl FnOnce(&mut Scope) -> Result<Output, Error>,
        if_false: impl FnOnce(&mut Scope) -> Result<Output, Error>,
    ) -> Result<Output, Error> {
        self.cond_of(
            predicate,
            |scope| if_true(scope).map(Made::Tensor),
            |scope| if_false(scope).map(Made::Tensor),
        )
    }

    /// As [`Scope::cond`], of functions that may make nodes alone.
    pub(crate) fn cond_of(
        &mut self,
        predicate: Output,
        if_true: impl FnOnce(&mut Scope) -> Result<Made, Error>,
        if_false: impl FnOnce(&mut Scope) -> Result<Made, Error>,
    ) -> Result<Output, Error> {
        self.scoped("cond", |scope, _| {
            let switch = scope.op("Switch").input(predicate).input(predicate).build()?;
            let on_true = scope.with_op_name("switch_t").identity(switch.output(1))?;
            let on_false = scope.with_op_name("switch_f").identity(switch.output(0))?;
            let predicate = scope.with_op_name("pred_id").identity(predicate)?;
            let of_true = scope.branch(predicate, on_true, true, if_true)?;
            let of_false = scope.branch(predicate, on_false, false, if_false)?;
            scope.op("Merge").input_list([of_false, of_true]).build_one()
        })
    }

    /// Makes one branch, and gives its result.
    fn branch(
        &mut self,
        predicate: Output,
        pivot: Output,
        is_true: bool,
        make: impl FnOnce(&mut Scope) -> Result<Made, Error>,
    ) -> Result<Output, Error> {
        let branch = Branch {
            name: self.names.unique("cond_text"),
            predicate,
            pivot,
            is_true,
            nodes: BTreeSet::from([pivot.node]),
            seen: BTreeSet::from([predicate, pivot]),
            switched: BTreeMap::from([(predicate, predicate)]),
            nested: Vec::new(),
        };
        self.control.branches.push(branch);
        let made = make(self).and_then(|made| self.result_of_branch(made));
        let Some(branch) = self.control.branches.pop() else { return made };
        let result = made?;
        let def = self.branch_def(branch);
        match self.control.branches.last_mut() {
            Some(outer) => {
                outer.seen.insert(result);
                outer.nested.push(def);
            }
            None => {
                let item = CollectionItem::Cond(Box::new(def));
                self.collections.add(collection_keys::COND_CONTEXT, item);
            }
        }
        Ok(result)
    }

    /// The tensor that a branch leads to the merge.
    fn result_of_branch(&mut self, made: Made) -> Result<Output, Error> {
        let level = self.control.branches.len().saturating_sub(1);
        let Some((predicate, pivot, is_true)) = self.branch_at(level) else {
            return Err(Error::NoSuchElement("no branch is entered".to_owned()));
        };
        let value = match made {
            Made::Tensor(value) => value,
            Made::Node(id) => {
                return self.scoped("control_dependency", |scope, name| {
                    let mut beside = scope.colocate_with(pivot)?;
                    let mut after = beside.control_dependencies([id])?;
                    after.with_op_name(name).identity(pivot)
                });
            }
        };
        if !self.see(level, value) {
            return Ok(self.stand_in(level, value));
        }
        // A tensor from outside is the result as it is.
        let outer = self.outside_of(level, value)?;
        let switch = self.switched(outer, predicate)?;
        let result = switch.output(u32::from(is_true));
        self.stand_for(level, value, result);
        Ok(result)
    }

    /// The inputs of a node that is made within branches.
    pub(super) fn within_branches(
        &mut self,
        inputs: Vec<Output>,
        control_inputs: &mut Vec<NodeId>,
    ) -> Result<Vec<Output>, Error> {
        let Some(level) = self.control.branches.len().checked_sub(1) else { return Ok(inputs) };
        if let (true, Some(branch)) = (inputs.is_empty(), self.control.branches.last()) {
            if !control_inputs.iter().any(|id| branch.nodes.contains(id)) {
                control_inputs.push(branch.pivot.node);
            }
            return Ok(inputs);
        }
        inputs.into_iter().map(|input| self.let_in(level, input)).collect()
    }

    /// Notes that a node was made within branches.
    pub(super) fn made_within_branches(&mut self, id: NodeId) {
        let n_outputs = self.graph.get(id).and_then(|node| node.n_outputs()).unwrap_or(0);
        let n_outputs = u32::try_from(n_outputs).unwrap_or(0);
        for branch in &mut self.control.branches {
            branch.seen.extend((0..n_outputs).map(|index| id.output(index)));
        }
        if let Some(branch) = self.control.branches.last_mut() {
            branch.nodes.insert(id);
        }
    }

    /// What stands for a tensor in a branch; a switch is made for one that comes from outside.
    fn let_in(&mut self, level: usize, value: Output) -> Result<Output, Error> {
        if !self.see(level, value) {
            return Ok(self.stand_in(level, value));
        }
        let outer = self.outside_of(level, value)?;
        let Some((predicate, _, is_true)) = self.branch_at(level) else { return Ok(outer) };
        let switch = self.without_control_dependencies().switched(outer, predicate)?;
        let result = switch.output(u32::from(is_true));
        for branch in self.control.branches.iter_mut().take(level + 1) {
            branch.seen.insert(result);
        }
        if let Some(branch) = self.control.branches.get_mut(level) {
            branch.nodes.insert(switch);
        }
        self.stand_for(level, value, result);
        Ok(result)
    }

    /// What stands for a tensor right outside of a branch.
    fn outside_of(&mut self, level: usize, value: Output) -> Result<Output, Error> {
        let Some(outer) = level.checked_sub(1) else { return Ok(value) };
        let value = self.let_in(outer, value)?;
        self.see(level, value);
        self.stand_for(level, value, value);
        Ok(value)
    }

    fn branch_at(&self, level: usize) -> Option<(Output, Output, bool)> {
        let branch = self.control.branches.get(level)?;
        Some((branch.predicate, branch.pivot, branch.is_true))
    }

    /// Whether a branch sees a tensor for the first time.
    fn see(&mut self, level: usize, value: Output) -> bool {
        self.control.branches.get_mut(level).is_some_and(|branch| branch.seen.insert(value))
    }

    fn stand_in(&self, level: usize, value: Output) -> Output {
        let branch = self.control.branches.get(level);
        branch.and_then(|branch| branch.switched.get(&value)).copied().unwrap_or(value)
    }

    fn stand_for(&mut self, level: usize, outer: Output, inner: Output) {
        if let Some(branch) = self.control.branches.get_mut(level) {
            branch.switched.insert(outer, inner);
        }
    }

    /// A tensor that goes one way or the other.
    fn switched(&mut self, tensor: Output, predicate: Output) -> Result<NodeId, Error> {
        let node = self.graph.get(tensor.node);
        let is_ref = node.is_some_and(|node| matches!(node.op(), "Variable" | "VariableV2"));
        let op = if is_ref { "RefSwitch" } else { "Switch" };
        let mut beside = self.colocate_only_with(tensor)?;
        beside.op(op).input(tensor).input(predicate).name("Switch").build()
    }

    /// The message of a branch.
    fn branch_def(&self, branch: Branch) -> pb::CondContextDef {
        let name = |tensor: &Output| self.graph.tensor_name(*tensor).to_string();
        let mut values: Vec<String> = branch.seen.iter().map(name).collect();
        values.sort();
        let switched = branch.switched.iter();
        let external_values = switched.map(|(outer, inner)| (name(outer), name(inner))).collect();
        let nested = branch.nested.into_iter();
        pb::CondContextDef {
            context_name: branch.name,
            pred_name: name(&branch.predicate),
            pivot_name: name(&branch.pivot),
            branch: i32::from(branch.is_true),
            values_def: Some(pb::ValuesDef { values, external_values }),
            nested_contexts: nested
                .map(|def| pb::ControlFlowContextDef { ctxt: Some(Ctxt::CondCtxt(def)) })
                .collect(),
        }
    }
}
