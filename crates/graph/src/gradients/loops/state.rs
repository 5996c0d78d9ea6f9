//! A loop and the loop of its gradient: their counters, and the stacks that carry values from one to the other.
//!
//! Source: `control_flow_state.py`, `_GradLoopState`.

use std::collections::HashMap;

use flowkeep_tensor::DType;

use super::context::{Kind, Loop};
use crate::builder::{Reserved, Scope};
use crate::gradients::Gradient;
use crate::{Attr, Error, NodeId, Output};

/// What is known of a loop whose gradient is being made.
#[derive(Clone, Debug)]
pub(crate) struct LoopState {
    pub(super) outer: Option<usize>,
    /// The contexts of the loop and of its gradient.
    pub(super) forward: usize,
    pub(super) grad: usize,
    pub(super) forward_count: Counter,
    pub(super) grad_count: Option<Counter>,
    /// Values of the forward loop in that of the gradient.
    pub(super) history: HashMap<Output, Output>,
    /// The merges for switches of the loop variables, whose second input comes later.
    pub(super) switches: Vec<(NodeId, Gradient)>,
    pub(super) closed: Vec<NodeId>,
    pub(super) exits: Vec<Output>,
    pub(super) n_pending_exits: usize,
    pub(super) unused_exits: Vec<Output>,
    pub(super) deferred_exits: Vec<Output>,
}

/// The counter of a loop, whose next value waits for the stacks.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    merge: NodeId,
    /// The value of the next iteration, and the node that takes it there.
    index: Output,
    next: Reserved,
    after: Vec<NodeId>,
    /// A node that waits for the stacks: `f_sync`, `b_sync`.
    sync: Option<(Reserved, Vec<NodeId>)>,
}

impl Scope {
    /// Begins the gradient of a loop: its counter, and the loop of the gradient with its own.
    pub(super) fn begin_loop(
        &mut self,
        forward: usize,
        outer: Option<usize>,
    ) -> Result<usize, Error> {
        let outer_forward = match outer {
            Some(outer) => Some(self.flow.states[outer].forward),
            None => self.flow.contexts[forward].outer,
        };
        let exits = self.flow.as_loop(forward).map(|found| found.exits.clone()).unwrap_or_default();
        let (count, forward_count) =
            self.within_context(outer_forward, |scope| scope.count_forward(forward, outer))?;
        let described = self.flow.as_loop(forward).cloned().unwrap_or_default();
        let state = self.flow.states.len();
        self.flow.states.push(LoopState {
            outer,
            forward,
            grad: forward,
            forward_count,
            grad_count: None,
            history: HashMap::new(),
            switches: Vec::new(),
            closed: Vec::new(),
            n_pending_exits: exits.len(),
            exits,
            unused_exits: Vec::new(),
            deferred_exits: Vec::new(),
        });
        let history = match (outer, outer_forward) {
            (Some(outer), Some(outer_forward)) => {
                self.flow.contexts[outer_forward].values.insert(count);
                Some(self.accumulate(outer, count, false)?)
            }
            _ => None,
        };
        let around = match outer {
            Some(outer) => Some(self.flow.states[outer].grad),
            None => outer_forward,
        };
        self.within_context(around, |scope| {
            let name = scope.unique_name(&described.name);
            let backward = Loop {
                name,
                parallel_iterations: described.parallel_iterations,
                back_prop: described.back_prop,
                swap_memory: described.swap_memory,
                state: Some(state),
                ..Loop::default()
            };
            let current = scope.current_context();
            let grad = scope.flow.add(Kind::Loop(backward), current);
            scope.flow.states[state].grad = grad;
            let count = match (outer, history) {
                (Some(outer), Some(history)) => scope.accumulated(outer, history, count, false)?,
                _ => count,
            };
            let counter = scope.count_backward(grad, count, outer)?;
            scope.flow.states[state].grad_count = Some(counter);
            Ok(())
        })?;
        Ok(state)
    }

