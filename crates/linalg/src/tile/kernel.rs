//! The register tile, and the walk over tiles.

use std::ops::Range;

use super::panels::{Panel, Panels};
use super::{Activation, Epilogue};
use crate::number::Float;
use crate::pool::Block;
use crate::simd::{Kernel, dispatch_at};

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
    for i in panel_range {
        let panel = panels.get(i);
        let bias = epilogue.bias.map(|bias| &bias[panel.cols.clone()]);
        let first_col = panel.cols.start.checked_add_signed(col_offset).unwrap_or(usize::MAX);
        let activation = epilogue.activation;
        let walk = Walk { gathered, panel, bias, activation, out, out_rows, first_col };
        dispatch_at(panels.level(), walk);
    }
}

/// All rows of the left operand times one panel.
struct Walk<'a, 'b, T> {
    gathered: Gathered<'a, T>,
    panel: Panel<'a, T>,
    bias: Option<&'a [T]>,
    activation: Activation,
    out: &'a mut Block<'b, T>,
    out_rows: Option<&'a [usize]>,
    first_col: usize,
}

impl<T: Float> Kernel for Walk<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool, const WIDTH: usize>(mut self) {
        // One or two registers of 4 or 8 byte elements; the other arms fold away.
        match (WIDTH, self.panel.width) {
            (64, 32) => self.tiles::<12, 8, 32, FMA>(),
            (64, 16) => self.tiles::<12, 8, 16, FMA>(),
            (64, 8) => self.tiles::<12, 8, 8, FMA>(),
            (32, 16) => self.tiles::<6, 4, 16, FMA>(),
            (32, 8) => self.tiles::<6, 4, 8, FMA>(),
            (32, 4) => self.tiles::<6, 4, 4, FMA>(),
            (_, 8) => self.tiles::<4, 4, 8, FMA>(),
            (_, 4) => self.tiles::<4, 4, 4, FMA>(),
            (_, 2) => self.tiles::<4, 4, 2, FMA>(),
            (width, cols) => unreachable!("no panel of {cols} columns for {width} bytes"),
        }
    }
}

impl<T: Float> Walk<'_, '_, T> {
    /// Walks down the rows in tiles of `FULL`, then of `HALF`, then of less.
    #[inline(always)]
    fn tiles<const FULL: usize, const HALF: usize, const W: usize, const FMA: bool>(&mut self) {
        let n_rows = self.gathered.n_rows;
        let mut row = 0;
        while row + FULL <= n_rows {
            self.tile::<FULL, W, FMA>(row);
            row += FULL;
        }
        while row + HALF <= n_rows {
            self.tile::<HALF, W, FMA>(row);
            row += HALF;
        }
        while row + 2 <= n_rows {
            self.tile::<2, W, FMA>(row);
            row += 2;
        }
        if row < n_rows {
            self.tile::<1, W, FMA>(row);
        }
    }

    /// Computes `R` rows of `W` columns. The compiler keeps `sums` in registers.
    #[inline(always)]
    fn tile<const R: usize, const W: usize, const FMA: bool>(&mut self, first_row: usize) {
        let Gathered { pieces, n_rows, n_taps, depth } = self.gathered;
        let (rows, _) = self.panel.data.as_chunks::<W>();
        let mut start = [T::ZERO; W];
        if let Some(bias) = self.bias {
            start[..bias.len()].copy_from_slice(bias);
        }
        let mut sums = [start; R];
        for t in 0..n_taps {
            let pieces: [&[T]; R] =
                std::array::from_fn(|i| &pieces[t * n_rows + first_row + i][..depth]);
            let rows = &rows[t * depth..(t + 1) * depth];
            for c in 0..depth {
                let b = &rows[c];
                for i in 0..R {
                    let a = pieces[i][c];
                    for j in 0..W {
                        sums[i][j] = a.times_plus::<FMA>(b[j], sums[i][j]);
                    }
                }
            }
        }
        for (i, sums) in sums.iter_mut().enumerate() {
            activate(self.activation, sums);
            let out_row = self.out_rows.map_or(first_row + i, |rows| rows[first_row + i]);
            let n_cols = self.panel.cols.len();
            let out = &mut self.out.row(out_row)[self.first_col..][..n_cols];
            if let Ok(out) = <&mut [T; W]>::try_from(&mut *out) {
                *out = *sums;
            } else {
                out.copy_from_slice(&sums[..n_cols]);
            }
        }
    }
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
