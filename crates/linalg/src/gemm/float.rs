//! Products of `f32` and `f64` matrices: blocks of `C` on the pool, each by the crate `gemm`.
#![expect(unsafe_code, reason = "the crate gemm takes pointers and strides")]

use gemm::Parallelism;

use super::mat::{Mat, check_sizes};
use super::{few_rows, vector};
use crate::number::Float;
use crate::pool::Pool;

/// Computes `c = a·b + beta·c` in `f32`; see [`gemm()`].
pub fn gemm_f32(pool: &Pool, a: Mat<'_, f32>, b: Mat<'_, f32>, beta: f32, c: &mut [f32]) {
    gemm(pool, a, b, beta, c);
}

/// Computes `c = a·b + beta·c` in `f64`; see [`gemm()`].
pub fn gemm_f64(pool: &Pool, a: Mat<'_, f64>, b: Mat<'_, f64>, beta: f64, c: &mut [f64]) {
    gemm(pool, a, b, beta, c);
}

/// Computes `c = a·b + beta·c`.
///
/// Shapes: `a [m, k]`, `b [k, n]`, `c [m, n]` row-major. With a `beta` of 0 the old content of
/// `c` is not read; with a `k` of 0 the product is zero.
/// Panics: if the shapes do not fit together.
///
/// ```
/// use flowkeep_linalg::Pool;
/// use flowkeep_linalg::gemm::{Mat, gemm};
///
/// let a = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]; // 2x3
/// let b = [1.0_f32, 0.0, 2.0, 0.0, 1.0, 3.0]; // 2x3, used transposed
/// let mut c = [0.0; 4];
/// gemm(&Pool::new(1), Mat::row_major(&a, 2, 3), Mat::row_major(&b, 2, 3).transposed(), 0.0, &mut c);
/// assert_eq!(c, [7.0, 11.0, 16.0, 23.0]);
/// ```
pub fn gemm<T: Float>(pool: &Pool, a: Mat<'_, T>, b: Mat<'_, T>, beta: T, c: &mut [T]) {
    let (m, n, k) = check_sizes(&a, &b, c);
    if m == 0 || n == 0 {
        return;
    }
    // A single row of C is a product with the transposed B; a single column needs no reordering.
    if m == 1 && vector::supports(&b.transposed()) && a.has_dense_rows() {
        return vector::matrix_vector(pool, b.transposed(), a.row(0), beta, c);
    }
    if n == 1 && vector::supports(&a) && b.transposed().has_dense_rows() {
        return vector::matrix_vector(pool, a, b.transposed().row(0), beta, c);
    }
    if few_rows::multiply(pool, a, b, beta, c) {
        return;
    }
    let blocks = Blocks::of(m, n, k);
    let target = Target { data: c.as_mut_ptr(), row_stride: n };
    pool.parallel_for(blocks.len(), &|i| {
        let block = blocks.get(i);
        let a = a.block(block.row, 0, block.rows, k);
        let b = b.block(0, block.col, k, block.cols);
        // SAFETY: the blocks lie inside C (`check_sizes`) and do not overlap; each is one task's.
        unsafe { multiply_block(a, b, beta, target.at(block.row, block.col), n) };
    });
}

/// The output matrix, of which every task writes another block.
struct Target<T> {
    data: *mut T,
    row_stride: usize,
}

// SAFETY: tasks write disjoint blocks (see `gemm`), of numbers.
unsafe impl<T: Float> Sync for Target<T> {}

impl<T> Target<T> {
    /// # Safety
    ///
    /// `(row, col)` lies inside the matrix.
    unsafe fn at(&self, row: usize, col: usize) -> *mut T {
        // SAFETY: promised by the caller.
        unsafe { self.data.add(row * self.row_stride + col) }
    }
}

/// Computes one block of `C` on this thread.
///
/// # Safety
///
/// `c` points at a block of `a.rows()` by `b.cols()` elements, with rows `row_stride` elements
/// apart, that nobody else uses during the call.
unsafe fn multiply_block<T: Float>(
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    beta: T,
    c: *mut T,
    row_stride: usize,
) {
    // `Mat` has checked that every element lies inside its slice, and no slice is longer than
    // isize::MAX elements; a stride that is never stepped may be larger and is replaced.
    let stride = |stride: usize, steps: usize| if steps > 1 { stride as isize } else { 1 };
    let (m, n, k) = (a.rows(), b.cols(), a.cols());
    // SAFETY: the strides stay inside the operands (see above) and inside C (promised by the
    // caller); `T` is `f32` or `f64` (`Float` is sealed).
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c,
            1,
            stride(row_stride, m),
            beta != T::ZERO,
            a.data().as_ptr(),
            stride(a.col_stride(), k),
            stride(a.row_stride(), m),
            b.data().as_ptr(),
            stride(b.col_stride(), n),
            stride(b.row_stride(), k),
            beta,
            T::ONE,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// How `C` is cut into tasks: a grid of equal blocks, smaller at the far edges.
struct Blocks {
    m: usize,
    n: usize,
    block_rows: usize,
    block_cols: usize,
    n_row_blocks: usize,
    n_col_blocks: usize,
}

struct Block {
    row: usize,
    col: usize,
    rows: usize,
    cols: usize,
}

impl Blocks {
    /// Multiply-adds per task to aim at; about 20 microseconds of one core.
    const TASK_SIZE: usize = 1 << 20;
    /// More tasks than this only pack the operands more often.
    const MAX_TASKS: usize = 64;
    /// Blocks are multiples of these where possible: whole register tiles.
    const ROW_STEP: usize = 24;
    const COL_STEP: usize = 96;

    fn of(m: usize, n: usize, k: usize) -> Blocks {
        let work = m.saturating_mul(n).saturating_mul(k);
        let n_tasks = (work / Self::TASK_SIZE).clamp(1, Self::MAX_TASKS);
        // Rows and columns are halved in turn, the longer one first: compact blocks share most.
        let (mut block_rows, mut block_cols) = (m, n);
        let mut n_blocks = 1;
        while n_blocks < n_tasks {
            let (half_rows, half_cols) = (
                block_rows.div_ceil(2).next_multiple_of(Self::ROW_STEP),
                block_cols.div_ceil(2).next_multiple_of(Self::COL_STEP),
            );
            let by_rows = half_rows < block_rows;
            let by_cols = half_cols < block_cols;
            match (by_rows, by_cols) {
                (true, true) if block_rows >= block_cols => block_rows = half_rows,
                (_, true) => block_cols = half_cols,
                (true, false) => block_rows = half_rows,
                (false, false) => break,
            }
            n_blocks = m.div_ceil(block_rows) * n.div_ceil(block_cols);
        }
        Blocks {
            m,
            n,
            block_rows,
            block_cols,
            n_row_blocks: m.div_ceil(block_rows),
            n_col_blocks: n.div_ceil(block_cols),
        }
    }

    fn len(&self) -> usize {
        self.n_row_blocks * self.n_col_blocks
    }

    fn get(&self, i: usize) -> Block {
        let row = i / self.n_col_blocks * self.block_rows;
        let col = i % self.n_col_blocks * self.block_cols;
        Block {
            row,
            col,
            rows: self.block_rows.min(self.m - row),
            cols: self.block_cols.min(self.n - col),
        }
    }
}
