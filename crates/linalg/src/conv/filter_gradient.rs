//! The gradient of convolution with respect to its filter.
//!
//! Each tap of the filter has a matrix `[in channels, out channels]`: the sum, over all output
//! pixels whose tap lies inside the image, of the products of the input pixel under the tap with
//! the output gradient. Both are read in place, line by line; no windows are laid out.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

use super::geometry::Conv2dGeometry;
use super::winograd;
use crate::gemm::{Mat, gemm};
use crate::number::Float;
use crate::pool::{Block, Pool};
use crate::simd::{Level, Outer, Run, outer_rows};
use crate::tile::panel_width;

/// Multiply-adds per task to aim at. Every task reads both operands, so it is not small.
const TASK_SIZE: RangeInclusive<usize> = 16 << 20..=64 << 20;
/// Tasks that are enough for most machines; where there are more, they may be larger.
const N_TASKS: usize = 16;
/// A gradient of so few elements is summed in parts, over pixels of their own.
const SMALL: usize = 16 << 10;
/// The most parts.
const MAX_PARTS: usize = 16;
/// Bytes of the operands that are worked on at a time: what stays in the cache of a core.
const BLOCK_BYTES: usize = 256 << 10;
/// The most pixels of them, so that rounding errors grow with the number of blocks.
const MAX_PIXELS: usize = 1024;
/// Pixels of the output gradient of at most so many bytes are read where they are.
const NEAR: usize = 1024;
/// A single tap of at least as many channels is a product of matrices.
const DEEP: usize = 128;
/// With fewer input channels, whole filter rows are taken at once.
const SHALLOW: usize = 12;

/// Computes the filter gradient `dw` of a convolution from its input and its output gradient.
///
/// `geometry` is that of the forward convolution: `x` has its input shape, `dy` its output shape,
/// `dw` is HWIO. Panics: if the lengths do not fit the geometry.
pub fn conv2d_backprop_filter<T: Float>(
    pool: &Pool,
    geometry: &Conv2dGeometry,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
) {
    backprop_filter_at(Level::best(), pool, geometry, x, dy, dw);
}

pub(super) fn backprop_filter_at<T: Float>(
    level: Level,
    pool: &Pool,
    geometry: &Conv2dGeometry,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
) {
    geometry.check_lens(x.len(), dy.len());
    let filter_len: usize = geometry.filter_shape().iter().product();
    assert!(dw.len() == filter_len, "a filter of {} elements does not fit", dw.len());
    if dw.is_empty() || x.is_empty() || dy.is_empty() {
        return dw.fill(T::ZERO);
    }
    if winograd::suits::<T>(geometry) && winograd::filter_gradient(level, pool, geometry, x, dy, dw)
    {
        return;
    }
    filter_gradient_by_taps(level, pool, geometry, x, dy, dw);
}

/// The gradient as defined: a product for each pixel, tap and channel.
pub(super) fn filter_gradient_by_taps<T: Float>(
    level: Level,
    pool: &Pool,
    geometry: &Conv2dGeometry,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
) {
    dw.fill(T::ZERO);
    let Conv2dGeometry { batch, in_channels, out_channels, groups, rows, cols } = *geometry;
    if rows.filter * cols.filter * groups == 1 && in_channels >= DEEP {
        let n_pixels = batch * rows.output * cols.output;
        let dy = Mat::row_major(dy, n_pixels, out_channels);
        let x = under_tap(geometry, x);
        let x = Mat::row_major(&x, n_pixels, in_channels);
        return gemm(pool, x.transposed(), dy, T::ZERO, dw);
    }
    let job = Job { level, geometry, x, dy, is_shallow: is_shallow(geometry) };
    let n_lines = batch * rows.output;
    let (block_rows, block_cols) = job.block_size(n_lines);
    if dw.len() > SMALL {
        return pool.parallel_blocks(
            dw,
            geometry.out_channels,
            (block_rows, block_cols),
            |block| {
                job.add(0..n_lines, block);
            },
        );
    }
    // Which lines make a part depends on the sizes alone, and the parts are added in their order.
    let lines = n_lines.div_ceil(MAX_PARTS);
    let mut parts = vec![T::ZERO; dw.len() * n_lines.div_ceil(lines)];
    pool.parallel_chunks(&mut parts, dw.len(), |i, part| {
        let lines = i * lines..n_lines.min((i + 1) * lines);
        job.add(lines, &mut Block::whole(part, geometry.out_channels));
    });
    for part in parts.chunks(dw.len()) {
        dw.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.plus(*part));
    }
}