    /// Counts the iterations of a loop.
    fn count_forward(
        &mut self,
        context: usize,
        outer: Option<usize>,
    ) -> Result<(Output, Counter), Error> {
        let start = self.tensor(0i32, "f_count")?;
        if let Some(outer) = outer {
            // What the loop pushes in one turn around it comes before what it pushes in the next.
            let index = self.flow.states[outer].forward_count.index.node;
            self.add_control_inputs(start.node, &[index]);
        }
        self.enter_context(context);
        let pivot = self.pivot(context)?;
        let (merge, switch) = self.loop_variable(context, start, "f_count", "Merge", pivot)?;
        let index = self.add(switch.output(1), 1i32)?;
        let next = self.reserve("NextIteration");
        let total = self.leave_loop(context, switch, "f_count")?;
        self.leave_context(context);
        Ok((total, Counter { merge, index, next, after: Vec::new(), sync: None }))
    }

    /// Lets the loop of a gradient turn as often as the loop did.
    fn count_backward(
        &mut self,
        context: usize,
        count: Output,
        outer: Option<usize>,
    ) -> Result<Counter, Error> {
        let one = self.tensor(1i32, "b_count")?;
        self.enter_context(context);
        self.flow.contexts[context].values.insert(count);
        let enter = self.enter_same(context, count, "b_count")?;
        let merge = self.op("Merge").input_list([enter, enter]).build_one()?;
        if let Some(found) = self.flow.as_loop_mut(context) {
            found.enters.push(enter);
            found.pivot_for_pred = Some(merge);
        }
        let goes_on = self.greater_equal(merge, one)?;
        let pivot = self.op("LoopCond").input(goes_on).name("b_count").build_one()?;
        let switch = self.op("Switch").input(merge).input(pivot).build()?;
        let index = self.sub(switch.output(1), one)?;
        if let Some(found) = self.flow.as_loop_mut(context) {
            found.pivot = Some(pivot);
            found.pivot_for_body = Some(index);
        }
        let next = self.reserve("NextIteration");
        let zero = self.op("Exit").input(switch.output(0)).name("b_count").build_one()?;
        if let Some(found) = self.flow.as_loop_mut(context) {
            found.exits.push(zero);
        }
        if let Some(outer) = outer {
            self.grad_sync(outer, zero.node);
        }
        self.result_of(context, zero);
        self.leave_context(context);
        Ok(Counter { merge: merge.node, index, next, after: Vec::new(), sync: None })
    }

    /// What says whether a loop goes on.
    pub(super) fn pivot(&self, context: usize) -> Result<Output, Error> {
        let pivot = self.flow.as_loop(context).and_then(|found| found.pivot);
        pivot.ok_or_else(|| Error::Gradient("a loop of the graph has no pivot".to_owned()))
    }

    /// A variable of a loop that is entered: its merge, to be closed, and its switch.
    pub(super) fn loop_variable(
        &mut self,
        context: usize,
        start: Output,
        enter_name: &str,
        merge_name: &str,
        pivot: Output,
    ) -> Result<(NodeId, NodeId), Error> {
        self.flow.contexts[context].values.insert(start);
        let enter = self.enter_same(context, start, enter_name)?;
        if let Some(found) = self.flow.as_loop_mut(context) {
            found.enters.push(enter);
        }
        let merge = self.op("Merge").input_list([enter, enter]).name(merge_name).build_one()?;
        let switch = self.op("Switch").input(merge).input(pivot).build()?;
        Ok((merge.node, switch))
    }

    /// The value of a variable when its loop has ended.
    pub(super) fn leave_loop(
        &mut self,
        context: usize,
        switch: NodeId,
        name: &str,
    ) -> Result<Output, Error> {
        let exit = self.op("Exit").input(switch.output(0)).name(name).build_one()?;
        if let Some(found) = self.flow.as_loop_mut(context) {
            found.exits.push(exit);
        }
        self.result_of(context, exit);
        Ok(exit)
    }

    /// Makes a tensor known around a context.
    pub(super) fn result_of(&mut self, context: usize, result: Output) {
        if let Some(outer) = self.flow.contexts[context].outer {
            self.flow.contexts[outer].values.insert(result);
        }
    }

