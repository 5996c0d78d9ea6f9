//! From the results back to what they depend on.
//!
//! Source: `gradients_util.py`. A node's turn comes when the gradients of all its outputs have been
//! collected: when every node between it and the results has had its turn.

use std::collections::{HashMap, HashSet, VecDeque};

use flowkeep_tensor::DType;

use super::contexts::Contexts;
use super::forward::{Forward, GradientFn};
use super::table::{Rule, is_call, rule};
use super::{Flow, Gradient, GradientOptions, UnconnectedGradients, aggregate};
use crate::builder::{Operand, Scope};
use crate::{Error, NodeId, Output};

/// The gradients of the outputs of one node, collected as they come; later, their sum.
pub(super) type Collected = Vec<Slot>;

/// The gradients of one output.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    Parts(Vec<Gradient>),
    Sum(Option<Gradient>),
}

pub(super) fn gradients(
    outer: &mut Scope,
    ys: Vec<Operand>,
    xs: Vec<Operand>,
    options: &GradientOptions,
) -> Result<Vec<Option<Gradient>>, Error> {
    // Variables among the results are read before the scope is entered.
    let ys = ys.into_iter().map(|y| match y {
        Operand::Variable(variable) => outer.read(&variable).map(Operand::from),
        y => Ok(y),
    });
    let ys: Vec<Operand> = ys.collect::<Result<_, _>>()?;
    let mut scope = outer.name_scope(options.name.as_deref().unwrap_or("gradients"))?;
    scope.unique_name("uid");
    let ys = scope.tensors(ys, "y")?;
    let xs = xs.into_iter().map(|x| match x {
        Operand::Variable(variable) => Ok(variable.handle()),
        x => scope.tensor(x, "x"),
    });
    let xs: Vec<Output> = xs.collect::<Result<_, _>>()?;
    for tensor in ys.iter().chain(&xs).chain(&options.stop_gradients) {
        scope.check_tensor(*tensor)?;
    }
    let grad_ys = super::seeds::grad_ys(&mut scope, &ys, options)?;
    let mut walk = Walk::new(&mut scope, &ys, &xs, options)?;
    for (y, grad) in ys.iter().zip(grad_ys) {
        walk.collect(&scope, *y, grad);
    }
    walk.enter_loops(&mut scope)?;
    walk.stop_at(&scope, &xs);
    while let Some(id) = walk.queue.pop_front() {
        walk.visit(&mut scope, id)?;
    }
    drop(scope);
    outer.finish_loops()?;
    outer.flow = Flow::default();
    xs.into_iter().map(|x| walk.gradient_of(outer, x)).collect()
}

struct Walk<'a> {
    options: &'a GradientOptions,
    contexts: Contexts,
    /// How many edges lead from a node to others whose turn has not come.
    pending: HashMap<NodeId, i64>,
    stop: HashSet<NodeId>,
    /// Whether gradients go through loops.
    has_loops: bool,
    queue: VecDeque<NodeId>,
    collected: HashMap<NodeId, Collected>,
}

