//! What the workers share: two queues and a place to sleep.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::deque::{Injector, Steal};

use super::Job;
use super::region::Region;

/// How long a thread polls before it goes to sleep: the steps of a loop leave a thread alone for about that
/// long again and again, and to wake it up each time would take much of what it gains.
const SPIN_TIME: Duration = Duration::from_micros(100);

/// Queues and sleep state of a pool.
pub(super) struct Shared {
    /// Invitations to help a fork-join call; may outlive it.
    tickets: Injector<Arc<Region>>,
    jobs: Injector<Job>,
    shutting_down: AtomicBool,
    n_sleeping: AtomicUsize,
    /// Workers that look for something to do.
    n_looking: AtomicUsize,
    sleep_lock: Mutex<()>,
    wake_up: Condvar,
}

enum Work {
    Help(Arc<Region>),
    Run(Job),
}

impl Shared {
    pub(super) fn new() -> Shared {
        Shared {
            tickets: Injector::new(),
            jobs: Injector::new(),
            shutting_down: AtomicBool::new(false),
            n_sleeping: AtomicUsize::new(0),
            n_looking: AtomicUsize::new(0),
            sleep_lock: Mutex::new(()),
            wake_up: Condvar::new(),
        }
    }

    /// Invites `n_helpers` workers to a fork-join call.
    pub(super) fn offer(&self, region: &Arc<Region>, n_helpers: usize) {
        for _ in 0..n_helpers {
            self.tickets.push(Arc::clone(region));
        }
        self.wake(n_helpers);
    }

    pub(super) fn push_job(&self, job: Job) {
        self.jobs.push(job);
        self.wake(1);
    }

    /// Tells all workers to end once the queues are empty.
    pub(super) fn shut_down(&self) {
        self.shutting_down.store(true, Ordering::SeqCst);
        self.wake(usize::MAX);
    }

    /// The life of a worker.
    pub(super) fn work(&self) {
        loop {
            match self.find().or_else(|| self.look()) {
                Some(Work::Help(region)) => region.help(),
                Some(Work::Run(job)) => {
                    let _panicked = panic::catch_unwind(AssertUnwindSafe(job));
                }
                None if self.shutting_down.load(Ordering::SeqCst) => return,
                None => self.sleep(),
            }
        }
    }

    /// Looks for something to do for a while.
    fn look(&self) -> Option<Work> {
        self.n_looking.fetch_add(1, Ordering::Relaxed);
        let mut spin = Spin::new();
        let found = loop {
            let found = self.find();
            if found.is_some() || !spin.once_more() {
                break found;
            }
        };
        self.n_looking.fetch_sub(1, Ordering::Relaxed);
        found
    }

    /// Whether a worker looks for something to do, and need not be woken up.
    pub(super) fn has_idle_worker(&self) -> bool {
        self.n_looking.load(Ordering::Relaxed) > 0
    }

    /// The next thing to do: fork-join calls first, since somebody waits for them.
    fn find(&self) -> Option<Work> {
        match self.find_region() {
            Some(region) => Some(Work::Help(region)),
            None => pop(&self.jobs).map(Work::Run),
        }
    }

    /// A fork-join call that waits for help.
    fn find_region(&self) -> Option<Arc<Region>> {
        loop {
            let region = pop(&self.tickets)?;
            if region.has_work() {
                return Some(region);
            }
        }
    }

    /// Takes part in a fork-join call, if one waits for help, as long as `goes_on` says. Gives whether
    /// there was one.
    pub(super) fn help_while(&self, goes_on: &dyn Fn() -> bool) -> bool {
        self.find_region().inspect(|region| region.help_while(goes_on)).is_some()
    }

    /// Sleeps until `wake`, unless there is something to do already.
    fn sleep(&self) {
        let guard = self.sleep_lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.n_sleeping.fetch_add(1, Ordering::SeqCst);
        // Either this thread sees what was pushed, or the pusher sees this thread in the count
        // and takes the lock to notify, which it cannot do before the wait has begun.
        fence(Ordering::SeqCst);
        let idle = self.tickets.is_empty()
            && self.jobs.is_empty()
            && !self.shutting_down.load(Ordering::SeqCst);
        if idle {
            // A wake-up without reason only costs another look at the queues.
            drop(self.wake_up.wait(guard).unwrap_or_else(PoisonError::into_inner));
        }
        self.n_sleeping.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes up to `n` sleeping workers, after something was pushed.
    fn wake(&self, n: usize) {
        fence(Ordering::SeqCst);
        let n_sleeping = self.n_sleeping.load(Ordering::SeqCst);
        if n_sleeping == 0 {
            return;
        }
        let _guard = self.sleep_lock.lock().unwrap_or_else(PoisonError::into_inner);
        if n >= n_sleeping {
            self.wake_up.notify_all();
        } else {
            (0..n).for_each(|_| self.wake_up.notify_one());
        }
    }
}

fn pop<T>(queue: &Injector<T>) -> Option<T> {
    loop {
        match queue.steal() {
            Steal::Success(value) => return Some(value),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}

/// A bounded busy wait, for what is likely to come sooner than a sleeping thread wakes up.
#[derive(Debug, Default)]
pub struct Spin {
    n_rounds: u32,
    since: Option<Instant>,
}

impl Spin {
    /// A wait that begins.
    pub fn new() -> Spin {
        Spin { n_rounds: 0, since: None }
    }

    /// Pauses briefly; false when it is time to sleep instead.
    pub fn once_more(&mut self) -> bool {
        self.n_rounds += 1;
        if self.n_rounds < 64 {
            std::hint::spin_loop();
            return true;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        // Whoever we wait for may need this very core.
        std::thread::yield_now();
        since.elapsed() < SPIN_TIME
    }
}
