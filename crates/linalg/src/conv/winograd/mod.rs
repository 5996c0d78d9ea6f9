//! Gradients of convolution by Winograd's method: with fewer multiplications than the definition.
//!
//! Images are cut into tiles, which overlap. Tiles and taps become values at 6 by 6 points; at each
//! point channels are summed as a product of matrices; the sums become pixels or taps. A filter of
//! 5 by 5 then takes 36 multiplications for 4 pixels instead of 100, one of 3 by 3 takes 36 for 16
//! pixels instead of 144.
//!
//! Sums are rounded in other places than those of the definition: errors are a few times those
//! of plain summation, relative to the largest sums of a tile. Gradients bear that. Convolution itself
//! does not: there ties between pixels and exact zeros decide which way gradients take, so that
//! windows of equal pixels must have equal sums.
//!
//! Where a sum is not finite, the caller has to compute all anew by the definition: an infinity or
//! NaN spreads over its tile, and large values may overflow on the way.

mod filter;
mod input;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::geometry::Conv2dGeometry;
use crate::number::Float;
use crate::simd::Level;
use crate::simd::winograd::{SIDE, Tile, Transform};
use crate::window::Axis;

pub(super) use self::filter::filter_gradient;
pub(super) use self::input::input_gradient;

/// Points of a tile.
const POINTS: usize = SIDE * SIDE;
/// Channels below this spend more on transforms than they save.
const MIN_CHANNELS: usize = 32;
/// Tiles below this spend more on the filter than they save.
const MIN_TILES: usize = 48;
/// Bytes of a filter at all points.
const MAX_FILTER: usize = 16 << 20;
/// Registers of every level hold a divisor of so many bytes.
const REGISTER: usize = 64;

/// How images are cut into tiles: each yields, or holds, some pixels of a square.
#[derive(Clone, Copy, Debug)]
struct Tiling {
    batch: usize,
    /// Pixels along a side of the square.
    step: usize,
    /// Pixels of the image that squares cover.
    rows: usize,
    cols: usize,
}

impl Tiling {
    fn new(geometry: &Conv2dGeometry, rows: usize, cols: usize) -> Tiling {
        Tiling { batch: geometry.batch, step: SIDE + 1 - geometry.rows.filter, rows, cols }
    }

    fn tile_rows(&self) -> usize {
        self.rows.div_ceil(self.step)
    }

    fn tile_cols(&self) -> usize {
        self.cols.div_ceil(self.step)
    }

    fn len(&self) -> usize {
        self.batch * self.tile_rows() * self.tile_cols()
    }

    /// The image of tile `i`, and the first row and column of its square.
    fn get(&self, i: usize) -> (usize, [usize; 2]) {
        let (row, col) = (i / self.tile_cols(), i % self.tile_cols());
        let (image, row) = (row / self.tile_rows(), row % self.tile_rows());
        (image, [row * self.step, col * self.step])
    }
}

/// Whether gradients of a convolution are computed here.
pub(super) fn suits<T: Float>(geometry: &Conv2dGeometry) -> bool {
    let Conv2dGeometry { in_channels, out_channels, groups, ref rows, ref cols, .. } = *geometry;
    let is_tiled =
        |axis: &Axis| axis.stride == 1 && axis.dilation == 1 && (3..=5).contains(&axis.filter);
    if !is_tiled(rows) || !is_tiled(cols) || rows.filter != cols.filter || groups != 1 {
        return false;
    }
    let fits = |n: usize| n >= MIN_CHANNELS && (n * size_of::<T>()).is_multiple_of(REGISTER);
    let n_tiles = Tiling::new(geometry, rows.output, cols.output).len();
    fits(in_channels)
        && fits(out_channels)
        && n_tiles >= MIN_TILES
        && in_channels.saturating_mul(out_channels) <= MAX_FILTER / POINTS / size_of::<T>()
}

/// Tiles that are worked on at a time, of so many bytes where the filter is small.
fn block_len<T>(geometry: &Conv2dGeometry, bytes: usize) -> usize {
    let Conv2dGeometry { in_channels, out_channels, .. } = *geometry;
    // A filter that does not stay in the cache is read, or added to, for each block.
    let filter = POINTS * in_channels * out_channels * size_of::<T>();
    let per_tile = POINTS * (in_channels + out_channels) * size_of::<T>();
    // Whole register tiles.
    (bytes.max(filter / 2) / per_tile).clamp(12, 96) / 12 * 12
}

