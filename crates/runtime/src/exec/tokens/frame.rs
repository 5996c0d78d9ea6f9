use std::collections::VecDeque;

use super::iteration::Iteration;
use super::{At, Caller, Task, Then};
use crate::Value;
use crate::plan::Plan;

/// A loop under way, entered from one iteration of its parent, or a body that was called.
pub(super) struct Frame {
    /// Where it is among the frames that are under way.
    pub(super) id: u32,
    /// Which body of the plan; `None` is the plan itself.
    pub(super) body: Option<usize>,
    /// Which frame of the body.
    pub(super) idx: usize,
    pub(super) parent: Parent,
    /// How many calls lead here.
    pub(super) depth: usize,
    /// Whether its steps are timed.
    pub(super) is_timed: bool,
    /// The iterations that are under way.
    iterations: VecDeque<Iteration>,
    /// The number of the first of them.
    first: u64,
    /// Iterations that are over, to be used again.
    spare: Vec<Iteration>,
    /// Steps that lead into the frame and have not run.
    pub(super) n_pending_enters: usize,
    /// What constant enters brought: it arrives in every iteration.
    invariants: Vec<(usize, Option<Value>)>,
    /// What waits until one more iteration may start.
    deferred: Vec<(usize, Option<Value>)>,
    /// The exits that were dead in the last iteration.
    pub(super) dead_exits: Vec<usize>,
    /// The fetches of a body that is over.
    results: Option<Vec<Option<Value>>>,
    /// What the caller goes on with.
    pub(super) then: Then,
}

/// Where a frame comes from.
#[derive(Clone, Copy)]
pub(super) enum Parent {
    /// It is the outermost.
    None,
    /// A loop was entered from here.
    Loop(At),
    /// A step invoked a body.
    Call(Caller),
}

impl Frame {
    /// Frame `idx` of `plan`, which is `body` of the plan that runs.
    pub(super) fn new(
        plan: &Plan,
        body: Option<usize>,
        idx: usize,
        parent: Parent,
        depth: usize,
    ) -> Frame {
        Frame {
            id: 0,
            body,
            idx,
            parent,
            depth,
            is_timed: false,
            iterations: VecDeque::from([Iteration::new(&plan.wiring().frames[idx])]),
            first: 0,
            spare: Vec::new(),
            n_pending_enters: plan.frames[idx].n_enters,
            invariants: Vec::new(),
            deferred: Vec::new(),
            dead_exits: Vec::new(),
            results: None,
            then: Then::Return,
        }
    }

    /// An iteration, if it is under way.
    #[inline]
    pub(super) fn iteration(&mut self, nr: u64) -> Option<&mut Iteration> {
        let idx = usize::try_from(nr.checked_sub(self.first)?).ok()?;
        self.iterations.get_mut(idx)
    }

    fn at(&self, iteration: u64) -> At {
        At { frame: self.id, iteration }
    }

    /// The number of the last iteration that was begun.
    pub(super) fn last(&self) -> u64 {
        (self.first + self.iterations.len() as u64).saturating_sub(1)
    }

    /// Hands the only output of `step`, which may have run in another frame or iteration, to all who
    /// wait for it in `iteration`; without a value it is dead.
    pub(super) fn bring(
        &mut self,
        plan: &Plan,
        iteration: u64,
        step: usize,
        value: Option<Value>,
        ready: &mut Vec<Task>,
    ) {
        let (at, wires) = (self.at(iteration), plan.wiring().step(step));
        let is_from_enter = plan.steps[step].route.is_enter();
        let is_dead = value.is_none();
        let Some(iteration) = self.iteration(iteration) else { return };
        if !plan.steps[step].outputs.is_empty() {
            iteration.bring(at, plan.wiring().data(wires, 0), value, is_from_enter, ready);
        }
        iteration.bring_control(at, plan.wiring().control(wires), is_dead, ready);
    }