/// The input pixels under the only tap of a filter, one for each output pixel.
fn under_tap<'a, T: Float>(geometry: &Conv2dGeometry, x: &'a [T]) -> Cow<'a, [T]> {
    let Conv2dGeometry { batch, in_channels, ref rows, ref cols, .. } = *geometry;
    if (rows.output, cols.output) == (rows.input, cols.input) && rows.before + cols.before == 0 {
        return Cow::Borrowed(x);
    }
    let mut pixels = vec![T::ZERO; batch * rows.output * cols.output * in_channels];
    for (idx, line) in pixels.chunks_exact_mut(cols.output * in_channels).enumerate() {
        let (image, o) = (idx / rows.output, idx % rows.output);
        if rows.taps(o).is_empty() {
            continue;
        }
        let from = (image * rows.input + rows.at(o, 0)) * cols.input;
        for p in cols.outputs(0) {
            let from = &x[(from + cols.at(p, 0)) * in_channels..][..in_channels];
            line[p * in_channels..][..in_channels].copy_from_slice(from);
        }
    }
    Cow::Owned(pixels)
}

/// Whether the taps of a filter row are taken together, since each has few channels.
fn is_shallow(geometry: &Conv2dGeometry) -> bool {
    geometry.groups == 1 && geometry.in_channels < SHALLOW && geometry.cols.dilation == 1
}

/// What all tasks read.
struct Job<'a, T> {
    level: Level,
    geometry: &'a Conv2dGeometry,
    x: &'a [T],
    dy: &'a [T],
    is_shallow: bool,
}

/// The runs of a tap, or of a filter row.
#[derive(Default)]
struct Tap {
    runs: Vec<Run>,
    /// Pixels of each run.
    len: usize,
}

/// Memory that blocks use one after another.
struct Buffers<T> {
    taps: Vec<Tap>,
    /// Input lines with their padding.
    lines: Vec<T>,
    /// A panel of the output gradient.
    panel: Vec<T>,
}

