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

/// Items of at least this size are worth several threads each, in bytes.
const LARGE: u64 = 4 << 20;

/// Calls `work` with each item and the number of threads that it may use: large items come one after
/// another and get all threads, small ones share the threads between them. Gives the results in order of
/// the items.
pub(crate) fn each_by_size<I: Sync, T: Send>(
    n_threads: usize,
    items: &[I],
    len_bytes: impl Fn(&I) -> u64,
    work: impl Fn(&I, usize) -> T + Sync,
) -> Vec<T> {
    let numbered = items.iter().enumerate();
    let (large, small): (Vec<_>, Vec<_>) = numbered.partition(|(_, item)| len_bytes(item) >= LARGE);
    let mut done: Vec<_> =
        large.into_iter().map(|(number, item)| (number, work(item, n_threads))).collect();
    let one = |idx: u64, (): &mut ()| {
        let (number, item) = small[idx as usize];
        Ok::<_, std::convert::Infallible>((number, work(item, 1)))
    };
    done.extend(in_parallel(n_threads, small.len() as u64, || (), one).unwrap_or_default());
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
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

    #[test]
    fn only_large_items_get_several_threads() {
        let items = [1, LARGE, 7, LARGE + 1, 0];
        let done = each_by_size(4, &items, |item| *item, |item, n_threads| (*item, n_threads));
        assert_eq!(done, [(1, 1), (LARGE, 4), (7, 1), (LARGE + 1, 4), (0, 1)]);
    }
}
