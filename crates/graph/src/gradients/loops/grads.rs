//! The gradients of the five ops of loops.
//!
//! Source: `control_flow_grad.py`. `None` where a node is of no loop.

use super::context::Kind;
use crate::builder::Scope;
use crate::gradients::forward::{Forward, Gradients};
use crate::gradients::{Gradient, IndexedSlices};
use crate::{Error, NodeId, Output};

/// The gradient of the switch of a loop variable, which is visited twice: from the exit, and from the body.
pub(in super::super) fn switch_grad(scope: &mut Scope, op: &Forward) -> Option<Gradients> {
    let id = op.output(0).node;
    let of = scope.flow.of.get(&id).copied()?;
    scope.flow.as_loop(of)?;
    Some(loop_switch_grad(scope, op, id))
}

fn loop_switch_grad(scope: &mut Scope, op: &Forward, id: NodeId) -> Gradients {
    let grads = [op.grads.first().copied().flatten(), op.grads.get(1).copied().flatten()];
    let Some(state) = scope.flow.state_around(scope.current_context()) else {
        return op.nothing();
    };
    let found = scope.flow.states[state].switches.iter().find(|(other, _)| *other == id);
    if let Some((_, merge)) = found.copied() {
        if let Some(grad) = grads[1] {
            scope.close_merge(merge, grad)?;
            scope.flow.states[state].closed.push(id);
        }
        return op.nothing();
    }
    let Some(grad) = grads[0] else { return op.nothing() };
    let merge = scope.merge(grad, grad, "b_switch")?;
    scope.flow.states[state].switches.push((id, merge));
    Ok(vec![Some(merge), None])
}

/// The gradient of a merge in a loop; of a conditional there, the predicate of each iteration is kept.
pub(in super::super) fn merge_grad(scope: &mut Scope, op: &Forward) -> Option<Gradients> {
    let input = op.input(0).ok()?.node;
    let of = scope.output_context(input)?;
    match scope.flow.contexts[of].kind {
        Kind::Loop(_) => Some(loop_merge_grad(scope, op)),
        Kind::Branch { predicate, .. } => {
            let state = scope.flow.state_around(scope.current_context())?;
            Some(branch_merge_grad(scope, op, state, predicate))
        }
    }
}

fn loop_merge_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let context = scope.flow.loop_around(scope.current_context());
    let Some(context) = context else { return op.nothing() };
    let pivot = scope.pivot(context)?;
    let mut beside = scope.colocate_only_with(grad.node())?;
    let (out, on) = beside.switch(grad, pivot, "Switch")?;
    Ok(vec![Some(out), Some(on)])
}

fn branch_merge_grad(
    scope: &mut Scope,
    op: &Forward,
    state: usize,
    predicate: Output,
) -> Gradients {
    let real = match scope.flow.states[state].history.get(&predicate) {
        Some(real) => *real,
        None => {
            let grad = scope.flow.states[state].grad;
            scope.leave_context(grad);
            let stack = scope.accumulate(state, predicate, false);
            scope.enter_context(grad);
            let real = scope.accumulated(state, stack?, predicate, false)?;
            scope.flow.states[state].history.insert(predicate, real);
            real
        }
    };
    let grad = op.grad(0)?;
    let mut beside = scope.colocate_only_with(grad.node())?;
    let (on_false, on_true) = beside.switch(grad, real, "cond_grad")?;
    Ok(vec![Some(on_false), Some(on_true)])
}

/// The gradient of an exit enters the loop of the gradient.
pub(in super::super) fn exit_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let Some(context) = scope.flow.loop_around(scope.current_context()) else {
        return op.nothing();
    };
    if scope.flow.as_loop(context).is_none_or(|found| !found.back_prop) {
        return op.nothing();
    }
    let of = scope.flow.of.get(&op.output(0).node).copied();
    if of.and_then(|of| scope.flow.as_loop(of)).is_some_and(|found| found.state.is_some()) {
        return Err(Error::Gradient(
            "Second-order gradient for while loops not supported.".to_owned(),
        ));
    }
    let grad = op.grad(0)?;
    let enter = |scope: &mut Scope, value: Output, name: &str| {
        scope.flow.contexts[context].values.insert(value);
        scope.within_context(Some(context), |scope| scope.enter_same(context, value, name))
    };
    let entered: Gradient = match grad {
        Gradient::Dense(grad) => enter(scope, grad, "b_exit")?.into(),
        Gradient::Sparse(slices) => {
            for part in [Some(slices.values), Some(slices.indices), slices.dense_shape] {
                scope.flow.contexts[context].values.extend(part);
            }
            let values = enter(scope, slices.values, "Enter")?;
            let indices = enter(scope, slices.indices, "Enter")?;
            let shape = slices.dense_shape.map(|shape| enter(scope, shape, "Enter"));
            IndexedSlices { values, indices, dense_shape: shape.transpose()? }.into()
        }
    };
    if let Some(found) = scope.flow.as_loop_mut(context) {
        found.enters.push(entered.values());
    }
    Ok(vec![Some(entered)])
}

