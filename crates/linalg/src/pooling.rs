//! Maximum and average pooling of NHWC images.

use std::marker::PhantomData;

use crate::number::{Float, Number};
use crate::pool::Pool;
use crate::simd::{Kernel, dispatch};
use crate::window::{Axis, GeometryError, Padding, checked_len};

/// Elements read per task.
const TASK_ELEMENTS: usize = 32 << 10;

/// The sizes of a pooling operation: `[batch, rows, cols, channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2dGeometry {
    /// Images.
    pub batch: usize,
    /// Channels, in and out.
    pub channels: usize,
    /// Windows from top to bottom.
    pub rows: Axis,
    /// Windows from left to right.
    pub cols: Axis,
}

impl Pool2dGeometry {
    /// Works out the sizes for an input `[batch, height, width, channels]`.
    ///
    /// `window` and `strides` are (rows, cols). Errors: see [`Axis::new`], and sizes whose
    /// product exceeds the address space.
    pub fn new(
        input: [usize; 4],
        window: [usize; 2],
        strides: [usize; 2],
        padding: Padding,
    ) -> Result<Self, GeometryError> {
        let [batch, height, width, channels] = input;
        let rows = Axis::new(height, window[0], strides[0], 1, padding.rows())?;
        let cols = Axis::new(width, window[1], strides[1], 1, padding.cols())?;
        checked_len(&[batch, height, width, channels])?;
        checked_len(&[batch, rows.output, cols.output, channels])?;
        Ok(Pool2dGeometry { batch, channels, rows, cols })
    }

    /// The shape of the output, NHWC.
    pub fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.rows.output, self.cols.output, self.channels]
    }
}

/// The maximum of each window.
///
/// Shapes: `x [batch, height, width, channels]` → `y [batch, out_height, out_width, channels]`.
/// As in TensorFlow the scan starts from the lowest finite value and NaN is passed over, so that
/// minus infinity never comes out. Panics: if the lengths do not fit.
pub fn max_pool<T: Number>(pool: &Pool, geometry: &Pool2dGeometry, x: &[T], y: &mut [T]) {
    pooled::<T, Max>(pool, geometry, x, y);
}

/// The average of each window, over the elements inside the image.
///
/// Shapes and panics as in [`max_pool`].
pub fn avg_pool<T: Float>(pool: &Pool, geometry: &Pool2dGeometry, x: &[T], y: &mut [T]) {
    pooled::<T, Average>(pool, geometry, x, y);
}

/// What a pooling does with the elements of a window.
trait Rule<T> {
    const START: T;
    fn step(value: T, x: T) -> T;
    fn finish(value: T, n_taps: usize) -> T;
}

struct Max;

impl<T: Number> Rule<T> for Max {
    const START: T = T::LOWEST_FINITE;

    #[inline(always)]
    fn step(value: T, x: T) -> T {
        if x > value { x } else { value }
    }

    #[inline(always)]
    fn finish(value: T, _n_taps: usize) -> T {
        value
    }
}

struct Average;

impl<T: Float> Rule<T> for Average {
    const START: T = T::ZERO;

    #[inline(always)]
    fn step(value: T, x: T) -> T {
        value.plus(x)
    }

    #[inline(always)]
    fn finish(value: T, n_taps: usize) -> T {
        value.over(n_taps)
    }
}

fn pooled<T: Number, R: Rule<T>>(pool: &Pool, geometry: &Pool2dGeometry, x: &[T], y: &mut [T]) {
    let Pool2dGeometry { batch, channels, rows, cols } = *geometry;
    let image_len = rows.input * cols.input * channels;
    assert!(x.len() == batch * image_len, "the input has {} elements", x.len());
    let row_len = cols.output * channels;
    assert!(y.len() == batch * rows.output * row_len, "the output has {} elements", y.len());
    if y.is_empty() {
        return;
    }
    let taps = ColumnTaps::new(geometry);
    let read_per_row = (row_len * rows.filter * cols.filter).max(1);
    let rows_per_task = (TASK_ELEMENTS / read_per_row).max(1);
    pool.parallel_chunks(y, rows_per_task * row_len, |i, y| {
        for (j, y) in y.chunks_mut(row_len).enumerate() {
            let row = i * rows_per_task + j;
            let image = &x[row / rows.output * image_len..][..image_len];
            let lines = line_taps(geometry, row % rows.output).collect();
            dispatch(Row::<T, R> { channels, image, lines, taps: &taps, y, rule: PhantomData });
        }
    });
}

