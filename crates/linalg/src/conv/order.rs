//! An order of pixels that lets zeros be left out.
//!
//! Pixels that miss the same taps of the filter, since these lie outside of the image, come side by
//! side; the products of a whole register tile with such a tap are then none.

use std::ops::Range;

use crate::tile::Row;

/// Numbers for the lines and columns of an image, the same for those that have the same taps inside.
#[derive(Debug)]
pub(super) struct EdgeOrder {
    rows: Edges,
    cols: Edges,
}

/// Numbers for the pixels along an axis.
#[derive(Debug)]
struct Edges {
    edges: Vec<u32>,
    /// The taps inside, by number.
    inside: Vec<Range<usize>>,
}

impl EdgeOrder {
    /// Takes the taps that lie inside, for each row and for each column.
    pub(super) fn new(
        rows: impl Iterator<Item = Range<usize>>,
        cols: impl Iterator<Item = Range<usize>>,
    ) -> EdgeOrder {
        EdgeOrder { rows: Edges::new(rows), cols: Edges::new(cols) }
    }

    /// The numbers of a pixel.
    pub(super) fn edge(&self, row: usize, col: usize) -> [u32; 2] {
        [self.rows.edges[row], self.cols.edges[col]]
    }

    /// The taps inside, by the numbers of a pixel.
    pub(super) fn inside(&self) -> [&[Range<usize>]; 2] {
        [&self.rows.inside, &self.cols.inside]
    }

    /// Sorts the rows of pixels by their numbers; `out_rows` follow them.
    pub(super) fn sort(&self, rows: &mut Vec<Row>, out_rows: &mut Vec<usize>) {
        let n_cols = self.cols.inside.len();
        let n_numbers = self.rows.inside.len() * n_cols;
        if n_numbers <= 1 {
            return;
        }
        let number = |row: &Row| row.edge[0] as usize * n_cols + row.edge[1] as usize;
        if n_numbers > rows.len() {
            // Few pixels of a large filter: counting would cost more than it sorts.
            let mut places: Vec<usize> = (0..rows.len()).collect();
            places.sort_by_key(|&i| number(&rows[i]));
            *out_rows = places.iter().map(|&i| out_rows[i]).collect();
            *rows = places.iter().map(|&i| rows[i]).collect();
            return;
        }
        let mut next = vec![0; n_numbers];
        rows.iter().for_each(|row| next[number(row)] += 1);
        let mut sum = 0;
        for next in &mut next {
            sum += std::mem::replace(next, sum);
        }
        let (mut sorted_rows, mut sorted_out_rows) = (rows.clone(), out_rows.clone());
        for (row, out_row) in rows.iter().zip(out_rows.iter()) {
            let next = &mut next[number(row)];
            (sorted_rows[*next], sorted_out_rows[*next]) = (*row, *out_row);
            *next += 1;
        }
        (*rows, *out_rows) = (sorted_rows, sorted_out_rows);
    }
}

impl Edges {
    /// Counts up where the taps differ from those before.
    fn new(taps: impl Iterator<Item = Range<usize>>) -> Edges {
        let (mut edges, mut inside) = (Vec::new(), Vec::<Range<usize>>::new());
        for taps in taps {
            if inside.last() != Some(&taps) {
                inside.push(taps);
            }
            edges.push(inside.len() as u32 - 1);
        }
        Edges { edges, inside }
    }
}

#[cfg(test)]
mod tests {
    use super::EdgeOrder;
    use crate::tile::Row;

    /// The pixels in their order, of those given as (row, column).
    fn sorted(order: &EdgeOrder, pixels: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
        let edges = pixels.map(|(row, col)| order.edge(row, col)).enumerate();
        let mut rows: Vec<Row> = edges.map(|(at, edge)| Row { at, edge }).collect();
        let mut out_rows = (0..rows.len()).collect();
        order.sort(&mut rows, &mut out_rows);
        assert!(rows.iter().map(|row| row.at).eq(out_rows.iter().copied()));
        out_rows
    }

    #[test]
    fn pixels_with_the_same_taps_come_side_by_side() {
        let rows = [1..3, 0..3, 0..3, 0..2];
        let cols = [1..3, 0..3, 0..3];
        let order = EdgeOrder::new(rows.into_iter(), cols.into_iter());
        assert_eq!(order.inside(), [&[1..3, 0..3, 0..2][..], &[1..3, 0..3]]);
        let pixels = (1..4).flat_map(|row| (0..3).map(move |col| (row, col)));
        // Left edge, inside, and the last row: left edge, inside.
        assert_eq!(sorted(&order, pixels), [0, 3, 1, 2, 4, 5, 6, 7, 8]);
        // Fewer pixels than kinds of edges.
        assert_eq!(sorted(&order, [(3, 1), (0, 0), (1, 1), (0, 0)].into_iter()), [1, 3, 2, 0]);
    }

    #[test]
    fn without_edges_pixels_stay() {
        let order = EdgeOrder::new([0..3, 0..3].into_iter(), std::iter::once(0..1));
        assert_eq!(sorted(&order, [(0, 0), (1, 0)].into_iter()), [0, 1]);
    }
}