impl<T: Float> Job<'_, T> {
    /// The taps that are taken separately in each filter row.
    fn taps_per_row(&self) -> usize {
        if self.is_shallow { 1 } else { self.geometry.cols.filter }
    }

    /// Whether panels of the output gradient need not be copied.
    fn reads_in_place(&self) -> bool {
        let lanes = panel_width::<T>(self.level) / 2;
        self.geometry.group_outputs().is_multiple_of(lanes)
            && self.geometry.out_channels * size_of::<T>() <= NEAR
    }

    /// Rows of the gradient for each of them.
    fn depth(&self) -> usize {
        self.geometry.group_inputs() * self.geometry.cols.filter / self.taps_per_row()
    }

    /// The rows and columns of the gradient that make a task.
    fn block_size(&self, n_lines: usize) -> (usize, usize) {
        let (depth, width) = (self.depth(), panel_width::<T>(self.level));
        let Conv2dGeometry { out_channels, groups, rows, cols, .. } = self.geometry;
        let n_taps = self.taps_per_row() * rows.filter;
        let width = if *groups == 1 { width.min(*out_channels) } else { *out_channels };
        let per_panel = (n_lines * cols.output * depth).saturating_mul(width);
        // All columns of some taps, or some columns of one tap.
        let all_panels = out_channels.div_ceil(width);
        let work = per_panel.saturating_mul(all_panels * n_taps);
        let task_size = (work / N_TASKS).clamp(*TASK_SIZE.start(), *TASK_SIZE.end());
        let n_panels = (task_size / per_panel.max(1)).clamp(1, all_panels);
        let taps = task_size / per_panel.saturating_mul(n_panels).max(1);
        (taps.clamp(1, n_taps) * depth, n_panels * width)
    }

    /// Adds the products of some output lines, counted over the batch, to a block of the gradient.
    fn add(&self, lines: Range<usize>, dw: &mut Block<'_, T>) {
        let Conv2dGeometry { in_channels, ref cols, .. } = *self.geometry;
        // What lies between windows is not read.
        let read = cols.input.min(cols.output * cols.filter);
        let pixels = if self.is_shallow { self.padded_line() } else { read };
        let per_line = cols.output * panel_width::<T>(self.level) + pixels * in_channels;
        let per_block = BLOCK_BYTES / per_line.saturating_mul(size_of::<T>());
        let per_block = per_block.min(MAX_PIXELS / cols.output).max(1);
        let mut buffers = Buffers { taps: Vec::new(), lines: Vec::new(), panel: Vec::new() };
        let mut first = lines.start;
        while first < lines.end {
            let block = first..lines.end.min(first + per_block);
            first = block.end;
            self.add_lines(block, dw, &mut buffers);
        }
    }

    /// As [`add`](Self::add), with lines that stay in the cache.
    fn add_lines(&self, lines: Range<usize>, dw: &mut Block<'_, T>, buffers: &mut Buffers<T>) {
        let Job { level, geometry, x, .. } = *self;
        let Conv2dGeometry { in_channels, out_channels, groups, ref cols, .. } = *geometry;
        let (inputs, outputs) = (geometry.group_inputs(), geometry.group_outputs());
        let (depth, full) = (self.depth(), panel_width::<T>(level));
        let n_tiles = depth.div_ceil(outer_rows(level));
        let first_tap = dw.first_row() / depth;
        let n_taps = dw.rows() / depth;
        self.find_runs(first_tap..first_tap + n_taps, lines.clone(), buffers);
        let left = if self.is_shallow { &buffers.lines } else { x };
        let left_step = cols.stride * in_channels;
        let end_col = dw.first_col() + dw.cols();
        for group in 0..groups {
            let of_group = group * outputs..(group + 1) * outputs;
            let mut col = of_group.start.max(dw.first_col());
            while col < of_group.end.min(end_col) {
                let n_cols = full.min(of_group.end.min(end_col) - col);
                let width = if n_cols <= full / 2 { full / 2 } else { full };
                let (right, right_step) = if self.reads_in_place() {
                    (&self.dy[lines.start * cols.output * out_channels + col..], out_channels)
                } else {
                    self.pack(lines.clone(), col..col + n_cols, width, &mut buffers.panel);
                    (buffers.panel.as_slice(), width)
                };
                for (t, tap) in
                    buffers.taps.iter().enumerate().filter(|(_, tap)| !tap.runs.is_empty())
                {
                    // Tiles of about equal size.
                    let at = |i: usize| depth * i / n_tiles;
                    for rows in (0..n_tiles).map(|i| at(i)..at(i + 1)) {
                        let outer = Outer {
                            left: &left[group * inputs + rows.start..],
                            right,
                            runs: &tap.runs,
                            run_len: tap.len,
                            left_step,
                            right_step,
                            n_left: rows.len(),
                            width,
                        };
                        let first = col - dw.first_col();
                        outer.add_to(level, dw, t * depth + rows.start, first..first + n_cols);
                    }
                }
                col += n_cols;
            }
        }
    }

    /// Where the operands of each tap lie; copies the input lines of filter rows.
    fn find_runs(&self, taps: Range<usize>, lines: Range<usize>, buffers: &mut Buffers<T>) {
        let Conv2dGeometry { in_channels, ref rows, ref cols, .. } = *self.geometry;
        let Buffers { taps: found, lines: copies, panel: _ } = buffers;
        let line_len = cols.input * in_channels;
        found.resize_with(taps.len(), Tap::default);
        copies.clear();
        for (idx, tap) in taps.zip(found) {
            let (k, l) = (idx / self.taps_per_row(), idx % self.taps_per_row());
            let columns = if self.is_shallow { 0..cols.output } else { cols.outputs(l) };
            tap.len = columns.len();
            tap.runs.clear();
            for (i, output) in lines.clone().enumerate() {
                let (image, o) = (output / rows.output, output % rows.output);
                if columns.is_empty() || !rows.taps(o).contains(&k) {
                    continue;
                }
                let line = (image * rows.input + rows.at(o, k)) * line_len;
                let left = if self.is_shallow {
                    copies.len()
                } else {
                    line + cols.at(columns.start, l) * in_channels
                };
                if self.is_shallow {
                    self.copy_padded(&self.x[line..][..line_len], copies);
                }
                tap.runs.push(Run { left, right: i * cols.output + columns.start });
            }
        }
    }

    /// Copies some columns of the output gradient, as rows of `width` elements.
    fn pack(&self, lines: Range<usize>, cols: Range<usize>, width: usize, panel: &mut Vec<T>) {
        let Conv2dGeometry { out_channels, cols: ref axis, .. } = *self.geometry;
        let n_pixels = lines.len() * axis.output;
        // What lies beyond the columns is multiplied, and not stored.
        panel.resize(n_pixels * width, T::ZERO);
        let dy = &self.dy[lines.start * axis.output * out_channels..][..n_pixels * out_channels];
        let rows = panel.chunks_exact_mut(width).zip(dy.chunks_exact(out_channels));
        match cols.len() {
            // Sizes that are known are copied without a call.
            32 => rows.for_each(|(to, from)| to[..32].copy_from_slice(&from[cols.start..][..32])),
            16 => rows.for_each(|(to, from)| to[..16].copy_from_slice(&from[cols.start..][..16])),
            n => rows.for_each(|(to, from)| to[..n].copy_from_slice(&from[cols.start..][..n])),
        }
    }

    /// Pixels of an input line, those included that windows reach beyond its ends.
    fn padded_line(&self) -> usize {
        let cols = &self.geometry.cols;
        (cols.output - 1) * cols.stride + cols.filter
    }

    /// Appends an input line with zeros where windows reach over its ends.
    fn copy_padded(&self, from: &[T], to: &mut Vec<T>) {
        let Conv2dGeometry { in_channels, ref cols, .. } = *self.geometry;
        let len = self.padded_line() * in_channels;
        let before = (cols.before * in_channels).min(len);
        let end = to.len() + len;
        to.resize(to.len() + before, T::ZERO);
        to.extend_from_slice(&from[..from.len().min(len - before)]);
        to.resize(end, T::ZERO);
    }
}