/// One row of the output.
struct Row<'a, T, R> {
    channels: usize,
    image: &'a [T],
    /// Where the lines under its windows begin.
    lines: Vec<usize>,
    taps: &'a ColumnTaps,
    y: &'a mut [T],
    rule: PhantomData<R>,
}

impl<T: Number, R: Rule<T>> Kernel for Row<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Row { channels, image, lines, taps, y, .. } = self;
        for (pixels, y) in taps.windows().zip(y.chunks_exact_mut(channels)) {
            let window = Window { image, lines: &lines, pixels };
            let (blocks, rest) = y.as_chunks_mut::<LANES>();
            let first = blocks.len() * LANES;
            for (i, y) in blocks.iter_mut().enumerate() {
                *y = window.pool::<R, LANES>(i * LANES);
            }
            for (i, y) in rest.iter_mut().enumerate() {
                [*y] = window.pool::<R, 1>(first + i);
            }
        }
    }
}

/// Channels at a time.
const LANES: usize = 16;

/// Where the lines begin that the windows of an output row reach.
pub(crate) fn line_taps(geometry: &Pool2dGeometry, o: usize) -> impl Iterator<Item = usize> {
    let Pool2dGeometry { channels, rows, cols, .. } = *geometry;
    rows.taps(o).map(move |k| rows.at(o, k) * cols.input * channels)
}

/// Where the channels of the pixels begin that each window of an output row reaches, in a line.
pub(crate) struct ColumnTaps {
    pixels: Vec<usize>,
    /// Where the pixels of each window end.
    ends: Vec<usize>,
}

impl ColumnTaps {
    pub(crate) fn new(geometry: &Pool2dGeometry) -> ColumnTaps {
        let Pool2dGeometry { channels, cols, .. } = *geometry;
        let mut taps = ColumnTaps { pixels: Vec::new(), ends: Vec::with_capacity(cols.output) };
        for o in 0..cols.output {
            taps.pixels.extend(cols.taps(o).map(|l| cols.at(o, l) * channels));
            taps.ends.push(taps.pixels.len());
        }
        taps
    }

    /// The pixels of one window after another.
    pub(crate) fn windows(&self) -> impl Iterator<Item = &[usize]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let pixels = &self.pixels[start..end];
            start = end;
            pixels
        })
    }
}

/// The taps of one window that lie inside the image.
struct Window<'a, T> {
    image: &'a [T],
    /// Where their lines begin.
    lines: &'a [usize],
    /// Where the channels of their pixels begin in a line.
    pixels: &'a [usize],
}

