//! Loops over whole slices: one function applied to every element.
//!
//! The function is compiled into the loop for the widest registers of this processor, so that
//! plain arithmetic, comparisons, selections and [`vmath`](crate::vmath) are vectorized. Long
//! slices are shared with the pool, short ones stay on the calling thread.

use std::array;

use crate::pool::Pool;
use crate::simd::{Kernel, dispatch, dispatch_moderate};

/// Elements per task. Slices of up to twice as many are not split.
pub const GRAIN: usize = 16 << 10;

/// Computes `out[i] = f(a[i])`.
///
/// Panics: if the lengths differ.
pub fn map<A, O>(pool: &Pool, a: &[A], out: &mut [O], f: impl Fn(A) -> O + Sync)
where
    A: Copy + Sync,
    O: Send,
{
    assert!(a.len() == out.len(), "{} elements do not map to {}", a.len(), out.len());
    split(pool, out, |start, out| {
        let a = &a[start..start + out.len()];
        dispatch_moderate(Loop(
            #[inline(always)]
            || out.iter_mut().zip(a).for_each(|(out, &a)| *out = f(a)),
        ));
    });
}

/// Computes `out[i] = f(a[i])` with a function of many instructions, which the widest registers share
/// among more elements: [`map`] has AVX2 at most.
///
/// Panics: if the lengths differ.
pub fn map_costly<A, O>(pool: &Pool, a: &[A], out: &mut [O], f: impl Fn(A) -> O + Sync)
where
    A: Copy + Sync,
    O: Send,
{
    assert!(a.len() == out.len(), "{} elements do not map to {}", a.len(), out.len());
    split(pool, out, |start, out| {
        let a = &a[start..start + out.len()];
        dispatch(Loop(
            #[inline(always)]
            || out.iter_mut().zip(a).for_each(|(out, &a)| *out = f(a)),
        ));
    });
}

/// Computes `data[i] = f(data[i])`.
pub fn map_in_place<A: Copy + Send>(pool: &Pool, data: &mut [A], f: impl Fn(A) -> A + Sync) {
    split(pool, data, |_, data| {
        dispatch_moderate(Loop(
            #[inline(always)]
            || {
                in_blocks(data, |_, old, data| {
                    data.iter_mut().zip(old).for_each(|(a, &old)| *a = f(old));
                })
            },
        ));
    });
}

/// Computes `out[i] = f(a[i], b[i])`.
///
/// Panics: if the lengths differ.
pub fn zip<A, B, O>(pool: &Pool, a: &[A], b: &[B], out: &mut [O], f: impl Fn(A, B) -> O + Sync)
where
    A: Copy + Sync,
    B: Copy + Sync,
    O: Send,
{
    assert!(
        a.len() == out.len() && b.len() == out.len(),
        "{} and {} elements do not map to {}",
        a.len(),
        b.len(),
        out.len()
    );
    split(pool, out, |start, out| {
        let (a, b) = (&a[start..start + out.len()], &b[start..start + out.len()]);
        dispatch_moderate(Loop(
            #[inline(always)]
            || {
                for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                    *out = f(a, b);
                }
            },
        ));
    });
}

/// Computes `a[i] = f(a[i], b[i])`.
///
/// Panics: if the lengths differ.
pub fn zip_in_place<A, B>(pool: &Pool, a: &mut [A], b: &[B], f: impl Fn(A, B) -> A + Sync)
where
    A: Copy + Send,
    B: Copy + Sync,
{
    assert!(a.len() == b.len(), "{} elements do not pair with {}", a.len(), b.len());
    split(pool, a, |start, a| {
        let b = &b[start..start + a.len()];
        dispatch_moderate(Loop(
            #[inline(always)]
            || {
                in_blocks(a, |at, old, a| {
                    let b = &b[at..at + a.len()];
                    a.iter_mut().zip(old).zip(b).for_each(|((a, &old), &b)| *a = f(old, b));
                })
            },
        ));
    });
}

