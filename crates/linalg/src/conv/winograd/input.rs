//! The gradient with respect to the input: a convolution of the output gradient with the filter
//! turned around.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{AtPoints, POINTS, REGISTER, Spare, Tiling, block_len, blocks, image};
use crate::conv::geometry::Conv2dGeometry;
use crate::gemm::Mat;
use crate::number::Float;
use crate::pool::{Block, Pool};
use crate::simd::Level;
use crate::simd::winograd::{Tile, Transform};
use crate::tile::{Epilogue, Gathered, Panels, Right, Row};

/// Bytes of the tiles that are worked on at a time: what stays in the cache of a core with the filter.
const BLOCK_BYTES: usize = 448 << 10;
/// Tasks to aim at.
const N_TASKS: usize = 12;

/// Computes `dx`; gives false where a sum is not finite.
pub(in crate::conv) fn input_gradient<T: Float>(
    level: Level,
    pool: &Pool,
    geometry: &Conv2dGeometry,
    filter: &[T],
    dy: &[T],
    dx: &mut [T],
) -> bool {
    let filter = Filter::new(level, pool, geometry, filter);
    let Conv2dGeometry { batch, in_channels, ref rows, ref cols, .. } = *geometry;
    let tiling = Tiling::new(geometry, rows.input, cols.input);
    // Whole rows of tiles, or whole images where the last row of tiles reaches beyond.
    let is_even = rows.input.is_multiple_of(tiling.step);
    let (n_units, tiles_per_unit) = match is_even {
        true => (batch * tiling.tile_rows(), tiling.tile_cols()),
        false => (batch, tiling.tile_rows() * tiling.tile_cols()),
    };
    let n_tasks = N_TASKS.next_multiple_of(pool.threads()).min(n_units);
    let per_task = n_units.div_ceil(n_tasks);
    let lines = per_task * if is_even { tiling.step } else { rows.input };
    let zeros = vec![T::ZERO; geometry.out_channels];
    let block_len =
        block_len::<T>(geometry, BLOCK_BYTES).min((per_task * tiles_per_unit).next_multiple_of(4));
    let job = Job { level, geometry, tiling, block_len, filter, dy, zeros };
    let spare = Spare::new();
    let points = |channels| AtPoints::new(block_len, channels);
    let is_finite = AtomicBool::new(true);
    let line_len = cols.input * in_channels;
    pool.parallel_chunks(dx, lines * line_len, |i, part| {
        let first = i * per_task * tiles_per_unit;
        let end = tiling.len().min(first + per_task * tiles_per_unit);
        let new = || [points(geometry.out_channels), points(in_channels)];
        let run = |memory: &mut _| job.run(first..end, memory, i * lines * line_len, part);
        if !spare.with(new, run) {
            is_finite.store(false, Ordering::Relaxed);
        }
    });
    is_finite.into_inner()
}

/// The filter at all points: for each panel of input channels, and each point, a matrix of output
/// channels by input channels.
struct Filter<T> {
    data: Vec<T>,
    /// Where the aligned part starts.
    start: usize,
    /// Columns of each panel but the last.
    width: usize,
    depth: usize,
    n_cols: usize,
}

impl<T: Float> Filter<T> {
    fn new(level: Level, pool: &Pool, geometry: &Conv2dGeometry, filter: &[T]) -> Filter<T> {
        let Conv2dGeometry { in_channels, out_channels, ref rows, .. } = *geometry;
        let n_taps = rows.filter * rows.filter;
        // Turned around: the last tap comes first.
        let taps = filter.chunks_exact(in_channels * out_channels).rev();
        let taps: Vec<_> =
            taps.map(|tap| Mat::strided(tap, out_channels, in_channels, 1, out_channels)).collect();
        let panels = Panels::pack_at(level, pool, &taps, in_channels);
        let (width, depth) = (panels.width(), out_channels);
        let line = REGISTER / size_of::<T>();
        let n_elements = POINTS * depth * in_channels;
        let mut data = vec![T::ZERO; n_elements + line];
        let start = data.as_ptr().align_offset(REGISTER).min(line);
        let target = &mut data[start..start + n_elements];
        pool.parallel_chunks(target, POINTS * depth * width, |i, points| {
            let panel = panels.get(i);
            for c in 0..depth {
                let place = |tap: usize| Some((tap * depth + c) * panel.width);
                let from: Vec<_> = (0..n_taps).map(place).collect();
                let to: Vec<_> = (0..POINTS).map(place).collect();
                let (from, to, len) = (&from[..], &to[..], panel.width);
                Tile { source: panel.data, from, zeros: &[], target: points, to, len }
                    .transform(level, Transform::Taps(rows.filter));
            }
        });
        Filter { data, start, width, depth, n_cols: in_channels }
    }

