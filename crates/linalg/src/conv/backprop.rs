//! The gradient of convolution with respect to its input: the transposed convolution.
//!
//! Input pixels fall into phases by their place modulo the stride. All pixels of a phase are
//! reached by the same taps of the filter, so each phase is a product of gathered output pixels
//! with those taps.

use std::ops::Range;

use super::forward::task_size;
use super::geometry::Conv2dGeometry;
use super::order::EdgeOrder;
use crate::gemm::Mat;
use crate::number::Float;
use crate::pool::{Block, Pool};
use crate::tile::{Epilogue, Gathered, Panels, multiply};
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
    geometry.check_lens(dx.len(), dy.len());
    let filter_len: usize = geometry.filter_shape().iter().product();
    assert!(filter.len() == filter_len, "a filter of {} elements does not fit", filter.len());
    if dx.is_empty() {
        return;
    }
    if dy.is_empty() {
        return dx.fill(T::ZERO);
    }
    let phases = phases(pool, geometry, filter);
    let (rows, cols) = (&geometry.rows, &geometry.cols);
    // A task is some lines of an image, so that its pixels of one phase are many.
    let per_line = cols.input * filter_len / (rows.stride * cols.stride);
    let task_size = task_size((geometry.batch * rows.input).saturating_mul(per_line));
    let lines = (task_size / per_line.max(1)).max(1).next_multiple_of(rows.stride).min(rows.input);
    let image_len = rows.input * cols.input * geometry.in_channels;
    let zeros = vec![T::ZERO; geometry.group_outputs()];
    let n_tasks = rows.input.div_ceil(lines);
    let line_len = cols.input * geometry.in_channels;
    // Images are cut separately: a task never spans two.
    let images = dx.chunks_mut(image_len);
    let mut parts: Vec<_> = images.flat_map(|image| image.chunks_mut(lines * line_len)).collect();
    pool.parallel_chunks(&mut parts, 1, |i, part| {
        let Some(part) = part.first_mut() else { return };
        let (image_idx, first) = (i / n_tasks, i % n_tasks * lines);
        let dy_len = rows.output * cols.output * geometry.out_channels;
        let task = Task {
            geometry,
            dy: &dy[image_idx * dy_len..][..dy_len],
            zeros: &zeros,
            lines: first..first + part.len() / line_len,
        };
        let mut block = Block::whole(part, geometry.in_channels);
        phases.iter().for_each(|phase| task.run(phase, &mut block));
    });
}

/// The input pixels that the same taps reach.
struct Phase<T> {
    /// Row and column plus padding, modulo the strides.
    row: usize,
    col: usize,
    /// (filter row, filter column) of each tap.
    taps: Vec<(usize, usize)>,
    /// A matrix `[taps * out channels, in channels]` per group.
    groups: Vec<Panels<T>>,
    order: EdgeOrder,
}

fn phases<T: Float>(pool: &Pool, geometry: &Conv2dGeometry, filter: &[T]) -> Vec<Phase<T>> {
    let (inputs, outputs) = (geometry.group_inputs(), geometry.group_outputs());
    let reached = |axis: &Axis, phase: usize| -> Vec<usize> {
        (0..axis.filter).filter(|k| k * axis.dilation % axis.stride == phase).collect()
    };
    let mut phases = Vec::new();
    for row in 0..geometry.rows.stride.min(geometry.rows.input + geometry.rows.before) {
        for col in 0..geometry.cols.stride.min(geometry.cols.input + geometry.cols.before) {
            let cols = reached(&geometry.cols, col);
            let taps: Vec<(usize, usize)> = reached(&geometry.rows, row)
                .into_iter()
                .flat_map(|k| cols.iter().map(move |&l| (k, l)))
                .collect();
            let group = |g: usize| {
                // Each tap has a row per output channel and a column per input channel.
                let tap = |&(k, l): &(usize, usize)| {
                    let start = (k * geometry.cols.filter + l) * inputs * geometry.out_channels;
                    let matrix = &filter[start + g * outputs..];
                    Mat::strided(matrix, outputs, inputs, 1, geometry.out_channels)
                };
                Panels::pack_stack(pool, &taps.iter().map(tap).collect::<Vec<_>>(), inputs)
            };
            let groups = (0..geometry.groups).map(group).collect();
            let order = EdgeOrder::new(
                pixels(&geometry.rows, row, 0..geometry.rows.input)
                    .map(|h| inside(&geometry.rows, h)),
                pixels(&geometry.cols, col, 0..geometry.cols.input)
                    .map(|w| inside(&geometry.cols, w)),
            );
            phases.push(Phase { row, col, taps, groups, order });
        }
    }
    phases
}