impl<'a> Walk<'a> {
    fn new(
        scope: &mut Scope,
        ys: &[Output],
        xs: &[Output],
        options: &'a GradientOptions,
    ) -> Result<Walk<'a>, Error> {
        scope.flow = Flow::of(scope);
        let (to, from) = (nodes_of(ys), nodes_of(xs));
        let reached = reached_from(scope, &from);
        let mut between = between(scope, &to, &reached);
        let mut pending: HashMap<NodeId, i64> = HashMap::new();
        let mut members: HashSet<NodeId> = between.iter().copied().collect();
        let mut has_loops = false;
        let mut next = 0;
        while let Some(id) = between.get(next).copied() {
            next += 1;
            if !scope.is_loop_exit(id) {
                continue;
            }
            has_loops = true;
            let exits = match options.colocate_gradients_with_ops {
                true => scope.colocate_with(id)?.begin_loop_of(id)?,
                false => scope.begin_loop_of(id)?,
            };
            // All variables of a loop take part.
            between.extend(exits.iter().map(|exit| exit.node).filter(|id| members.insert(*id)));
        }
        for id in &between {
            for input in inputs(scope, *id) {
                if members.contains(&input.node) {
                    *pending.entry(input.node).or_default() += 1;
                }
            }
        }
        let mut queue = VecDeque::new();
        let mut queued = HashSet::new();
        for id in to {
            let is_ready = pending.get(&id).is_none_or(|n| *n == 0);
            if is_ready && reached.contains(&id) && queued.insert(id) {
                queue.push_back(id);
            }
        }
        let contexts = Contexts::of(scope);
        let (stop, collected) = (HashSet::new(), HashMap::new());
        Ok(Walk { options, contexts, pending, stop, has_loops, queue, collected })
    }

    /// Says where the walk ends: at those of the nodes that depend on no others of them, and where it was told to.
    fn stop_at(&mut self, scope: &Scope, xs: &[Output]) {
        let is_first = |id: &NodeId| {
            let inputs = inputs(scope, *id);
            inputs.iter().all(|input| self.pending.get(&input.node).is_none_or(|n| *n <= 0))
        };
        self.stop = nodes_of(xs).into_iter().filter(is_first).collect();
        self.stop.extend(self.options.stop_gradients.iter().map(|tensor| tensor.node));
    }

    /// Queues the exits of loops that no result depends on but others of the same loop do.
    fn enter_loops(&mut self, scope: &mut Scope) -> Result<(), Error> {
        let pending = &self.pending;
        let is_pending = |id: NodeId| pending.get(&id).is_some_and(|n| *n != 0);
        let exits = scope.unused_exits(is_pending, |id| self.queue.contains(&id));
        for enter in scope.loop_enters() {
            let pending = self.pending.entry(enter).or_default();
            if *pending == 0 {
                *pending = 1;
            }
        }
        for exit in exits {
            if is_trainable(scope, exit) {
                let zeros = scope.zeros_for_exit(exit)?;
                self.collect(scope, exit, zeros.into());
                self.queue.push_back(exit.node);
            }
        }
        Ok(())
    }

    /// Queues a node whose turn has come; an exit, when all exits of its loop are there.
    fn enqueue(&mut self, scope: &mut Scope, tensor: Output) -> Result<(), Error> {
        if !scope.is_loop_exit(tensor.node) {
            self.queue.push_back(tensor.node);
            return Ok(());
        }
        let ready = scope.exit_is_ready(tensor, |id| {
            self.collected.get(&id).is_some_and(|slots| {
                slots.iter().any(|slot| match slot {
                    Slot::Parts(parts) => !parts.is_empty(),
                    Slot::Sum(sum) => sum.is_some(),
                })
            })
        });
        let Some((used, unused)) = ready else { return Ok(()) };
        self.queue.extend(used.iter().map(|exit| exit.node));
        for exit in unused {
            if !used.is_empty() && is_trainable(scope, exit) {
                let zeros = scope.zeros_for_exit(exit)?;
                self.collect(scope, exit, zeros.into());
            }
            self.queue.push_back(exit.node);
        }
        Ok(())
    }

    /// Gives a node its turn: adds up the gradients of its outputs, makes those of its inputs.
    fn visit(&mut self, scope: &mut Scope, id: NodeId) -> Result<(), Error> {
        let inputs = inputs(scope, id);
        if self.options.colocate_gradients_with_ops {
            self.gradients_of_inputs(&mut *scope.colocate_with(id)?, id, &inputs)?;
        } else {
            self.gradients_of_inputs(scope, id, &inputs)?;
        }
        for input in inputs {
            let pending = self.pending.entry(input.node).or_default();
            *pending -= 1;
            // The switch of a loop variable has a turn for the exit, and one for the body.
            let is_ready =
                *pending == 0 || self.has_loops && *pending > 0 && scope.is_loop_switch(input.node);
            if is_ready {
                self.enqueue(scope, input)?;
            }
        }
        Ok(())
    }

    fn gradients_of_inputs(
        &mut self,
        scope: &mut Scope,
        id: NodeId,
        inputs: &[Output],
    ) -> Result<(), Error> {
        let Some(node) = scope.graph().get(id) else { return Ok(()) };
        let (name, op) = (node.name().to_owned(), node.op().to_owned());
        let method = self.options.aggregation_method;
        if let Some(collected) = self.collected.get_mut(&id) {
            scope.in_grad_loop(id, true, |scope| {
                aggregate::add_up(scope, &name, collected, method)
            })?;
        }
        let has_gradients = self
            .collected
            .get(&id)
            .is_some_and(|slots| slots.iter().any(|slot| matches!(slot, Slot::Sum(Some(_)))));
        if !has_gradients || self.stop.contains(&id) || inputs.is_empty() {
            return Ok(());
        }
        let function = match rule(scope.graph(), id) {
            Rule::Function(function) => function,
            Rule::NotDifferentiable => return Ok(()),
            Rule::Missing => return Err(unsupported(&op, &name)),
            Rule::Unknown => return Err(Error::NoGradient { node: name, op }),
        };
        scope.in_grad_loop(id, false, |scope| self.make(scope, id, &name, inputs, function))
    }

    /// Makes the gradients of a node's inputs.
    fn make(
        &mut self,
        scope: &mut Scope,
        id: NodeId,
        name: &str,
        inputs: &[Output],
        function: GradientFn,
    ) -> Result<(), Error> {
        self.fill_zeros(scope, id)?;
        let grads = self.sums(id);
        let made = {
            let mut inner = scope.name_scope(&format!("{name}_grad"))?;
            let forward = Forward::new(inner.graph(), id, grads, &self.contexts);
            let made = function(&mut inner, &forward)?;
            if made.len() != inputs.len() {
                let (n, n_inputs) = (made.len(), inputs.len());
                return Err(Error::Gradient(format!(
                    "Num gradients {n} generated for op {name} do not match num inputs {n_inputs}"
                )));
            }
            match self.options.gate_gradients && made.iter().flatten().count() > 1 {
                true => inner.without_colocation().without_device().tuple(made)?,
                false => made,
            }
        };
        for (index, (input, gradient)) in inputs.iter().zip(made).enumerate() {
            let Some(gradient) = gradient else { continue };
            Self::learn_shape(scope, *input, gradient, name, index)?;
            self.collect(scope, *input, gradient);
        }
        Ok(())
    }

    /// Gives zeros to the outputs that no gradient has come to.
    fn fill_zeros(&mut self, scope: &mut Scope, id: NodeId) -> Result<(), Error> {
        let n_outputs = self.collected.get(&id).map_or(0, Vec::len);
        // A function's gradient takes one of each result.
        let is_called = scope.graph().get(id).is_some_and(|node| is_call(scope.graph(), node));
        for index in 0..u32::try_from(n_outputs).unwrap_or(u32::MAX) {
            let output = id.output(index);
            let is_open = |slot: &&mut Slot| matches!(slot, Slot::Sum(None));
            let wants_one = is_called || is_trainable(scope, output);
            if !wants_one || self.slot(output).filter(is_open).is_none() {
                continue;
            }
            let Some(zeros) = self.zeros(scope, output)? else { continue };
            if let Some(slot) = self.slot(output) {
                *slot = Slot::Sum(Some(zeros.into()));
            }
        }
        Ok(())
    }

    /// Zeros for an output that no gradient has come to.
    fn zeros(&self, scope: &mut Scope, output: Output) -> Result<Option<Output>, Error> {
        if self.has_loops
            && let Some(zeros) = scope.zeros_in_loop(output)?
        {
            return Ok(zeros);
        }
        let node = scope.graph().get(output.node);
        let switched = node
            .filter(|node| matches!(node.op(), "Switch" | "RefSwitch"))
            .and_then(|node| node.inputs().first().copied());
        match (switched, self.contexts.branch(output.node)) {
            (Some(switched), Some(branch)) => scope.zeros_of_other_branch(switched, branch),
            _ => scope.default_gradient(output),
        }
    }

    fn slot(&mut self, tensor: Output) -> Option<&mut Slot> {
        let index = usize::try_from(tensor.index).ok()?;
        self.collected.get_mut(&tensor.node)?.get_mut(index)
    }

    /// The gradients of a node's outputs, added up.
    fn sums(&self, id: NodeId) -> Vec<Option<Gradient>> {
        let slots = self.collected.get(&id).map(Vec::as_slice).unwrap_or_default();
        let sum = |slot: &Slot| match slot {
            Slot::Sum(sum) => *sum,
            Slot::Parts(_) => None,
        };
        slots.iter().map(sum).collect()
    }

    /// A tensor and its gradient have one shape.
    fn learn_shape(
        scope: &mut Scope,
        input: Output,
        gradient: Gradient,
        name: &str,
        index: usize,
    ) -> Result<(), Error> {
        let Gradient::Dense(tensor) = gradient else { return Ok(()) };
        if scope.dtype(input) == Some(DType::Resource) {
            return Ok(());
        }
        let shape = scope.shape(input).clone();
        scope.refine_shape(tensor, &shape).map_err(|_| {
            let text = crate::builder::python_shape;
            Error::Gradient(format!(
                "Incompatible shapes between op input and calculated input gradient. Forward operation: {name}. Input index: {index}. Original input shape: {}. Calculated input gradient shape: {}",
                text(&shape),
                text(scope.shape(tensor))
            ))
        })
    }

    /// Notes a gradient of a tensor.
    fn collect(&mut self, scope: &Scope, tensor: Output, gradient: Gradient) {
        let n_outputs = scope.graph().get(tensor.node).and_then(|node| node.n_outputs());
        let slots = self
            .collected
            .entry(tensor.node)
            .or_insert_with(|| vec![Slot::Parts(Vec::new()); n_outputs.unwrap_or(0)]);
        let slot = usize::try_from(tensor.index).ok().and_then(|index| slots.get_mut(index));
        match slot {
            Some(Slot::Parts(parts)) => parts.push(gradient),
            Some(sum) => *sum = Slot::Sum(Some(gradient)),
            None => {}
        }
    }

    /// The gradient of one of the tensors that were asked for.
    fn gradient_of(&mut self, scope: &mut Scope, x: Output) -> Result<Option<Gradient>, Error> {
        let gradient = match self.slot(x) {
            Some(Slot::Sum(sum)) => *sum,
            Some(Slot::Parts(_)) => {
                let node = scope.graph().get(x.node);
                let (op, name) = node.map_or(("", ""), |node| (node.op(), node.name()));
                return Err(unsupported(op, name));
            }
            None => None,
        };
        match (gradient, self.options.unconnected_gradients) {
            (None, UnconnectedGradients::Zero) => {
                Ok(scope.unconnected_zeros(x)?.map(Gradient::from))
            }
            (gradient, _) => Ok(gradient),
        }
    }
}

