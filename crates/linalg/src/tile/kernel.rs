//! The register tile, and the walk over tiles.

use std::ops::Range;

use super::panels::{Panel, Panels};
use super::{Activation, Epilogue};
use crate::number::Float;
use crate::pool::Block;
use crate::simd::{Kernel, Level, dispatch_at};

/// The left operand: each of its rows consists of `n_taps` pieces of `depth` elements.
#[derive(Clone, Copy)]
pub(crate) struct Gathered<'a, T> {
    /// The pieces: tap `t` of row `i` is `pieces[t * n_rows + i]`.
    pub(crate) pieces: &'a [&'a [T]],
    pub(crate) n_rows: usize,
    pub(crate) n_taps: usize,
    /// Every piece has at least as many elements.
    pub(crate) depth: usize,
}

/// Multiplies `gathered` with some panels and stores the product in `out`.
///
/// Row `i` goes to row `out_rows[i]` of the block (row `i` without `out_rows`), column `j` of the
/// packed matrix to column `j + col_offset` of the block. The bias has an element per column of
/// the packed matrix. Panics: if sizes do not fit.
pub(crate) fn multiply<T: Float>(
    gathered: Gathered<'_, T>,
    panels: &Panels<T>,
    panel_range: Range<usize>,
    epilogue: Epilogue<'_, T>,
    out: &mut Block<'_, T>,
    out_rows: Option<&[usize]>,
    col_offset: isize,
) {
    let Gathered { pieces, n_rows, n_taps, depth } = gathered;
    assert!(pieces.len() == n_taps * n_rows && n_taps * depth == panels.k(), "unfit operands");
    let level = panels.level();
    let mut sums = [T::ZERO; MAX_TILE];
    for i in panel_range {
        let panel = &panels.get(i);
        let mut start = [T::ZERO; MAX_WIDTH];
        if let Some(bias) = epilogue.bias {
            start[..panel.cols.len()].copy_from_slice(&bias[panel.cols.clone()]);
        }
        let first_col = panel.cols.start.checked_add_signed(col_offset).unwrap_or(usize::MAX);
        let mut first_row = 0;
        while first_row < n_rows {
            let n_tile_rows = tile_rows(level, n_rows - first_row);
            dispatch_at(
                level,
                Tile {
                    gathered,
                    first_row,
                    n_tile_rows,
                    panel,
                    start: &start,
                    activation: epilogue.activation,
                    sums: &mut sums,
                    out,
                    out_rows,
                    first_col,
                },
            );
            first_row += n_tile_rows;
        }
    }
}

/// Columns of the widest panel, and elements of the largest tile.
const MAX_WIDTH: usize = 32;
const MAX_TILE: usize = 12 * MAX_WIDTH;

/// The rows of the next tile, when so many are left.
fn tile_rows(level: Level, n_left: usize) -> usize {
    let sizes: &[usize] = match level.width() {
        64 => &[12, 8, 4, 2],
        32 => &[6, 4, 2],
        _ => &[4, 2],
    };
    sizes.iter().copied().find(|&n| n <= n_left).unwrap_or(1)
}

/// Some rows of the left operand times one panel.
struct Tile<'a, 'b, T> {
    gathered: Gathered<'a, T>,
    first_row: usize,
    n_tile_rows: usize,
    panel: &'a Panel<'a, T>,
    /// What the sums of each column start from.
    start: &'a [T; MAX_WIDTH],
    activation: Activation,
    /// Scratch memory for the sums. While they are computed they are in registers: what lies
    /// behind a reference from outside, the compiler copies there and back as a whole.
    sums: &'a mut [T; MAX_TILE],
    out: &'a mut Block<'b, T>,
    out_rows: Option<&'a [usize]>,
    first_col: usize,
}

