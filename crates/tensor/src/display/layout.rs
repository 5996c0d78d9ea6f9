//! Brackets, line breaks and abbreviation of nested arrays.

use super::lines::Lines;
use super::options::PrintOptions;

const SEPARATOR: &str = " ";
const ELLIPSIS: &str = "...";

/// The arrangement of a non-empty array's elements.
pub(super) struct Layout<'a> {
    dims: &'a [usize],
    summarize: bool,
    edgeitems: usize,
    linewidth: usize,
}

/// One item along a dimension: an index, or the mark for those left out.
#[derive(Clone, Copy)]
enum Item {
    At(usize),
    Omitted,
}

impl<'a> Layout<'a> {
    /// The layout of an array of at least one dimension and one element.
    pub(super) fn new(dims: &'a [usize], options: &PrintOptions) -> Layout<'a> {
        let n_elements = dims.iter().fold(1usize, |n, dim| n.saturating_mul(*dim));
        Layout {
            dims,
            summarize: n_elements > options.threshold,
            edgeitems: options.edgeitems,
            linewidth: options.linewidth,
        }
    }

    /// The row-major indices of the elements that settle the common notation: those that are shown,
    /// and all of them where no items are kept at the ends.
    pub(super) fn visible(&self) -> Vec<usize> {
        let mut indices = vec![0];
        for axis in 0..self.dims.len() {
            let dim = self.dims[axis];
            let (head, tail) = match self.edges(axis) {
                Some(0) | None => (dim, dim),
                Some(edge) => (edge, dim - edge),
            };
            indices = indices
                .iter()
                .flat_map(|start| (0..head).chain(tail..dim).map(move |idx| start * dim + idx))
                .collect();
        }
        indices
    }

    /// The whole text, with the elements written by `text`.
    pub(super) fn print(&self, text: &dyn Fn(usize) -> String) -> String {
        let mut out = String::new();
        self.print_axis(&mut out, text, 0, 0);
        out
    }

    /// The items kept at each end of an axis, if some between are left out.
    fn edges(&self, axis: usize) -> Option<usize> {
        let abbreviated = self.summarize && self.dims[axis] > self.edgeitems.saturating_mul(2);
        abbreviated.then_some(self.edgeitems)
    }

    /// What is written along an axis; the last index always is.
    fn items(&self, axis: usize) -> impl Iterator<Item = Item> {
        let dim = self.dims[axis];
        let (head, omitted, tail) = match self.edges(axis) {
            Some(edge) => (edge, Some(Item::Omitted), dim - edge.max(1)),
            None => (dim, None, dim),
        };
        (0..head).map(Item::At).chain(omitted).chain((tail..dim).map(Item::At))
    }

    /// Prints the sub-array that begins at item `start` of the axis before.
    fn print_axis(
        &self,
        out: &mut String,
        text: &dyn Fn(usize) -> String,
        axis: usize,
        start: usize,
    ) {
        out.push('[');
        if axis + 1 == self.dims.len() {
            out.push_str(&self.row(text, axis, start));
        } else {
            let n_breaks = self.dims.len() - 1 - axis;
            for (nth, item) in self.items(axis).enumerate() {
                if nth > 0 {
                    out.extend(std::iter::repeat_n('\n', n_breaks));
                    out.extend(std::iter::repeat_n(' ', axis + 1));
                }
                match item {
                    Item::At(idx) => {
                        self.print_axis(out, text, axis + 1, start * self.dims[axis] + idx)
                    }
                    Item::Omitted => out.push_str(ELLIPSIS),
                }
            }
        }
        out.push(']');
    }

    /// The elements of the last axis, with line breaks where lines would become too long.
    fn row(&self, text: &dyn Fn(usize) -> String, axis: usize, start: usize) -> String {
        let mut lines = Lines::new(axis + 1, self.linewidth.saturating_sub(axis + 1));
        for (nth, item) in self.items(axis).enumerate() {
            if nth > 0 {
                lines.push(SEPARATOR);
            }
            match item {
                Item::At(idx) => lines.push_word(&text(start * self.dims[axis] + idx)),
                Item::Omitted => lines.push_word(ELLIPSIS),
            }
        }
        lines.finish()
    }
}
