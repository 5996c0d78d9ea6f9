//! Maximum pooling that remembers where the largest elements were, and its gradient.
//!
//! The gradient then reads a byte for each window, where [`max_pool_backprop`] reads the images once
//! more: they have left the cache since.
//!
//! [`max_pool_backprop`]: crate::pooling_backprop::max_pool_backprop

use crate::number::Number;
use crate::pool::Pool;
use crate::pooling::{ColumnTaps, Pool2dGeometry, line_taps};
use crate::pooling_backprop::is_tiled;
use crate::simd::{Kernel, dispatch};

/// Windows of more elements have winners that a byte cannot name.
pub const MAX_TAPS: usize = 128;
/// What is added to winners above 0.
const POSITIVE: u8 = 0x80;

/// The maximum of each window, as [`max_pool`](crate::pooling::max_pool), and its largest element, as
/// [`max_pool_backprop`](crate::pooling_backprop::max_pool_backprop) finds it.
///
/// Shapes: `x [batch, height, width, channels]`, `y` and `winners` as
/// [`Pool2dGeometry::output_shape`]. A winner is counted among the elements of its window that lie
/// inside the image, line after line; the highest bit says whether it is above 0. Panics: if the lengths do not fit, or windows have more than
/// [`MAX_TAPS`] elements.
pub fn max_pool_with_winners<T: Number>(
    pool: &Pool,
    geometry: &Pool2dGeometry,
    x: &[T],
    y: &mut [T],
    winners: &mut [u8],
) {
    let Pool2dGeometry { batch, channels, rows, cols } = *geometry;
    let image_len = rows.input * cols.input * channels;
    let out_len = rows.output * cols.output * channels;
    assert!(rows.filter * cols.filter <= MAX_TAPS, "windows of {} lines", rows.filter);
    assert!(x.len() == batch * image_len, "the input has {} elements", x.len());
    assert!(y.len() == batch * out_len, "the output has {} elements", y.len());
    assert!(winners.len() == y.len(), "there are {} winners", winners.len());
    if y.is_empty() {
        return;
    }
    let taps = ColumnTaps::new(geometry);
    pool.parallel_chunks2((y, out_len), (winners, out_len), |idx, y, winners| {
        let x = &x[idx * image_len..][..image_len];
        dispatch(Forward { geometry, taps: &taps, x, y, winners });
    });
}

/// Gives the gradient of each window to its winner.
///
/// Shapes: `dy` and `winners` as [`Pool2dGeometry::output_shape`], `dx [batch, height, width,
/// channels]`. `add` adds gradients, and first of all to the default of `T`; `dim` is applied to those
/// of winners that are not above 0, for a rectifier before the pooling. Panics: if the lengths do not
/// fit.
pub fn max_pool_backprop_to_winners<T: Copy + Default + Send + Sync>(
    pool: &Pool,
    geometry: &Pool2dGeometry,
    (winners, dy): (&[u8], &[T]),
    dx: &mut [T],
    add: impl Fn(T, T) -> T + Copy + Sync,
    dim: impl Fn(T) -> T + Copy + Sync,
) {
    let Pool2dGeometry { batch, channels, rows, cols } = *geometry;
    let image_len = rows.input * cols.input * channels;
    let out_len = rows.output * cols.output * channels;
    assert!(dx.len() == batch * image_len, "the gradient has {} elements", dx.len());
    assert!(dy.len() == batch * out_len, "the output gradient has {} elements", dy.len());
    assert!(winners.len() == dy.len(), "there are {} winners", winners.len());
    if dx.is_empty() || dy.is_empty() {
        return dx.fill(T::default());
    }
    let (taps, is_tiled) = (ColumnTaps::new(geometry), is_tiled(geometry));
    pool.parallel_chunks(dx, image_len, |idx, dx| {
        let out = idx * out_len..(idx + 1) * out_len;
        let (dy, winners) = (&dy[out.clone()], &winners[out]);
        if !is_tiled {
            dx.fill(T::default());
        }
        dispatch(Backward { geometry, taps: &taps, winners, dy, dx, is_tiled, add, dim });
    });
}

/// Channels at a time.
const LANES: usize = 16;

/// One image.
struct Forward<'a, T> {
    geometry: &'a Pool2dGeometry,
    taps: &'a ColumnTaps,
    x: &'a [T],
    y: &'a mut [T],
    winners: &'a mut [u8],
}

