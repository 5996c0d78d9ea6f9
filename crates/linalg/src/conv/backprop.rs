//! The gradient of convolution with respect to its input: the transposed convolution.
//!
//! Input pixels fall into phases by their place modulo the stride. All pixels of a phase are
//! reached by the same taps of the filter, so each phase is a product of gathered output pixels
//! with those taps.

use std::ops::Range;

use super::forward::task_size;
use super::geometry::Conv2dGeometry;
use super::order::EdgeOrder;
use super::winograd;
use crate::gemm::Mat;
use crate::number::Float;
use crate::pool::{Block, Pool};
use crate::simd::Level;
use crate::tile::{Epilogue, Gathered, Panels, Row, Window, multiply};
use crate::window::Axis;

/// Computes the input gradient `dx` of a convolution from its output gradient `dy`.
///
/// `geometry` is that of the forward convolution: `dy` has its output shape, `dx` its input shape,
/// the filter is HWIO. Panics: if the lengths do not fit the geometry.
pub fn conv2d_backprop_input<T: Float>(
    pool: &Pool,
    geometry: &Conv2dGeometry,
    filter: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    backprop_input_at(Level::best(), pool, geometry, filter, dy, dx);
}

pub(super) fn backprop_input_at<T: Float>(
    level: Level,
    pool: &Pool,
    geometry: &Conv2dGeometry,
    filter: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    geometry.check_lens(dx.len(), dy.len());
    let filter_len: usize = geometry.filter_shape().iter().product();
    assert!(filter.len() == filter_len, "a filter of {} elements does not fit", filter.len());
    if dx.is_empty() {
        return;
    }
    if dy.is_empty() {
        return dx.fill(T::ZERO);
    }
    if winograd::suits::<T>(geometry)
        && winograd::input_gradient(level, pool, geometry, filter, dy, dx)
    {
        return;
    }
    input_gradient_by_taps(level, pool, geometry, filter, dy, dx);
}

/// The gradient as defined: a product for each pixel, tap and channel.
pub(super) fn input_gradient_by_taps<T: Float>(
    level: Level,
    pool: &Pool,
    geometry: &Conv2dGeometry,
    filter: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    let filter_len = filter.len();
    let phases = phases(level, pool, geometry, filter);
    let (rows, cols) = (&geometry.rows, &geometry.cols);
    // A task is some lines of an image, so that its pixels of one phase are many.
    let per_line = cols.input * filter_len / (rows.stride * cols.stride);
    let task_size = task_size((geometry.batch * rows.input).saturating_mul(per_line));
    let n_lines = geometry.batch * rows.input;
    let lines = (task_size / per_line.max(1)).max(1).next_multiple_of(rows.stride).min(n_lines);
    let n_tasks = n_lines.div_ceil(lines).next_multiple_of(pool.threads().min(n_lines));
    let lines = n_lines.div_ceil(n_tasks);
    let zeros = vec![T::ZERO; geometry.group_outputs()];
    let line_len = cols.input * geometry.in_channels;
    pool.parallel_chunks(dx, lines * line_len, |i, part| {
        let first = i * lines;
        let lines = first..first + part.len() / line_len;
        let task = Task { geometry, dy, zeros: &zeros, lines };
        let mut block = Block::whole(part, geometry.in_channels);
        phases.iter().for_each(|phase| task.run(phase, &mut block));
    });
}

/// The input pixels that the same taps reach.
struct Phase<T> {
    rows: AxisPhase,
    cols: AxisPhase,
    /// A matrix `[taps * out channels, in channels]` per group.
    groups: Vec<Panels<T>>,
    order: EdgeOrder,
}

/// The pixels along one axis that the same taps reach.
struct AxisPhase {
    /// The pixels.
    pixels: Vec<usize>,
    taps: Vec<usize>,
    /// The window that reaches each pixel by the first tap. Modulo the address space: it may lie
    /// outside.
    windows: Vec<usize>,
    /// From the window of one tap to that of the next one, modulo the address space.
    step: usize,
    /// The taps whose windows there are, for each pixel.
    inside: Vec<Range<usize>>,
}

