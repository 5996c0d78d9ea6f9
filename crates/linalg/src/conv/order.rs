//! An order of pixels that lets zeros be left out.
//!
//! Pixels that miss the same taps of the filter, since these lie outside of the image, come side by
//! side; the products of a whole register tile with such a tap are then none.

use std::ops::Range;

/// Numbers for the pixels of an image, the same for pixels that have the same taps inside.
#[derive(Debug)]
pub(super) struct EdgeOrder {
    rows: Vec<usize>,
    cols: Vec<usize>,
    n_col_classes: usize,
    n_classes: usize,
}

impl EdgeOrder {
    /// Takes the taps that lie inside, for each row and for each column.
    pub(super) fn new(
        rows: impl Iterator<Item = Range<usize>>,
        cols: impl Iterator<Item = Range<usize>>,
    ) -> EdgeOrder {
        let (rows, cols) = (classes(rows), classes(cols));
        let count = |classes: &[usize]| classes.last().map_or(1, |last| last + 1);
        let (n_row_classes, n_col_classes) = (count(&rows), count(&cols));
        EdgeOrder { rows, cols, n_col_classes, n_classes: n_row_classes * n_col_classes }
    }

    /// Where each of the pixels, given as (row, column), comes; None where they stay.
    pub(super) fn places(
        &self,
        pixels: impl Iterator<Item = (usize, usize)> + Clone,
    ) -> Option<Vec<usize>> {
        if self.n_classes == 1 {
            return None;
        }
        let class =
            |(row, col): (usize, usize)| self.rows[row] * self.n_col_classes + self.cols[col];
        let mut next = vec![0; self.n_classes];
        pixels.clone().for_each(|pixel| next[class(pixel)] += 1);
        let mut sum = 0;
        for next in &mut next {
            sum += std::mem::replace(next, sum);
        }
        let place = |pixel| {
            let next = &mut next[class(pixel)];
            *next += 1;
            *next - 1
        };
        Some(pixels.map(place).collect())
    }
}

/// Counts up where the taps differ from those before.
fn classes(taps: impl Iterator<Item = Range<usize>>) -> Vec<usize> {
    let (mut class, mut before) = (0, None);
    taps.map(|taps| {
        class += usize::from(before.as_ref().is_some_and(|before| *before != taps));
        before = Some(taps);
        class
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::EdgeOrder;

    #[test]
    fn pixels_with_the_same_taps_come_side_by_side() {
        let rows = [1..3, 0..3, 0..3, 0..2];
        let cols = [1..3, 0..3, 0..3];
        let order = EdgeOrder::new(rows.into_iter(), cols.into_iter());
        let pixels = (1..4).flat_map(|row| (0..3).map(move |col| (row, col)));
        // Left edge, inside, and the last row: left edge, inside.
        assert_eq!(order.places(pixels).unwrap(), [0, 2, 3, 1, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn without_edges_pixels_stay() {
        let order = EdgeOrder::new([0..3, 0..3].into_iter(), std::iter::once(0..1));
        assert_eq!(order.places([(0, 0), (1, 0)].into_iter()), None);
    }
}
