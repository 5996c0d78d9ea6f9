use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::iteration::{Arrival, Iteration};
use super::{Caller, Task, Then};
use crate::plan::{Plan, Step};
use crate::{Value, plan};

/// A loop under way, entered from one iteration of its parent, or a body that was called.
pub(in crate::exec) struct Frame {
    /// Which body of the plan; `None` is the plan itself.
    pub(super) body: Option<usize>,
    /// Which frame of the body.
    pub(super) idx: usize,
    pub(super) parent: Parent,
    /// How many calls lead here.
    pub(super) depth: usize,
    state: Mutex<State>,
}

/// Where a frame comes from.
pub(super) enum Parent {
    /// It is the outermost.
    None,
    /// A loop was entered from this iteration.
    Loop { frame: Arc<Frame>, iteration: u64 },
    /// A step invoked a body.
    Call(Caller),
}

/// The key of a frame among those that its parent waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Child {
    Loop { iteration: u64, frame: usize },
    Call { iteration: u64, step: usize },
}

/// What changes in a frame.
#[derive(Default)]
pub(super) struct State {
    /// The iterations that are under way.
    iterations: VecDeque<Iteration>,
    /// The number of the first of them.
    first: u64,
    /// An iteration that is over, to be used again.
    spare: Option<Iteration>,
    /// Steps that lead into the frame and have not run.
    pub(super) n_pending_enters: usize,
    /// What constant enters brought: it arrives in every iteration.
    pub(super) invariants: Vec<(usize, Option<Value>)>,
    /// What waits until one more iteration may start.
    deferred: Vec<(usize, Option<Value>)>,
    /// The exits that were dead in the last iteration.
    pub(super) dead_exits: Vec<usize>,
    pub(super) children: HashMap<Child, Arc<Frame>>,
    /// The fetches of a body that is over.
    pub(super) results: Option<Vec<Option<Value>>>,
    /// What the caller goes on with.
    pub(super) then: Then,
}

