//! Threads that work off tasks which make further tasks ready.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use flowkeep_linalg::{Pool, Spin};

use crate::Error;

/// What a crew does.
pub(super) trait Job: Send + Sync + 'static {
    type Task: Send + 'static;

    /// Whether a task that alone is worth a thread is handed to one that is awake and idle, while small
    /// ones are done here.
    const HANDS_OUT_ONE: bool;

    /// Does `task`; what may be done now that it is done is added to `ready`, the first to do last.
    fn run(&self, task: Self::Task, ready: &mut Vec<Self::Task>) -> Result<(), Error>;

    /// Whether another thread is worth its while for this task.
    fn is_worth_a_thread(&self, task: &Self::Task) -> bool;
}

/// Whether tasks are to be offered to other threads, of which `n_worth` are worth it, the one that is
/// done next perhaps among them.
pub(super) fn gains_from_sharing<J: Job>(pool: &Pool, n_worth: usize, next_is_worth: bool) -> bool {
    let hands_out_one = J::HANDS_OUT_ONE && n_worth == 1 && !next_is_worth;
    n_worth > 1 || hands_out_one && pool.has_idle_worker()
}

/// The calling thread and those of the pool that help it.
///
/// A thread goes on with what its own task made ready; only when that is more than one task worth
/// a thread are the others offered to the pool. A chain of tasks thus never leaves its thread.
pub(super) struct Crew<J: Job> {
    job: J,
    pool: Pool,
    shared: Mutex<Shared<J::Task>>,
    /// How often what the calling thread may wait for has changed.
    n_changes: AtomicUsize,
    changed: Condvar,
    failed: AtomicBool,
}

struct Shared<T> {
    /// Tasks that no thread has taken.
    ready: VecDeque<T>,
    /// Threads of the pool that were asked for and have not left.
    n_helpers: usize,
    /// Threads of the pool that are at work.
    n_active: usize,
    /// Whether the calling thread sleeps until something changes.
    is_caller_asleep: bool,
    error: Option<Error>,
}

impl<J: Job> Crew<J> {
    /// Does `tasks`, from the last to the first, and all that they make ready.
    ///
    /// Errors: that of the first task that failed; no further task was started then.
    pub(super) fn work_off(
        job: J,
        pool: Pool,
        mut tasks: Vec<J::Task>,
    ) -> Result<Arc<Crew<J>>, Error> {
        let shared = Shared {
            ready: VecDeque::new(),
            n_helpers: 0,
            n_active: 0,
            is_caller_asleep: false,
            error: None,
        };
        let crew = Arc::new(Crew {
            job,
            pool,
            shared: Mutex::new(shared),
            n_changes: AtomicUsize::new(0),
            changed: Condvar::new(),
            failed: AtomicBool::new(false),
        });
        crew.share(&mut tasks);
        crew.work(tasks);
        crew.wait()?;
        Ok(crew)
    }

    /// What the crew did.
    pub(super) fn job(&self) -> &J {
        &self.job
    }

    /// Does the tasks in `local`, those that they make ready, and what others offer.
    fn work(self: &Arc<Self>, mut local: Vec<J::Task>) {
        loop {
            while let Some(task) = local.pop() {
                if self.failed.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = self.job.run(task, &mut local) {
                    self.failed.store(true, Ordering::Relaxed);
                    let mut shared = self.lock();
                    shared.error.get_or_insert(error);
                    shared.ready.clear();
                    return;
                }
                self.share(&mut local);
            }
            match self.lock().ready.pop_front() {
                Some(task) => local.push(task),
                None => return,
            }
        }
    }

    /// Takes part until nothing is left and no other thread is at work.
    fn wait(self: &Arc<Self>) -> Result<(), Error> {
        let mut shared = self.lock();
        loop {
            if let Some(task) = shared.ready.pop_front() {
                drop(shared);
                self.work(vec![task]);
                shared = self.lock();
            } else if shared.n_active == 0 {
                return shared.error.take().map_or(Ok(()), Err);
            } else {
                let seen = self.n_changes.load(Ordering::Relaxed);
                drop(shared);
                let is_as_seen = || self.n_changes.load(Ordering::Relaxed) == seen;
                let mut spin = Spin::new();
                while is_as_seen() && spin.once_more() {
                    if self.pool.help_while(is_as_seen) {
                        spin = Spin::new();
                    }
                }
                shared = self.lock();
                if is_as_seen() {
                    shared.is_caller_asleep = true;
                    shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
                    shared.is_caller_asleep = false;
                }
            }
        }
    }

    /// Tells the calling thread that something changed, and lets go of it.
    fn announce(&self, shared: MutexGuard<'_, Shared<J::Task>>) {
        self.n_changes.fetch_add(1, Ordering::Relaxed);
        let is_asleep = shared.is_caller_asleep;
        drop(shared);
        if is_asleep {
            self.changed.notify_all();
        }
    }

    /// Offers all but one of the tasks worth a thread to others.
    fn share(self: &Arc<Self>, local: &mut Vec<J::Task>) {
        let n_threads = self.pool.threads();
        if n_threads < 2 || local.len() < 2 {
            return;
        }
        let n_worth = local.iter().filter(|task| self.job.is_worth_a_thread(task)).count();
        let next_is_worth = local.last().is_some_and(|task| self.job.is_worth_a_thread(task));
        if !gains_from_sharing::<J>(&self.pool, n_worth, next_is_worth) {
            return;
        }
        let mut kept = Vec::with_capacity(local.len());
        // Of several, the one that this thread would take first stays here.
        let mut keeps_next = n_worth > 1;
        let mut shared = self.lock();
        for task in local.drain(..).rev() {
            if self.job.is_worth_a_thread(&task) && !std::mem::take(&mut keeps_next) {
                shared.ready.push_back(task);
            } else {
                kept.push(task);
            }
        }
        kept.reverse();
        let n_new = (n_threads - 1).saturating_sub(shared.n_helpers).min(shared.ready.len());
        shared.n_helpers += n_new;
        self.announce(shared);
        *local = kept;
        for _ in 0..n_new {
            let crew = self.clone();
            if self.pool.try_spawn(Box::new(move || crew.help())).is_err() {
                self.lock().n_helpers -= 1;
            }
        }
    }

    /// What a thread of the pool does: works while there is something to take.
    fn help(self: &Arc<Self>) {
        let mut shared = self.lock();
        shared.n_active += 1;
        while let Some(task) = shared.ready.pop_front() {
            drop(shared);
            self.work(vec![task]);
            shared = self.lock();
        }
        shared.n_active -= 1;
        shared.n_helpers -= 1;
        self.announce(shared);
    }

    fn lock(&self) -> MutexGuard<'_, Shared<J::Task>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
