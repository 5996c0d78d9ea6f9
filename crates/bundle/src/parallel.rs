//! Work shared by a few threads that live as long as the call.

use std::thread;

/// The threads of this machine that a call may use by default.
pub(crate) fn default_threads() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Runs `work` on `n_threads` threads, this one among them, until each returns; gives all their
/// results together, or the error of one.
///
/// Each run takes its part of what is to do from some shared counter.
pub(crate) fn in_parallel<T: Send, E: Send>(
    n_threads: usize,
    work: impl Fn() -> Result<Vec<T>, E> + Sync,
) -> Result<Vec<T>, E> {
    if n_threads < 2 {
        return work();
    }
    thread::scope(|scope| {
        let others: Vec<_> = (1..n_threads).map(|_| scope.spawn(&work)).collect();
        let mut result = work();
        for other in others {
            match (other.join(), &mut result) {
                (Ok(Ok(more)), Ok(all)) => all.extend(more),
                (Ok(Err(error)), Ok(_)) => result = Err(error),
                (Ok(_), Err(_)) => {}
                (Err(panic), _) => std::panic::resume_unwind(panic),
            }
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_piece_is_done_once() {
        for n_threads in [0, 1, 2, 7] {
            let next = AtomicUsize::new(0);
            let work = || {
                let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
                Ok::<_, ()>(numbers.take_while(|number| *number < 1000).collect())
            };
            let mut all = in_parallel(n_threads, work).unwrap();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..1000), "{n_threads}");
        }
    }

    #[test]
    fn an_error_of_any_thread_is_the_result() {
        let next = AtomicUsize::new(0);
        let work = || match next.fetch_add(1, Ordering::Relaxed) {
            2 => Err("third"),
            number => Ok(vec![number]),
        };
        assert_eq!(in_parallel(5, work), Err("third"));
    }
}
