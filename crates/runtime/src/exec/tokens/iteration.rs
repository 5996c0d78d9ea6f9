use crate::Value;
use crate::plan::{Frame, Route, Step};

/// One iteration of a frame: the values that wait in it, and what its steps wait for.
#[derive(Debug)]
pub(super) struct Iteration {
    pub(super) slots: Vec<Option<Value>>,
    counts: Vec<Count>,
    /// Steps that are ready or run, and loops that were entered from here.
    pub(super) n_outstanding: usize,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    /// Inputs that have not arrived. The data inputs of a merge count as one.
    n_pending: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// This many inputs arrived dead.
    Dead(usize),
    /// A merge that has its input.
    Live,
    /// A merge that will have none.
    Died,
}

/// What comes along an edge.
pub(super) enum Arrival {
    /// A value, or a dead tensor.
    Data {
        slot: usize,
        value: Option<Value>,
        is_from_enter: bool,
    },
    Control {
        is_dead: bool,
    },
}

impl Iteration {
    pub(super) fn new(frame: &Frame) -> Iteration {
        let mut iteration = Iteration {
            slots: vec![None; frame.n_slots],
            counts: Vec::with_capacity(frame.pending.len()),
            n_outstanding: 0,
        };
        iteration.reset(frame);
        iteration
    }

    /// Makes it as good as new.
    pub(super) fn reset(&mut self, frame: &Frame) {
        self.slots.fill(None);
        let count = |n_pending: &usize| Count { n_pending: *n_pending, state: State::Dead(0) };
        self.counts.clear();
        self.counts.extend(frame.pending.iter().map(count));
    }

    /// Notes what came for `step`. Gives whether the step is dead, once it may run.
    pub(super) fn arrive(&mut self, step: &Step, arrival: Arrival) -> Option<bool> {
        match step.route {
            Route::Merge => self.arrive_at_merge(step, arrival),
            _ => self.arrive_at_step(step, arrival),
        }
    }

    fn arrive_at_step(&mut self, step: &Step, arrival: Arrival) -> Option<bool> {
        let count = &mut self.counts[step.place];
        let is_dead = match arrival {
            Arrival::Data { slot, value, .. } => {
                let is_dead = value.is_none();
                self.slots[slot] = value;
                is_dead
            }
            Arrival::Control { is_dead } => is_dead,
        };
        if let (true, State::Dead(n)) = (is_dead, &mut count.state) {
            *n += 1;
        }
        // A value that comes twice is a fault of the graph, which must not count below zero.
        count.n_pending = count.n_pending.checked_sub(1)?;
        let is_dead = count.state != State::Dead(0) && step.route != Route::Trigger;
        (count.n_pending == 0).then_some(is_dead)
    }

    /// The first live input decides; only when all are dead, or that from outside of the loop is,
    /// the merge is.
    fn arrive_at_merge(&mut self, step: &Step, arrival: Arrival) -> Option<bool> {
        let count = &mut self.counts[step.place];
        if let Arrival::Data { slot, value, is_from_enter } = arrival {
            let State::Dead(n_dead) = count.state else { return None };
            if value.is_some() {
                self.slots[slot] = value;
                count.state = State::Live;
            } else if is_from_enter || n_dead + 1 == step.inputs.len() {
                count.state = State::Died;
            } else {
                count.state = State::Dead(n_dead + 1);
                return None;
            }
        }
        count.n_pending = count.n_pending.checked_sub(1)?;
        (count.n_pending == 0).then_some(count.state == State::Died)
    }
}
