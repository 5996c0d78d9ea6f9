//! The packed right operand.

use std::ops::Range;

use crate::gemm::Mat;
use crate::number::Float;
use crate::pool::Pool;
use crate::simd::{Kernel, Level, dispatch};

/// A `[k, n]` matrix in panels of a few columns, each `[k, width]`, row after row.
///
/// ```text
/// columns   0..w   w..2w   ...   last: w/2 wide if that is enough, filled up with zeros
/// memory  | k x w | k x w | ... | k x w/2 |     from a 64-byte boundary on
/// ```
#[derive(Debug)]
pub(crate) struct Panels<T> {
    data: Vec<T>,
    /// Where the aligned part starts.
    start: usize,
    /// The elements of that.
    n_aligned: usize,
    k: usize,
    n: usize,
    level: Level,
}

/// One panel.
pub(crate) struct Panel<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) width: usize,
    /// The columns of the matrix it holds.
    pub(crate) cols: Range<usize>,
}

impl<T: Float> Panels<T> {
    /// Packs `matrix` for the best level of this processor.
    pub(crate) fn pack(pool: &Pool, matrix: Mat<'_, T>) -> Self {
        Panels::pack_at(Level::best(), pool, &[matrix], matrix.cols())
    }

    /// As [`Panels::pack`], so many rows after the others; `done` is told which rows will not be read again.
    pub(crate) fn pack_by_rows(
        pool: &Pool,
        matrix: Mat<'_, T>,
        n_rows: usize,
        mut done: impl FnMut(Range<usize>),
    ) -> Self {
        let (k, n) = (matrix.rows(), matrix.cols());
        let mut panels = Panels::zeroed(Level::best(), k, n);
        for first in (0..k).step_by(n_rows.max(1)) {
            let rows = first..k.min(first + n_rows.max(1));
            panels.fill(pool, first, &[matrix.block(first, 0, rows.len(), n)]);
            done(rows);
        }
        panels
    }

    /// Packs matrices of `n` columns, one below the other, for a level of this processor.
    pub(crate) fn pack_at(level: Level, pool: &Pool, matrices: &[Mat<'_, T>], n: usize) -> Self {
        assert!(matrices.iter().all(|m| m.cols() == n), "matrices of other than {n} columns");
        let mut panels = Panels::zeroed(level, matrices.iter().map(Mat::rows).sum(), n);
        panels.fill(pool, 0, matrices);
        panels
    }

    /// A matrix of zeros.
    fn zeroed(level: Level, k: usize, n: usize) -> Self {
        let width = panel_width::<T>(level);
        let last = n % width;
        let n_padded = n - last + if last == 0 { 0 } else { narrow_or_full(last, width) };
        let slack = 64 / size_of::<T>();
        let data = vec![T::ZERO; k * n_padded + slack];
        let start = data.as_ptr().align_offset(64).min(slack);
        Panels { data, start, n_aligned: k * n_padded, k, n, level }
    }

    /// Fills rows from `first_row` on with matrices, one below the other.
    fn fill(&mut self, pool: &Pool, first_row: usize, matrices: &[Mat<'_, T>]) {
        let (k, n, full) = (self.k, self.n, self.width());
        let data = &mut self.data[self.start..][..self.n_aligned];
        pool.parallel_chunks(data, k * full, |i, panel| {
            let cols = i * full..n.min((i + 1) * full);
            let width = panel.len() / k;
            let mut rest = &mut panel[first_row * width..];
            for matrix in matrices {
                let (part, below) = rest.split_at_mut(matrix.rows() * width);
                fill(part, width, *matrix, cols.clone());
                rest = below;
            }
        });
    }

    /// The number of rows.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// The number of columns.
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    /// The level that the panels are packed for.
    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// The number of columns in each panel but the last.
    pub(crate) fn width(&self) -> usize {
        panel_width::<T>(self.level)
    }

    /// The number of panels.
    pub(crate) fn len(&self) -> usize {
        self.n.div_ceil(self.width())
    }

    /// Panel `i`.
    pub(crate) fn get(&self, i: usize) -> Panel<'_, T> {
        let full = self.width();
        let cols = i * full..self.n.min((i + 1) * full);
        let width = narrow_or_full(cols.len(), full);
        let start = self.start + i * full * self.k;
        Panel { data: &self.data[start..start + self.k * width], width, cols }
    }
}

/// The columns of a panel: two registers.
pub(crate) fn panel_width<T>(level: Level) -> usize {
    2 * level.width() / size_of::<T>()
}

/// The width of a panel that holds `n_cols` columns.
pub(crate) fn narrow_or_full(n_cols: usize, full: usize) -> usize {
    if n_cols <= full / 2 { full / 2 } else { full }
}

/// Copies some columns of `matrix` into rows of `width` elements; what lies beyond stays.
pub(crate) fn fill<T: Copy>(panel: &mut [T], width: usize, matrix: Mat<'_, T>, cols: Range<usize>) {
    if matrix.has_dense_rows() {
        for (p, row) in panel.chunks_exact_mut(width).enumerate() {
            row[..cols.len()].copy_from_slice(&matrix.row(p)[cols.clone()]);
        }
    } else {
        dispatch(Transpose { panel, width, matrix, cols });
    }
}

/// [`fill`] for matrices whose rows are not dense.
struct Transpose<'a, T> {
    panel: &'a mut [T],
    width: usize,
    matrix: Mat<'a, T>,
    cols: Range<usize>,
}

impl<T: Copy> Kernel for Transpose<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        /// Rows and columns at a time: a cache line of each column is read at once.
        const BLOCK: usize = 16;
        let Transpose { panel, width, matrix, cols } = self;
        let columns = matrix.transposed();
        let n_rows = panel.len() / width;
        let mut first = 0;
        while first < n_rows {
            let n_block_rows = BLOCK.min(n_rows - first);
            let rows = &mut panel[first * width..][..n_block_rows * width];
            // Plain loops: iterators would be called, not inlined, here.
            for j in 0..cols.len() {
                let col = cols.start + j;
                if columns.has_dense_rows() {
                    let column = &columns.row(col)[first..][..n_block_rows];
                    for i in 0..n_block_rows {
                        rows[i * width + j] = column[i];
                    }
                } else {
                    for i in 0..n_block_rows {
                        rows[i * width + j] = matrix.at(first + i, col);
                    }
                }
            }
            first += n_block_rows;
        }
    }
}