    /// Lets the next iteration of a loop wait for a push that is in a branch.
    fn forward_sync(&mut self, state: usize, push: NodeId) {
        if self.flow.states[state].forward_count.sync.is_none() {
            let name = self.reserve("f_sync");
            self.flow.states[state].forward_count.sync = Some((name, Vec::new()));
        }
        if let Some((_, after)) = &mut self.flow.states[state].forward_count.sync {
            after.push(push);
        }
    }

    /// Lets the next iteration of the loop of a gradient wait for a pop.
    fn grad_sync(&mut self, state: usize, pop: NodeId) {
        let is_new = self.flow.states[state].grad_count.as_ref().is_some_and(|c| c.sync.is_none());
        if is_new {
            let name = self.reserve("b_sync");
            if let Some(count) = &mut self.flow.states[state].grad_count {
                count.sync = Some((name, Vec::new()));
            }
        }
        let count = self.flow.states[state].grad_count.as_mut();
        if let Some((_, after)) = count.and_then(|count| count.sync.as_mut()) {
            after.push(pop);
        }
    }

    /// Pushes a value of the forward loop onto a stack in each iteration, and gives the stack.
    pub(super) fn accumulate(
        &mut self,
        state: usize,
        value: Output,
        dead_branch: bool,
    ) -> Result<Output, Error> {
        let current = self.current_context();
        let mut scope = self.without_control_dependencies();
        let forward = scope.flow.states[state].forward;
        let dtype = scope.dtype(value).unwrap_or(DType::F32);
        let stack = scope.within_context(current, |scope| {
            let mut beside = scope.colocate_with(value.node)?;
            let size = beside.tensor(-1i32, "Const")?;
            let stack = beside.op("StackV2").input(size).attr("elem_type", Attr::Type(dtype));
            stack.name("f_acc").build_one()
        })?;
        let entered = scope.add_value(forward, stack)?;
        let swap = scope.flow.as_loop(forward).is_some_and(|found| found.swap_memory);
        let push = |scope: &mut Scope| {
            let push = scope.op("StackPushV2").input(entered).input(value);
            push.attr("swap_memory", Attr::Bool(swap)).build()
        };
        let of = scope.output_context(value.node);
        let index = scope.flow.states[state].forward_count.index.node;
        if of == Some(forward) {
            let push = scope.within_context(of, push)?;
            scope.flow.states[state].forward_count.after.push(push);
            scope.add_control_inputs(push, &[index]);
            return Ok(stack);
        }
        let Some(branch) = of.filter(|of| scope.flow.as_loop(*of).is_none()) else {
            let name = scope.graph().tensor_name(value).to_string();
            return Err(Error::Gradient(format!("'{name}' is in no branch of its loop")));
        };
        let push = match dead_branch {
            true => {
                let around = scope.flow.contexts[branch].outer;
                let push = scope.within_context(around, push)?;
                scope.flow.of.insert(push, branch);
                push
            }
            false => scope.within_context(Some(branch), push)?,
        };
        scope.forward_sync(state, push);
        scope.add_control_inputs(push, &[index]);
        Ok(stack)
    }

    /// Pops the value of an iteration from a stack, in the loop of the gradient.
    pub(super) fn accumulated(
        &mut self,
        state: usize,
        stack: Output,
        value: Output,
        dead_branch: bool,
    ) -> Result<Output, Error> {
        let of_stack = self.flow.of.get(&stack.node).copied();
        let mut of = self.flow.of.get(&value.node).copied();
        let mut guard = None;
        while let Some(context) = of.filter(|_| of != of_stack) {
            if let Kind::Branch { predicate, index, .. } = self.flow.contexts[context].kind {
                guard = Some((predicate, index));
                break;
            }
            of = self.flow.contexts[context].outer;
        }
        let grad = self.flow.states[state].grad;
        let dtype = self.dtype(value).unwrap_or(DType::F32);
        let shape = self.shape(value).clone();
        let pop = {
            let mut free = self.without_control_dependencies();
            free.within_context(Some(grad), |scope| {
                let mut stack = stack;
                if let Some((predicate, index)) = guard {
                    let real = scope.predicate_of(state, predicate);
                    let index = if dead_branch { 1 - index.min(1) } else { index };
                    stack = scope.switch_tensor(stack, real, "Switch")?.output(index);
                }
                let pop = scope.op("StackPopV2").input(stack);
                pop.attr("elem_type", Attr::Type(dtype)).build_one()
            })?
        };
        self.refine_shape(pop, &shape)?;
        if self.flow.as_loop(grad).is_some_and(|found| found.parallel_iterations > 1) {
            self.grad_sync(state, pop.node);
        }
        Ok(pop)
    }

