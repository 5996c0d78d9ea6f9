//! The worker pool: fork-join over indices and chunks, and background jobs for the executor.
//!
//! Tasks are handed out by an atomic counter. The caller takes part and can finish all of them
//! itself, so it only ever waits for tasks that another thread has already begun. That makes
//! nested and concurrent calls free of deadlock, and keeps a busy machine from stalling a run.
//!
//! Every task must compute the same values whichever thread runs it; then results do not depend
//! on the number of threads.

mod blocks;
mod chunks;
mod region;
mod shared;

use std::num::NonZero;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

pub use self::blocks::Block;
use self::region::Region;
use self::shared::Shared;
pub use self::shared::Spin;

/// A piece of background work for [`Pool::try_spawn`].
pub type Job = Box<dyn FnOnce() + Send + 'static>;

/// A pool of worker threads shared by all kernels of a session.
///
/// Cloning is cheap and yields a handle to the same workers. Workers start on the first parallel
/// use and are joined when the last handle is dropped, after the jobs already queued have run.
///
/// ```
/// use flowkeep_linalg::Pool;
///
/// let pool = Pool::new(2);
/// let mut squares = vec![0_u64; 1000];
/// pool.parallel_chunks(&mut squares, 128, |chunk_idx, chunk| {
///     for (i, value) in chunk.iter_mut().enumerate() {
///         *value = ((chunk_idx * 128 + i) as u64).pow(2);
///     }
/// });
/// assert_eq!(squares[999], 998_001);
/// ```
#[derive(Clone)]
pub struct Pool {
    handle: Arc<Handle>,
}

