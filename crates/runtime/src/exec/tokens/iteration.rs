use super::{At, Task};
use crate::Value;
use crate::plan::{Room, StepWires, Waits, Wire, Wiring};

/// One iteration of a frame: the values that wait in it, and what its steps wait for.
#[derive(Debug)]
pub(super) struct Iteration {
    pub(super) slots: Vec<Option<Value>>,
    counts: Vec<Count>,
    /// Steps that are ready or run, and loops that were entered from here.
    pub(super) n_outstanding: usize,
    /// The loops that were entered from here: which frame of the plan each is, and where it is.
    pub(super) children: Vec<(usize, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    /// Inputs that have not arrived. The data inputs of a merge count as one.
    n_pending: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// This many inputs arrived dead.
    Dead(u32),
    /// A merge that has its input.
    Live,
    /// A merge that will have none.
    Died,
}

/// What comes along a wire.
pub(super) enum Arrival {
    Data { value: Option<Value>, is_from_enter: bool },
    Control { is_dead: bool },
}

impl Iteration {
    pub(super) fn new(room: &Room) -> Iteration {
        let mut iteration = Iteration {
            slots: vec![None; room.n_slots],
            counts: Vec::with_capacity(room.pending.len()),
            n_outstanding: 0,
            children: Vec::new(),
        };
        iteration.reset(room);
        iteration
    }

    /// Makes it as good as new.
    pub(super) fn reset(&mut self, room: &Room) {
        self.slots.fill(None);
        let count = |n_pending: &u32| Count { n_pending: *n_pending, state: State::Dead(0) };
        self.counts.clear();
        self.counts.extend(room.pending.iter().map(count));
    }

    /// Hands the outputs of a step that ran here to all who wait for them here.
    #[inline]
    pub(super) fn hand_on(
        &mut self,
        at: At,
        wiring: &Wiring,
        wires: StepWires,
        is_dead: bool,
        ready: &mut Vec<Task>,
    ) {
        for (output, slot) in wires.outputs().enumerate() {
            let to = wiring.data(wires, output);
            if !to.is_empty() {
                let value = if is_dead { None } else { self.slots[slot].take() };
                self.bring(at, to, value, false, ready);
            } else if !is_dead {
                self.slots[slot] = None;
            }
        }
        self.bring_control(at, wiring.control(wires), is_dead, ready);
    }

    /// Brings a value to all who wait for it here.
    #[inline]
    pub(super) fn bring(
        &mut self,
        at: At,
        wires: &[Wire],
        value: Option<Value>,
        is_from_enter: bool,
        ready: &mut Vec<Task>,
    ) {
        let Some((last, others)) = wires.split_last() else { return };
        for wire in others {
            let arrival = Arrival::Data { value: value.clone(), is_from_enter };
            self.note(at, wire, arrival, ready);
        }
        self.note(at, last, Arrival::Data { value, is_from_enter }, ready);
    }

    /// Tells all who wait for a step here that it is over.
    #[inline]
    pub(super) fn bring_control(
        &mut self,
        at: At,
        wires: &[Wire],
        is_dead: bool,
        ready: &mut Vec<Task>,
    ) {
        for wire in wires {
            self.note(at, wire, Arrival::Control { is_dead }, ready);
        }
    }

    /// Makes a step ready to run.
    pub(super) fn begin(&mut self, at: At, step: u32, is_dead: bool, ready: &mut Vec<Task>) {
        self.n_outstanding += 1;
        ready.push(Task::Step { at, step, is_dead, is_heavy: false });
    }

    #[inline]
    fn note(&mut self, at: At, wire: &Wire, arrival: Arrival, ready: &mut Vec<Task>) {
        if let Some(is_dead) = self.arrive(wire, arrival) {
            self.begin(at, wire.step, is_dead, ready);
        }
    }

    /// Notes what came along a wire. Gives whether the step is dead, once it may run.
    #[inline]
    fn arrive(&mut self, wire: &Wire, arrival: Arrival) -> Option<bool> {
        match wire.waits {
            Waits::ForOne { n_inputs } => self.arrive_at_merge(wire, n_inputs, arrival),
            Waits::ForAll | Waits::ForAny => self.arrive_at_step(wire, arrival),
            Waits::Fetch => {
                if let Arrival::Data { value, .. } = arrival {
                    self.slots[wire.slot as usize] = value;
                }
                None
            }
        }
    }

