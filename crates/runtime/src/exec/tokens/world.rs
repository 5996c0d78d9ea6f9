//! The frames of a run, and how values go from step to step in them and between them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use flowkeep_linalg::Spin;

use super::frame::{Frame, Parent};
use super::{At, Caller, Task};
use crate::Value;
use crate::plan::{Plan, Route};

/// All frames of a run that are under way.
#[derive(Default)]
pub(super) struct World {
    frames: Vec<Option<Frame>>,
    /// Places among the frames to be used again.
    free: Vec<u32>,
}

impl World {
    /// Adds a frame. Gives where it is.
    pub(super) fn add(&mut self, mut frame: Frame) -> u32 {
        let id = self.free.pop().unwrap_or(self.frames.len() as u32);
        frame.id = id;
        match self.frames.get_mut(id as usize) {
            Some(place) => *place = Some(frame),
            None => self.frames.push(Some(frame)),
        }
        id
    }

    /// A frame, which is under way as long as a task of it is.
    #[inline]
    pub(super) fn frame(&mut self, id: u32) -> Option<&mut Frame> {
        self.frames.get_mut(id as usize)?.as_mut()
    }

    /// Takes a frame that is over.
    pub(super) fn remove(&mut self, id: u32) -> Option<Frame> {
        let frame = self.frames.get_mut(id as usize)?.take()?;
        self.free.push(id);
        Some(frame)
    }

    /// Brings what came of a step, which is in its slots, to where it belongs; a step may be dead.
    #[inline]
    pub(super) fn propagate(
        &mut self,
        plan: &Plan,
        at: At,
        step: usize,
        is_dead: bool,
        ready: &mut Vec<Task>,
    ) {
        let route = plan.steps[step].route;
        let wires = plan.wiring().step(step);
        let Some(frame) = self.frame(at.frame) else { return };
        if let Route::Plain | Route::Switch | Route::Merge | Route::Trigger = route {
            let Some(iteration) = frame.iteration(at.iteration) else { return };
            iteration.hand_on(at, plan.wiring(), wires, is_dead, ready);
        } else {
            let slot = wires.outputs().next().filter(|_| !is_dead);
            let iteration = frame.iteration(at.iteration);
            let value = slot.zip(iteration).and_then(|(slot, here)| here.slots[slot].take());
            match route {
                Route::NextIteration if value.is_some() => {
                    frame.bring_to_next(plan, at.iteration, step, value, ready);
                }
                Route::Exit => self.exit(plan, at, step, value, ready),
                Route::Enter { frame, is_constant } => {
                    self.enter(plan, at, step, (frame, is_constant), value, ready);
                }
                _ => {}
            }
        }
        self.leave(plan, at, ready);
    }

    /// Brings what a step that ran a body gave to where it belongs.
    pub(super) fn finish(
        &mut self,
        plan: &Plan,
        caller: Caller,
        results: Vec<Option<Value>>,
        ready: &mut Vec<Task>,
    ) {
        let Caller { at, step } = caller;
        let slots = plan.wiring().step(step).outputs();
        let here = self.frame(at.frame).and_then(|frame| frame.iteration(at.iteration));
        if let Some(iteration) = here {
            for (slot, value) in slots.zip(results) {
                iteration.slots[slot] = value;
            }
        }
        self.propagate(plan, at, step, false, ready);
    }

    /// Notes that a step, or a loop, is over.
    #[inline]
    pub(super) fn leave(&mut self, plan: &Plan, at: At, ready: &mut Vec<Task>) {
        if self.frame(at.frame).is_some_and(|frame| frame.leave(plan, at.iteration, ready)) {
            ready.push(Task::Ended(at.frame));
        }
    }

    /// Brings a value out of a loop; a dead one is dead outside if the loop ends with it.
    fn exit(
        &mut self,
        plan: &Plan,
        at: At,
        step: usize,
        value: Option<Value>,
        ready: &mut Vec<Task>,
    ) {
        let Some(frame) = self.frame(at.frame) else { return };
        if let (Parent::Loop(outside), Some(_)) = (frame.parent, &value) {
            if let Some(parent) = self.frame(outside.frame) {
                parent.bring(plan, outside.iteration, step, value, ready);
            }
        } else if at.iteration == frame.last() {
            frame.dead_exits.push(step);
        }
    }