    /// Hands the arguments of a body to its steps and makes those ready that wait for nothing.
    /// Gives whether the frame is over.
    pub(super) fn start(
        &mut self,
        plan: &Plan,
        feeds: Vec<Option<Value>>,
        ready: &mut Vec<Task>,
    ) -> bool {
        let at = self.at(0);
        let Some(iteration) = self.iteration(0) else { return false };
        for (idx, value) in feeds.into_iter().enumerate().take(plan.feeds.len()) {
            iteration.bring(at, plan.wiring().feed(idx), value, false, ready);
        }
        for step in &plan.wiring().sources {
            debug_assert_eq!(plan.steps[*step as usize].frame, 0, "what is in a loop has inputs");
            iteration.begin(at, *step, false, ready);
        }
        self.settle(plan, ready)
    }

    /// Brings what a constant enter leads in into all iterations, those to come among them.
    pub(super) fn bring_to_all(
        &mut self,
        plan: &Plan,
        step: usize,
        value: Option<Value>,
        ready: &mut Vec<Task>,
    ) {
        for iteration in self.first..=self.last() {
            self.bring(plan, iteration, step, value.clone(), ready);
        }
        self.invariants.push((step, value));
    }

    /// Brings `value` into the iteration after `iteration`, or keeps it until that may start.
    pub(super) fn bring_to_next(
        &mut self,
        plan: &Plan,
        iteration: u64,
        step: usize,
        value: Option<Value>,
        ready: &mut Vec<Task>,
    ) {
        if iteration == self.last() {
            if self.iterations.len() >= plan.frames[self.idx].parallel_iterations {
                self.deferred.push((step, value));
                return;
            }
            self.begin_iteration(plan, ready);
        }
        self.bring(plan, iteration + 1, step, value, ready);
    }

    fn begin_iteration(&mut self, plan: &Plan, ready: &mut Vec<Task>) {
        let room = &plan.wiring().frames[self.idx];
        let next = match self.spare.pop() {
            Some(mut spare) => {
                spare.reset(room);
                spare
            }
            None => Iteration::new(room),
        };
        self.iterations.push_back(next);
        // They were dead in an iteration that was not the last.
        self.dead_exits.clear();
        let invariants = std::mem::take(&mut self.invariants);
        for (step, value) in &invariants {
            self.bring(plan, self.last(), *step, value.clone(), ready);
        }
        self.invariants = invariants;
    }

    /// Notes that a step, or a loop, of `iteration` is over. Gives whether the frame is.
    #[inline]
    pub(super) fn leave(&mut self, plan: &Plan, iteration: u64, ready: &mut Vec<Task>) -> bool {
        let Some(iteration) = self.iteration(iteration) else { return false };
        iteration.n_outstanding -= 1;
        iteration.n_outstanding == 0 && self.settle(plan, ready)
    }

    /// Forgets iterations that are over and starts one that waited for that. Gives whether the
    /// frame is over.
    pub(super) fn settle(&mut self, plan: &Plan, ready: &mut Vec<Task>) -> bool {
        loop {
            let is_over = |iteration: &Iteration| iteration.n_outstanding == 0;
            while self.n_pending_enters == 0
                && self.iterations.front().is_some_and(is_over)
                && let Some(mut iteration) = self.iterations.pop_front()
            {
                self.first += 1;
                if self.idx == 0 {
                    let fetched = iteration.slots.drain(plan.wiring().first_fetch..);
                    self.results = Some(fetched.collect());
                } else {
                    self.spare.push(iteration);
                }
            }
            let n_parallel = plan.frames[self.idx].parallel_iterations;
            if self.deferred.is_empty() || self.iterations.len() >= n_parallel {
                return self.iterations.is_empty();
            }
            self.begin_iteration(plan, ready);
            let mut deferred = std::mem::take(&mut self.deferred);
            for (step, value) in deferred.drain(..) {
                self.bring(plan, self.last(), step, value, ready);
            }
            // Nothing was deferred meanwhile; the memory is used again.
            self.deferred = deferred;
        }
    }

    /// The fetches of a body, whether it is over or stuck.
    pub(super) fn take_results(&mut self, plan: &Plan) -> Vec<Option<Value>> {
        match (self.results.take(), self.iterations.front_mut()) {
            (Some(results), _) => results,
            (None, Some(iteration)) => iteration.slots.drain(plan.wiring().first_fetch..).collect(),
            (None, None) => Vec::new(),
        }
    }
}
