//! Plans with loops, calls and dead values, as tokens.
//!
//! A step runs once for each combination of the call that it is part of and the iteration of each
//! loop around it: a [`Frame`] and the number of an iteration in it. Values wait in the slots of
//! their iteration; when all that a step waits for is there, it becomes a [`Task`]. Iterations and
//! frames are dropped as soon as nothing in them can run any more, so that a loop takes as much
//! memory as its parallel iterations do.
//!
//! A call is a step that is not over until the frame of its body is. Nothing waits for it but its
//! consumers: the thread goes on with other tasks.

mod frame;
mod invoke;
mod iteration;
mod truth;

use std::sync::Arc;

use self::frame::{Child, Frame, Parent};
pub(super) use self::invoke::{Caller, Then};
use crate::exec::crew::Job;
use crate::exec::room::Room;
use crate::exec::{Run, step, take_fetches};
use crate::plan::{Plan, Route, Step, Work};
use crate::{Error, Value};

/// One run of a plan.
pub(super) struct Machine {
    plan: Arc<Plan>,
    run: Arc<Run>,
    root: Arc<Frame>,
    /// Whether nobody shares the tasks.
    is_serial: bool,
}

/// What can be done next.
pub(super) enum Task {
    /// To run a step, or to tell that it is dead.
    Step { frame: Arc<Frame>, iteration: u64, step: usize, is_dead: bool },
    /// To go on where a loop was entered or a body called, now that it is over.
    Ended(Arc<Frame>),
}

impl Job for Machine {
    type Task = Task;

    fn run(&self, task: Task, ready: &mut Vec<Task>) -> Result<(), Error> {
        let first_new = ready.len();
        match task {
            Task::Step { frame, iteration, step, is_dead } => {
                self.run_step(Caller { frame, iteration, step }, is_dead, ready)?;
            }
            Task::Ended(frame) => self.end(&frame, ready)?,
        }
        // Earlier steps are done first, and what is over before them.
        let place = |task: &Task| match task {
            Task::Step { step, .. } => Some(*step),
            Task::Ended(_) => None,
        };
        if ready.len() > first_new + 1 {
            ready[first_new..].sort_by_key(|task| std::cmp::Reverse(place(task)));
        }
        Ok(())
    }