    /// Brings a value into a loop, which begins with the first that comes.
    fn enter(
        &mut self,
        plan: &Plan,
        at: At,
        step: usize,
        (idx, is_constant): (usize, bool),
        value: Option<Value>,
        ready: &mut Vec<Task>,
    ) {
        let Some(parent) = self.frame(at.frame) else { return };
        let (body, depth, is_timed) = (parent.body, parent.depth, parent.is_timed);
        let Some(iteration) = parent.iteration(at.iteration) else { return };
        let known = iteration.children.iter().find(|(child, _)| *child == idx);
        let id = match known {
            Some((_, id)) => *id,
            None => {
                let mut child = Frame::new(plan, body, idx, Parent::Loop(at), depth);
                child.is_timed = is_timed;
                let id = self.add(child);
                let here = self.frame(at.frame).and_then(|frame| frame.iteration(at.iteration));
                if let Some(iteration) = here {
                    iteration.children.push((idx, id));
                    iteration.n_outstanding += 1;
                }
                id
            }
        };
        let Some(child) = self.frame(id) else { return };
        child.n_pending_enters = child.n_pending_enters.saturating_sub(1);
        if is_constant {
            child.bring_to_all(plan, step, value, ready);
        } else {
            child.bring(plan, 0, step, value, ready);
        }
        if child.settle(plan, ready) {
            ready.push(Task::Ended(id));
        }
    }

    /// Goes on where a loop was entered, now that it is over.
    pub(super) fn end_loop(
        &mut self,
        plan: &Plan,
        child: &Frame,
        outside: At,
        ready: &mut Vec<Task>,
    ) {
        let Some(parent) = self.frame(outside.frame) else { return };
        if let Some(iteration) = parent.iteration(outside.iteration) {
            iteration.children.retain(|(idx, _)| *idx != child.idx);
        }
        for step in &child.dead_exits {
            parent.bring(plan, outside.iteration, *step, None, ready);
        }
        self.leave(plan, outside, ready);
    }
}

/// The frames of a run, and how many threads wait for them.
pub(super) struct SharedWorld {
    world: Mutex<World>,
    n_waiting: AtomicUsize,
}

impl SharedWorld {
    pub(super) fn new(world: World) -> SharedWorld {
        SharedWorld { world: Mutex::new(world), n_waiting: AtomicUsize::new(0) }
    }

    /// The frames, waited for if somebody else has them: who waits is mostly woken up too late.
    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.try_lock().unwrap_or_else(|| self.wait())
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, World>> {
        match self.world.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    #[cold]
    fn wait(&self) -> MutexGuard<'_, World> {
        self.n_waiting.fetch_add(1, Ordering::Relaxed);
        let mut spin = Spin::new();
        let guard = loop {
            match self.try_lock() {
                Some(guard) => break guard,
                None if spin.once_more() => {}
                None => break self.world.lock().unwrap_or_else(PoisonError::into_inner),
            }
        };
        self.n_waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }
}

/// A hold on the frames of a run: nobody else changes them until it is let go of.
pub(super) struct Hold<'a> {
    world: &'a SharedWorld,
    guard: Option<MutexGuard<'a, World>>,
    /// Whether nobody else wants them.
    is_sole: bool,
}

impl<'a> Hold<'a> {
    pub(super) fn new(world: &'a SharedWorld, is_sole: bool) -> Hold<'a> {
        Hold { world, guard: None, is_sole }
    }

    /// The frames, waited for if somebody else has them.
    #[inline]
    pub(super) fn world(&mut self) -> &mut World {
        let Hold { world, guard, .. } = self;
        guard.get_or_insert_with(|| world.lock())
    }

    /// Lets one of those who wait for the frames have them, if there are any.
    #[inline]
    pub(super) fn give_way(&mut self) {
        /// Looks at whether somebody took them: far more than it takes one who does not sleep.
        const PATIENCE: usize = 100;
        let n_waiting = self.world.n_waiting.load(Ordering::Relaxed);
        if self.is_sole || n_waiting == 0 {
            return;
        }
        self.guard = None;
        for _ in 0..PATIENCE {
            if self.world.n_waiting.load(Ordering::Relaxed) < n_waiting {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Lets others have the frames until [`Hold::world`] is called again.
    #[inline]
    pub(super) fn release(&mut self) {
        if !self.is_sole {
            self.guard = None;
        }
    }
}
