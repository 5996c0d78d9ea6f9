//! Plans with loops, calls and dead values, as tokens.
//!
//! A step runs once for each combination of the call that it is part of and the iteration of each
//! loop around it: a frame and the number of an iteration in it. Values wait in the slots of their
//! iteration; when all that a step waits for is there, it becomes a [`Task`]. Iterations and frames
//! are dropped as soon as nothing in them can run any more, so that a loop takes as much memory as
//! its parallel iterations do.
//!
//! A thread has a hold on all frames while it runs one small step after another in their slots, and
//! lets go of it for steps that are worth a thread of their own.
//!
//! A call is a step that is not over until the frame of its body is. Nothing waits for it but its
//! consumers: the thread goes on with other tasks.

mod frame;
mod invoke;
mod iteration;
mod truth;
mod world;

use std::sync::Arc;
use std::time::Instant;

use self::frame::{Frame, Parent};
pub(super) use self::invoke::Then;
use self::world::{Hold, SharedWorld, World};
use crate::exec::crew::{Job, gains_from_sharing};
use crate::exec::room::Room;
use crate::exec::step::Values;
use crate::exec::{Run, step, take_fetches};
use crate::plan::{Plan, Work};
use crate::{Error, Value};

/// Steps that a thread runs before others get a turn at the frames.
const TURN: usize = 64;
/// One of so many iterations of a loop is timed.
const PERIOD: u64 = 64;

/// One run of a plan.
pub(super) struct Machine {
    plan: Arc<Plan>,
    run: Arc<Run>,
    root: u32,
    world: SharedWorld,
    /// Whether nobody shares the tasks.
    is_serial: bool,
}

/// An iteration of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    frame: u32,
    iteration: u64,
}

/// A step in an iteration of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    at: At,
    step: usize,
}

/// What can be done next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    /// To run a step, or to tell that it is dead.
    Step { at: At, step: u32, is_dead: bool, is_heavy: bool },
    /// To go on where a loop was entered or a body called, now that it is over.
    Ended(u32),
}

impl Job for Machine {
    type Task = Task;

    // Small steps often lead on in a loop, and its sums need not wait for them.
    const HANDS_OUT_ONE: bool = true;

    /// Goes on with tasks from `ready` as long as they give nothing to share.
    fn run(&self, task: Task, ready: &mut Vec<Task>) -> Result<(), Error> {
        let mut hold = Hold::new(&self.world, self.is_serial);
        let n_heavy = |tasks: &[Task]| tasks.iter().filter(|task| task.is_heavy()).count();
        let mut n_shareable = if self.is_serial { 0 } else { n_heavy(ready) };
        let mut next = Some(task);
        for _ in 0..TURN {
            let Some(task) = next else { return Ok(()) };
            hold.give_way();
            let first_new = ready.len();
            match task {
                Task::Step { at, step, is_dead, is_heavy } => {
                    let caller = Caller { at, step: step as usize };
                    self.run_step(&mut hold, caller, is_dead, is_heavy, ready)?;
                }
                Task::Ended(frame) => self.end(&mut hold, frame, ready)?,
            }
            let new = &mut ready[first_new..];
            self.weigh(hold.world(), new);
            // Earlier steps are done first, and what is over before them; a later iteration after all
            // else, so that what this one has computed is still in the cache when it is used.
            if new.len() > 1 {
                new.sort_by_key(|task| std::cmp::Reverse(task.step()));
            }
            let (n_new, n_new_heavy) = (new.len(), n_heavy(new));
            if new.iter().any(|new| new.is_later_than(&task)) {
                ready.rotate_right(n_new);
            }
            if !self.is_serial {
                n_shareable += n_new_heavy;
                let next_is_heavy = ready.last().is_some_and(Task::is_heavy);
                if gains_from_sharing::<Machine>(&self.run.host.pool, n_shareable, next_is_heavy) {
                    return Ok(());
                }
            }
            next = ready.pop();
            n_shareable -= usize::from(!self.is_serial && next.is_some_and(|task| task.is_heavy()));
        }
        ready.extend(next);
        Ok(())
    }

    fn is_worth_a_thread(&self, task: &Task) -> bool {
        task.is_heavy()
    }
}

impl Task {
    fn is_heavy(&self) -> bool {
        matches!(self, Task::Step { is_heavy: true, .. })
    }

    /// Whether this is in a later iteration of the same loop.
    fn is_later_than(&self, task: &Task) -> bool {
        match (self, task) {
            (Task::Step { at: this, .. }, Task::Step { at: other, .. }) => {
                this.frame == other.frame && this.iteration > other.iteration
            }
            _ => false,
        }
    }

    fn step(&self) -> Option<u32> {
        match self {
            Task::Step { step, .. } => Some(*step),
            Task::Ended(_) => None,
        }
    }
}

