//! Where the values of a plan that runs as tokens wait, and who waits for them.
//!
//! Each iteration of a frame has slots: for each of its steps one for each input and, behind them, one
//! for each output. A kernel reads and writes them in place; what it gave then goes along wires into the
//! slots of all who wait for it.

use std::ops::Range;

use crate::kernel::Place;
use crate::plan::{Consumer, Plan, Route};

/// The slots and wires of a plan.
#[derive(Debug, Default)]
pub(crate) struct Wiring {
    /// What an iteration of each frame has.
    pub(crate) frames: Vec<Room>,
    /// The slot of the first fetch in the outermost frame, behind those of its steps.
    pub(crate) first_fetch: usize,
    /// The steps that wait for nothing.
    pub(crate) sources: Vec<u32>,
    steps: Vec<StepWires>,
    places: Vec<Place>,
    wires: Vec<Wire>,
    /// Where the wires of each output begin; those of a step's control outputs come behind.
    starts: Vec<u32>,
    feeds: Vec<Range<usize>>,
}

/// What one iteration of a frame has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    pub(crate) n_slots: usize,
    /// For each of the frame's steps, what must arrive before it may run: of a merge's data, one input.
    pub(crate) pending: Vec<u32>,
}

/// The part of the wiring that belongs to one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepWires {
    first_slot: u32,
    n_inputs: u32,
    n_outputs: u32,
    first_place: u32,
    first_start: u32,
}

impl StepWires {
    /// The slots of the inputs.
    #[inline]
    pub(crate) fn inputs(self) -> Range<usize> {
        self.first_slot as usize..(self.first_slot + self.n_inputs) as usize
    }

    /// The slots of the outputs.
    #[inline]
    pub(crate) fn outputs(self) -> Range<usize> {
        let first = self.first_slot + self.n_inputs;
        first as usize..(first + self.n_outputs) as usize
    }
}

/// An edge, from the side of the value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    /// The slot that takes the value; none is taken by control.
    pub(crate) slot: u32,
    /// The step that waits, and its place among those of its frame.
    pub(crate) step: u32,
    pub(crate) place: u32,
    pub(crate) waits: Waits,
}

/// What a step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// All inputs; if one is dead it is dead.
    ForAll,
    /// All inputs; it is never dead.
    ForAny,
    /// The first live one of so many data inputs.
    ForOne { n_inputs: u32 },
    /// Nothing: it is a fetch.
    Fetch,
}

impl Wiring {
    /// The wiring of `plan`, whose edges were counted.
    pub(super) fn of(plan: &Plan) -> Wiring {
        let mut wiring =
            Wiring { frames: vec![Room::default(); plan.frames.len()], ..Wiring::default() };
        let mut places = Vec::with_capacity(plan.steps.len());
        for (idx, step) in plan.steps.iter().enumerate() {
            let room = &mut wiring.frames[step.frame];
            let (n_inputs, n_outputs) = (step.inputs.len(), step.outputs.len());
            wiring.steps.push(StepWires {
                first_slot: room.n_slots as u32,
                n_inputs: n_inputs as u32,
                n_outputs: n_outputs as u32,
                first_place: wiring.places.len() as u32,
                first_start: 0,
            });
            for at in 0..n_inputs + n_outputs {
                let is_last = at < n_inputs || step.outputs[at - n_inputs].is_empty();
                wiring.places.push(Place { slot: (room.n_slots + at) as u32, is_last });
            }
            room.n_slots += n_inputs + n_outputs;
            places.push(room.pending.len() as u32);
            let n_optional =
                if step.route == Route::Merge { n_inputs.saturating_sub(1) } else { 0 };
            room.pending.push((step.n_pending - n_optional) as u32);
            if step.n_pending == 0 {
                wiring.sources.push(idx as u32);
            }
        }
        wiring.first_fetch = wiring.frames[0].n_slots;
        wiring.frames[0].n_slots += plan.fetches.len();
        for (idx, step) in plan.steps.iter().enumerate() {
            wiring.steps[idx].first_start = wiring.starts.len() as u32;
            for consumers in &step.outputs {
                wiring.starts.push(wiring.wires.len() as u32);
                wiring.connect(plan, &places, consumers);
            }
            wiring.starts.push(wiring.wires.len() as u32);
            for waiting in &step.control_outputs {
                wiring.wires.push(wiring.wire(plan, &places, *waiting, 0));
            }
        }
        wiring.starts.push(wiring.wires.len() as u32);
        for consumers in &plan.feeds {
            let first = wiring.wires.len();
            wiring.connect(plan, &places, consumers);
            wiring.feeds.push(first..wiring.wires.len());
        }
        wiring
    }

    fn connect(&mut self, plan: &Plan, places: &[u32], consumers: &[Consumer]) {
        for Consumer { slot, step } in consumers {
            let wire = match step {
                Some(step) => self.wire(plan, places, *step, slot - plan.steps[*step].first_slot),
                None => {
                    let slot = (self.first_fetch + slot - plan.first_fetch) as u32;
                    Wire { slot, step: 0, place: 0, waits: Waits::Fetch }
                }
            };
            self.wires.push(wire);
        }
    }

    /// The wire into an input of a step.
    fn wire(&self, plan: &Plan, places: &[u32], step: usize, input: usize) -> Wire {
        let StepWires { first_slot, n_inputs, .. } = self.steps[step];
        let waits = match plan.steps[step].route {
            Route::Merge => Waits::ForOne { n_inputs },
            Route::Trigger => Waits::ForAny,
            _ => Waits::ForAll,
        };
        Wire { slot: first_slot + input as u32, step: step as u32, place: places[step], waits }
    }

    /// The wires of a step.
    #[inline]
    pub(crate) fn step(&self, idx: usize) -> StepWires {
        self.steps[idx]
    }

    /// Where the inputs and the outputs of a step are.
    #[inline]
    pub(crate) fn places(&self, step: StepWires) -> (&[Place], &[Place]) {
        let first = step.first_place as usize;
        let n = (step.n_inputs + step.n_outputs) as usize;
        self.places[first..first + n].split_at(step.n_inputs as usize)
    }

    /// Who waits for an output of a step.
    #[inline]
    pub(crate) fn data(&self, step: StepWires, output: usize) -> &[Wire] {
        let at = step.first_start as usize + output;
        &self.wires[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// Who waits for a step to be over.
    #[inline]
    pub(crate) fn control(&self, step: StepWires) -> &[Wire] {
        self.data(step, step.n_outputs as usize)
    }

    /// Who waits for a feed.
    pub(crate) fn feed(&self, idx: usize) -> &[Wire] {
        &self.wires[self.feeds[idx].clone()]
    }
}
