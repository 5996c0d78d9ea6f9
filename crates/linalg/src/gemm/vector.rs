//! Matrix times vector, at the speed of memory.

use super::mat::Mat;
use crate::number::Float;
use crate::pool::Pool;
use crate::simd::{Kernel, dispatch};

/// Elements of the matrix per task: 256 KiB of `f32`, about 10 microseconds from the cache.
const TASK_ELEMENTS: usize = 64 << 10;

/// Whether [`matrix_vector`] handles this layout: rows or columns lie side by side.
pub(super) fn supports<T: Copy>(matrix: &Mat<'_, T>) -> bool {
    matrix.has_dense_rows() || matrix.transposed().has_dense_rows()
}

/// Computes `y = matrix·x + beta·y`.
pub(super) fn matrix_vector<T: Float>(
    pool: &Pool,
    matrix: Mat<'_, T>,
    x: &[T],
    beta: T,
    y: &mut [T],
) {
    let rows_per_task = TASK_ELEMENTS / matrix.cols().max(1);
    if matrix.has_dense_rows() {
        pool.parallel_chunks(y, rows_per_task.max(1), |i, y| {
            let first_row = i * rows_per_task.max(1);
            dispatch(Dots { matrix, first_row, x, beta, y });
        });
    } else {
        // Long enough pieces of each column that reading them is sequential.
        let rows_per_task = rows_per_task.max(512);
        pool.parallel_chunks(y, rows_per_task, |i, y| {
            let columns = matrix.block(i * rows_per_task, 0, y.len(), matrix.cols()).transposed();
            dispatch(Sums { columns, x, beta, y });
        });
    }
}

/// One dot product per element of `y`.
struct Dots<'a, T> {
    matrix: Mat<'a, T>,
    first_row: usize,
    x: &'a [T],
    beta: T,
    y: &'a mut [T],
}

impl<T: Float> Kernel for Dots<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (i, y) in self.y.iter_mut().enumerate() {
            let product = dot::<T, FMA>(self.matrix.row(self.first_row + i), self.x);
            *y = if self.beta == T::ZERO {
                product
            } else {
                self.beta.times_plus::<FMA>(*y, product)
            };
        }
    }
}

/// The dot product in 64 running sums.
#[inline(always)]
fn dot<T: Float, const FMA: bool>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 64;
    let mut sums = [T::ZERO; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for i in 0..LANES {
            sums[i] = a[i].times_plus::<FMA>(b[i], sums[i]);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            sums[i] = sums[i].plus(sums[i + width]);
        }
        width /= 2;
    }
    a_rest.iter().zip(b_rest).fold(sums[0], |sum, (&a, &b)| a.times_plus::<FMA>(b, sum))
}

/// The columns of the matrix, each times its element of `x`, added up in `y`.
struct Sums<'a, T> {
    /// Row `j` is column `j` of the matrix.
    columns: Mat<'a, T>,
    x: &'a [T],
    beta: T,
    y: &'a mut [T],
}

impl<T: Float> Kernel for Sums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Sums { columns, x, beta, y } = self;
        // Pieces of `y` that stay in the first-level cache while the columns stream by.
        for (piece_idx, y) in y.chunks_mut(1024).enumerate() {
            let start = piece_idx * 1024;
            if beta == T::ZERO {
                y.fill(T::ZERO);
            } else if beta != T::ONE {
                y.iter_mut().for_each(|y| *y = y.times(beta));
            }
            let len = y.len();
            let piece = |j: usize| &columns.row(j)[start..start + len];
            let (groups, rest) = x.as_chunks::<4>();
            for (group_idx, x) in groups.iter().enumerate() {
                let j = group_idx * 4;
                let (c0, c1, c2, c3) = (piece(j), piece(j + 1), piece(j + 2), piece(j + 3));
                for i in 0..len {
                    let sum = x[0].times_plus::<FMA>(c0[i], y[i]);
                    let sum = x[1].times_plus::<FMA>(c1[i], sum);
                    let sum = x[2].times_plus::<FMA>(c2[i], sum);
                    y[i] = x[3].times_plus::<FMA>(c3[i], sum);
                }
            }
            for (i, &x) in rest.iter().enumerate() {
                for (y, &c) in y.iter_mut().zip(piece(groups.len() * 4 + i)) {
                    *y = x.times_plus::<FMA>(c, *y);
                }
            }
        }
    }
}