    /// What stands for the predicate of a conditional in the loop of a gradient.
    fn predicate_of(&self, state: usize, predicate: Output) -> Output {
        let mut state = Some(state);
        while let Some(found) = state {
            if let Some(real) = self.flow.states[found].history.get(&predicate) {
                return *real;
            }
            state = self.flow.states[found].outer;
        }
        predicate
    }

    /// A value of the forward loop in the loop of its gradient, which is entered.
    pub(super) fn real_value(&mut self, state: usize, value: Output) -> Result<Output, Error> {
        if let Some(real) = self.flow.states[state].history.get(&value) {
            return Ok(*real);
        }
        let grad = self.flow.states[state].grad;
        let (mut inner, mut current) = (value, Some(state));
        let real = loop {
            let Some(of) = current else {
                // An invariant of all loops.
                break self.add_value(grad, inner)?;
            };
            if let Some(outside) = self.outside_of_constant_enter(inner) {
                inner = outside;
                current = self.flow.states[of].outer;
                if current.is_none() {
                    break self.add_value(grad, inner)?;
                }
                continue;
            }
            if self.is_op(inner.node, &["Const"]) {
                break self.copied_constant(inner.node)?;
            }
            self.leave_context(grad);
            let stack = self.accumulate(of, inner, false);
            self.enter_context(grad);
            let popped = self.accumulated(of, stack?, inner, false)?;
            break if of == state { popped } else { self.add_value(grad, popped)? };
        };
        self.flow.states[state].history.insert(value, real);
        Ok(real)
    }

    /// The tensor that an invariant of a loop is, outside of it.
    fn outside_of_constant_enter(&self, value: Output) -> Option<Output> {
        let mut node = self.graph().get(value.node)?;
        let mut id = value.node;
        // Inputs come before what they feed, but for those of merges.
        while matches!(node.op(), "Switch" | "RefSwitch" | "Identity" | "RefIdentity") {
            id = node.inputs().first()?.node;
            node = self.graph().get(id)?;
        }
        if self.is_constant_enter(id) { node.inputs().first().copied() } else { None }
    }

    /// A constant as it is, or a copy of one that is in another context than a gradient.
    pub(in super::super) fn constant_beside(
        &mut self,
        value: Output,
        grad: Output,
    ) -> Result<Output, Error> {
        let is_elsewhere = self.output_context(value.node) != self.output_context(grad.node);
        match is_elsewhere && self.is_op(value.node, &["Const"]) {
            true => self.copied_constant(value.node),
            false => Ok(value),
        }
    }

    fn copied_constant(&mut self, id: NodeId) -> Result<Output, Error> {
        let attr = |name: &str| self.graph().get(id).and_then(|node| node.attr(name)).cloned();
        let (dtype, value) = (attr("dtype"), attr("value"));
        let mut node = self.op("Const");
        for (name, attr) in [("dtype", dtype), ("value", value)] {
            if let Some(attr) = attr {
                node = node.attr(name, attr);
            }
        }
        node.build_one()
    }

    /// Makes what the counters wait for, and closes their loops.
    pub(super) fn close_counters(&mut self) -> Result<(), Error> {
        for index in 0..self.flow.states.len() {
            let state = &self.flow.states[index];
            let counters = [Some(state.forward_count.clone()), state.grad_count.clone()];
            for counter in counters.into_iter().flatten() {
                let mut after = counter.after;
                if let Some((name, waits_for)) = counter.sync {
                    after.push(self.create_reserved(&name, "ControlTrigger", None, waits_for)?);
                }
                let next = self.create_reserved(
                    &counter.next,
                    "NextIteration",
                    Some(counter.index),
                    after,
                )?;
                self.close_loop(counter.merge, next.output(0))?;
            }
        }
        Ok(())
    }
}
