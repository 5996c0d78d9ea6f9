//! Where the walk enters loops: their exits, with gradients or with zeros.
//!
//! Source: `control_flow_state.py`, `_ControlFlowState`, and `gradients_util.py`.

use flowkeep_tensor::{DType, Shape, Tensor};

use super::context::Kind;
use crate::builder::Scope;
use crate::{Error, NodeId, Output};

impl Scope {
    /// Begins the gradients of the loops that nodes leave. Gives all exits of theirs.
    ///
    /// Errors: `UNIMPLEMENTED` for a loop that no collection describes.
    pub(in super::super) fn begin_loop_of(&mut self, exit: NodeId) -> Result<Vec<Output>, Error> {
        let Some(forward) = self.flow.loop_of(exit) else {
            let node = self.graph().get(exit);
            let (op, name) = node.map_or(("", ""), |node| (node.op(), node.name()));
            return Err(Error::Unsupported(format!(
                "the gradient of op '{op}' is not supported (node '{name}') without the collection while_context, which says \
                 what is in its loop"
            )));
        };
        if self.flow.state_of_forward(forward).is_some() {
            return Ok(Vec::new());
        }
        let around = self.flow.loop_around(self.flow.contexts[forward].outer);
        let outer = around.and_then(|around| self.flow.state_of_forward(around));
        let state = self.begin_loop(forward, outer)?;
        Ok(self.flow.states[state].exits.clone())
    }

    /// The state of the gradient that a node is made for: of an exit, before its turn, the one around.
    fn grad_state(&self, id: NodeId, before: bool) -> Option<usize> {
        let forward = match before && self.is_exit(id) {
            true => self.flow.loop_around(self.output_context(id)),
            false => self.flow.loop_of(id),
        };
        forward.and_then(|forward| self.flow.state_of_forward(forward))
    }

    /// Does something in the loop of the gradient of the loop that a node is in.
    pub(in super::super) fn in_grad_loop<T>(
        &mut self,
        id: NodeId,
        before: bool,
        make: impl FnOnce(&mut Scope) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let state = self.grad_state(id, before);
        let grad = state.map(|state| self.flow.states[state].grad);
        self.within_context(grad, make)
    }

    /// Whether a node is the switch of a loop variable.
    pub(in super::super) fn is_loop_switch(&self, id: NodeId) -> bool {
        let of = self.flow.of.get(&id).copied();
        self.is_op(id, &["Switch", "RefSwitch"])
            && of.is_some_and(|of| self.flow.as_loop(of).is_some())
            && !self.is_cond_switch(id)
    }

    /// Whether all that takes a switch's outputs is in branches.
    fn is_cond_switch(&self, id: NodeId) -> bool {
        let consumers = self
            .graph()
            .iter()
            .filter(|(_, node)| node.inputs().iter().any(|input| input.node == id));
        let contexts = consumers.map(|(consumer, _)| {
            let of = self.flow.of.get(&consumer).copied();
            match self.is_op(consumer, &["Enter", "RefEnter"]) {
                true => of.and_then(|of| self.flow.contexts[of].outer),
                false => of,
            }
        });
        contexts.into_iter().all(|of| of.is_some_and(|of| self.flow.as_loop(of).is_none()))
    }

    pub(in super::super) fn is_loop_exit(&self, id: NodeId) -> bool {
        self.is_exit(id)
    }

    /// The exits that no gradient comes to at the start of a walk, of loops all whose exits are such; `is_pending` says
    /// of which others will have their turn.
    pub(in super::super) fn unused_exits(
        &mut self,
        is_pending: impl Fn(NodeId) -> bool,
        is_result: impl Fn(NodeId) -> bool,
    ) -> Vec<Output> {
        let mut found = Vec::new();
        for state in self.flow.states.iter_mut() {
            for exit in state.exits.clone() {
                if is_pending(exit.node) {
                    continue;
                }
                state.n_pending_exits = state.n_pending_exits.saturating_sub(1);
                if !is_result(exit.node) {
                    state.unused_exits.push(exit);
                }
                if state.n_pending_exits == 0 {
                    found.extend(state.unused_exits.iter().copied());
                }
            }
        }
        found
    }

    /// The nodes that enter loops with variables.
    pub(in super::super) fn loop_enters(&self) -> Vec<NodeId> {
        let loops = self.flow.states.iter().filter_map(|state| self.flow.as_loop(state.forward));
        loops.flat_map(|found| found.enters.iter().map(|enter| enter.node)).collect()
    }

