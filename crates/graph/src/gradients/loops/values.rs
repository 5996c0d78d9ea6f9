//! How tensors get into loops and branches.
//!
//! Source: `control_flow_ops.py`, `AddValue` and `AddOp` of `WhileContext` and `CondContext`. There a node is
//! made first and its inputs are changed then; here what stands for the inputs is made first, under the same names.

use super::context::Kind;
use crate::builder::Scope;
use crate::{Attr, Error, NodeId, Output};

impl Scope {
    /// What stands for a tensor in a context.
    pub(super) fn add_value(&mut self, context: usize, value: Output) -> Result<Output, Error> {
        let is_own = self.flow.of.get(&value.node) == Some(&context);
        let inside = &mut self.flow.contexts[context];
        let is_loop = matches!(inside.kind, Kind::Loop(_));
        if (is_loop && is_own) || !inside.values.insert(value) {
            return Ok(inside.external.get(&value).copied().unwrap_or(value));
        }
        match inside.kind {
            Kind::Loop(_) => self.add_value_to_loop(context, value),
            Kind::Branch { predicate, index, .. } => {
                self.add_value_to_branch(context, value, predicate, index)
            }
        }
    }

    fn add_value_to_loop(&mut self, context: usize, value: Output) -> Result<Output, Error> {
        if let Some(state) = self.flow.state_around(self.current_context()) {
            let forward = match self.is_exit(value.node) {
                true => self.flow.loop_around(self.output_context(value.node)),
                false => self.flow.loop_of(value.node),
            };
            if forward == Some(self.flow.states[state].forward) {
                let real = self.real_value(state, value)?;
                self.flow.contexts[context].external.insert(value, real);
                return Ok(real);
            }
        }
        let outside = match self.flow.contexts[context].outer {
            Some(outer) => self.add_value(outer, value)?,
            None => value,
        };
        let enter = self.without_control_dependencies().enter(context, outside, true, "Enter")?;
        let kept = self.kept_control_inputs(context, outside.node);
        self.add_control_inputs(enter.node, &kept);
        self.flow.of.insert(enter.node, context);
        let inside = &mut self.flow.contexts[context];
        inside.values.insert(enter);
        inside.external.insert(value, enter);
        Ok(enter)
    }

    /// Those of the current control dependencies that are around a loop and not outside of the next one.
    fn kept_control_inputs(&self, context: usize, input: NodeId) -> Vec<NodeId> {
        let all = self.control_inputs_beside(input);
        let kept = all.into_iter().filter(|id| {
            let of = self.output_context(*id);
            let mut outer = self.flow.contexts[context].outer;
            let around = self.flow.loop_around(outer);
            while outer != of {
                if outer.is_none() || outer == around {
                    return false;
                }
                outer = outer.and_then(|outer| self.flow.contexts[outer].outer);
            }
            true
        });
        kept.collect()
    }

    fn add_value_to_branch(
        &mut self,
        context: usize,
        value: Output,
        predicate: Output,
        index: u32,
    ) -> Result<Output, Error> {
        let mut outside = value;
        if let Some(outer) = self.flow.contexts[context].outer {
            outside = self.add_value(outer, value)?;
            let inside = &mut self.flow.contexts[context];
            inside.values.insert(outside);
            inside.external.insert(outside, outside);
        }
        let switch =
            self.without_control_dependencies().switch_tensor(outside, predicate, "Switch")?;
        let result = switch.output(index);
        self.flow.of.insert(switch, context);
        let mut around = Some(context);
        while let Some(context) = around {
            self.flow.contexts[context].values.insert(result);
            around = self.flow.contexts[context].outer;
        }
        self.flow.contexts[context].external.insert(value, result);
        Ok(result)
    }

    /// A node that brings a variable of the shape that it has now into the frame of a loop.
    pub(super) fn enter_same(
        &mut self,
        context: usize,
        value: Output,
        name: &str,
    ) -> Result<Output, Error> {
        let entered = self.enter(context, value, false, name)?;
        let shape = self.shape(value).clone();
        self.refine_shape(entered, &shape)?;
        Ok(entered)
    }

    /// A node that brings a tensor into the frame of a loop.
    pub(super) fn enter(
        &mut self,
        context: usize,
        value: Output,
        is_constant: bool,
        name: &str,
    ) -> Result<Output, Error> {
        let Some(entered) = self.flow.as_loop(context) else { return Ok(value) };
        let frame = entered.name.clone();
        let parallel_iterations = entered.parallel_iterations;
        let node =
            self.op("Enter").input(value).attr("frame_name", Attr::Str(frame.into_bytes().into()));
        let node = node.attr("is_constant", Attr::Bool(is_constant));
        node.attr("parallel_iterations", Attr::Int(parallel_iterations)).name(name).build_one()
    }