impl<T: Number> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Forward { geometry, taps, x, y, winners } = self;
        let (channels, row_len) = (geometry.channels, geometry.cols.output * geometry.channels);
        let mut lines = Vec::with_capacity(geometry.rows.filter);
        let rows = y.chunks_exact_mut(row_len).zip(winners.chunks_exact_mut(row_len));
        for (row, (y, winners)) in rows.enumerate() {
            lines.clear();
            lines.extend(line_taps(geometry, row));
            let outputs = y.chunks_exact_mut(channels).zip(winners.chunks_exact_mut(channels));
            for (pixels, (y, winners)) in taps.windows().zip(outputs) {
                let (blocks, rest) = y.as_chunks_mut::<LANES>();
                let (block_winners, rest_winners) = winners.as_chunks_mut::<LANES>();
                let first = blocks.len() * LANES;
                for (i, (y, winners)) in blocks.iter_mut().zip(block_winners).enumerate() {
                    (*y, *winners) = largest(x, &lines, pixels, i * LANES);
                }
                for (i, (y, winner)) in rest.iter_mut().zip(rest_winners).enumerate() {
                    ([*y], [*winner]) = largest(x, &lines, pixels, first + i);
                }
            }
        }
    }
}

/// The maxima of one window for some channels, from `first` on, and where they are.
///
/// The winner is the first element that equals the largest one, or the very first one, if that is a NaN
/// which nothing exceeds.
#[inline(always)]
fn largest<T: Number, const N: usize>(
    x: &[T],
    lines: &[usize],
    pixels: &[usize],
    first: usize,
) -> ([T; N], [u8; N]) {
    let (Some(line), Some(pixel)) = (lines.first(), pixels.first()) else {
        return ([T::LOWEST_FINITE; N], [0; N]);
    };
    let mut values = [T::LOWEST_FINITE; N];
    let mut largest = values;
    if let Some(x) = x[line + pixel + first..].first_chunk::<N>() {
        largest = *x;
    }
    for line in lines {
        for pixel in pixels {
            let Some(x) = x[line + pixel + first..].first_chunk::<N>() else { continue };
            for i in 0..N {
                values[i] = if x[i] > values[i] { x[i] } else { values[i] };
                largest[i] = if largest[i] < x[i] { x[i] } else { largest[i] };
            }
        }
    }
    let mut winners = [0; N];
    let mut tap = lines.len() * pixels.len();
    for line in lines.iter().rev() {
        for pixel in pixels.iter().rev() {
            let Some(x) = x[line + pixel + first..].first_chunk::<N>() else { continue };
            tap -= 1;
            for i in 0..N {
                winners[i] = if x[i] == largest[i] { tap as u8 } else { winners[i] };
            }
        }
    }
    for i in 0..N {
        winners[i] |= if largest[i] > T::ZERO { POSITIVE } else { 0 };
    }
    (values, winners)
}

/// One image.
struct Backward<'a, T, A, D> {
    geometry: &'a Pool2dGeometry,
    taps: &'a ColumnTaps,
    winners: &'a [u8],
    dy: &'a [T],
    dx: &'a mut [T],
    /// Whether each element is in one window.
    is_tiled: bool,
    add: A,
    dim: D,
}

impl<T, A, D> Kernel for Backward<'_, T, A, D>
where
    T: Copy + Default,
    A: Fn(T, T) -> T + Copy,
    D: Fn(T) -> T + Copy,
{
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        if self.is_tiled { self.give::<true>() } else { self.give::<false>() }
    }
}

impl<T, A, D> Backward<'_, T, A, D>
where
    T: Copy + Default,
    A: Fn(T, T) -> T + Copy,
    D: Fn(T) -> T + Copy,
{
    #[inline(always)]
    fn give<const TILED: bool>(self) {
        let Backward { geometry, taps, winners, dy, dx, add, dim, .. } = self;
        let (channels, row_len) = (geometry.channels, geometry.cols.output * geometry.channels);
        let mut lines = Vec::with_capacity(geometry.rows.filter);
        let rows = dy.chunks_exact(row_len).zip(winners.chunks_exact(row_len));
        for (row, (dy, winners)) in rows.enumerate() {
            lines.clear();
            lines.extend(line_taps(geometry, row));
            let outputs = dy.chunks_exact(channels).zip(winners.chunks_exact(channels));
            for (pixels, (dy, winners)) in taps.windows().zip(outputs) {
                let window = Window { lines: &lines, pixels };
                let (blocks, rest) = dy.as_chunks::<LANES>();
                let (block_winners, rest_winners) = winners.as_chunks::<LANES>();
                let first = blocks.len() * LANES;
                for (i, (dy, winners)) in blocks.iter().zip(block_winners).enumerate() {
                    window.give::<T, LANES, TILED>(winners, dy, dx, i * LANES, add, dim);
                }
                for (i, (dy, winner)) in rest.iter().zip(rest_winners).enumerate() {
                    window.give::<T, 1, TILED>(&[*winner], &[*dy], dx, first + i, add, dim);
                }
            }
        }
    }
}

