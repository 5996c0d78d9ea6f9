use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::exec::crew::{Crew, Job};
use crate::exec::flat::Observer;
use crate::exec::room::Room;
use crate::exec::tokens::Machine;
use crate::exec::{Executor, Run, SerialExecutor, flat, step, take_fetches};
use crate::plan::{Consumer, Layout, Step};
use crate::{Error, Plan, Value};

/// Runs independent steps at once, on the calling thread and the session's pool.
#[derive(Debug, Default)]
pub struct ParallelExecutor;

impl Executor for ParallelExecutor {
    fn execute(
        &self,
        plan: &Arc<Plan>,
        feeds: Vec<Value>,
        run: &Arc<Run>,
    ) -> Result<Vec<Value>, Error> {
        let pool = run.host.pool.clone();
        if pool.threads() < 2 {
            return SerialExecutor.execute(plan, feeds, run);
        }
        if let Some(layout) = &plan.layout {
            if plan.costs.is_to_be_timed() {
                return execute_timed(plan, layout, feeds, run);
            }
            if !plan.costs.gains_from_threads() {
                return SerialExecutor.execute(plan, feeds, run);
            }
            let mut ready = Vec::new();
            let steps = Steps::start(plan.clone(), feeds, run.clone(), &mut ready);
            return Crew::work_off(steps, pool, ready)?.job().finish();
        }
        let mut ready = Vec::new();
        let machine = Machine::start(plan.clone(), feeds, run.clone(), false, &mut ready);
        Crew::work_off(machine, pool, ready)?.job().finish()
    }
}

/// Runs one step after another, and learns what each takes.
fn execute_timed(
    plan: &Plan,
    layout: &Layout,
    feeds: Vec<Value>,
    run: &Run,
) -> Result<Vec<Value>, Error> {
    let mut watch = Watch { since: Instant::now(), times: Vec::with_capacity(plan.steps.len()) };
    let values = flat::run(plan, layout, feeds.into_iter().map(Some), run, &mut watch)?;
    plan.costs.learn(&plan.steps, &watch.times);
    take_fetches(plan, values.into_iter())
}

/// Takes the time of each step.
struct Watch {
    since: Instant,
    times: Vec<Duration>,
}

impl Observer for Watch {
    fn after(&mut self, _step: &Step, _values: &[Option<Value>]) {
        let now = Instant::now();
        self.times.push(now - self.since);
        self.since = now;
    }
}

/// The state of one execution of a flat plan, shared by the threads that take part.
struct Steps {
    plan: Arc<Plan>,
    run: Arc<Run>,
    slots: Vec<Mutex<Option<Value>>>,
    pending: Vec<AtomicUsize>,
}

impl Job for Steps {
    type Task = usize;

    // What small steps there are takes no time, and values would leave the cache that they are in.
    const HANDS_OUT_ONE: bool = false;

    fn run(&self, idx: usize, ready: &mut Vec<usize>) -> Result<(), Error> {
        let planned = &self.plan.steps[idx];
        let slots = &self.slots[planned.first_slot..planned.first_slot + planned.inputs.len()];
        let mut room = Room::new(slots.len(), planned.outputs.len());
        for (input, slot) in room.inputs().iter_mut().zip(slots) {
            *input = lock(slot).take();
        }
        step::run(planned, room.values(), &self.run)?;
        // Memory of inputs goes back before the consumers start.
        room.inputs().fill(None);
        let first_new = ready.len();
        for (value, consumers) in room.outputs().iter_mut().zip(&planned.outputs) {
            if let Some(value) = value.take() {
                self.deliver(value, consumers, ready);
            }
        }
        for step in &planned.control_outputs {
            self.arrive(*step, ready);
        }
        ready[first_new..].sort_unstable_by(|a, b| b.cmp(a));
        Ok(())
    }

    fn is_worth_a_thread(&self, idx: &usize) -> bool {
        self.plan.costs.is_heavy(*idx)
    }
}

impl Steps {
    fn start(plan: Arc<Plan>, feeds: Vec<Value>, run: Arc<Run>, ready: &mut Vec<usize>) -> Steps {
        let steps = Steps {
            slots: (0..plan.n_slots()).map(|_| Mutex::new(None)).collect(),
            pending: plan.steps.iter().map(|step| AtomicUsize::new(step.n_pending)).collect(),
            plan,
            run,
        };
        for (value, consumers) in feeds.into_iter().zip(&steps.plan.feeds) {
            steps.deliver(value, consumers, ready);
        }
        let sources = steps.plan.steps.iter().enumerate().filter(|(_, step)| step.n_pending == 0);
        ready.extend(sources.map(|(idx, _)| idx));
        // Earlier steps are done first.
        ready.sort_unstable_by(|a, b| b.cmp(a));
        steps
    }

    fn deliver(&self, value: Value, consumers: &[Consumer], ready: &mut Vec<usize>) {
        let Some((last, others)) = consumers.split_last() else { return };
        for consumer in others {
            *lock(&self.slots[consumer.slot]) = Some(value.clone());
        }
        *lock(&self.slots[last.slot]) = Some(value);
        for step in consumers.iter().filter_map(|consumer| consumer.step) {
            self.arrive(step, ready);
        }
    }

    /// Counts an input of `step` as arrived.
    fn arrive(&self, step: usize, ready: &mut Vec<usize>) {
        // Acquire and release: the thread that runs the step sees what every input's thread did.
        if self.pending[step].fetch_sub(1, Ordering::AcqRel) == 1 {
            ready.push(step);
        }
    }

    fn finish(&self) -> Result<Vec<Value>, Error> {
        take_fetches(
            &self.plan,
            self.slots[self.plan.first_fetch..].iter().map(|slot| lock(slot).take()),
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