/// Computes `[a0[i], a1[i], ..] = f([a0[i], a1[i], ..], b[i])` for several slices `a` at once.
///
/// Panics: if the lengths differ.
pub fn zip_several_in_place<A, B, const N: usize>(
    pool: &Pool,
    several: [&mut [A]; N],
    b: &[B],
    f: impl Fn([A; N], B) -> [A; N] + Copy + Sync,
) where
    A: Copy + Send,
    B: Copy + Sync,
{
    for a in &several {
        assert!(a.len() == b.len(), "{} elements do not pair with {}", a.len(), b.len());
    }
    if b.len() <= 2 * GRAIN {
        return zip_several(several, b, f);
    }
    let mut rest = several;
    let parts = b.chunks(GRAIN).map(|b| {
        let heads = array::from_fn(|idx| {
            let (head, tail) = std::mem::take(&mut rest[idx]).split_at_mut(b.len());
            rest[idx] = tail;
            head
        });
        Some((heads, b))
    });
    pool.parallel_chunks(&mut parts.collect::<Vec<_>>(), 1, |_, part| {
        if let Some((several, b)) = part.first_mut().and_then(Option::take) {
            zip_several(several, b, f);
        }
    });
}

/// [`zip_several_in_place`] on this thread.
fn zip_several<A: Copy, B: Copy, const N: usize>(
    several: [&mut [A]; N],
    b: &[B],
    f: impl Fn([A; N], B) -> [A; N] + Copy,
) {
    /// Elements at a time.
    const LANES: usize = 16;
    dispatch_moderate(Loop(
        #[inline(always)]
        move || {
            // Arrays of their own and plain loops: else nothing is vectorized.
            let f = f;
            let (blocks, rest) = b.as_chunks::<LANES>();
            for (block_idx, b) in blocks.iter().enumerate() {
                let at = block_idx * LANES;
                let mut old = [[several[0][at]; LANES]; N];
                for idx in 0..N {
                    // Copies of a length that is known need no call.
                    let Some(elements) = several[idx][at..].first_chunk() else { return };
                    old[idx] = *elements;
                }
                let mut new = old;
                for lane in 0..LANES {
                    let mut elements = [old[0][lane]; N];
                    for idx in 1..N {
                        elements[idx] = old[idx][lane];
                    }
                    let elements = f(elements, b[lane]);
                    for idx in 0..N {
                        new[idx][lane] = elements[idx];
                    }
                }
                for idx in 0..N {
                    let Some(elements) = several[idx][at..].first_chunk_mut() else { return };
                    *elements = new[idx];
                }
            }
            for (at, &b) in (b.len() - rest.len()..).zip(rest) {
                let mut elements = [several[0][at]; N];
                for idx in 1..N {
                    elements[idx] = several[idx][at];
                }
                let elements = f(elements, b);
                for idx in 0..N {
                    several[idx][at] = elements[idx];
                }
            }
        },
    ));
}

/// Computes `out[r, c] = f(a[r, c], b[c])`: the second operand is broadcast to all rows.
///
/// Shapes: `a` and `out` `[rows, cols]`, `b` `[cols]`; the number of rows follows.
/// Panics: if the lengths do not fit.
pub fn zip_rows<A, B, O>(pool: &Pool, a: &[A], b: &[B], out: &mut [O], f: impl Fn(A, B) -> O + Sync)
where
    A: Copy + Sync,
    B: Copy + Sync,
    O: Send,
{
    assert!(a.len() == out.len(), "{} elements do not map to {}", a.len(), out.len());
    if out.is_empty() {
        return;
    }
    let (several, chunk_len) = repeated_row(a.len(), b);
    let b = &several[..];
    pool.parallel_chunks(out, chunk_len, |i, out| {
        let a = &a[i * chunk_len..][..out.len()];
        dispatch_moderate(Loop(
            #[inline(always)]
            || {
                for (out, a) in out.chunks_mut(b.len()).zip(a.chunks(b.len())) {
                    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                        *out = f(a, b);
                    }
                }
            },
        ));
    });
}

/// Computes `a[r, c] = f(a[r, c], b[c])`: the second operand is broadcast to all rows.
///
/// Shapes: `a` `[rows, cols]`, `b` `[cols]`; the number of rows follows.
/// Panics: if the lengths do not fit.
pub fn zip_rows_in_place<A, B>(pool: &Pool, a: &mut [A], b: &[B], f: impl Fn(A, B) -> A + Sync)
where
    A: Copy + Send,
    B: Copy + Sync,
{
    if a.is_empty() {
        return;
    }
    let (several, chunk_len) = repeated_row(a.len(), b);
    let b = &several[..];
    pool.parallel_chunks(a, chunk_len, |_, a| {
        dispatch_moderate(Loop(
            #[inline(always)]
            || {
                for a in a.chunks_mut(b.len()) {
                    a.iter_mut().zip(b).for_each(|(a, &b)| *a = f(*a, b));
                }
            },
        ));
    });
}