    /// A panel of the matrix of a point, with its first column.
    fn panels(&self, point: usize) -> impl Iterator<Item = (&[T], usize, usize)> {
        let len = POINTS * self.depth * self.width;
        let data = &self.data[self.start..][..POINTS * self.depth * self.n_cols];
        data.chunks(len).enumerate().map(move |(i, points)| {
            let len = points.len() / POINTS;
            (&points[point * len..][..len], len / self.depth, i * self.width)
        })
    }
}

/// What all tasks read.
struct Job<'a, T> {
    level: Level,
    geometry: &'a Conv2dGeometry,
    tiling: Tiling,
    /// Tiles that are worked on at a time.
    block_len: usize,
    filter: Filter<T>,
    dy: &'a [T],
    zeros: Vec<T>,
}

impl<T: Float> Job<'_, T> {
    /// Computes the squares of some tiles; `dx` is what they cover, and starts at an offset.
    fn run(
        &self,
        tiles: Range<usize>,
        [gradients, sums]: &mut [AtPoints<T>; 2],
        offset: usize,
        dx: &mut [T],
    ) -> bool {
        let Job { level, geometry, tiling, block_len, .. } = *self;
        let Conv2dGeometry { in_channels, out_channels, ref rows, ref cols, .. } = *geometry;
        let whole: Vec<Row> =
            (0..block_len).map(|i| Row { at: i * out_channels, edge: [0; 2] }).collect();
        // The window that reaches the first pixel by the last tap lies so far before the image.
        let before = |axis: &crate::window::Axis| (axis.filter - 1) as isize - axis.before as isize;
        let sizes = [rows.output, cols.output, out_channels];
        let mut is_finite = true;
        for block in blocks(tiles, block_len) {
            for (row, tile) in block.clone().enumerate() {
                let (i, [top, left]) = tiling.get(tile);
                let corner = [top as isize - before(rows), left as isize - before(cols)];
                let dy = image(self.dy, i, sizes, &self.zeros);
                gradients.take(level, Transform::Pixels, row, &dy, corner);
            }
            let n = block.len();
            for point in 0..POINTS {
                let left = Gathered::whole(gradients.point(point), &whole[..n], out_channels);
                let mut out = Block::whole(sums.point_mut(point, n), in_channels);
                for (panel, width, first) in self.filter.panels(point) {
                    let right =
                        Right { panel, width, first_row: 0, add: false, epilogue: Epilogue::NONE };
                    right.multiply(level, left, &mut out, None, first..first + width);
                }
            }
            for (row, tile) in block.enumerate() {
                let (i, corner) = tiling.get(tile);
                let mut to = [None; POINTS];
                let to = &mut to[..tiling.step * tiling.step];
                let of_image = i * rows.input * cols.input * in_channels;
                for (p, to) in to.iter_mut().enumerate() {
                    let (h, w) = (corner[0] + p / tiling.step, corner[1] + p % tiling.step);
                    if h < rows.input && w < cols.input {
                        *to = Some(of_image + (h * cols.input + w) * in_channels - offset);
                    }
                }
                let from = &sums.places(row)[..];
                let (source, len) = (sums.all(), in_channels);
                is_finite &= Tile { source, from, zeros: &[], target: dx, to, len }
                    .transform(level, Transform::Sums(tiling.step));
            }
        }
        is_finite
    }
}