impl Machine {
    /// Brings the feeds into the plan; `ready` gets what can be done then.
    pub(super) fn start(
        plan: Arc<Plan>,
        feeds: Vec<Value>,
        run: Arc<Run>,
        is_serial: bool,
        ready: &mut Vec<Task>,
    ) -> Machine {
        let mut world = World::default();
        let mut root = Frame::new(&plan, None, 0, Parent::None, 0);
        root.is_timed = !is_serial && plan.costs.is_to_be_timed();
        let root = world.add(root);
        if let Some(root) = world.frame(root) {
            root.start(&plan, feeds.into_iter().map(Some).collect(), ready);
        }
        ready.reverse();
        let machine = Machine { plan, run, root, world: SharedWorld::new(world), is_serial };
        machine.weigh(Hold::new(&machine.world, true).world(), ready);
        machine
    }

    /// Finds out which tasks are worth a thread.
    #[inline]
    fn weigh(&self, world: &mut World, tasks: &mut [Task]) {
        if self.is_serial {
            return;
        }
        for task in tasks {
            if let Task::Step { at, step, is_dead: false, is_heavy } = task
                && let Some(frame) = world.frame(at.frame)
            {
                *is_heavy = self.plan_of(frame.body).costs.is_heavy(*step as usize);
            }
        }
    }

    /// The values of the fetches, when nothing is left to do.
    pub(super) fn finish(&self) -> Result<Vec<Value>, Error> {
        let mut world = self.world.lock();
        let root = world.frame(self.root);
        let results = root.map(|root| root.take_results(&self.plan)).unwrap_or_default();
        take_fetches(&self.plan, results.into_iter())
    }

    /// A body of the plan, or the plan itself.
    #[inline]
    fn plan_of(&self, body: Option<usize>) -> &Plan {
        body.map_or(&*self.plan, |body| &self.plan.bodies[body])
    }

    #[inline]
    fn run_step(
        &self,
        hold: &mut Hold<'_>,
        caller: Caller,
        is_dead: bool,
        is_heavy: bool,
        ready: &mut Vec<Task>,
    ) -> Result<(), Error> {
        let Caller { at, step } = caller;
        let world = hold.world();
        let Some(frame) = world.frame(at.frame) else { return Ok(()) };
        let plan = self.plan_of(frame.body);
        let is_timed = !self.is_serial && (frame.is_timed || at.iteration % PERIOD == 1);
        let Some(iteration) = frame.iteration(at.iteration) else { return Ok(()) };
        let planned = &plan.steps[step];
        let wires = plan.wiring().step(step);
        if is_dead {
            iteration.slots[wires.inputs()].fill(None);
            world.propagate(plan, at, step, true, ready);
            return Ok(());
        }
        if let Work::Invoke(invoke) = &planned.work {
            let inputs = iteration.slots[wires.inputs()].iter_mut().map(Option::take).collect();
            return self.invoke(hold, caller, (planned, invoke), inputs, ready);
        }
        let started = is_timed.then(Instant::now);
        if is_heavy && !self.is_serial {
            let mut room = Room::new(wires.inputs().len(), wires.outputs().len());
            for (input, slot) in room.inputs().iter_mut().zip(wires.inputs()) {
                *input = iteration.slots[slot].take();
            }
            hold.release();
            step::run(planned, room.values(), &self.run)?;
            if let Some(started) = started {
                plan.costs.note(step, started.elapsed());
            }
            // Memory of inputs goes back before the consumers start.
            room.inputs().fill(None);
            let world = hold.world();
            let frame = world.frame(at.frame);
            if let Some(iteration) = frame.and_then(|frame| frame.iteration(at.iteration)) {
                for (output, slot) in room.outputs().iter_mut().zip(wires.outputs()) {
                    iteration.slots[slot] = output.take();
                }
            }
        } else {
            let (inputs, outputs) = plan.wiring().places(wires);
            let values = Values { all: &mut iteration.slots, inputs, outputs };
            step::run(planned, values, &self.run)?;
            if let Some(started) = started {
                plan.costs.note(step, started.elapsed());
            }
            for slot in wires.inputs() {
                iteration.slots[slot] = None;
            }
        }
        hold.world().propagate(plan, at, step, false, ready);
        Ok(())
    }

    /// Goes on where a frame came from, now that it is over.
    fn end(&self, hold: &mut Hold<'_>, frame: u32, ready: &mut Vec<Task>) -> Result<(), Error> {
        if frame == self.root {
            return Ok(());
        }
        let world = hold.world();
        let Some(mut frame) = world.remove(frame) else { return Ok(()) };
        let plan = self.plan_of(frame.body);
        match frame.parent {
            Parent::None => Ok(()),
            Parent::Loop(outside) => {
                world.end_loop(plan, &frame, outside, ready);
                Ok(())
            }
            Parent::Call(caller) => {
                let results = frame.take_results(plan);
                self.resume(hold, caller, frame.then, results, ready)
            }
        }
    }
}