/// The taps of one window that lie inside the image.
struct Window<'a> {
    /// Where their lines begin.
    lines: &'a [usize],
    /// Where the channels of their pixels begin in a line.
    pixels: &'a [usize],
}

impl Window<'_> {
    /// Gives the gradients of some channels, from `first` on, to the winners.
    #[inline(always)]
    fn give<T: Copy + Default, const N: usize, const TILED: bool>(
        &self,
        winners: &[u8; N],
        dy: &[T; N],
        dx: &mut [T],
        first: usize,
        add: impl Fn(T, T) -> T,
        dim: impl Fn(T) -> T,
    ) {
        let mut tap = 0;
        for line in self.lines {
            for pixel in self.pixels {
                let Some(dx) = dx[line + pixel + first..].first_chunk_mut::<N>() else { return };
                let mut given = [T::default(); N];
                for i in 0..N {
                    let before = if TILED { T::default() } else { dx[i] };
                    let sum = add(before, dy[i]);
                    let dimmed = dim(sum);
                    let sum = if winners[i] >= POSITIVE { sum } else { dimmed };
                    given[i] = if winners[i] & !POSITIVE == tap { sum } else { before };
                }
                *dx = given;
                tap += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{max_pool_backprop_to_winners, max_pool_with_winners};
    use crate::pooling::{Pool2dGeometry, max_pool};
    use crate::pooling_backprop::max_pool_backprop;
    use crate::test_support::{Random, pools};
    use crate::window::Padding;

    #[test]
    fn winners_are_those_that_the_gradient_finds() {
        let cases = [
            ([1, 4, 4, 0], [2, 2], [2, 2], Padding::Valid),
            ([2, 7, 5, 3], [3, 2], [2, 1], Padding::Same),
            ([1, 6, 5, 70], [3, 3], [1, 2], Padding::Same),
            ([3, 5, 5, 32], [2, 2], [3, 3], Padding::Valid),
            ([2, 5, 4, 40], [2, 2], [2, 2], Padding::Same),
            ([1, 8, 16, 2], [8, 16], [1, 1], Padding::Valid),
        ];
        for pool in pools() {
            for (input, window, strides, padding) in cases {
                let g = Pool2dGeometry::new(input, window, strides, padding).unwrap();
                // Few values, so that windows have several largest elements; some are no numbers.
                let x = Random::new(3).f32s(input.iter().product());
                let special = [f32::NAN, f32::NEG_INFINITY];
                let value = |(i, x): (usize, &f32)| match i % 7 {
                    0 => special[i % 2],
                    _ => (x * 2.0).round(),
                };
                let x: Vec<f32> = x.iter().enumerate().map(value).collect();
                let n = g.output_shape().iter().product();
                let dy = Random::new(4).f32s(n);
                let (mut y, mut expected_y) = (vec![7.0; n], vec![7.0; n]);
                let (mut dx, mut expected_dx) = (vec![7.0; x.len()], vec![7.0; x.len()]);
                let mut winners = vec![7; n];
                max_pool(&pool, &g, &x, &mut expected_y);
                let (less, add) = (|a, b| a < b, |a, b| a + b);
                max_pool_backprop(&pool, &g, (&x, &dy), &mut expected_dx, less, add);
                max_pool_with_winners(&pool, &g, &x, &mut y, &mut winners);
                max_pool_backprop_to_winners(&pool, &g, (&winners, &dy), &mut dx, add, |dy| dy);
                assert_eq!(y, expected_y, "{g:?}");
                assert_eq!(dx, expected_dx, "{g:?}");
                if window != strides {
                    continue;
                }
                for (dx, x) in expected_dx.iter_mut().zip(&x) {
                    *dx *= f32::from(*x > 0.0);
                }
                let dim = |dy| dy * 0.0;
                max_pool_backprop_to_winners(&pool, &g, (&winners, &dy), &mut dx, add, dim);
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&dx), bits(&expected_dx), "{g:?}");
            }
        }
    }
}
