use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::exec::{Executor, Host, step};
use crate::plan::Consumer;
use crate::{Error, Plan, Value};

/// Runs independent steps at once, on the calling thread and the session's pool.
///
/// A thread goes on with what its own step made ready; only when that is more than one step worth
/// a thread are the others offered to the pool. A chain of nodes thus never leaves its thread.
#[derive(Debug, Default)]
pub struct ParallelExecutor;

impl Executor for ParallelExecutor {
    fn execute(
        &self,
        plan: &Arc<Plan>,
        feeds: Vec<Value>,
        host: &Arc<Host>,
    ) -> Result<Vec<Value>, Error> {
        let run = Arc::new(Run::new(plan.clone(), host.clone()));
        let mut local = Vec::new();
        for (value, consumers) in feeds.into_iter().zip(&plan.feeds) {
            run.deliver(value, consumers, &mut local);
        }
        let sources = plan.steps.iter().enumerate().filter(|(_, step)| step.n_pending == 0);
        local.extend(sources.map(|(idx, _)| idx));
        // The stack is popped from its end: earlier steps first.
        local.sort_unstable_by(|a, b| b.cmp(a));
        run.share(&mut local);
        run.work(local);
        run.work_until_done();
        run.finish()
    }
}

/// The state of one execution, shared by the threads that take part.
struct Run {
    plan: Arc<Plan>,
    host: Arc<Host>,
    slots: Vec<Mutex<Option<Value>>>,
    pending: Vec<AtomicUsize>,
    shared: Mutex<Shared>,
    changed: Condvar,
    failed: AtomicBool,
}

struct Shared {
    /// Steps that may run and that no thread has taken.
    ready: VecDeque<usize>,
    /// Threads of the pool that were asked for and have not left.
    n_helpers: usize,
    /// Threads of the pool that are at work.
    n_active: usize,
    /// Steps that have not finished.
    n_left: usize,
    error: Option<Error>,
}

impl Run {
    fn new(plan: Arc<Plan>, host: Arc<Host>) -> Run {
        Run {
            slots: (0..plan.n_slots()).map(|_| Mutex::new(None)).collect(),
            pending: plan.steps.iter().map(|step| AtomicUsize::new(step.n_pending)).collect(),
            shared: Mutex::new(Shared {
                ready: VecDeque::new(),
                n_helpers: 0,
                n_active: 0,
                n_left: plan.steps.len(),
                error: None,
            }),
            changed: Condvar::new(),
            failed: AtomicBool::new(false),
            plan,
            host,
        }
    }

    /// Runs the steps in `local`, and those that they make ready, until none is left here.
    fn work(self: &Arc<Run>, mut local: Vec<usize>) {
        let mut n_done = 0;
        while let Some(idx) = local.pop() {
            if self.failed.load(Ordering::Relaxed) {
                break;
            }
            if let Err(error) = self.run_step(idx, &mut local) {
                self.failed.store(true, Ordering::Relaxed);
                self.lock().error.get_or_insert(error);
                break;
            }
            n_done += 1;
            self.share(&mut local);
            if local.is_empty() {
                let mut shared = self.lock();
                shared.n_left -= std::mem::take(&mut n_done);
                local.extend(shared.ready.pop_front());
            }
        }
        let mut shared = self.lock();
        shared.n_left -= n_done;
        drop(shared);
        self.changed.notify_all();
    }

    /// Takes part until every step has run, or one failed and no other thread is at work.
    fn work_until_done(self: &Arc<Run>) {
        let mut shared = self.lock();
        loop {
            if let Some(idx) = shared.ready.pop_front() {
                drop(shared);
                self.work(vec![idx]);
                shared = self.lock();
            } else if shared.n_left == 0 || (shared.error.is_some() && shared.n_active == 0) {
                return;
            } else {
                shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Offers all but one of the steps worth a thread to others.
    fn share(self: &Arc<Run>, local: &mut Vec<usize>) {
        let n_threads = self.host.pool.threads();
        let worth = |idx: &usize| !self.plan.steps[*idx].cheap;
        let n_worth = local.iter().filter(|idx| worth(idx)).count();
        if n_threads < 2 || n_worth < 2 {
            return;
        }
        // The step that this thread would take first stays here.
        let keep = local.iter().rposition(worth);
        let mut kept = Vec::with_capacity(local.len());
        let mut shared = self.lock();
        for (position, idx) in local.drain(..).enumerate() {
            if worth(&idx) && Some(position) != keep {
                shared.ready.push_front(idx);
            } else {
                kept.push(idx);
            }
        }
        let n_new = (n_threads - 1).saturating_sub(shared.n_helpers).min(shared.ready.len());
        shared.n_helpers += n_new;
        drop(shared);
        *local = kept;
        for _ in 0..n_new {
            let run = self.clone();
            let job = Box::new(move || run.help());
            if self.host.pool.try_spawn(job).is_err() {
                self.lock().n_helpers -= 1;
            }
        }
        self.changed.notify_all();
    }

    /// What a thread of the pool does: works while there is something to take.
    fn help(self: &Arc<Run>) {
        let mut shared = self.lock();
        shared.n_active += 1;
        while let Some(idx) = shared.ready.pop_front() {
            drop(shared);
            self.work(vec![idx]);
            shared = self.lock();
        }
        shared.n_active -= 1;
        shared.n_helpers -= 1;
        drop(shared);
        self.changed.notify_all();
    }

    fn run_step(&self, idx: usize, ready: &mut Vec<usize>) -> Result<(), Error> {
        let planned = &self.plan.steps[idx];
        let slots = &self.slots[planned.first_slot..planned.first_slot + planned.inputs.len()];
        let mut inputs: Vec<_> = slots.iter().map(|slot| lock(slot).take()).collect();
        let outputs = step::run(planned, &mut inputs, &self.host)?;
        // Memory of inputs goes back before the consumers start.
        drop(inputs);
        let first_new = ready.len();
        for (value, consumers) in outputs.into_iter().zip(&planned.outputs) {
            if let Some(value) = value {
                self.deliver(value, consumers, ready);
            }
        }
        for step in &planned.control_outputs {
            self.arrive(*step, ready);
        }
        ready[first_new..].sort_unstable_by(|a, b| b.cmp(a));
        Ok(())
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
        if let Some(error) = self.lock().error.take() {
            return Err(error);
        }
        super::take_fetches(
            &self.plan,
            self.slots[self.plan.first_fetch..].iter().map(|slot| lock(slot).take()),
        )
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