/// The gradient of a next iteration is that of the iteration.
pub(in super::super) fn next_iteration_grad(_: &mut Scope, op: &Forward) -> Gradients {
    Ok(vec![op.grads.first().copied().flatten()])
}

/// The gradient of a variable leaves the loop; those of an invariant are added up.
pub(in super::super) fn enter_grad(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let context = scope.flow.loop_around(scope.current_context());
    let Some(context) = context else { return Ok(vec![Some(grad)]) };
    let is_made =
        scope.flow.as_loop(context).is_some_and(|found| found.back_prop && found.state.is_some());
    if !is_made {
        return Ok(vec![Some(grad)]);
    }
    if op.attrs.bool("is_constant") == Ok(true) {
        return Ok(vec![Some(match grad {
            Gradient::Dense(grad) => scope.sum_up_invariant(context, op, grad)?.into(),
            Gradient::Sparse(slices) => scope.gather_up_invariant(context, op, slices)?.into(),
        })]);
    }
    let exit = |scope: &mut Scope, value: Output| -> Result<Output, Error> {
        let exit = scope.op("Exit").input(value).build_one()?;
        scope.result_of(context, exit);
        Ok(exit)
    };
    let result: Gradient = match grad {
        Gradient::Dense(grad) => exit(scope, grad)?.into(),
        Gradient::Sparse(slices) => {
            let values = exit(scope, slices.values)?;
            let indices = exit(scope, slices.indices)?;
            let dense_shape = slices.dense_shape.map(|shape| exit(scope, shape)).transpose()?;
            IndexedSlices { values, indices, dense_shape }.into()
        }
    };
    if let Some(found) = scope.flow.as_loop_mut(context) {
        found.exits.push(result.values());
    }
    Ok(vec![Some(result)])
}

impl Scope {
    /// Feeds the merge of a loop variable with the gradient of the next iteration.
    fn close_merge(&mut self, merge: Gradient, grad: Gradient) -> Result<(), Error> {
        let back = |scope: &mut Scope, merge: Output, value: Output| {
            let next = scope.op("NextIteration").input(value).build_one()?;
            scope.close_loop(merge.node, next)
        };
        match merge {
            Gradient::Dense(merge) => {
                let grad = self.summed_up(grad)?;
                back(self, merge, grad)
            }
            Gradient::Sparse(merge) => {
                let slices = self.as_slices(grad)?;
                back(self, merge.values, slices.values)?;
                back(self, merge.indices, slices.indices)?;
                match (merge.dense_shape, slices.dense_shape) {
                    (Some(merge), Some(shape)) => back(self, merge, shape),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Gives zeros to the iterations of variables that do not depend on their values before.
    fn close_unclosed(&mut self) -> Result<(), Error> {
        for index in 0..self.flow.states.len() {
            let state = &self.flow.states[index];
            let grad = state.grad;
            let open: Vec<Gradient> = state
                .switches
                .iter()
                .filter(|(id, _)| !state.closed.contains(id))
                .map(|(_, merge)| *merge)
                .collect();
            for merge in open {
                let parts: Vec<Output> = match merge {
                    Gradient::Dense(merge) => vec![merge],
                    Gradient::Sparse(slices) => {
                        [Some(slices.values), Some(slices.indices), slices.dense_shape]
                            .into_iter()
                            .flatten()
                            .collect()
                    }
                };
                for merge in parts {
                    self.close_with_zeros(grad, merge)?;
                }
            }
        }
        Ok(())
    }

    fn close_with_zeros(&mut self, grad: usize, merge: Output) -> Result<(), Error> {
        let input = self.graph().get(merge.node).and_then(|node| node.inputs().first().copied());
        let input = input.unwrap_or(merge);
        let dtype = self.dtype(input).unwrap_or(flowkeep_tensor::DType::F32);
        if let Some(shape) = self.shape(input).to_shape() {
            let next = self.within_context(Some(grad), |scope| {
                let zeros = scope.zero_constant(dtype, &shape, "Const")?;
                scope.op("NextIteration").input(zeros).build_one()
            })?;
            return self.close_loop(merge.node, next);
        }
        let outer = self.flow.contexts[grad].outer;
        let entered = self.graph().get(input.node).and_then(|node| node.inputs().first().copied());
        let zeros = self.within_context(outer, |scope| {
            let shape = scope.op("Shape").input(entered.unwrap_or(input)).build_one()?;
            scope.zeros_of(shape, dtype, "zeros")
        })?;
        let next = self.within_context(Some(grad), |scope| {
            scope.op("NextIteration").input(zeros).build_one()
        })?;
        self.close_loop(merge.node, next)
    }

    /// What is left to do when a walk has come to its end.
    pub(in super::super) fn finish_loops(&mut self) -> Result<(), Error> {
        self.close_unclosed()?;
        self.close_counters()
    }
}
