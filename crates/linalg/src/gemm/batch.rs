//! Many products of equal shape.

use super::float::gemm;
use super::mat::Mat;
use crate::number::Float;
use crate::pool::Pool;

/// One operand of a batch of products: matrices of one shape inside a slice.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, T> {
    /// The matrices, each dense and row-major as stored.
    pub data: &'a [T],
    /// Rows of each matrix as stored, before transposition.
    pub rows: usize,
    /// Columns of each matrix as stored, before transposition.
    pub cols: usize,
    /// Whether each matrix is used transposed.
    pub transpose: bool,
}

impl<'a, T> Batch<'a, T> {
    /// Matrix number `idx`, transposed where asked for.
    ///
    /// Panics: if it lies outside the data.
    pub fn get(&self, idx: usize) -> Mat<'a, T> {
        let size = self.rows * self.cols;
        Mat::row_major(&self.data[idx * size..], self.rows, self.cols).transposed_if(self.transpose)
    }
}

/// Computes `c[i] = a[pairs[i].0] · b[pairs[i].1]` for every `i`.
///
/// The pairs say which matrices are multiplied, so that broadcast batch dimensions need no copy.
/// Shapes: `a` matrices `[m, k]`, `b` matrices `[k, n]`, `c` `[pairs.len(), m, n]` row-major.
/// Panics: if shapes or indices do not fit.
pub fn batch_gemm<T: Float>(
    pool: &Pool,
    a: Batch<'_, T>,
    b: Batch<'_, T>,
    pairs: &[(usize, usize)],
    c: &mut [T],
) {
    /// Multiply-adds below which products share a task.
    const TASK_SIZE: usize = 1 << 20;
    let (m, k) = if a.transpose { (a.cols, a.rows) } else { (a.rows, a.cols) };
    let n = if b.transpose { b.rows } else { b.cols };
    assert!(c.len() == pairs.len() * m * n, "the batch needs {}x{m}x{n} elements", pairs.len());
    if c.is_empty() {
        return;
    }
    let work = m.saturating_mul(n).saturating_mul(k);
    let per_task = (TASK_SIZE / work.max(1)).max(1);
    pool.parallel_chunks(c, per_task * m * n, |i, c| {
        for (&(a_idx, b_idx), c) in pairs[i * per_task..].iter().zip(c.chunks_mut(m * n)) {
            // Large products fork further inside.
            gemm(pool, a.get(a_idx), b.get(b_idx), T::ZERO, c);
        }
    });
}
