//! Products whose left operand has few rows beside a large right one, as gradients and layers of a
//! batch have: the large operand is read once, and not packed as a whole.

use super::mat::Mat;
use super::packed::{PackedMatrix, gemm_packed};
use crate::number::Float;
use crate::pool::{Block, Pool};
use crate::simd::{Level, PACKING_DEPTH, PackingTile, packing_rows};
use crate::tile::{Epilogue, Gathered, Right, fill, panel_width};

/// Rows of `B` that are packed at a time: a panel of them stays in the nearest cache.
const DEPTH: usize = PACKING_DEPTH;
/// Panels that are multiplied one after another with the same elements of `A`.
const N_PANELS: usize = 4;
/// The most rows of `A`.
const MAX_ROWS: usize = 128;
/// The fewest elements of `B`: with less, nothing is gained.
const MIN_LARGE: usize = 32 << 10;

/// Computes `c = a·b + beta·c` if these operands are of the kind; gives whether it did.
pub(super) fn multiply<T: Float>(
    pool: &Pool,
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    beta: T,
    c: &mut [T],
) -> bool {
    let (m, n, k) = (a.rows(), b.cols(), a.cols());
    let is_large = k.saturating_mul(n) >= MIN_LARGE && (4..=MAX_ROWS.min(n / 2)).contains(&m);
    if !is_large {
        return false;
    }
    if b.transposed().has_dense_rows() && !b.has_dense_rows() {
        by_columns(pool, a, b, beta, c);
        return true;
    }
    if b.has_dense_rows() && a.has_dense_rows() && m >= 24 && k > DEPTH {
        by_panels(pool, a, b, beta, c);
        return true;
    }
    false
}

/// For a `B` whose columns are dense: the transposed product, in which they are rows that need no
/// packing.
fn by_columns<T: Float>(pool: &Pool, a: Mat<'_, T>, b: Mat<'_, T>, beta: T, c: &mut [T]) {
    let (m, n) = (a.rows(), b.cols());
    let mut transposed = vec![T::ZERO; n * m];
    let packed = PackedMatrix::new(pool, a.transposed());
    gemm_packed(pool, b.transposed(), &packed, Epilogue::NONE, &mut transposed);
    let product = Mat::row_major(&transposed, n, m).transposed();
    if beta == T::ZERO {
        return fill(c, n, product, 0..n);
    }
    for (i, row) in c.chunks_mut(n).enumerate() {
        for (j, c) in row.iter_mut().enumerate() {
            *c = product.at(i, j).plus(beta.times(*c));
        }
    }
}

/// For a `B` whose rows are dense: packed piece by piece, each used for all rows of `A` while it is in
/// the cache.
fn by_panels<T: Float>(pool: &Pool, a: Mat<'_, T>, b: Mat<'_, T>, beta: T, c: &mut [T]) {
    let (m, n) = (a.rows(), b.cols());
    let level = Level::best();
    let width = panel_width::<T>(level);
    pool.parallel_blocks(c, n, (m, N_PANELS * width), |block| {
        let mut panel = vec![T::ZERO; DEPTH * width];
        for row in 0..block.rows() {
            let cols = 0..block.cols();
            let c = &mut block.row(row)[cols];
            if beta == T::ZERO {
                c.fill(T::ZERO);
            } else if beta != T::ONE {
                c.iter_mut().for_each(|c| *c = beta.times(*c));
            }
        }
        add_panels(level, a, b, &mut panel, block);
    });
}

/// Adds the product to a block of some columns.
fn add_panels<T: Float>(
    level: Level,
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    panel: &mut [T],
    block: &mut Block<'_, T>,
) {
    let (m, k) = (a.rows(), a.cols());
    let width = panel.len() / DEPTH;
    let columns = block.first_col()..block.first_col() + block.cols();
    let rows = a.starts(0..m);
    for start in (0..k).step_by(DEPTH) {
        let depths = start..k.min(start + DEPTH);
        let gathered = Gathered::whole(&a.data()[depths.start..], &rows, depths.len());
        let n_panels = block.cols().div_ceil(width);
        for idx in 0..n_panels {
            let panel = &mut panel[..depths.len() * width];
            let cols = idx * width..block.cols().min((idx + 1) * width);
            let right = b.block(depths.start, columns.start + cols.start, depths.len(), cols.len());
            let mut first_row = 0;
            if cols.len() == width {
                first_row = packing_rows(level);
                let left = Gathered { rows: &rows[..first_row], ..gathered };
                // The next rows of `B` come from memory meanwhile.
                let n_next = DEPTH.min(k - depths.end);
                let next = b.block(depths.end, columns.start + cols.start, n_next, cols.len());
                PackingTile { left, right, next, panel }.add_to(level, block, cols.clone());
            } else {
                fill(panel, width, right, 0..cols.len());
            }
            let right = Right { panel, width, first_row, add: true, epilogue: Epilogue::NONE };
            right.multiply(level, gathered, block, None, cols);
        }
    }
}
