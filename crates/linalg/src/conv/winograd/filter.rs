//! The gradient with respect to the filter: a convolution of the input with squares of the output
//! gradient, summed over all tiles.

use std::ops::Range;

use super::{AtPoints, POINTS, Spare, Tiling, block_len, blocks, image};
use crate::conv::geometry::Conv2dGeometry;
use crate::number::Float;
use crate::pool::{Block, Pool};
use crate::simd::winograd::{Tile, Transform};
use crate::simd::{Level, Outer, Run, outer_rows};
use crate::tile::panel_width;

/// Bytes of the tiles that are worked on at a time: more would no longer stay in the cache of a core, fewer add to the sums too often.
const BLOCK_BYTES: usize = 896 << 10;
/// The most parts, which are summed by themselves.
const MAX_PARTS: usize = 8;
/// Tiles of a part, at least.
const MIN_TILES: usize = 96;
/// Bytes of all parts, at most.
const PART_BYTES: usize = 32 << 20;

/// Computes `dw`; gives false where a sum is not finite.
pub(in crate::conv) fn filter_gradient<T: Float>(
    level: Level,
    pool: &Pool,
    geometry: &Conv2dGeometry,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
) -> bool {
    let Conv2dGeometry { in_channels, out_channels, ref rows, ref cols, .. } = *geometry;
    let tiling = Tiling::new(geometry, rows.output, cols.output);
    // Which tiles make a part depends on the sizes alone, and the parts are added in their order.
    let matrix = in_channels * out_channels;
    let n_parts = (PART_BYTES / (POINTS * matrix * size_of::<T>())).clamp(1, MAX_PARTS);
    let n_parts = n_parts.min(tiling.len() / MIN_TILES).max(1);
    let per_part = tiling.len().div_ceil(n_parts);
    let block_len = block_len::<T>(geometry, BLOCK_BYTES).min(per_part);
    let job = Job { level, geometry, tiling, block_len, x, dy };
    let spare = Spare::new();
    let points = |channels| AtPoints::new(block_len, channels);
    let new = || [points(in_channels), points(out_channels)];
    let mut parts = vec![T::ZERO; n_parts * POINTS * matrix];
    pool.parallel_chunks(&mut parts, POINTS * matrix, |i, part| {
        let tiles = i * per_part..tiling.len().min((i + 1) * per_part);
        let mut sums = Block::whole(part, out_channels);
        spare.with(new, |memory| job.add(tiles, memory, &mut sums));
    });
    let (sums, others) = parts.split_at_mut(POINTS * matrix);
    for part in others.chunks(POINTS * matrix) {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.plus(*part));
    }
    let mut is_finite = true;
    for i in 0..in_channels {
        let place = |at: usize| Some(at * matrix + i * out_channels);
        let from: Vec<_> = (0..POINTS).map(place).collect();
        let to: Vec<_> = (0..rows.filter * rows.filter).map(place).collect();
        let (source, from, to, len) = (&*sums, &from[..], &to[..], out_channels);
        is_finite &= Tile { source, from, zeros: &[], target: &mut *dw, to, len }
            .transform(level, Transform::Sums(rows.filter));
    }
    is_finite
}

/// What all tasks read.
struct Job<'a, T> {
    level: Level,
    geometry: &'a Conv2dGeometry,
    /// Squares of the output gradient.
    tiling: Tiling,
    /// Tiles that are worked on at a time.
    block_len: usize,
    x: &'a [T],
    dy: &'a [T],
}

impl<T: Float> Job<'_, T> {
    /// Adds the products of some tiles to `sums`: for each point rows of input channels, columns of
    /// output channels.
    fn add(
        &self,
        tiles: Range<usize>,
        [pixels, gradients]: &mut [AtPoints<T>; 2],
        sums: &mut Block<'_, T>,
    ) {
        let Job { level, geometry, tiling, block_len, x, dy } = *self;
        let Conv2dGeometry { in_channels, out_channels, ref rows, ref cols, .. } = *geometry;
        let zeros = vec![T::ZERO; in_channels.max(out_channels)];
        let width = panel_width::<T>(level);
        let n_tiles = in_channels.div_ceil(outer_rows(level));
        for block in blocks(tiles, block_len) {
            for (row, tile) in block.clone().enumerate() {
                let (i, [top, left]) = tiling.get(tile);
                let sizes = [rows.output, cols.output, out_channels];
                let dy = image(dy, i, sizes, &zeros);
                let corner = [top as isize, left as isize];
                gradients.take(level, Transform::Taps(tiling.step), row, &dy, corner);
                let x = image(x, i, [rows.input, cols.input, in_channels], &zeros);
                let corner = [corner[0] - rows.before as isize, corner[1] - cols.before as isize];
                pixels.take(level, Transform::Pixels, row, &x, corner);
            }
            let runs = [Run { left: 0, right: 0 }];
            for point in 0..POINTS {
                for first in (0..out_channels).step_by(width) {
                    let width = width.min(out_channels - first);
                    // Register tiles of about equal size.
                    let at = |i: usize| in_channels * i / n_tiles;
                    for channels in (0..n_tiles).map(|i| at(i)..at(i + 1)) {
                        let outer = Outer {
                            left: &pixels.point(point)[channels.start..],
                            right: &gradients.point(point)[first..],
                            runs: &runs,
                            run_len: block.len(),
                            left_step: in_channels,
                            right_step: out_channels,
                            n_left: channels.len(),
                            width,
                        };
                        let row = point * in_channels + channels.start;
                        outer.add_to(level, sums, row, first..first + width);
                    }
                }
            }
        }
    }
}