/// The row `b`, short ones several times, and the elements of a task, for `len` elements in all.
fn repeated_row<B: Copy>(len: usize, b: &[B]) -> (Vec<B>, usize) {
    let cols = b.len();
    assert!(cols > 0 && len.is_multiple_of(cols), "{len} elements are not rows of {cols}");
    // Short rows are taken several at a time, so that the inner loop stays long.
    let mut several = b.repeat(if cols < 64 { 256 / cols } else { 1 });
    several.truncate(len);
    let chunk_len = if len > 2 * GRAIN { GRAIN.next_multiple_of(several.len()) } else { len };
    (several, chunk_len)
}

/// Calls `f(start, part)` for the parts of `data`.
fn split<T: Send>(pool: &Pool, data: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    if data.len() <= 2 * GRAIN {
        return f(0, data);
    }
    pool.parallel_chunks(data, GRAIN, |i, part| f(i * GRAIN, part));
}

/// Calls `f(start, old values, block)` for blocks of `data`.
///
/// Old values that lie elsewhere make loops plain: where a new value is chosen between the old one
/// and another, the compiler would store under a mask, which some processors do slowly.
#[inline(always)]
fn in_blocks<T: Copy>(data: &mut [T], mut f: impl FnMut(usize, &[T], &mut [T])) {
    const BLOCK: usize = 256;
    let Some(&first) = data.first() else { return };
    let mut old = [first; BLOCK];
    for (idx, block) in data.chunks_mut(BLOCK).enumerate() {
        let old = &mut old[..block.len()];
        old.copy_from_slice(block);
        f(idx * BLOCK, old, block);
    }
}

/// A closure as a [`Kernel`].
struct Loop<F>(F);

// Not `FnOnce`: a closure that can be called again is called once by way of a function that need not be
// inlined, and then is not compiled for the level.
impl<F: FnMut()> Kernel for Loop<F> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use super::{
        GRAIN, map, map_in_place, zip, zip_in_place, zip_rows, zip_rows_in_place,
        zip_several_in_place,
    };
    use crate::test_support::{Random, pools};

    const LENGTHS: [usize; 6] = [0, 1, 17, GRAIN, 2 * GRAIN + 1, 5 * GRAIN + 3];

    #[test]
    fn every_element_is_mapped_in_place_and_out_of_place() {
        for pool in pools() {
            for len in LENGTHS {
                let mut a = Random::new(1).f32s(len);
                let b = Random::new(2).f32s(len);
                let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a * 2.0 - b).collect();
                let mut out = vec![f32::NAN; len];
                zip(&pool, &a, &b, &mut out, |a, b| a * 2.0 - b);
                assert_eq!(out, expected);
                let mut signs = vec![false; len];
                map(&pool, &a, &mut signs, |a| a < 0.0);
                assert!(signs.iter().zip(&a).all(|(&s, &a)| s == (a < 0.0)));
                zip_in_place(&pool, &mut a, &b, |a, b| a * 2.0 - b);
                assert_eq!(a, expected);
                let (mut b, mut c) = (b.clone(), expected.clone());
                let sums: Vec<f32> = b.iter().zip(&expected).map(|(b, c)| b + c * 3.0).collect();
                let third = expected.clone();
                let step = |[b, c]: [f32; 2], e: f32| [b + c * 3.0, e - c];
                zip_several_in_place(&pool, [&mut b, &mut c], &third, step);
                assert_eq!(b, sums);
                assert!(c.iter().all(|c| *c == 0.0));
                map_in_place(&pool, &mut a, |a| a + 1.0);
                assert!(a.iter().zip(&expected).all(|(a, e)| *a == e + 1.0));
            }
        }
    }

    #[test]
    fn rows_share_the_second_operand() {
        for pool in pools() {
            for (rows, cols) in [(0, 3), (3, 0), (1, 1), (5, 3), (7, 64), (3, 1000), (30_000, 3)] {
                let (a, b) = (Random::new(1).f32s(rows * cols), Random::new(2).f32s(cols));
                let mut out = vec![f32::NAN; a.len()];
                zip_rows(&pool, &a, &b, &mut out, |a, b| a + b);
                assert!((0..a.len()).all(|i| out[i] == a[i] + b[i % cols]), "{rows}x{cols}");
                let mut in_place = a;
                zip_rows_in_place(&pool, &mut in_place, &b, |a, b| a + b);
                assert_eq!(in_place, out, "{rows}x{cols}");
            }
        }
    }
}
