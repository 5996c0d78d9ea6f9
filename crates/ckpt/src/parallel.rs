//! Numbered pieces of work, shared by a few threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Does `n_pieces` pieces of work on at most `n_threads` threads, each with scratch of its own, and
/// gives the results in order of their numbers; or one of the errors.
pub(crate) fn in_parallel<S, T: Send, E: Send>(
    n_threads: usize,
    n_pieces: u64,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(u64, &mut S) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let next = AtomicU64::new(0);
    let run = || {
        let mut scratch = scratch();
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= n_pieces {
                return Ok(done);
            }
            match work(number, &mut scratch) {
                Ok(result) => done.push((number, result)),
                Err(error) => {
                    next.store(n_pieces, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    let n_others = (n_threads as u64).min(n_pieces).saturating_sub(1);
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (0..n_others).map(|_| scope.spawn(run)).collect();
        let mut all = run();
        for other in others {
            match (other.join(), &mut all) {
                (Ok(Ok(more)), Ok(all)) => all.extend(more),
                (Ok(Err(error)), Ok(_)) => all = Err(error),
                (Ok(_), Err(_)) => {}
                (Err(panic), _) => std::panic::resume_unwind(panic),
            }
        }
        all
    })?;
    done.sort_unstable_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_threads() {
        for n_threads in [0, 1, 2, 9] {
            let squares = in_parallel(n_threads, 100, || (), |n, ()| Ok::<_, ()>(n * n)).unwrap();
            assert!(squares.into_iter().eq((0..100).map(|n| n * n)));
            let failed =
                in_parallel(n_threads, 100, || (), |n, ()| if n == 7 { Err(n) } else { Ok(n) });
            assert_eq!(failed, Err(7));
        }
    }
}