/// Memory that tasks use one after another.
struct Spare<M>(Mutex<Vec<M>>);

impl<M> Spare<M> {
    fn new() -> Spare<M> {
        Spare(Mutex::new(Vec::new()))
    }

    /// Calls `f` with what an earlier task has used, or with new memory.
    fn with<R>(&self, new: impl FnOnce() -> M, f: impl FnOnce(&mut M) -> R) -> R {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = lock().pop();
        let mut memory = spare.unwrap_or_else(new);
        let result = f(&mut memory);
        lock().push(memory);
        result
    }
}

/// Tiles at all points: for each point a matrix of tiles by channels.
struct AtPoints<T> {
    data: Vec<T>,
    /// Where the aligned part starts.
    start: usize,
    channels: usize,
    /// From one point to the next.
    step: usize,
}

impl<T: Float> AtPoints<T> {
    fn new(n_tiles: usize, channels: usize) -> AtPoints<T> {
        let line = REGISTER / size_of::<T>();
        // Not a multiple of the nearest cache's ways: the points of a tile would share its sets.
        let step = n_tiles * channels + line;
        let data = vec![T::ZERO; POINTS * step + line];
        let start = data.as_ptr().align_offset(REGISTER).min(line);
        AtPoints { data, start, channels, step }
    }

    fn all(&self) -> &[T] {
        &self.data[self.start..]
    }

    fn all_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..]
    }

    /// The matrix of a point, and what follows it.
    fn point(&self, point: usize) -> &[T] {
        &self.all()[point * self.step..]
    }

    /// The matrix of a point, of so many rows.
    fn point_mut(&mut self, point: usize, n_rows: usize) -> &mut [T] {
        let start = self.start + point * self.step;
        &mut self.data[start..][..n_rows * self.channels]
    }

    /// Where the points of a row lie.
    fn places(&self, row: usize) -> [Option<usize>; POINTS] {
        let mut places = [None; POINTS];
        for (point, place) in places.iter_mut().enumerate() {
            *place = Some(point * self.step + row * self.channels);
        }
        places
    }

    /// Takes row `row` from the square of an image whose upper left pixel is `corner`.
    fn take(
        &mut self,
        level: Level,
        transform: Transform,
        row: usize,
        image: &Image<'_, T>,
        corner: [isize; 2],
    ) {
        let n = match transform {
            Transform::Taps(n) => n,
            _ => SIDE,
        };
        let mut places = [None; POINTS];
        image.places(corner, &mut places[..n * n]);
        let (to, len) = (self.places(row), self.channels);
        let (source, from, zeros) = (image.pixels, &places[..n * n], image.zeros);
        Tile { source, from, zeros, target: self.all_mut(), to: &to, len }
            .transform(level, transform);
    }
}

/// One of the images of a batch.
struct Image<'a, T> {
    pixels: &'a [T],
    rows: usize,
    cols: usize,
    channels: usize,
    /// What pixels outside hold.
    zeros: &'a [T],
}

impl<T> Image<'_, T> {
    /// Where the pixels of a square lie; those outside are nowhere.
    fn places(&self, [row, col]: [isize; 2], places: &mut [Option<usize>]) {
        let side = places.len().isqrt();
        let inside = |at: isize, len: usize| usize::try_from(at).ok().filter(|&at| at < len);
        for (i, places) in places.chunks_exact_mut(side).enumerate() {
            let row = inside(row + i as isize, self.rows);
            for (j, place) in places.iter_mut().enumerate() {
                let col = inside(col + j as isize, self.cols);
                *place = row.zip(col).map(|(row, col)| (row * self.cols + col) * self.channels);
            }
        }
    }
}

/// Image `i` of a batch.
fn image<'a, T>(
    batch: &'a [T],
    i: usize,
    [rows, cols, channels]: [usize; 3],
    zeros: &'a [T],
) -> Image<'a, T> {
    let len = rows * cols * channels;
    Image { pixels: &batch[i * len..][..len], rows, cols, channels, zeros }
}

/// Blocks of at most so many.
fn blocks(range: Range<usize>, len: usize) -> impl Iterator<Item = Range<usize>> {
    range.clone().step_by(len).map(move |first| first..range.end.min(first + len))
}
