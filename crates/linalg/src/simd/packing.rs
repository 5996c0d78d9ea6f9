//! The register tile that packs its right operand while it multiplies.
//!
//! A product whose right operand is used for few rows spends a good part of its time on packing; in
//! the first tile the loads and stores of it cost nothing, for multiplication keeps the processor
//! busier.

use std::ops::Range;

use super::tile::{PART, load, load_row, store, store_row};
use super::{
    Level, MAX_WIDTH, Vector, VectorKernel, dispatch_vector, prefetch, prefetch_near, tile_rows,
};
use crate::gemm::Mat;
use crate::number::Float;
use crate::pool::Block;
use crate::tile::Gathered;

/// The operands of a tile.
pub(crate) struct PackingTile<'a, T> {
    /// Rows of one piece each, as many as [`packing_rows`] gives.
    pub(crate) left: Gathered<'a, T>,
    /// The right operand, with dense rows: one for each element of a piece, as wide as a panel.
    pub(crate) right: Mat<'a, T>,
    /// What comes next, of the same form: to be brought into the cache meanwhile.
    pub(crate) next: Mat<'a, T>,
    /// Where the right operand is packed.
    pub(crate) panel: &'a mut [T],
}

/// How many rows ahead the right operand is brought into the nearest cache.
const AHEAD: usize = 12;

/// The longest pieces of a packing tile.
pub(crate) const PACKING_DEPTH: usize = PART;

/// The rows of a packing tile.
pub(crate) fn packing_rows(level: Level) -> usize {
    tile_rows(level, MAX_WIDTH)
}

impl<T: Float> PackingTile<'_, T> {
    /// Adds row `i` of the product to row `i` of `out`, at the columns `cols`.
    ///
    /// Panics: if sizes do not fit.
    pub(crate) fn add_to(self, level: Level, out: &mut Block<'_, T>, cols: Range<usize>) {
        dispatch_vector(level, Product { tile: self, out, cols });
    }
}

struct Product<'a, 'b, T> {
    tile: PackingTile<'a, T>,
    out: &'a mut Block<'b, T>,
    cols: Range<usize>,
}

impl<T: Float> VectorKernel<T> for Product<'_, '_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        // SAFETY: the instruction set of V is available, as the caller promises.
        unsafe {
            match V::LANES * size_of::<T>() {
                64 => self.product::<V, 12>(),
                32 => self.product::<V, 6>(),
                _ => self.product::<V, 4>(),
            }
        }
    }
}

impl<T: Float> Product<'_, '_, T> {
    /// # Safety
    ///
    /// The instruction set of `V` must be available.
    #[inline(always)]
    unsafe fn product<V: Vector<T>, const R: usize>(self) {
        const N: usize = 2;
        let PackingTile { left, right, next, panel } = self.tile;
        let depth = left.depth;
        assert!(left.rows.len() == R && depth <= PART, "an unfit tile");
        assert!(right.rows() == depth && right.cols() == N * V::LANES, "an unfit matrix");
        assert!(panel.len() == depth * N * V::LANES, "an unfit panel");
        let a = left.pieces::<R>([0, 0], true).unwrap_or([std::ptr::null(); R]);
        // SAFETY: the instruction set of V is available. Each row of the matrix and of the panel is
        // cut to N registers (checked); every piece has `depth` elements, and `c` stays below.
        unsafe {
            let none = V::splat(T::ZERO);
            let one = V::splat(T::ONE);
            let mut acc = [[none; N]; R];
            for c in 0..depth {
                if c + AHEAD < depth {
                    prefetch_near(right.row(c + AHEAD));
                }
                if c < next.rows() {
                    prefetch(next.row(c));
                }
                let row: [V; N] = load(right.row(c));
                store(row, &mut panel[c * N * V::LANES..]);
                for i in 0..R {
                    let x = V::splat(*a[i].add(c));
                    for j in 0..N {
                        acc[i][j] = x.times_plus(row[j], acc[i][j]);
                    }
                }
            }
            for (i, mut values) in acc.into_iter().enumerate() {
                let row = &mut self.out.row(i)[self.cols.clone()];
                let old: [V; N] = load_row(row);
                for j in 0..N {
                    // As if the sum had been one of several parts.
                    values[j] = values[j].times_plus(one, none).times_plus(one, old[j]);
                }
                store_row(values, row);
            }
        }
    }
}