    /// Notes that an exit's turn has come. When it is the last one of its loop: all that are ready now, and all that no
    /// gradient comes to.
    pub(in super::super) fn exit_is_ready(
        &mut self,
        exit: Output,
        has_gradient: impl Fn(NodeId) -> bool,
    ) -> Option<(Vec<Output>, Vec<Output>)> {
        let state = self.grad_state(exit.node, false)?;
        let state = &mut self.flow.states[state];
        state.deferred_exits.push(exit);
        state.n_pending_exits = state.n_pending_exits.saturating_sub(1);
        if state.n_pending_exits > 0 {
            return None;
        }
        let (used, unused): (Vec<Output>, Vec<Output>) =
            state.deferred_exits.iter().partition(|exit| has_gradient(exit.node));
        state.unused_exits.extend(unused);
        Some((used, state.unused_exits.clone()))
    }

    /// Zeros for an exit that no gradient comes to.
    pub(in super::super) fn zeros_for_exit(&mut self, exit: Output) -> Result<Output, Error> {
        let dtype = self.dtype(exit).unwrap_or(DType::F32);
        let shape = self.shape(exit).to_shape();
        let forward = self.flow.of.get(&exit.node).copied();
        let around = forward.and_then(|forward| self.flow.contexts[forward].outer);
        let outer = self.flow.loop_around(around);
        let Some(outer) = outer.and_then(|outer| self.flow.state_of_forward(outer)) else {
            return match shape {
                Some(shape) => self.zeros(&shape, dtype),
                None => self.op("ZerosLike").input(exit).name("zeros_like").build_one(),
            };
        };
        let grad = self.flow.states[outer].grad;
        if let Some(shape) = shape {
            return self.within_context(Some(grad), |scope| scope.zeros(&shape, dtype));
        }
        let shape =
            self.within_context(around, |scope| scope.op("Shape").input(exit).build_one())?;
        let stack = self.accumulate(outer, shape, false)?;
        self.within_context(Some(grad), |scope| {
            let real = scope.accumulated(outer, stack, shape, false)?;
            scope.zeros_of(real, dtype, "zeros")
        })
    }

    /// Zeros for an output in a loop that no gradient has come to; `None` outside of all in `Some`.
    ///
    /// Gives `None` for nodes of no loop whose gradient is made.
    pub(in super::super) fn zeros_in_loop(
        &mut self,
        output: Output,
    ) -> Result<Option<Option<Output>>, Error> {
        if self.is_loop_switch(output.node) {
            return Ok(Some(None));
        }
        let forward = self.flow.loop_of(output.node);
        let Some(state) = forward.and_then(|forward| self.flow.state_of_forward(forward)) else {
            return Ok(None);
        };
        let dtype = self.dtype(output).unwrap_or(DType::F32);
        let of = self.flow.of.get(&output.node).copied();
        let dead = match of.map(|of| &self.flow.contexts[of].kind) {
            Some(Kind::Branch { predicate, index, .. })
                if self.is_op(output.node, &["Switch", "RefSwitch"]) =>
            {
                Some((*predicate, *index))
            }
            _ => None,
        };
        if let Some(shape) = self.shape(output).to_shape() {
            let zeros = if dtype == DType::Resource {
                let Some(of_handle) = self.handle_dtype(output) else { return Ok(Some(None)) };
                let shape = self.variable_shape(output)?;
                self.zeros_of(shape, of_handle, "zeros")?
            } else {
                self.zero_constant(dtype, &shape, "Const")?
            };
            let Some((predicate, index)) = dead else { return Ok(Some(Some(zeros))) };
            let real = self.flow.states[state].history.get(&predicate).copied();
            let switch = self.switch_tensor(zeros, real.unwrap_or(predicate), "Switch")?;
            return Ok(Some(Some(switch.output(1 - index.min(1)))));
        }
        let shape = match (dead, of) {
            (Some((predicate, index)), Some(of)) => {
                let switched =
                    self.graph().get(output.node).and_then(|n| n.inputs().first().copied());
                let switched = switched.unwrap_or(output);
                let around = self.flow.contexts[of].outer;
                let (value, shape) = self.within_context(around, |scope| {
                    let switch = scope.switch_tensor(switched, predicate, "Switch")?;
                    let value = switch.output(1 - index.min(1));
                    Ok((value, scope.op("Shape").input(value).build_one()?))
                })?;
                self.flow.of.insert(value.node, of);
                self.flow.of.insert(shape.node, of);
                shape
            }
            _ => self.within_context(of, |scope| scope.op("Shape").input(output).build_one())?,
        };
        let grad = self.flow.states[state].grad;
        self.leave_context(grad);
        let stack = self.accumulate(state, shape, dead.is_some());
        self.enter_context(grad);
        let shape = self.accumulated(state, stack?, shape, dead.is_some())?;
        self.zeros_of(shape, dtype, "zeros").map(|zeros| Some(Some(zeros)))
    }

    /// `constant(0, dtype, shape)`.
    pub(super) fn zero_constant(
        &mut self,
        dtype: DType,
        shape: &Shape,
        name: &str,
    ) -> Result<Output, Error> {
        let zero = Tensor::zeros(dtype, Shape::SCALAR)
            .map_err(|error| Error::Gradient(error.to_string()))?;
        self.filled(&zero, shape, name)
    }
}
