//! The left operand.

use std::ops::Range;

/// The left operand: each of its rows consists of a piece per tap, which lies where it is.
#[derive(Clone, Copy)]
pub(crate) struct Gathered<'a, T> {
    /// What pieces are cut from.
    pub(crate) source: &'a [T],
    pub(crate) rows: &'a [Row],
    pub(crate) window: Window<'a>,
    /// The elements of a piece.
    pub(crate) depth: usize,
    /// The piece of a tap that a row does not have: at least `depth` zeros. Where a whole register
    /// tile lacks a tap, nothing is multiplied.
    pub(crate) zeros: &'a [T],
}

/// A row of the left operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where the piece of tap `(0, 0)` lies in the source. Modulo the address space, as all that is
    /// added to it: the tap may lie outside.
    pub(crate) at: usize,
    /// Which of the window's `inside` ranges tell the taps that the row has, by rows and by columns.
    pub(crate) edge: [u32; 2],
}

/// The taps of every row, a grid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    /// Rows and columns of taps.
    pub(crate) taps: [usize; 2],
    /// How far the piece of the next tap lies, by rows and by columns; modulo the address space.
    pub(crate) steps: [usize; 2],
    /// Taps that lie inside the source, by rows and by columns.
    pub(crate) inside: [&'a [Range<usize>]; 2],
}

impl Window<'_> {
    /// One tap that every row has.
    pub(crate) const ONE: Window<'static> =
        Window { taps: [1; 2], steps: [0; 2], inside: [std::slice::from_ref(&(0..1)); 2] };

    /// The number of taps.
    pub(crate) fn n_taps(&self) -> usize {
        self.taps[0] * self.taps[1]
    }
}

impl<'a, T> Gathered<'a, T> {
    /// Rows of one piece each, which lie inside.
    pub(crate) fn whole(source: &'a [T], rows: &'a [Row], depth: usize) -> Self {
        Gathered { source, rows, window: Window::ONE, depth, zeros: &[] }
    }

    /// Whether all rows have the same taps.
    #[inline(always)]
    pub(crate) fn is_uniform(&self) -> bool {
        let mut is_uniform = true;
        for row in self.rows {
            is_uniform &= row.edge == self.rows[0].edge;
        }
        is_uniform
    }

    /// Pointers to the pieces of tap `[k, l]`, each to `depth` elements, or None if no row has it.
    ///
    /// There must be `R` rows. Panics: if a piece does not lie inside.
    #[inline(always)]
    pub(crate) fn pieces<const R: usize>(
        &self,
        [k, l]: [usize; 2],
        is_uniform: bool,
    ) -> Option<[*const T; R]> {
        let Gathered { source, rows, window, depth, zeros } = *self;
        let rows: &[Row; R] = rows.try_into().ok()?;
        let [row_step, col_step] = window.steps;
        let step = k.wrapping_mul(row_step).wrapping_add(l.wrapping_mul(col_step));
        let mut pieces = [std::ptr::null(); R];
        if is_uniform {
            if !window.has(rows[0].edge, [k, l]) {
                return None;
            }
            for i in 0..R {
                pieces[i] = source[rows[i].at.wrapping_add(step)..][..depth].as_ptr();
            }
            return Some(pieces);
        }
        let mut is_nowhere = true;
        for i in 0..R {
            pieces[i] = if window.has(rows[i].edge, [k, l]) {
                is_nowhere = false;
                source[rows[i].at.wrapping_add(step)..][..depth].as_ptr()
            } else {
                zeros[..depth].as_ptr()
            };
        }
        if is_nowhere { None } else { Some(pieces) }
    }
}

impl Window<'_> {
    /// Whether rows at such an edge have tap `[k, l]`.
    #[inline(always)]
    fn has(&self, edge: [u32; 2], [k, l]: [usize; 2]) -> bool {
        let (rows, cols) = (&self.inside[0][edge[0] as usize], &self.inside[1][edge[1] as usize]);
        rows.start <= k && k < rows.end && cols.start <= l && l < cols.end
    }
}