/// What the last [`Pool`] handle shuts down.
struct Handle {
    threads: usize,
    shared: Arc<Shared>,
    /// Set on first use; the value is the number of workers that could be started.
    n_workers: OnceLock<usize>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Pool {
    /// Makes a pool with a total parallelism of `threads`, the calling thread included.
    ///
    /// There are `threads - 1` workers: with 1 there are none and all work runs on the caller.
    /// 0 means what the machine (or its container) offers this process.
    pub fn new(threads: usize) -> Pool {
        let threads = match threads {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            n => n,
        };
        let handle = Handle {
            threads,
            shared: Arc::new(Shared::new()),
            n_workers: OnceLock::new(),
            workers: Mutex::new(Vec::new()),
        };
        Pool { handle: Arc::new(handle) }
    }

    /// The total parallelism asked for, the calling thread included.
    pub fn threads(&self) -> usize {
        self.handle.threads
    }

    /// Runs `f(0)`, ..., `f(n_tasks - 1)`, each exactly once, and returns when all are done.
    ///
    /// The caller takes part. May be called from several threads at once and from inside a task.
    /// Tasks should take 20 to 100 microseconds each and must not wait for one another.
    ///
    /// Panics: with the payload of the first task that panicked, after all running tasks have
    /// ended; tasks not yet begun by then are skipped.
    pub fn parallel_for(&self, n_tasks: usize, f: &(dyn Fn(usize) + Sync)) {
        let n_helpers = match n_tasks {
            0 | 1 => 0,
            n => (n - 1).min(self.n_workers()),
        };
        if n_helpers == 0 {
            (0..n_tasks).for_each(f);
            return;
        }
        region::run(n_tasks, f, |region: &Arc<Region>| {
            self.handle.shared.offer(region, n_helpers);
        });
    }

    /// Splits `data` into chunks of `chunk_len` elements and runs `f(chunk_idx, chunk)` on each.
    ///
    /// The last chunk may be shorter. A `chunk_len` of 0 counts as 1. Panics as
    /// [`parallel_for`](Self::parallel_for) does.
    pub fn parallel_chunks<T: Send>(
        &self,
        data: &mut [T],
        chunk_len: usize,
        f: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let chunks = chunks::Chunks::new(data, chunk_len);
        self.parallel_for(chunks.len(), &|i| chunks.with(i, |chunk| f(i, chunk)));
    }

    /// Splits two slices into the same number of chunks and runs `f` on each pair.
    ///
    /// Chunk `i` of `a` has `a_chunk_len` elements, chunk `i` of `b` has `b_chunk_len`. Where one
    /// slice has fewer chunks than the other, its missing chunks are empty.
    pub fn parallel_chunks2<A: Send, B: Send>(
        &self,
        (a, a_chunk_len): (&mut [A], usize),
        (b, b_chunk_len): (&mut [B], usize),
        f: impl Fn(usize, &mut [A], &mut [B]) + Sync,
    ) {
        let a = chunks::Chunks::new(a, a_chunk_len);
        let b = chunks::Chunks::new(b, b_chunk_len);
        self.parallel_for(a.len().max(b.len()), &|i| {
            a.with(i, |a_chunk| b.with(i, |b_chunk| f(i, a_chunk, b_chunk)));
        });
    }

    /// Cuts a row-major matrix into blocks of `block_rows` by `block_cols` and runs `f` on each.
    ///
    /// Shapes: `data [rows, cols]`; the number of rows follows. Blocks at the far edges may be
    /// smaller; a block size of 0 counts as 1.
    /// Panics: if `data` is no whole number of rows, and as [`parallel_for`](Self::parallel_for).
    pub fn parallel_blocks<T: Send>(
        &self,
        data: &mut [T],
        cols: usize,
        (block_rows, block_cols): (usize, usize),
        f: impl Fn(&mut Block<'_, T>) + Sync,
    ) {
        let blocks = blocks::Blocks::new(data, cols, block_rows, block_cols);
        self.parallel_for(blocks.len(), &|i| blocks.with(i, &f));
    }

    /// Queues `job` to run on a worker soon, or gives it back when there is no worker to run it.
    ///
    /// The job comes back (`Err(job)`) on a pool of one thread, or where the system refuses to
    /// start threads: the caller then runs it itself at a convenient time. Jobs start in the order
    /// of queueing, after fork-join tasks that are waiting for help. They may call
    /// [`parallel_for`](Self::parallel_for). A panic in a job ends that job only; whoever waits
    /// for its effect must catch it inside the job.
    pub fn try_spawn(&self, job: Job) -> Result<(), Job> {
        if self.n_workers() == 0 {
            return Err(job);
        }
        self.handle.shared.push_job(job);
        Ok(())
    }

    /// Whether a worker is awake and has nothing to do, so that a job starts at once.
    pub fn has_idle_worker(&self) -> bool {
        self.handle.shared.has_idle_worker()
    }

    /// Takes part in a fork-join call of another thread, if one waits for help, from one task to the next
    /// as long as `goes_on` says. Gives whether there was one.
    pub fn help_while(&self, goes_on: impl Fn() -> bool) -> bool {
        self.handle.shared.help_while(&goes_on)
    }

    /// The number of running workers; starts them on the first call.
    fn n_workers(&self) -> usize {
        if self.handle.threads == 1 {
            return 0;
        }
        *self.handle.n_workers.get_or_init(|| {
            let mut workers = self.handle.workers.lock().unwrap_or_else(PoisonError::into_inner);
            for i in 1..self.handle.threads {
                let shared = Arc::clone(&self.handle.shared);
                let builder = thread::Builder::new().name(format!("flowkeep-{i}"));
                match builder.spawn(move || shared.work()) {
                    Ok(worker) => workers.push(worker),
                    // Fewer workers mean less speed, not other results.
                    Err(_) => break,
                }
            }
            workers.len()
        })
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("threads", &self.handle.threads).finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.shut_down();
        let workers =
            std::mem::take(self.workers.get_mut().unwrap_or_else(PoisonError::into_inner));
        for worker in workers {
            // The last handle may belong to a job: a worker cannot wait for its own end.
            if worker.thread().id() != thread::current().id() {
                let _ended = worker.join();
            }
        }
    }
}

#[cfg(test)]
mod tests;