impl AxisPhase {
    /// Finds the pixels whose place plus padding is `phase` modulo the stride.
    fn new(axis: &Axis, phase: usize) -> AxisPhase {
        let reaches = |k: &usize| k * axis.dilation % axis.stride == phase;
        let taps: Vec<usize> = (0..axis.filter).filter(reaches).collect();
        let pixels: Vec<usize> =
            (0..axis.input).filter(|i| (i + axis.before) % axis.stride == phase).collect();
        let distance = |k: usize| (k * axis.dilation - phase) / axis.stride;
        let first = taps.first().map_or(0, |&k| distance(k));
        let step = taps.get(1).map_or(0, |&k| first.wrapping_sub(distance(k)));
        let window = |&i: &usize| ((i + axis.before) / axis.stride).wrapping_sub(first);
        let windows: Vec<usize> = pixels.iter().map(window).collect();
        let inside = windows.iter().map(|window| {
            let is_there = |t: &usize| window.wrapping_add(t.wrapping_mul(step)) < axis.output;
            let mut taps = (0..taps.len()).filter(is_there);
            let first = taps.next().unwrap_or(0);
            let last = taps.next_back().unwrap_or(first);
            let is_none = !is_there(&first);
            first..if is_none { first } else { last + 1 }
        });
        let inside = inside.collect();
        AxisPhase { pixels, taps, windows, step, inside }
    }
}

fn phases<T: Float>(
    level: Level,
    pool: &Pool,
    geometry: &Conv2dGeometry,
    filter: &[T],
) -> Vec<Phase<T>> {
    let (inputs, outputs) = (geometry.group_inputs(), geometry.group_outputs());
    let mut phases = Vec::new();
    for row in 0..geometry.rows.stride.min(geometry.rows.input + geometry.rows.before) {
        for col in 0..geometry.cols.stride.min(geometry.cols.input + geometry.cols.before) {
            let rows = AxisPhase::new(&geometry.rows, row);
            let cols = AxisPhase::new(&geometry.cols, col);
            let taps: Vec<(usize, usize)> =
                rows.taps.iter().flat_map(|&k| cols.taps.iter().map(move |&l| (k, l))).collect();
            let group = |g: usize| {
                // Each tap has a row per output channel and a column per input channel.
                let tap = |&(k, l): &(usize, usize)| {
                    let start = (k * geometry.cols.filter + l) * inputs * geometry.out_channels;
                    let matrix = &filter[start + g * outputs..];
                    Mat::strided(matrix, outputs, inputs, 1, geometry.out_channels)
                };
                Panels::pack_at(level, pool, &taps.iter().map(tap).collect::<Vec<_>>(), inputs)
            };
            let groups = (0..geometry.groups).map(group).collect();
            let order = EdgeOrder::new(rows.inside.iter().cloned(), cols.inside.iter().cloned());
            phases.push(Phase { rows, cols, groups, order });
        }
    }
    phases
}

/// Some lines of the images.
struct Task<'a, T> {
    geometry: &'a Conv2dGeometry,
    dy: &'a [T],
    /// What a tap outside of `dy` reads.
    zeros: &'a [T],
    /// Counted over the batch.
    lines: Range<usize>,
}

impl<T: Float> Task<'_, T> {
    /// Computes the pixels of one phase; `dx` has a row for each pixel of the lines.
    fn run(&self, phase: &Phase<T>, dx: &mut Block<'_, T>) {
        let Conv2dGeometry { rows, cols, out_channels, .. } = self.geometry;
        let (inputs, depth) = (self.geometry.group_inputs(), self.geometry.group_outputs());
        let line_len = cols.output * out_channels;
        let (mut left, mut out_rows) = (Vec::new(), Vec::new());
        for (i, line) in self.lines.clone().enumerate() {
            let (image, h) = (line / rows.input, line % rows.input);
            let Ok(row) = phase.rows.pixels.binary_search(&h) else { continue };
            let window = phase.rows.windows[row].wrapping_add(image * rows.output);
            let line = window.wrapping_mul(line_len);
            for (col, (w, window)) in phase.cols.pixels.iter().zip(&phase.cols.windows).enumerate()
            {
                let at = line.wrapping_add(window.wrapping_mul(*out_channels));
                left.push(Row { at, edge: phase.order.edge(row, col) });
                out_rows.push(i * cols.input + w);
            }
        }
        phase.order.sort(&mut left, &mut out_rows);
        let steps =
            [phase.rows.step.wrapping_mul(line_len), phase.cols.step.wrapping_mul(*out_channels)];
        let taps = [phase.rows.taps.len(), phase.cols.taps.len()];
        let window = Window { taps, steps, inside: phase.order.inside() };
        for (group_idx, panels) in phase.groups.iter().enumerate() {
            let source = &self.dy[group_idx * depth..];
            let gathered = Gathered { source, rows: &left, window, depth, zeros: self.zeros };
            let offset = (group_idx * inputs) as isize;
            let range = 0..panels.len();
            multiply(gathered, panels, range, Epilogue::NONE, dx, Some(&out_rows), offset);
        }
    }
}