    #[inline]
    fn arrive_at_step(&mut self, wire: &Wire, arrival: Arrival) -> Option<bool> {
        let count = &mut self.counts[wire.place as usize];
        let is_dead = match arrival {
            Arrival::Data { value, .. } => {
                let is_dead = value.is_none();
                self.slots[wire.slot as usize] = value;
                is_dead
            }
            Arrival::Control { is_dead } => is_dead,
        };
        if let (true, State::Dead(n)) = (is_dead, &mut count.state) {
            *n += 1;
        }
        // A value that comes twice is a fault of the graph, which must not count below zero.
        count.n_pending = count.n_pending.checked_sub(1)?;
        let is_dead = count.state != State::Dead(0) && wire.waits == Waits::ForAll;
        (count.n_pending == 0).then_some(is_dead)
    }

    /// The first live input decides; only when all are dead, or that from outside of the loop is,
    /// the merge is.
    fn arrive_at_merge(&mut self, wire: &Wire, n_inputs: u32, arrival: Arrival) -> Option<bool> {
        let count = &mut self.counts[wire.place as usize];
        if let Arrival::Data { value, is_from_enter } = arrival {
            let State::Dead(n_dead) = count.state else { return None };
            if value.is_some() {
                self.slots[wire.slot as usize] = value;
                count.state = State::Live;
            } else if is_from_enter || n_dead + 1 == n_inputs {
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
    use flowkeep_tensor::Tensor;

    use super::*;

    fn data(slot: u32, is_live: bool) -> (u32, Arrival) {
        let value = is_live.then(|| Value::Host(Tensor::scalar(1f32)));
        (slot, Arrival::Data { value, is_from_enter: false })
    }

    /// What each arrival gives at a step of two data inputs and `n_control` inputs of control.
    fn arrivals(waits: Waits, n_control: u32, arrivals: Vec<(u32, Arrival)>) -> Vec<Option<bool>> {
        let n_data = if matches!(waits, Waits::ForOne { .. }) { 1 } else { 2 };
        let mut iteration = Iteration::new(&Room { n_slots: 2, pending: vec![n_data + n_control] });
        let wire = |slot| Wire { slot, step: 0, place: 0, waits };
        arrivals.into_iter().map(|(slot, arrival)| iteration.arrive(&wire(slot), arrival)).collect()
    }

    const LIVE: (u32, Arrival) = (0, Arrival::Control { is_dead: false });
    const DEAD: (u32, Arrival) = (0, Arrival::Control { is_dead: true });

    #[test]
    fn a_step_waits_for_all_and_one_dead_input_kills_it() {
        for (inputs, is_dead) in [
            (vec![data(0, true), data(1, true), LIVE], false),
            (vec![data(0, false), data(1, true), LIVE], true),
            (vec![DEAD, data(0, true), data(1, true)], true),
        ] {
            assert_eq!(arrivals(Waits::ForAll, 1, inputs), [None, None, Some(is_dead)]);
        }
        let dead = vec![data(0, false), data(1, false)];
        assert_eq!(arrivals(Waits::ForAny, 0, dead), [None, Some(false)]);
    }

    #[test]
    fn a_merge_takes_the_first_live_input_and_waits_for_control() {
        let merge = |n_control, inputs| arrivals(Waits::ForOne { n_inputs: 2 }, n_control, inputs);
        assert_eq!(merge(0, vec![data(0, true), data(1, true)]), [Some(false), None]);
        assert_eq!(merge(0, vec![data(0, false), data(1, true)]), [None, Some(false)]);
        assert_eq!(merge(0, vec![data(0, false), data(1, false)]), [None, Some(true)]);
        assert_eq!(merge(1, vec![data(1, true), DEAD]), [None, Some(false)]);
        let dead_then_control = vec![data(0, false), data(1, false), LIVE];
        assert_eq!(merge(1, dead_then_control), [None, None, Some(true)]);
    }

    #[test]
    fn a_loop_that_is_entered_dead_is_dead_at_once() {
        let enter = (0, Arrival::Data { value: None, is_from_enter: true });
        assert_eq!(arrivals(Waits::ForOne { n_inputs: 2 }, 0, vec![enter]), [Some(true)]);
    }
}
