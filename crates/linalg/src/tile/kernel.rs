//! The register tile, and the walk over tiles.

use std::ops::Range;

use super::panels::{Panel, Panels};
use super::{Activation, Epilogue, Gathered};
use crate::number::Float;
use crate::pool::Block;
use crate::simd::{Level, MAX_WIDTH, Tile, tile_rows};

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
    assert!(gathered.window.n_taps() * gathered.depth == panels.k(), "unfit operands");
    for i in panel_range {
        let Panel { data, width, cols } = panels.get(i);
        let first_col = cols.start.checked_add_signed(col_offset).unwrap_or(usize::MAX);
        let bias = epilogue.bias.map(|bias| &bias[cols.clone()]);
        let cols = first_col..first_col.saturating_add(cols.len());
        let epilogue = Epilogue { bias, ..epilogue };
        let panel = Right { panel: data, width, first_row: 0, add: false, epilogue };
        panel.multiply(panels.level(), gathered, out, out_rows, cols);
    }
}

/// One panel as right operand.
pub(crate) struct Right<'a, T> {
    pub(crate) panel: &'a [T],
    pub(crate) width: usize,
    /// The row of the left operand to begin with.
    pub(crate) first_row: usize,
    /// Whether the product is added to what is there.
    pub(crate) add: bool,
    /// The bias has an element for each column.
    pub(crate) epilogue: Epilogue<'a, T>,
}

impl<T: Float> Right<'_, T> {
    /// Multiplies the rows of `gathered` from `first_row` on, and stores them in some columns of `out`.
    pub(crate) fn multiply(
        &self,
        level: Level,
        gathered: Gathered<'_, T>,
        out: &mut Block<'_, T>,
        out_rows: Option<&[usize]>,
        cols: Range<usize>,
    ) {
        let n_rows = gathered.rows.len();
        let Right { panel, width, first_row, add, epilogue } = *self;
        let mut bias = [T::ZERO; MAX_WIDTH];
        if let Some(given) = epilogue.bias {
            bias[..given.len()].copy_from_slice(given);
        }
        let (bias, activation) = (&bias[..width], epilogue.activation);
        let mut row = first_row;
        while row < n_rows {
            let n_tile_rows = tile_rows(level, n_rows - row);
            let rows = &gathered.rows[row..row + n_tile_rows];
            let left = Gathered { rows, ..gathered };
            let tile = Tile { left, panel, bias, add, activation };
            let out_row = |i: usize| out_rows.map_or(row + i, |rows| rows[row + i]);
            tile.store_to(level, out, out_row, cols.clone());
            row += n_tile_rows;
        }
    }
}

/// Applies the activation; comparisons with NaN are false, so NaN stays.
#[inline(always)]
pub(crate) fn activated<T: Float>(activation: Activation, value: T) -> T {
    let above = |value: T| if value < T::ZERO { T::ZERO } else { value };
    let below = |value: T| if value > T::from_f64(6.0) { T::from_f64(6.0) } else { value };
    match activation {
        Activation::None => value,
        Activation::Relu => above(value),
        Activation::Relu6 => below(above(value)),
    }
}