impl Frame {
    pub(super) fn new(
        body: Option<usize>,
        idx: usize,
        parent: Parent,
        depth: usize,
        frame: &plan::Frame,
    ) -> Frame {
        let state = State {
            iterations: VecDeque::from([Iteration::new(frame)]),
            n_pending_enters: frame.n_enters,
            ..State::default()
        };
        Frame { body, idx, parent, depth, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands what came of `step` to all who wait for it in `iteration`; without outputs it is dead.
    pub(super) fn deliver(
        self: &Arc<Frame>,
        state: &mut State,
        plan: &Plan,
        iteration: u64,
        step: &Step,
        mut outputs: Option<&mut [Option<Value>]>,
        ready: &mut Vec<Task>,
    ) {
        let Some(target) = state.iteration(iteration) else { return };
        let is_dead = outputs.is_none();
        let is_from_enter = matches!(step.route, plan::Route::Enter { .. });
        let mut arrive = |idx: usize, arrival: Arrival| {
            if let Some(is_dead) = target.arrive(&plan.steps[idx], arrival) {
                target.n_outstanding += 1;
                ready.push(Task::Step { frame: self.clone(), iteration, step: idx, is_dead });
            }
        };
        let mut fetched = Vec::new();
        for (idx, consumers) in step.outputs.iter().enumerate() {
            let output = outputs.as_deref_mut().and_then(|outputs| outputs.get_mut(idx));
            let mut value = output.and_then(Option::take);
            let n_others = consumers.len().saturating_sub(1);
            for (nr, consumer) in consumers.iter().enumerate() {
                let value = if nr < n_others { value.clone() } else { value.take() };
                match consumer.step {
                    Some(step) => {
                        let slot = consumer.slot;
                        arrive(step, Arrival::Data { slot, value, is_from_enter });
                    }
                    None => fetched.push((consumer.slot, value)),
                }
            }
        }
        for step in &step.control_outputs {
            arrive(*step, Arrival::Control { is_dead });
        }
        for (slot, value) in fetched {
            target.slots[slot] = value;
        }
    }

    /// As [`Frame::deliver`], of a step with one output; without a value it is dead.
    pub(super) fn deliver_one(
        self: &Arc<Frame>,
        state: &mut State,
        plan: &Plan,
        iteration: u64,
        step: &Step,
        value: Option<Value>,
        ready: &mut Vec<Task>,
    ) {
        let outputs = &mut [value][..];
        let outputs = outputs[0].is_some().then_some(outputs);
        self.deliver(state, plan, iteration, step, outputs, ready);
    }

    /// Hands the arguments of a body to its steps and makes those ready that wait for nothing.
    /// Gives whether the frame is over.
    pub(super) fn start(
        self: &Arc<Frame>,
        plan: &Plan,
        feeds: Vec<Option<Value>>,
        ready: &mut Vec<Task>,
    ) -> bool {
        let mut state = self.lock();
        let Some(target) = state.iteration(0) else { return false };
        let mut begin = |target: &mut Iteration, step: usize, is_dead: bool| {
            target.n_outstanding += 1;
            ready.push(Task::Step { frame: self.clone(), iteration: 0, step, is_dead });
        };
        for (mut value, consumers) in feeds.into_iter().zip(&plan.feeds) {
            let n_others = consumers.len().saturating_sub(1);
            for (nr, consumer) in consumers.iter().enumerate() {
                let value = if nr < n_others { value.clone() } else { value.take() };
                let Some(step) = consumer.step else {
                    target.slots[consumer.slot] = value;
                    continue;
                };
                let arrival = Arrival::Data { slot: consumer.slot, value, is_from_enter: false };
                if let Some(is_dead) = target.arrive(&plan.steps[step], arrival) {
                    begin(target, step, is_dead);
                }
            }
        }
        for (idx, step) in plan.steps.iter().enumerate().filter(|(_, step)| step.n_pending == 0) {
            debug_assert_eq!(step.frame, 0, "what is in a loop has inputs");
            begin(target, idx, false);
        }
        self.settle(&mut state, plan, ready)
    }

    /// Brings `value` into the iteration after `iteration`, or keeps it until that may start.
    pub(super) fn next_iteration(
        self: &Arc<Frame>,
        state: &mut State,
        plan: &Plan,
        iteration: u64,
        step: usize,
        value: Option<Value>,
        ready: &mut Vec<Task>,
    ) {
        if iteration == state.last() {
            if state.iterations.len() >= plan.frames[self.idx].parallel_iterations {
                state.deferred.push((step, value));
                return;
            }
            self.begin_iteration(state, plan, ready);
        }
        let outputs = Some(&mut [value][..]);
        self.deliver(state, plan, iteration + 1, &plan.steps[step], outputs, ready);
    }

    fn begin_iteration(self: &Arc<Frame>, state: &mut State, plan: &Plan, ready: &mut Vec<Task>) {
        let frame = &plan.frames[self.idx];
        let next = match state.spare.take() {
            Some(mut spare) => {
                spare.reset(frame);
                spare
            }
            None => Iteration::new(frame),
        };
        state.iterations.push_back(next);
        // They were dead in an iteration that was not the last.
        state.dead_exits.clear();
        let invariants = std::mem::take(&mut state.invariants);
        for (step, value) in &invariants {
            self.deliver_one(state, plan, state.last(), &plan.steps[*step], value.clone(), ready);
        }
        state.invariants = invariants;
    }

    /// Notes that a step, or a loop, of `iteration` is over. Gives whether the frame is.
    pub(super) fn leave(
        self: &Arc<Frame>,
        state: &mut State,
        plan: &Plan,
        iteration: u64,
        ready: &mut Vec<Task>,
    ) -> bool {
        if let Some(iteration) = state.iteration(iteration) {
            iteration.n_outstanding -= 1;
        }
        self.settle(state, plan, ready)
    }

    /// Forgets iterations that are over and starts one that waited for that. Gives whether the
    /// frame is over.
    pub(super) fn settle(
        self: &Arc<Frame>,
        state: &mut State,
        plan: &Plan,
        ready: &mut Vec<Task>,
    ) -> bool {
        loop {
            let is_over = |iteration: &Iteration| iteration.n_outstanding == 0;
            while state.n_pending_enters == 0
                && state.iterations.front().is_some_and(is_over)
                && let Some(mut iteration) = state.iterations.pop_front()
            {
                state.first += 1;
                if self.idx == 0 {
                    state.results = Some(iteration.slots.drain(plan.first_fetch..).collect());
                } else {
                    state.spare = Some(iteration);
                }
            }
            let n_parallel = plan.frames[self.idx].parallel_iterations;
            if state.deferred.is_empty() || state.iterations.len() >= n_parallel {
                return state.iterations.is_empty();
            }
            self.begin_iteration(state, plan, ready);
            for (step, value) in std::mem::take(&mut state.deferred) {
                let outputs = Some(&mut [value][..]);
                self.deliver(state, plan, state.last(), &plan.steps[step], outputs, ready);
            }
        }
    }
}

impl State {
    /// An iteration, if it is under way.
    pub(super) fn iteration(&mut self, nr: u64) -> Option<&mut Iteration> {
        let idx = usize::try_from(nr.checked_sub(self.first)?).ok()?;
        self.iterations.get_mut(idx)
    }

    /// The number of the first iteration that is under way.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the last iteration that was begun.
    pub(super) fn last(&self) -> u64 {
        (self.first + self.iterations.len() as u64).saturating_sub(1)
    }

    /// The fetches of a body, whether it is over or stuck.
    pub(super) fn take_results(&mut self, plan: &Plan) -> Vec<Option<Value>> {
        match (self.results.take(), self.iterations.front_mut()) {
            (Some(results), _) => results,
            (None, Some(iteration)) => iteration.slots.drain(plan.first_fetch..).collect(),
            (None, None) => Vec::new(),
        }
    }

    /// Lets go of everything; gives the frames that were waited for.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = Arc<Frame>> {
        std::mem::take(self).children.into_values()
    }
}

/// A chain of calls is as long as its depth: it is let go of link by link, not by recursion.
impl Drop for Frame {
    fn drop(&mut self) {
        let mut parent = std::mem::replace(&mut self.parent, Parent::None);
        while let Parent::Loop { frame, .. } | Parent::Call(Caller { frame, .. }) = parent {
            let Some(mut frame) = Arc::into_inner(frame) else { break };
            parent = std::mem::replace(&mut frame.parent, Parent::None);
        }
    }
}