    /// A tensor that goes one way or the other, beside the node that makes it.
    pub(super) fn switch_tensor(
        &mut self,
        value: Output,
        predicate: Output,
        name: &str,
    ) -> Result<NodeId, Error> {
        let mut beside = self.colocate_only_with(value.node)?;
        beside.op("Switch").input(value).input(predicate).name(name).build()
    }

    /// The inputs of a new node as they are in the context that it is made in, and that context.
    pub(crate) fn inputs_in_context(
        &mut self,
        op: &str,
        inputs: Vec<Output>,
        control_inputs: &mut Vec<NodeId>,
    ) -> Result<(Vec<Output>, Option<usize>), Error> {
        let Some(mut context) = self.current_context() else { return Ok((inputs, None)) };
        // The shape of a tensor of the forward loop is taken there.
        if let (Some(input), "Shape" | "Size" | "Rank", Kind::Loop(_)) =
            (inputs.first(), op, &self.flow.contexts[context].kind)
            && let Some(state) = self.flow.state_around(Some(context))
            && self.flow.loop_of(input.node) == Some(self.flow.states[state].forward)
            && let Some(of) = self.flow.of.get(&input.node)
        {
            context = *of;
        }
        let was_empty = inputs.is_empty();
        let inputs: Vec<Output> = inputs
            .into_iter()
            .map(|input| self.add_value(context, input))
            .collect::<Result<_, _>>()?;
        let removed = self.remove_external(context, control_inputs);
        let pivot = match &self.flow.contexts[context].kind {
            Kind::Branch { pivot, .. } => {
                let pivot = *pivot;
                let is_inside = |id: &NodeId| self.is_within(*id, context);
                if op == "SymbolicGradient" || was_empty && !control_inputs.iter().any(is_inside) {
                    control_inputs.push(pivot);
                }
                return Ok((inputs, Some(context)));
            }
            Kind::Loop(inside) => inside.control_pivot(),
        };
        let is_free = control_inputs.is_empty()
            && (op == "SymbolicGradient"
                || inputs.iter().all(|input| self.is_constant_enter(input.node)));
        if is_free || matches!(op, "PartitionedCall" | "StatefulPartitionedCall") {
            control_inputs.extend(pivot.map(|pivot| pivot.node));
        }
        for id in removed {
            let has_outputs = self.graph().get(id).and_then(|node| node.n_outputs()) > Some(0);
            if has_outputs {
                let mut free = self.without_control_dependencies();
                let copy =
                    free.within_context(Some(context), |scope| scope.identity(id.output(0)))?;
                control_inputs.push(copy.node);
            }
        }
        Ok((inputs, Some(context)))
    }

    /// Whether a node is in a context, or in one within it.
    fn is_within(&self, id: NodeId, context: usize) -> bool {
        let mut of = self.flow.of.get(&id).copied();
        while let Some(found) = of {
            if found == context {
                return true;
            }
            of = self.flow.contexts[found].outer;
        }
        false
    }

    /// Takes away the control inputs that are in another loop than a context.
    fn remove_external(&self, context: usize, control_inputs: &mut Vec<NodeId>) -> Vec<NodeId> {
        let Some(around) = self.flow.loop_around(Some(context)) else { return Vec::new() };
        let is_internal =
            |id: &NodeId| self.flow.loop_around(self.output_context(*id)) == Some(around);
        let (internal, external) = control_inputs.iter().copied().partition(is_internal);
        *control_inputs = internal;
        external
    }

    /// Notes that a node was made in a context.
    pub(crate) fn made_in_context(&mut self, id: NodeId, context: Option<usize>) {
        let Some(context) = context else { return };
        self.flow.of.insert(id, context);
        let n_outputs = self.graph().get(id).and_then(|node| node.n_outputs()).unwrap_or(0);
        let outputs = 0..u32::try_from(n_outputs).unwrap_or(0);
        let mut around = Some(context);
        while let Some(found) = around {
            let inside = &mut self.flow.contexts[found];
            inside.values.extend(outputs.clone().map(|index| id.output(index)));
            // What is in a branch is known to all that is around it; a loop keeps its own to itself.
            let is_branch = matches!(self.flow.contexts[context].kind, Kind::Branch { .. });
            around = self.flow.contexts[found].outer.filter(|_| is_branch);
        }
    }
}