impl<T: Number> Window<'_, T> {
    /// The result for some channels, from `first` on.
    ///
    /// Values are kept in an array of their own: chosen between what is stored and another, they
    /// would be stored under a mask, and the next tap would wait for that.
    #[inline(always)]
    fn pool<R: Rule<T>, const N: usize>(&self, first: usize) -> [T; N] {
        let mut values = [R::START; N];
        for line in self.lines {
            for pixel in self.pixels {
                let Some(x) = self.image[line + pixel + first..].first_chunk::<N>() else {
                    continue;
                };
                for i in 0..N {
                    values[i] = R::step(values[i], x[i]);
                }
            }
        }
        let n_taps = self.lines.len() * self.pixels.len();
        for value in &mut values {
            *value = R::finish(*value, n_taps);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::{Pool2dGeometry, avg_pool, max_pool};
    use crate::pool::Pool;
    use crate::test_support::{Random, assert_close, pools};
    use crate::window::Padding;

    /// Calls `f(window, place in the result)`.
    fn naive(g: &Pool2dGeometry, x: &[f32], mut f: impl FnMut(Vec<f32>, usize)) {
        let (rows, cols) = (&g.rows, &g.cols);
        for i in 0..g.batch * rows.output * cols.output * g.channels {
            let (c, o) = (i % g.channels, i / g.channels);
            let (q, p) = (o % cols.output, o / cols.output % rows.output);
            let b = o / cols.output / rows.output;
            let mut window = Vec::new();
            for k in 0..rows.filter {
                for l in 0..cols.filter {
                    let h = (p * rows.stride + k) as isize - rows.before as isize;
                    let w = (q * cols.stride + l) as isize - cols.before as isize;
                    if (0..rows.input as isize).contains(&h)
                        && (0..cols.input as isize).contains(&w)
                    {
                        let at = (b * rows.input + h as usize) * cols.input + w as usize;
                        window.push(x[at * g.channels + c]);
                    }
                }
            }
            f(window, i);
        }
    }

    #[test]
    fn windows_match_the_definition() {
        let explicit = Padding::Explicit { top: 1, bottom: 0, left: 0, right: 2 };
        let cases = [
            ([0, 4, 4, 2], [2, 2], [2, 2], Padding::Valid),
            ([1, 4, 4, 0], [2, 2], [2, 2], Padding::Valid),
            ([1, 0, 4, 3], [2, 2], [2, 2], Padding::Same),
            ([1, 1, 1, 1], [1, 1], [1, 1], Padding::Valid),
            ([2, 7, 5, 3], [3, 2], [2, 1], Padding::Same),
            ([2, 7, 5, 3], [3, 2], [2, 1], Padding::Valid),
            ([1, 6, 6, 20], [3, 3], [2, 2], explicit),
            ([1, 30, 31, 65], [3, 3], [2, 2], Padding::Same),
            ([2, 7, 7, 130], [7, 7], [1, 1], Padding::Valid),
        ];
        for pool in pools() {
            for (input, window, strides, padding) in cases {
                let g = Pool2dGeometry::new(input, window, strides, padding).unwrap();
                let x = Random::new(7).f32s(input.iter().product());
                let n = g.output_shape().iter().product();
                let (mut maxima, mut means) = (vec![0.0; n], vec![0.0; n]);
                naive(&g, &x, |v, i| {
                    maxima[i] = v.iter().copied().fold(f32::MIN, f32::max);
                    means[i] = v.iter().map(|&v| f64::from(v)).sum::<f64>() / v.len() as f64;
                });
                let mut y = vec![f32::NAN; n];
                max_pool(&pool, &g, &x, &mut y);
                assert_eq!(y, maxima, "{g:?}");
                avg_pool(&pool, &g, &x, &mut y);
                assert_close(&y, &means, 1e-6, &format!("{g:?}"));
            }
        }
    }

    /// Values observed with TensorFlow 2.21.
    #[test]
    fn special_values_are_those_of_tensorflow() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let g = Pool2dGeometry::new([1, 1, 6, 1], [1, 3], [1, 3], Padding::Valid).unwrap();
        let mut y = [0.0; 2];
        max_pool(&Pool::new(1), &g, &[nan, 1.0, 1.0, nan, nan, nan], &mut y);
        assert_eq!(y, [1.0, f32::MIN]);
        max_pool(&Pool::new(1), &g, &[-inf, -inf, -inf, 1.0, nan, 3.0], &mut y);
        assert_eq!(y, [f32::MIN, 3.0]);
    }

    #[test]
    fn integers_have_a_maximum_too() {
        let g = Pool2dGeometry::new([1, 2, 2, 1], [2, 2], [1, 1], Padding::Same).unwrap();
        let mut y = [0; 4];
        max_pool(&Pool::new(1), &g, &[-4_i8, -3, -2, -1], &mut y);
        assert_eq!(y, [-1, -1, -1, -1]);
    }
}
