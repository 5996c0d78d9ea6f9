//! The register tile of sums of outer products: some elements of each row of one matrix times a
//! panel of the same row of another.

use std::ops::Range;

use super::tile::{load_row, store_row};
use super::vector::{Vector, VectorKernel, dispatch_vector};
use super::{Level, prefetch_near};
use crate::number::Float;
use crate::pool::Block;

/// Rows that take long enough for something to come from memory meanwhile.
const LONG: usize = 16;

/// The most elements of a left row that a tile takes.
pub(crate) fn outer_rows(level: Level) -> usize {
    // Two registers per element, and three for the operands: what 32 or 16 registers hold.
    match level.width() {
        64 => 12,
        32 => 6,
        _ => 4,
    }
}

/// Rows of the operands that lie at equal distances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Where the first row of the left operand starts.
    pub(crate) left: usize,
    /// The number of the first row of the right operand.
    pub(crate) right: usize,
}

/// Sums over the rows of all runs the products of `n_left` elements with a panel.
///
/// Row `p` of a run is `left[run.left + p * left_step..]` and `right[(run.right + p) * right_step..]`.
#[derive(Clone, Copy)]
pub(crate) struct Outer<'a, T> {
    pub(crate) left: &'a [T],
    pub(crate) right: &'a [T],
    pub(crate) runs: &'a [Run],
    /// Rows of each run.
    pub(crate) run_len: usize,
    pub(crate) left_step: usize,
    pub(crate) right_step: usize,
    /// From 1 to [`outer_rows`].
    pub(crate) n_left: usize,
    /// One or two registers, read in full.
    pub(crate) width: usize,
}

impl<T: Float> Outer<'_, T> {
    /// Adds the sums to `out`, those of element `i` to row `first_row + i`, at the columns `cols`.
    ///
    /// There may be fewer columns than the panel has. Panics: if sizes do not fit.
    #[inline]
    pub(crate) fn add_to(
        self,
        level: Level,
        out: &mut Block<'_, T>,
        first_row: usize,
        cols: Range<usize>,
    ) {
        dispatch_vector(level, Sum { outer: self, out, first_row, cols });
    }
}

struct Sum<'a, 'b, 'c, T> {
    outer: Outer<'a, T>,
    out: &'b mut Block<'c, T>,
    first_row: usize,
    cols: Range<usize>,
}

impl<T: Float> VectorKernel<T> for Sum<'_, '_, '_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        // SAFETY: the instruction set of V is available, as the caller promises.
        unsafe {
            match self.outer.width / V::LANES {
                2 => self.sized::<V, 2>(),
                1 => self.sized::<V, 1>(),
                n => unreachable!("a panel of {n} registers"),
            }
        }
    }
}

impl<T: Float> Sum<'_, '_, '_, T> {
    /// # Safety
    ///
    /// The instruction set of `V` must be available.
    #[inline(always)]
    unsafe fn sized<V: Vector<T>, const N: usize>(self) {
        // More rows than the registers hold are not compiled.
        let bytes = V::LANES * size_of::<T>();
        // SAFETY: promised by the caller.
        unsafe {
            match self.outer.n_left {
                12 if bytes == 64 => self.sum::<V, 12, N>(),
                11 if bytes == 64 => self.sum::<V, 11, N>(),
                10 if bytes == 64 => self.sum::<V, 10, N>(),
                9 if bytes == 64 => self.sum::<V, 9, N>(),
                8 if bytes == 64 => self.sum::<V, 8, N>(),
                7 if bytes == 64 => self.sum::<V, 7, N>(),
                6 if bytes >= 32 => self.sum::<V, 6, N>(),
                5 if bytes >= 32 => self.sum::<V, 5, N>(),
                4 => self.sum::<V, 4, N>(),
                3 => self.sum::<V, 3, N>(),
                2 => self.sum::<V, 2, N>(),
                1 => self.sum::<V, 1, N>(),
                n => unreachable!("{n} elements for registers of {bytes} bytes"),
            }
        }
    }

    /// # Safety
    ///
    /// The instruction set of `V` must be available.
    #[inline(always)]
    unsafe fn sum<V: Vector<T>, const R: usize, const N: usize>(self) {
        let Sum { outer, out, first_row, cols } = self;
        let Outer { left, right, runs, run_len, left_step, right_step, .. } = outer;
        let width = N * V::LANES;
        let Some(last) = run_len.checked_sub(1) else { return };
        if run_len * runs.len() >= LONG {
            // The sums join others that have left the cache: they come back meanwhile.
            for i in 0..R {
                prefetch_near(&out.row(first_row + i)[cols.clone()]);
            }
        }
        let (left_len, right_len) = (last * left_step + R, last * right_step + width);
        // SAFETY: the instruction set of V is available. Each run is cut to the elements between
        // the first and the last one that is read (checked); in `last` steps the pointers go from
        // the first row to the last.
        unsafe {
            let none = V::splat(T::ZERO);
            let mut acc = [[none; N]; R];
            for run in runs {
                let mut a = left[run.left..][..left_len].as_ptr();
                let mut b = right[run.right * right_step..][..right_len].as_ptr();
                let mut left = run_len;
                loop {
                    let mut row = [none; N];
                    for (j, row) in row.iter_mut().enumerate() {
                        *row = V::load(b.add(j * V::LANES));
                    }
                    for (i, acc) in acc.iter_mut().enumerate() {
                        let x = V::splat(*a.add(i));
                        for j in 0..N {
                            acc[j] = x.times_plus(row[j], acc[j]);
                        }
                    }
                    left -= 1;
                    if left == 0 {
                        break;
                    }
                    a = a.add(left_step);
                    b = b.add(right_step);
                }
            }
            let one = V::splat(T::ONE);
            for (i, mut values) in acc.into_iter().enumerate() {
                let row = &mut out.row(first_row + i)[cols.clone()];
                let old: [V; N] = load_row(row);
                for j in 0..N {
                    values[j] = values[j].times_plus(one, old[j]);
                }
                store_row(values, row);
            }
        }
    }
}
