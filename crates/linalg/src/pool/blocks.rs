//! A row-major matrix cut into disjoint blocks that different tasks may hold at the same time.
#![expect(unsafe_code, reason = "disjoint blocks of one matrix are handed to concurrent tasks")]

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

/// A block of a row-major matrix: some neighboring columns of some neighboring rows.
#[derive(Debug)]
pub struct Block<'a, T> {
    base: *mut T,
    row_stride: usize,
    first_row: usize,
    first_col: usize,
    rows: usize,
    cols: usize,
    data: PhantomData<&'a mut [T]>,
}

impl<'a, T> Block<'a, T> {
    /// A matrix with rows of `cols` elements as one block. Panics: if `data` is no such matrix.
    pub fn whole(data: &'a mut [T], cols: usize) -> Self {
        let rows = data.len().checked_div(cols).unwrap_or(0);
        assert!(rows * cols == data.len(), "{} elements are not rows of {cols}", data.len());
        let base = data.as_mut_ptr();
        Block { base, row_stride: cols, first_row: 0, first_col: 0, rows, cols, data: PhantomData }
    }

    /// The row of the matrix that the block starts at.
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// The column of the matrix that the block starts at.
    pub fn first_col(&self) -> usize {
        self.first_col
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `i` of the block. Panics: if there is none.
    #[inline(always)]
    pub fn row(&mut self, i: usize) -> &mut [T] {
        assert!(i < self.rows, "row {i} of a block of {} rows", self.rows);
        // SAFETY: `base` points at an area that holds `rows` rows of `cols` elements at this
        // stride and that only this block may use (`Blocks::with`); `&mut self` keeps the rows
        // that it lends apart.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(i * self.row_stride), self.cols) }
    }
}

/// A matrix cut into a grid of blocks, smaller at the far edges.
pub(super) struct Blocks<'a, T> {
    base: *mut T,
    rows: usize,
    cols: usize,
    block_rows: usize,
    block_cols: usize,
    n_col_blocks: usize,
    /// One flag per block: set once it is lent, so that none is lent twice.
    lent: Vec<AtomicBool>,
    data: PhantomData<&'a mut [T]>,
}

// SAFETY: `with` lends each block to one task (checked by `lent`), and `T: Send` allows that task
// to run on another thread.
unsafe impl<T: Send> Sync for Blocks<'_, T> {}

impl<'a, T> Blocks<'a, T> {
    /// Cuts `data`, rows of `cols` elements, into blocks of the given size (0 counts as 1).
    ///
    /// Panics: if `data` is no whole number of rows.
    pub(super) fn new(
        data: &'a mut [T],
        cols: usize,
        block_rows: usize,
        block_cols: usize,
    ) -> Self {
        let rows = data.len().checked_div(cols).unwrap_or(0);
        assert!(rows * cols == data.len(), "{} elements are not rows of {cols}", data.len());
        let (block_rows, block_cols) = (block_rows.max(1), block_cols.max(1));
        let n_col_blocks = cols.div_ceil(block_cols);
        let n_blocks = rows.div_ceil(block_rows) * n_col_blocks;
        let lent = (0..n_blocks).map(|_| AtomicBool::new(false)).collect();
        let base = data.as_mut_ptr();
        Blocks { base, rows, cols, block_rows, block_cols, n_col_blocks, lent, data: PhantomData }
    }

    /// The number of blocks.
    pub(super) fn len(&self) -> usize {
        self.lent.len()
    }

    /// Calls `f` with block `i`, once.
    pub(super) fn with(&self, i: usize, f: impl FnOnce(&mut Block<'_, T>)) {
        if self.lent[i].swap(true, Ordering::Acquire) {
            return;
        }
        let first_row = i / self.n_col_blocks * self.block_rows;
        let first_col = i % self.n_col_blocks * self.block_cols;
        let mut block = Block {
            // SAFETY: `i` is below the number of blocks, so the first element of the block lies
            // inside the matrix, as do all others by the sizes below. Blocks do not overlap, and
            // the flag stays set, so nobody else is given this one.
            base: unsafe { self.base.add(first_row * self.cols + first_col) },
            row_stride: self.cols,
            first_row,
            first_col,
            rows: self.block_rows.min(self.rows - first_row),
            cols: self.block_cols.min(self.cols - first_col),
            data: PhantomData,
        };
        f(&mut block);
    }
}
