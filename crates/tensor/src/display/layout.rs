//! Brackets, line breaks and abbreviation of nested arrays.

/// Characters per line.
const LINE_WIDTH: usize = 75;
/// Arrays of more elements than this are abbreviated.
const THRESHOLD: usize = 1000;
/// Items kept at each end of an abbreviated dimension.
const EDGE_ITEMS: usize = 3;

const SEPARATOR: &str = " ";
const ELLIPSIS: &str = "...";

/// The arrangement of a non-empty array's elements.
pub(super) struct Layout<'a> {
    dims: &'a [usize],
    summarize: bool,
}

/// One item along a dimension: an index, or the mark for those left out.
#[derive(Clone, Copy)]
enum Item {
    At(usize),
    Omitted,
}

impl<'a> Layout<'a> {
    /// The layout of an array of at least one dimension and one element.
    pub(super) fn new(dims: &'a [usize]) -> Layout<'a> {
        let n_elements = dims.iter().fold(1usize, |n, dim| n.saturating_mul(*dim));
        Layout { dims, summarize: n_elements > THRESHOLD }
    }

    /// The row-major indices of the elements that are shown.
    pub(super) fn visible(&self) -> Vec<usize> {
        let mut indices = vec![0];
        for axis in 0..self.dims.len() {
            let items = self.items(axis);
            indices = indices
                .iter()
                .flat_map(|start| {
                    items.iter().filter_map(move |item| match item {
                        Item::At(idx) => Some(start * self.dims[axis] + idx),
                        Item::Omitted => None,
                    })
                })
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

    fn items(&self, axis: usize) -> Vec<Item> {
        let len = self.dims[axis];
        if !self.summarize || len <= 2 * EDGE_ITEMS {
            return (0..len).map(Item::At).collect();
        }
        let head = (0..EDGE_ITEMS).map(Item::At);
        let tail = (len - EDGE_ITEMS..len).map(Item::At);
        head.chain([Item::Omitted]).chain(tail).collect()
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
            self.print_row(out, text, axis, start);
        } else {
            let n_breaks = self.dims.len() - 1 - axis;
            for (nth, item) in self.items(axis).into_iter().enumerate() {
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

    /// Prints the elements of the last axis, breaking lines that would become too long.
    fn print_row(
        &self,
        out: &mut String,
        text: &dyn Fn(usize) -> String,
        axis: usize,
        start: usize,
    ) {
        let indent = axis + 1;
        let width = LINE_WIDTH.saturating_sub(axis + 1);
        let mut line = String::new();
        for (nth, item) in self.items(axis).into_iter().enumerate() {
            let word = match item {
                Item::At(idx) => text(start * self.dims[axis] + idx),
                Item::Omitted => ELLIPSIS.into(),
            };
            if nth > 0 {
                line.push_str(SEPARATOR);
            }
            if !line.is_empty() && indent + line.len() + word.len() > width {
                out.push_str(line.trim_end());
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
                line.clear();
            }
            line.push_str(&word);
        }
        out.push_str(&line);
    }
}