    fn is_worth_a_thread(&self, task: &Task) -> bool {
        match task {
            Task::Step { frame, step, is_dead, .. } => {
                !is_dead && !self.plan_of(frame).steps[*step].cheap
            }
            Task::Ended(_) => false,
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
        let root = Arc::new(Frame::new(None, 0, Parent::None, 0, &plan.frames[0]));
        root.start(&plan, feeds.into_iter().map(Some).collect(), ready);
        ready.reverse();
        Machine { plan, run, root, is_serial }
    }

    /// The values of the fetches, when nothing is left to do.
    pub(super) fn finish(&self) -> Result<Vec<Value>, Error> {
        let results = self.root.lock().take_results(&self.plan);
        take_fetches(&self.plan, results.into_iter())
    }

    fn plan_of(&self, frame: &Frame) -> &Plan {
        frame.body.map_or(&*self.plan, |body| &self.plan.bodies[body])
    }

    fn run_step(&self, place: Caller, is_dead: bool, ready: &mut Vec<Task>) -> Result<(), Error> {
        let planned = &self.plan_of(&place.frame).steps[place.step];
        let slots = planned.first_slot..planned.first_slot + planned.inputs.len();
        let mut room = Room::new(slots.len(), planned.outputs.len());
        if let Some(iteration) = place.frame.lock().iteration(place.iteration) {
            for (input, slot) in room.inputs().iter_mut().zip(&mut iteration.slots[slots]) {
                *input = slot.take();
            }
        }
        if is_dead {
            drop(room);
            self.propagate(&place, None, ready);
            return Ok(());
        }
        match &planned.work {
            Work::Kernel(_) => {
                step::run(planned, room.values(), &self.run)?;
                // Memory of inputs goes back before the consumers start.
                room.inputs().fill(None);
                self.propagate(&place, Some(room.outputs()), ready);
                Ok(())
            }
            Work::Invoke(invoke) => {
                let inputs = room.inputs().iter_mut().map(Option::take).collect();
                self.invoke(place, planned, invoke, inputs, ready)
            }
        }
    }

    /// Brings what came of a step to where it belongs; without outputs the step is dead.
    fn propagate(
        &self,
        place: &Caller,
        outputs: Option<&mut [Option<Value>]>,
        ready: &mut Vec<Task>,
    ) {
        let Caller { frame, iteration, step } = place;
        let plan = self.plan_of(frame);
        let planned = &plan.steps[*step];
        let mut state = match planned.route {
            Route::Enter { frame: idx, is_constant } => {
                self.enter(place, (idx, is_constant), outputs, ready);
                frame.lock()
            }
            Route::Exit => {
                if let (Parent::Loop { frame: parent, iteration }, Some(_)) =
                    (&frame.parent, &outputs)
                {
                    let mut state = parent.lock();
                    parent.deliver(&mut state, plan, *iteration, planned, outputs, ready);
                    // No two frames are ever locked at once.
                    drop(state);
                    frame.lock()
                } else {
                    let mut state = frame.lock();
                    if *iteration == state.last() {
                        state.dead_exits.push(*step);
                    }
                    state
                }
            }
            Route::NextIteration => {
                let mut state = frame.lock();
                if let Some(value) = outputs.and_then(<[_]>::first_mut).map(Option::take) {
                    frame.next_iteration(&mut state, plan, *iteration, *step, value, ready);
                }
                state
            }
            Route::Plain | Route::Switch | Route::Merge | Route::Trigger => {
                let mut state = frame.lock();
                frame.deliver(&mut state, plan, *iteration, planned, outputs, ready);
                state
            }
        };
        if frame.leave(&mut state, plan, *iteration, ready) {
            ready.push(Task::Ended(frame.clone()));
        }
    }

    /// Brings a value into a loop, which begins with the first that comes.
    fn enter(
        &self,
        place: &Caller,
        (idx, is_constant): (usize, bool),
        outputs: Option<&mut [Option<Value>]>,
        ready: &mut Vec<Task>,
    ) {
        let Caller { frame, iteration, step } = place;
        let plan = self.plan_of(frame);
        let child = {
            let mut state = frame.lock();
            let key = Child::Loop { iteration: *iteration, frame: idx };
            match state.children.get(&key) {
                Some(child) => child.clone(),
                None => {
                    let parent = Parent::Loop { frame: frame.clone(), iteration: *iteration };
                    let child = Frame::new(frame.body, idx, parent, frame.depth, &plan.frames[idx]);
                    let child = Arc::new(child);
                    state.children.insert(key, child.clone());
                    if let Some(iteration) = state.iteration(*iteration) {
                        iteration.n_outstanding += 1;
                    }
                    child
                }
            }
        };
        let planned: &Step = &plan.steps[*step];
        let mut state = child.lock();
        state.n_pending_enters = state.n_pending_enters.saturating_sub(1);
        if is_constant {
            let value = outputs.and_then(<[_]>::first_mut).and_then(Option::take);
            for iteration in state.first()..=state.last() {
                child.deliver_one(&mut state, plan, iteration, planned, value.clone(), ready);
            }
            state.invariants.push((*step, value));
        } else {
            child.deliver(&mut state, plan, 0, planned, outputs, ready);
        }
        if child.settle(&mut state, plan, ready) {
            drop(state);
            ready.push(Task::Ended(child));
        }
    }

    /// Goes on where a frame came from, now that it is over.
    fn end(&self, frame: &Arc<Frame>, ready: &mut Vec<Task>) -> Result<(), Error> {
        let plan = self.plan_of(frame);
        match &frame.parent {
            Parent::None => Ok(()),
            Parent::Loop { frame: parent, iteration } => {
                let dead_exits = std::mem::take(&mut frame.lock().dead_exits);
                let mut state = parent.lock();
                state.children.remove(&Child::Loop { iteration: *iteration, frame: frame.idx });
                for step in dead_exits {
                    let step = &plan.steps[step];
                    parent.deliver(&mut state, plan, *iteration, step, None, ready);
                }
                if parent.leave(&mut state, plan, *iteration, ready) {
                    ready.push(Task::Ended(parent.clone()));
                }
                Ok(())
            }
            Parent::Call(caller) => {
                let mut state = frame.lock();
                let (results, then) = (state.take_results(plan), std::mem::take(&mut state.then));
                drop(state);
                let Caller { iteration, step, .. } = *caller;
                caller.frame.lock().children.remove(&Child::Call { iteration, step });
                self.resume(caller, then, results, ready)
            }
        }
    }
}

/// Frames know their parents and parents their frames: what a failed run leaves is taken apart.
impl Drop for Machine {
    fn drop(&mut self) {
        let mut frames = vec![self.root.clone()];
        while let Some(frame) = frames.pop() {
            let mut state = frame.lock();
            frames.extend(state.clear());
        }
    }
}
