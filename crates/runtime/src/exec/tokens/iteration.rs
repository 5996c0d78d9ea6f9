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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flowkeep_tensor::Tensor;

    use super::*;
    use crate::plan::{InputKind, Invoke, Work};

    /// A step of two data inputs and `n_control` inputs of control, alone in its frame.
    fn step(route: Route, n_control: usize) -> (Step, Frame) {
        let n_data = if route == Route::Merge { 1 } else { 2 };
        let step = Step {
            name: "step".into(),
            op: Arc::from("Any"),
            work: Work::Invoke(Invoke::Call(0)),
            route,
            frame: 0,
            place: 0,
            first_slot: 0,
            inputs: vec![InputKind::Value; 2],
            outputs: Vec::new(),
            control_outputs: Vec::new(),
            n_pending: 2 + n_control,
            cheap: true,
        };
        (step, Frame { n_slots: 2, pending: vec![n_data + n_control], ..Frame::default() })
    }

    fn data(slot: usize, is_live: bool) -> Arrival {
        let value = is_live.then(|| Value::Host(Tensor::scalar(1f32)));
        Arrival::Data { slot, value, is_from_enter: false }
    }

    /// What each arrival gives.
    fn arrivals(route: Route, n_control: usize, arrivals: Vec<Arrival>) -> Vec<Option<bool>> {
        let (step, frame) = step(route, n_control);
        let mut iteration = Iteration::new(&frame);
        arrivals.into_iter().map(|arrival| iteration.arrive(&step, arrival)).collect()
    }

    const LIVE: Arrival = Arrival::Control { is_dead: false };
    const DEAD: Arrival = Arrival::Control { is_dead: true };

    #[test]
    fn a_step_waits_for_all_and_one_dead_input_kills_it() {
        for (inputs, is_dead) in [
            (vec![data(0, true), data(1, true), LIVE], false),
            (vec![data(0, false), data(1, true), LIVE], true),
            (vec![DEAD, data(0, true), data(1, true)], true),
        ] {
            assert_eq!(arrivals(Route::Plain, 1, inputs), [None, None, Some(is_dead)]);
        }
        let dead = vec![data(0, false), data(1, false)];
        assert_eq!(arrivals(Route::Trigger, 0, dead), [None, Some(false)]);
    }

    #[test]
    fn a_merge_takes_the_first_live_input_and_waits_for_control() {
        let merge = |n_control, inputs| arrivals(Route::Merge, n_control, inputs);
        assert_eq!(merge(0, vec![data(0, true), data(1, true)]), [Some(false), None]);
        assert_eq!(merge(0, vec![data(0, false), data(1, true)]), [None, Some(false)]);
        assert_eq!(merge(0, vec![data(0, false), data(1, false)]), [None, Some(true)]);
        assert_eq!(merge(1, vec![data(1, true), DEAD]), [None, Some(false)]);
        let dead_then_control = vec![data(0, false), data(1, false), LIVE];
        assert_eq!(merge(1, dead_then_control), [None, None, Some(true)]);
    }

    #[test]
    fn a_loop_that_is_entered_dead_is_dead_at_once() {
        let enter = Arrival::Data { slot: 0, value: None, is_from_enter: true };
        assert_eq!(arrivals(Route::Merge, 0, vec![enter]), [Some(true)]);
    }
}
