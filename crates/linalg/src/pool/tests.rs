use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use super::Pool;

#[test]
fn every_index_runs_exactly_once() {
    for threads in [1, 2, 3, 8] {
        let pool = Pool::new(threads);
        assert_eq!(pool.threads(), threads);
        for n_tasks in [0, 1, 2, 7, 1000] {
            let counts: Vec<AtomicUsize> = (0..n_tasks).map(|_| AtomicUsize::new(0)).collect();
            pool.parallel_for(n_tasks, &|i| {
                counts[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
        }
    }
}

#[test]
fn zero_threads_means_the_machine() {
    let machine = thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(Pool::new(0).threads(), machine);
}

#[test]
fn chunks_cover_the_slice_in_order() {
    let pool = Pool::new(3);
    for (len, chunk_len) in [(0, 4), (1, 4), (4, 4), (9, 4), (5, 0), (3, 100)] {
        let mut data = vec![usize::MAX; len];
        pool.parallel_chunks(&mut data, chunk_len, |chunk_idx, chunk| {
            for (i, value) in chunk.iter_mut().enumerate() {
                *value = chunk_idx * chunk_len.max(1) + i;
            }
        });
        assert_eq!(data, (0..len).collect::<Vec<_>>());
    }
}

#[test]
fn paired_chunks_have_the_same_index() {
    let pool = Pool::new(2);
    let (mut a, mut b) = (vec![0; 10], vec![0; 4]);
    pool.parallel_chunks2((&mut a, 3), (&mut b, 1), |i, a, b| {
        a.fill(i);
        b.fill(i + 10);
    });
    assert_eq!(a, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
    assert_eq!(b, [10, 11, 12, 13]);
}

#[test]
fn blocks_cover_the_matrix() {
    let pool = Pool::new(3);
    let sizes = [(0, 3), (3, 0), (1, 1), (7, 5), (8, 6), (20, 1)];
    for (rows, cols) in sizes {
        for block in [(3, 2), (1, 100), (100, 1), (0, 0)] {
            let mut data = vec![0; rows * cols];
            pool.parallel_blocks(&mut data, cols, block, |block| {
                for i in 0..block.rows() {
                    let start = (block.first_row() + i) * cols + block.first_col();
                    for (j, value) in block.row(i).iter_mut().enumerate() {
                        *value += start + j;
                    }
                }
            });
            assert_eq!(data, (0..rows * cols).collect::<Vec<_>>());
        }
    }
}

#[test]
fn nested_and_concurrent_calls_finish() {
    let pool = Pool::new(4);
    let total = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    pool.parallel_for(6, &|_| {
                        pool.parallel_for(5, &|_| {
                            pool.parallel_for(3, &|_| {
                                total.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    });
                }
            });
        }
    });
    assert_eq!(total.load(Ordering::Relaxed), 4 * 50 * 6 * 5 * 3);
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_survives() {
    for threads in [1, 4] {
        let pool = Pool::new(threads);
        for panicking in [0, 3, 63] {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                pool.parallel_for(64, &|i| {
                    thread::sleep(Duration::from_micros(20));
                    assert!(i != panicking, "task {i} fails");
                });
            }));
            let payload = outcome.unwrap_err();
            let message = payload.downcast_ref::<String>().cloned().unwrap_or_default();
            assert_eq!(message, format!("task {panicking} fails"));
        }
        let ran = AtomicUsize::new(0);
        pool.parallel_for(10, &|_| {
            ran.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(ran.into_inner(), 10);
    }
}

#[test]
fn workers_take_part() {
    let pool = Pool::new(3);
    let seen = Mutex::new(HashSet::new());
    // Long tasks: the workers wake up before the caller can have done them all.
    pool.parallel_for(30, &|_| {
        thread::sleep(Duration::from_millis(2));
        seen.lock().unwrap().insert(thread::current().id());
    });
    let seen = seen.into_inner().unwrap();
    assert!(seen.len() > 1 && seen.len() <= 3, "{} threads took part", seen.len());
}

#[test]
fn a_thread_that_waits_may_help_another() {
    let pool = Pool::new(2);
    assert!(!pool.help_while(|| true));
    let (inner, both) = (pool.clone(), Arc::new(Barrier::new(2)));
    let (sender, receiver) = mpsc::channel();
    let job = move || {
        // Neither task ends before the other has begun, on another thread.
        inner.parallel_for(2, &|_| {
            both.wait();
        });
        sender.send(()).unwrap();
    };
    assert!(pool.try_spawn(Box::new(job)).is_ok());
    while !pool.help_while(|| true) {
        thread::yield_now();
    }
    assert!(receiver.recv_timeout(Duration::from_secs(20)).is_ok());
}

#[test]
fn only_workers_that_wait_for_work_are_idle() {
    assert!(!Pool::new(1).has_idle_worker());
    let pool = Pool::new(2);
    assert!(!pool.has_idle_worker(), "no worker has been started");
    let (go, wait) = mpsc::channel::<()>();
    let (sender, receiver) = mpsc::channel();
    let job = move || {
        sender.send(()).unwrap();
        wait.recv().unwrap();
    };
    assert!(pool.try_spawn(Box::new(job)).is_ok());
    receiver.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(!pool.has_idle_worker(), "the only worker is at work");
    go.send(()).unwrap();
}

#[test]
fn a_pool_of_one_gives_jobs_back() {
    let pool = Pool::new(1);
    let (sender, receiver) = mpsc::channel();
    let job = pool.try_spawn(Box::new(move || sender.send(7).unwrap())).unwrap_err();
    assert!(receiver.try_recv().is_err());
    job();
    assert_eq!(receiver.recv(), Ok(7));
}

#[test]
fn jobs_run_survive_panics_and_may_fork() {
    let pool = Pool::new(2);
    let (sender, receiver) = mpsc::channel();
    assert!(pool.try_spawn(Box::new(|| panic!("lost job"))).is_ok());
    let inner = pool.clone();
    let job = move || {
        let sum = AtomicUsize::new(0);
        inner.parallel_for(10, &|i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        sender.send(sum.into_inner()).unwrap();
    };
    assert!(pool.try_spawn(Box::new(job)).is_ok());
    assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(45));
}

#[test]
fn dropping_the_pool_runs_what_is_queued() {
    let pool = Pool::new(2);
    let (sender, receiver) = mpsc::channel();
    for i in 0..20 {
        let sender = sender.clone();
        assert!(pool.try_spawn(Box::new(move || sender.send(i).unwrap())).is_ok());
    }
    drop((pool, sender));
    assert_eq!(receiver.iter().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_job_may_drop_the_last_handle() {
    let pool = Pool::new(2);
    let (sender, receiver) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let last = pool.clone();
    let job = move || {
        wait.recv().unwrap();
        drop(last);
        sender.send(()).unwrap();
    };
    assert!(pool.try_spawn(Box::new(job)).is_ok());
    drop(pool);
    go.send(()).unwrap();
    assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(()));
}