/// The data inputs of a node.
fn inputs(scope: &Scope, id: NodeId) -> Vec<Output> {
    scope.graph().get(id).map(|node| node.inputs().to_vec()).unwrap_or_default()
}

fn nodes_of(tensors: &[Output]) -> Vec<NodeId> {
    tensors.iter().map(|tensor| tensor.node).collect()
}

/// The nodes that depend on others in a way that gradients pass.
fn reached_from(scope: &Scope, from: &[NodeId]) -> HashSet<NodeId> {
    let mut consumers: HashMap<Output, Vec<NodeId>> = HashMap::new();
    for (id, node) in scope.graph().iter() {
        for input in node.inputs() {
            consumers.entry(*input).or_default().push(id);
        }
    }
    let mut reached = HashSet::new();
    let mut queue: Vec<NodeId> = from.to_vec();
    while let Some(id) = queue.pop() {
        if !reached.insert(id) {
            continue;
        }
        let n_outputs = scope.graph().get(id).and_then(|node| node.n_outputs()).unwrap_or(0);
        for index in 0..u32::try_from(n_outputs).unwrap_or(u32::MAX) {
            let output = id.output(index);
            if is_trainable(scope, output) {
                queue.extend(consumers.get(&output).into_iter().flatten());
            }
        }
    }
    reached
}

/// The nodes that were reached and that the results depend on, nearest to the results first.
fn between(scope: &Scope, to: &[NodeId], reached: &HashSet<NodeId>) -> Vec<NodeId> {
    let mut queue: VecDeque<NodeId> = to.iter().copied().collect();
    let mut seen = HashSet::new();
    let mut between = Vec::new();
    while let Some(id) = queue.pop_front() {
        if reached.contains(&id) && seen.insert(id) {
            between.push(id);
            queue.extend(inputs(scope, id).iter().map(|input| input.node));
        }
    }
    between
}

/// Whether small changes of a tensor mean anything.
pub(super) fn is_trainable(scope: &Scope, tensor: Output) -> bool {
    scope.dtype(tensor).is_some_and(has_gradients)
}

/// Whether small changes of tensors of a type mean anything.
pub(super) fn has_gradients(dtype: DType) -> bool {
    use DType::{BF16, F16, F32, F64, Resource, Variant};
    dtype.is_complex() || matches!(dtype, F16 | BF16 | F32 | F64 | Resource | Variant)
}

fn unsupported(op: &str, node: &str) -> Error {
    Error::Unsupported(format!("the gradient of op '{op}' is not supported (node '{node}')"))
}