impl<T: Float> Kernel for Tile<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool, const WIDTH: usize>(mut self) {
        // One or two registers of 4 or 8 byte elements; most arms fold away.
        match (WIDTH, self.panel.width) {
            (64, 32) => self.rows::<32, FMA, WIDTH>(),
            (64, 16) | (32, 16) => self.rows::<16, FMA, WIDTH>(),
            (_, 8) => self.rows::<8, FMA, WIDTH>(),
            (32 | 16, 4) => self.rows::<4, FMA, WIDTH>(),
            (16, 2) => self.rows::<2, FMA, WIDTH>(),
            (width, cols) => unreachable!("no panel of {cols} columns for {width} bytes"),
        }
    }
}

impl<T: Float> Tile<'_, '_, T> {
    #[inline(always)]
    fn rows<const W: usize, const FMA: bool, const WIDTH: usize>(&mut self) {
        match (WIDTH, self.n_tile_rows) {
            (64, 12) => self.tile::<12, W, FMA>(),
            (64, 8) => self.tile::<8, W, FMA>(),
            (32, 6) => self.tile::<6, W, FMA>(),
            (_, 4) => self.tile::<4, W, FMA>(),
            (_, 2) => self.tile::<2, W, FMA>(),
            (_, 1) => self.tile::<1, W, FMA>(),
            (width, rows) => unreachable!("no tile of {rows} rows for {width} bytes"),
        }
    }

    /// Computes and stores `R` rows of `W` columns.
    #[inline(always)]
    fn tile<const R: usize, const W: usize, const FMA: bool>(&mut self) {
        let Some((sums, _)) = self.sums.as_chunks_mut::<W>().0.split_first_chunk_mut::<R>() else {
            unreachable!("a tile of {R}x{W} fits the scratch memory")
        };
        let Some(start) = self.start.first_chunk::<W>() else {
            unreachable!("a panel has at most {MAX_WIDTH} columns")
        };
        *sums = [*start; R];
        accumulate::<T, R, W, FMA>(self.gathered, self.first_row, self.panel.data, sums);
        let n_cols = self.panel.cols.len();
        for (i, sums) in sums.iter_mut().enumerate() {
            activate(self.activation, sums);
            let row = self.first_row + i;
            let out_row = self.out_rows.map_or(row, |rows| rows[row]);
            let out = &mut self.out.row(out_row)[self.first_col..][..n_cols];
            if n_cols == W {
                out.copy_from_slice(sums);
            } else {
                out.copy_from_slice(&sums[..n_cols]);
            }
        }
    }
}

/// Adds the products of `R` rows with a panel of `W` columns.
#[inline(always)]
fn accumulate<T: Float, const R: usize, const W: usize, const FMA: bool>(
    gathered: Gathered<'_, T>,
    first_row: usize,
    panel: &[T],
    sums: &mut [[T; W]; R],
) {
    let Gathered { pieces, n_rows, n_taps, depth } = gathered;
    let (panel, _) = panel.as_chunks::<W>();
    let mut acc = *sums;
    for t in 0..n_taps {
        let Some(pieces) = pieces[t * n_rows + first_row..].first_chunk::<R>() else {
            unreachable!("a tile lies inside the rows")
        };
        let pieces: [&[T]; R] = std::array::from_fn(|i| &pieces[i][..depth]);
        let panel = &panel[t * depth..][..depth];
        for c in 0..depth {
            let b = &panel[c];
            for i in 0..R {
                let a = pieces[i][c];
                for j in 0..W {
                    acc[i][j] = a.times_plus::<FMA>(b[j], acc[i][j]);
                }
            }
        }
    }
    *sums = acc;
}

/// Applies the activation; comparisons with NaN are false, so NaN stays.
#[inline(always)]
pub(crate) fn activate<T: Float, const W: usize>(activation: Activation, values: &mut [T; W]) {
    if activation != Activation::None {
        for value in values.iter_mut() {
            *value = if *value < T::ZERO { T::ZERO } else { *value };
        }
    }
    if activation == Activation::Relu6 {
        let six = T::from_f64(6.0);
        for value in values.iter_mut() {
            *value = if *value > six { six } else { *value };
        }
    }
}
