//! The patches of an image that the filter is multiplied with, as rows of the left operand.

use std::ops::Range;

use super::geometry::Conv2dGeometry;
use super::order::EdgeOrder;
use crate::number::Float;
use crate::tile::{Gathered, Row, Window};
use crate::window::Axis;

/// Filters of at most as many channels read whole filter rows at once.
const SHALLOW: usize = 16;

/// How patches lie in images.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    geometry: &'a Conv2dGeometry,
    order: EdgeOrder,
    /// Whether patches consist of whole filter rows, since pixels have few channels. They are read
    /// from copies of the lines with their padding.
    takes_filter_rows: bool,
}

impl<'a> Layout<'a> {
    pub(super) fn new(geometry: &'a Conv2dGeometry) -> Self {
        let Conv2dGeometry { rows, cols, in_channels, groups, .. } = geometry;
        // Padding that no filter of this size needs is not copied.
        let is_usual = |axis: &Axis| axis.before < axis.filter && axis.after < axis.filter;
        let takes_filter_rows = *groups == 1
            && *in_channels <= SHALLOW
            && cols.filter > 1
            && rows.dilation == 1
            && cols.dilation == 1
            && is_usual(rows)
            && is_usual(cols);
        let order = match takes_filter_rows {
            true => EdgeOrder::new(std::iter::once(0..rows.filter), std::iter::once(0..1)),
            false => EdgeOrder::new(
                (0..rows.output).map(|o| rows.taps(o)),
                (0..cols.output).map(|o| cols.taps(o)),
            ),
        };
        Layout { geometry, order, takes_filter_rows }
    }
}

/// The patches of some output pixels.
pub(super) struct PixelRows<'a, T> {
    layout: &'a Layout<'a>,
    x: &'a [T],
    /// What the patches are cut from instead of `x`, if they consist of whole filter rows.
    lines: Vec<T>,
    rows: Vec<Row>,
    /// The pixel of each patch, counted from the first one.
    out_rows: Vec<usize>,
    /// What a tap outside the image reads.
    zeros: Vec<T>,
}

impl<'a, T: Float> PixelRows<'a, T> {
    /// Finds the patches of some pixels, which are counted over the batch.
    pub(super) fn new(layout: &'a Layout<'a>, x: &'a [T], pixels: Range<usize>) -> Self {
        let out_rows = (0..pixels.len()).collect();
        let rows = Vec::with_capacity(pixels.len());
        let zeros = vec![T::ZERO; layout.geometry.group_inputs()];
        let mut patches = PixelRows { layout, x, lines: Vec::new(), rows, out_rows, zeros };
        if layout.takes_filter_rows {
            patches.find_filter_rows(pixels);
        } else {
            patches.find_taps(pixels);
            layout.order.sort(&mut patches.rows, &mut patches.out_rows);
        }
        patches
    }

    /// The patches of one group of channels.
    pub(super) fn group(&self, group_idx: usize) -> Gathered<'_, T> {
        let Conv2dGeometry { rows, cols, in_channels, .. } = self.layout.geometry;
        let inside = self.layout.order.inside();
        if self.layout.takes_filter_rows {
            let steps = [self.line_len(), 0];
            let window = Window { taps: [rows.filter, 1], steps, inside };
            let depth = cols.filter * in_channels;
            return Gathered { source: &self.lines, rows: &self.rows, window, depth, zeros: &[] };
        }
        let line_len = cols.input * in_channels;
        let steps =
            [rows.dilation.wrapping_mul(line_len), cols.dilation.wrapping_mul(*in_channels)];
        let window = Window { taps: [rows.filter, cols.filter], steps, inside };
        let depth = self.layout.geometry.group_inputs();
        let source = self.x.get(group_idx * depth..).unwrap_or_default();
        Gathered { source, rows: &self.rows, window, depth, zeros: &self.zeros }
    }

    /// The pixel of each patch, counted from the first one.
    pub(super) fn out_rows(&self) -> &[usize] {
        &self.out_rows
    }

    /// One piece per tap: the channels of a pixel.
    fn find_taps(&mut self, pixels: Range<usize>) {
        let layout = self.layout;
        let Conv2dGeometry { rows, cols, in_channels, .. } = layout.geometry;
        let line_len = cols.input * in_channels;
        for_each_run(layout.geometry, pixels, |image, o, run| {
            let line = (o * rows.stride).wrapping_sub(rows.before).wrapping_mul(line_len);
            let line = line.wrapping_add(image * rows.input * line_len);
            self.rows.extend(run.map(|p| {
                let pixel = (p * cols.stride).wrapping_sub(cols.before);
                let at = line.wrapping_add(pixel.wrapping_mul(*in_channels));
                Row { at, edge: layout.order.edge(o, p) }
            }));
        });
    }

    /// One piece per filter row: the channels of neighboring pixels.
    fn find_filter_rows(&mut self, pixels: Range<usize>) {
        let Conv2dGeometry { rows, cols, in_channels, .. } = self.layout.geometry;
        let line_len = self.line_len();
        // The image and the output row whose lines were copied last, and where they lie.
        let mut copied: Option<(usize, usize, usize)> = None;
        for_each_run(self.layout.geometry, pixels, |image, o, run| {
            // What the output row above has copied stays in use.
            let known = copied.filter(|(i, above, _)| (*i, above + 1) == (image, o));
            let (first, at) = match known {
                Some((_, _, at)) if rows.stride <= rows.filter => {
                    (rows.filter - rows.stride, at + rows.stride * line_len)
                }
                _ => (0, self.lines.len()),
            };
            copied = Some((image, o, at));
            for k in first..rows.filter {
                self.copy_line(image, (o * rows.stride + k).wrapping_sub(rows.before));
            }
            self.rows
                .extend(run.map(|p| Row { at: at + p * cols.stride * in_channels, edge: [0; 2] }));
        });
    }

    /// Appends a line of an image with its padding; only zeros, if there is no such line.
    fn copy_line(&mut self, image: usize, line: usize) {
        let Conv2dGeometry { rows, cols, in_channels, .. } = self.layout.geometry;
        let start = self.lines.len();
        self.lines.resize(start + self.line_len(), T::ZERO);
        if line >= rows.input {
            return;
        }
        let len = cols.input * in_channels;
        let line = &self.x[(image * rows.input + line) * len..][..len];
        let padded = &mut self.lines[start..][(cols.before * in_channels)..];
        let len = len.min(padded.len());
        padded[..len].copy_from_slice(&line[..len]);
    }

    /// The elements of a line with its padding, as far as windows reach.
    fn line_len(&self) -> usize {
        let Conv2dGeometry { cols, in_channels, .. } = self.layout.geometry;
        ((cols.output - 1) * cols.stride + cols.filter) * in_channels
    }
}

/// Calls `f(image, output row, output columns)` for each stretch of pixels in one output row.
fn for_each_run(
    geometry: &Conv2dGeometry,
    pixels: Range<usize>,
    mut f: impl FnMut(usize, usize, Range<usize>),
) {
    let Conv2dGeometry { rows, cols, .. } = geometry;
    let mut pixel = pixels.start;
    while pixel < pixels.end {
        let (line, first_col) = (pixel / cols.output, pixel % cols.output);
        let len = (cols.output - first_col).min(pixels.end - pixel);
        f(line / rows.output, line % rows.output, first_col..first_col + len);
        pixel += len;
    }
}
