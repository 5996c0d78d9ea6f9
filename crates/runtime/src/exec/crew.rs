//! Threads that work off tasks which make further tasks ready.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use flowkeep_linalg::Pool;

use crate::Error;

/// What a crew does.
pub(super) trait Job: Send + Sync + 'static {
    type Task: Send + 'static;

    /// Does `task`; what may be done now that it is done is added to `ready`, the first to do last.
    fn run(&self, task: Self::Task, ready: &mut Vec<Self::Task>) -> Result<(), Error>;

    /// Whether another thread is worth its while for this task.
    fn is_worth_a_thread(&self, task: &Self::Task) -> bool;
}

/// The calling thread and those of the pool that help it.
///
/// A thread goes on with what its own task made ready; only when that is more than one task worth
/// a thread are the others offered to the pool. A chain of tasks thus never leaves its thread.
pub(super) struct Crew<J: Job> {
    job: J,
    pool: Pool,
    shared: Mutex<Shared<J::Task>>,
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
        let shared = Shared { ready: VecDeque::new(), n_helpers: 0, n_active: 0, error: None };
        let crew = Arc::new(Crew {
            job,
            pool,
            shared: Mutex::new(shared),
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
                shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Offers all but one of the tasks worth a thread to others.
    fn share(self: &Arc<Self>, local: &mut Vec<J::Task>) {
        let n_threads = self.pool.threads();
        if n_threads < 2 || local.len() < 2 {
            return;
        }
        let worth: Vec<bool> = local.iter().map(|task| self.job.is_worth_a_thread(task)).collect();
        // The task that this thread would take first stays here.
        let keep = worth.iter().rposition(|worth| *worth);
        if worth.iter().filter(|worth| **worth).count() < 2 {
            return;
        }
        let mut kept = Vec::with_capacity(local.len());
        let mut shared = self.lock();
        for (position, (task, worth)) in local.drain(..).zip(worth).enumerate() {
            if worth && Some(position) != keep {
                shared.ready.push_front(task);
            } else {
                kept.push(task);
            }
        }
        let n_new = (n_threads - 1).saturating_sub(shared.n_helpers).min(shared.ready.len());
        shared.n_helpers += n_new;
        drop(shared);
        *local = kept;
        for _ in 0..n_new {
            let crew = self.clone();
            if self.pool.try_spawn(Box::new(move || crew.help())).is_err() {
                self.lock().n_helpers -= 1;
            }
        }
        self.changed.notify_all();
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
        drop(shared);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Shared<J::Task>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
