//! One fork-join call: a counter of tasks and the borrowed function that runs them.
#![expect(
    unsafe_code,
    reason = "a borrowed closure is shared with workers for the length of a call"
)]

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};

use super::shared::Spin;

type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// The state of one fork-join call, shared by the caller and its helpers.
///
/// A helper may look at a region long after the call has returned (its ticket was still queued).
/// It then finds `next >= n_tasks` and never touches `task`.
pub(super) struct Region {
    /// Valid while an index below `n_tasks` is claimed and not yet counted in `n_done`.
    task: *const Task<'static>,
    n_tasks: usize,
    next: AtomicUsize,
    n_done: AtomicUsize,
    panicked: AtomicBool,
    payload: Mutex<Option<Box<dyn Any + Send>>>,
    caller: Thread,
}

// SAFETY: `task` points at a `Sync` closure, which may be called from any thread; `help` alone
// dereferences it, under the condition given at the field. All other fields are `Send + Sync`.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// Runs `task` for every index below `n_tasks`, sharing the work with whoever `offer` invites.
pub(super) fn run(n_tasks: usize, task: &Task<'_>, offer: impl FnOnce(&Arc<Region>)) {
    let task: *const Task<'_> = task;
    let region = Arc::new(Region {
        // SAFETY: only the lifetime changes, the layout of the pointer does not. `wait` below
        // keeps the borrow alive until no thread can use it any more.
        task: unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) },
        n_tasks,
        next: AtomicUsize::new(0),
        n_done: AtomicUsize::new(0),
        panicked: AtomicBool::new(false),
        payload: Mutex::new(None),
        caller: thread::current(),
    });
    // Waits on drop as well: no unwinding may leave this frame while helpers run.
    let wait = WaitOnDrop(&region);
    offer(&region);
    region.help();
    drop(wait);
    let payload = region.payload.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(payload) = payload {
        panic::resume_unwind(payload);
    }
}

struct WaitOnDrop<'a>(&'a Region);

impl Drop for WaitOnDrop<'_> {
    fn drop(&mut self) {
        // On a normal path `help` has claimed everything already; while unwinding, what nobody
        // has claimed yet is taken away here so that the count can complete.
        let unclaimed =
            self.0.n_tasks.saturating_sub(self.0.next.swap(self.0.n_tasks, Ordering::Relaxed));
        self.0.n_done.fetch_add(unclaimed, Ordering::Release);
        self.0.wait();
    }
}

impl Region {
    /// Claims and runs tasks until none is left to claim.
    pub(super) fn help(&self) {
        self.help_while(&|| true);
    }

    /// As [`Region::help`], as long as `goes_on` says, which is asked before each task.
    pub(super) fn help_while(&self, goes_on: &dyn Fn() -> bool) {
        while self.next.load(Ordering::Relaxed) < self.n_tasks && goes_on() {
            let task_idx = self.next.fetch_add(1, Ordering::Relaxed);
            if task_idx >= self.n_tasks {
                return;
            }
            if !self.panicked.load(Ordering::Relaxed) {
                // SAFETY: `task_idx` is claimed and not counted in `n_done` before the call ends,
                // and `run` returns only after all claimed indices are counted: the closure lives.
                let task = unsafe { &*self.task };
                let outcome = panic::catch_unwind(AssertUnwindSafe(|| task(task_idx)));
                if let Err(payload) = outcome {
                    self.panicked.store(true, Ordering::Relaxed);
                    self.payload
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_or_insert(payload);
                }
            }
            // Read before counting: afterwards the caller may be gone (the region lives on).
            let is_last = self.n_done.fetch_add(1, Ordering::AcqRel) + 1 == self.n_tasks;
            if is_last {
                self.caller.unpark();
            }
        }
    }

    /// Whether a helper could still find something to do.
    pub(super) fn has_work(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.n_tasks
    }

    /// Waits for the tasks that others have claimed: spins for a moment, then sleeps.
    fn wait(&self) {
        let mut spin = Spin::new();
        while self.n_done.load(Ordering::Acquire) < self.n_tasks {
            if !spin.once_more() {
                thread::park();
            }
        }
    }
}
