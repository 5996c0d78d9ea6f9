//! A matrix operand.

use std::ops::Range;

use crate::tile::Row;

/// A read-only matrix over a slice: element `(i, j)` is `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// A dense row-major matrix.
    ///
    /// Panics: if `data` has fewer than `rows * cols` elements.
    pub fn row_major(data: &'a [T], rows: usize, cols: usize) -> Self {
        Mat::strided(data, rows, cols, cols, 1)
    }

    /// A matrix with any strides, counted in elements.
    ///
    /// Panics: if an element lies outside `data`.
    pub fn strided(
        data: &'a [T],
        rows: usize,
        cols: usize,
        row_stride: usize,
        col_stride: usize,
    ) -> Self {
        let len = match (rows, cols) {
            (0, _) | (_, 0) => Some(0),
            _ => span(rows - 1, row_stride, cols - 1, col_stride),
        };
        assert!(
            len.is_some_and(|len| len <= data.len()),
            "a {rows}x{cols} matrix with strides {row_stride}, {col_stride} needs more than {} elements",
            data.len()
        );
        Mat { data, rows, cols, row_stride, col_stride }
    }

    /// The transposed matrix, over the same data.
    pub fn transposed(self) -> Self {
        Mat {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// [`transposed`](Self::transposed) if `transpose`, else the matrix itself.
    pub fn transposed_if(self, transpose: bool) -> Self {
        if transpose { self.transposed() } else { self }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The distance of neighbors in a column, in elements.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// The distance of neighbors in a row, in elements.
    pub fn col_stride(&self) -> usize {
        self.col_stride
    }

    /// Whether the elements of each row lie side by side.
    pub(crate) fn has_dense_rows(&self) -> bool {
        self.col_stride == 1 || self.cols <= 1
    }

    /// Row `i` of a matrix [with dense rows](Self::has_dense_rows).
    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> &'a [T] {
        debug_assert!(self.has_dense_rows());
        if self.cols == 0 { &[] } else { &self.data[i * self.row_stride..][..self.cols] }
    }

    /// Where some rows of a matrix [with dense rows](Self::has_dense_rows) start in
    /// [`data`](Self::data).
    pub(crate) fn starts(&self, rows: Range<usize>) -> Vec<Row> {
        debug_assert!(self.has_dense_rows() && rows.end <= self.rows);
        // Rows without elements start anywhere.
        let pitch = if self.cols == 0 { 0 } else { self.row_stride };
        rows.map(|i| Row { at: i * pitch, edge: [0; 2] }).collect()
    }

    /// The elements from `(0, 0)` on.
    pub(crate) fn data(&self) -> &'a [T] {
        self.data
    }

    /// The block of `rows` by `cols` elements at `(row, col)`, which must lie inside.
    pub(crate) fn block(&self, row: usize, col: usize, rows: usize, cols: usize) -> Self {
        let start = (row * self.row_stride + col * self.col_stride).min(self.data.len());
        Mat::strided(&self.data[start..], rows, cols, self.row_stride, self.col_stride)
    }
}

impl<T: Copy> Mat<'_, T> {
    /// Element `(i, j)`.
    #[inline(always)]
    pub(crate) fn at(&self, i: usize, j: usize) -> T {
        self.data[i * self.row_stride + j * self.col_stride]
    }
}

/// The number of elements from the first to the last one, or None beyond `usize`.
fn span(row: usize, row_stride: usize, col: usize, col_stride: usize) -> Option<usize> {
    row.checked_mul(row_stride)?.checked_add(col.checked_mul(col_stride)?)?.checked_add(1)
}

/// Checks that `a`, `b` and a row-major `c` fit together; returns `(m, n, k)`.
pub(super) fn check_sizes<A, C>(a: &Mat<'_, A>, b: &Mat<'_, A>, c: &[C]) -> (usize, usize, usize) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    assert!(b.rows == k, "a {m}x{k} matrix cannot be multiplied with a {}x{n} matrix", b.rows);
    assert!(
        m.checked_mul(n) == Some(c.len()),
        "the product of {m}x{k} and {k}x{n} does not have {} elements",
        c.len()
    );
    (m, n, k)
}