/// Some lines of one image.
struct Task<'a, T> {
    geometry: &'a Conv2dGeometry,
    /// The output gradient of the image.
    dy: &'a [T],
    /// What a tap outside of `dy` reads.
    zeros: &'a [T],
    lines: Range<usize>,
}

impl<T: Float> Task<'_, T> {
    /// Computes the pixels of one phase; `dx` has a row for each pixel of the lines.
    fn run(&self, phase: &Phase<T>, dx: &mut Block<'_, T>) {
        let Conv2dGeometry { rows, cols, out_channels, .. } = self.geometry;
        let (inputs, depth) = (self.geometry.group_inputs(), self.geometry.group_outputs());
        let lines: Vec<usize> = pixels(rows, phase.row, self.lines.clone()).collect();
        let columns: Vec<usize> = pixels(cols, phase.col, 0..cols.input).collect();
        let n_rows = lines.len() * columns.len();
        let first_line = pixels(rows, phase.row, 0..self.lines.start).count();
        let in_phase = (0..n_rows).map(|i| (first_line + i / columns.len(), i % columns.len()));
        let places = phase.order.places(in_phase);
        let place = |i: usize| places.as_ref().map_or(i, |places| places[i]);
        let mut out_rows = vec![0; n_rows];
        for (i, h) in lines.iter().enumerate() {
            for (j, w) in columns.iter().enumerate() {
                let row = (h - self.lines.start) * cols.input + w;
                out_rows[place(i * columns.len() + j)] = row;
            }
        }
        let mut pieces = Vec::with_capacity(phase.taps.len() * n_rows);
        for (group_idx, panels) in phase.groups.iter().enumerate() {
            pieces.clear();
            pieces.resize(phase.taps.len() * n_rows, self.zeros);
            for (tap, &(k, l)) in phase.taps.iter().enumerate() {
                let pieces = &mut pieces[tap * n_rows..][..n_rows];
                for (i, &h) in lines.iter().enumerate() {
                    let Some(o) = source(rows, h, k) else { continue };
                    for (j, &w) in columns.iter().enumerate() {
                        let Some(p) = source(cols, w, l) else { continue };
                        let start = (o * cols.output + p) * out_channels + group_idx * depth;
                        pieces[place(i * columns.len() + j)] = &self.dy[start..start + depth];
                    }
                }
            }
            let (n_taps, zeros) = (phase.taps.len(), Some(self.zeros));
            let gathered = Gathered { pieces: &pieces, n_rows, n_taps, depth, zeros };
            let offset = (group_idx * inputs) as isize;
            let range = 0..panels.len();
            multiply(gathered, panels, range, Epilogue::NONE, dx, Some(&out_rows), offset);
        }
    }
}

/// The input pixels of a phase along one axis.
fn pixels(axis: &Axis, phase: usize, range: Range<usize>) -> impl Iterator<Item = usize> {
    range.filter(move |i| (i + axis.before) % axis.stride == phase)
}

/// The taps through which windows reach an input pixel, from the first to the last one.
fn inside(axis: &Axis, i: usize) -> Range<usize> {
    let phase = (i + axis.before) % axis.stride;
    let mut taps = (0..axis.filter)
        .filter(|k| k * axis.dilation % axis.stride == phase && source(axis, i, *k).is_some());
    let first = taps.next().unwrap_or(0);
    first..taps.next_back().unwrap_or(first)
}

/// The window whose tap `k` lies on input `i`, if there is one; the phase must fit.
fn source(axis: &Axis, i: usize, k: usize) -> Option<usize> {
    let distance = (i + axis.before).checked_sub(k * axis.dilation)?;
    Some(distance / axis.stride).filter(|&o| o < axis.output)
}
