//! The gradient of maximum pooling of NHWC images.

use crate::pool::Pool;
use crate::pooling::{ColumnTaps, Pool2dGeometry, line_taps};
use crate::simd::{Kernel, dispatch};
use crate::window::Axis;

/// Gives the gradient of each window to its largest element, to the first one of several.
///
/// Shapes: `x` and `dx` `[batch, height, width, channels]`, `dy` as [`Pool2dGeometry::output_shape`].
/// `is_less` compares, and the later of two elements wins only if it says so of them; `add` adds
/// gradients, and first of all to the default of `T`. Panics: if the lengths do not fit.
pub fn max_pool_backprop<T: Copy + Default + Send + Sync>(
    pool: &Pool,
    geometry: &Pool2dGeometry,
    (x, dy): (&[T], &[T]),
    dx: &mut [T],
    is_less: impl Fn(T, T) -> bool + Copy + Sync,
    add: impl Fn(T, T) -> T + Copy + Sync,
) {
    let Pool2dGeometry { batch, channels, rows, cols } = *geometry;
    let image_len = rows.input * cols.input * channels;
    let out_len = rows.output * cols.output * channels;
    assert!(x.len() == batch * image_len, "the input has {} elements", x.len());
    assert!(dx.len() == batch * image_len, "its gradient has {} elements", dx.len());
    assert!(dy.len() == batch * out_len, "the output gradient has {} elements", dy.len());
    if dx.is_empty() || dy.is_empty() {
        return dx.fill(T::default());
    }
    let (taps, is_tiled) = (ColumnTaps::new(geometry), is_tiled(geometry));
    pool.parallel_chunks(dx, image_len, |idx, dx| {
        let x = &x[idx * image_len..][..image_len];
        let dy = &dy[idx * out_len..][..out_len];
        if !is_tiled {
            dx.fill(T::default());
        }
        dispatch(Image { geometry, taps: &taps, x, dy, dx, is_tiled, is_less, add });
    });
}

/// Whether windows lie side by side without gaps, so that each element is in one of them.
pub(crate) fn is_tiled(geometry: &Pool2dGeometry) -> bool {
    let tiles = |axis: &Axis| {
        axis.stride == axis.filter && axis.output * axis.stride >= axis.input + axis.before
    };
    tiles(&geometry.rows) && tiles(&geometry.cols)
}

/// Channels at a time.
const LANES: usize = 16;

/// One image.
struct Image<'a, T, L, A> {
    geometry: &'a Pool2dGeometry,
    taps: &'a ColumnTaps,
    x: &'a [T],
    dy: &'a [T],
    dx: &'a mut [T],
    /// Whether each element is in one window.
    is_tiled: bool,
    is_less: L,
    add: A,
}

impl<T, L, A> Kernel for Image<'_, T, L, A>
where
    T: Copy + Default,
    L: Fn(T, T) -> bool + Copy,
    A: Fn(T, T) -> T + Copy,
{
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Image { geometry, taps, x, dy, dx, is_tiled, is_less, add } = self;
        let Pool2dGeometry { channels, rows, cols, .. } = *geometry;
        let mut lines = Vec::with_capacity(rows.filter);
        for (row, dy) in dy.chunks_exact(cols.output * channels).enumerate() {
            lines.clear();
            lines.extend(line_taps(geometry, row));
            for (pixels, dy) in taps.windows().zip(dy.chunks_exact(channels)) {
                let window = Window { lines: &lines, pixels, is_tiled };
                let (blocks, rest) = dy.as_chunks::<LANES>();
                for (i, dy) in blocks.iter().enumerate() {
                    window.give(x, dy, dx, i * LANES, is_less, add);
                }
                for (i, dy) in rest.iter().enumerate() {
                    window.give(x, &[*dy], dx, blocks.len() * LANES + i, is_less, add);
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
    is_tiled: bool,
}

impl Window<'_> {
    /// Gives the gradients of some channels, from `first` on, to the largest elements.
    #[inline(always)]
    fn give<T: Copy + Default, const N: usize>(
        &self,
        x: &[T],
        dy: &[T; N],
        dx: &mut [T],
        first: usize,
        is_less: impl Fn(T, T) -> bool,
        add: impl Fn(T, T) -> T,
    ) {
        let (Some(line), Some(pixel)) = (self.lines.first(), self.pixels.first()) else { return };
        let Some(mut largest) = x[line + pixel + first..].first_chunk::<N>().copied() else {
            return;
        };
        let mut winners = [0u32; N];
        let mut tap = 0u32;
        for line in self.lines {
            for pixel in self.pixels {
                let Some(x) = x[line + pixel + first..].first_chunk::<N>() else { return };
                for i in 0..N {
                    let is_larger = is_less(largest[i], x[i]);
                    largest[i] = if is_larger { x[i] } else { largest[i] };
                    winners[i] = if is_larger { tap } else { winners[i] };
                }
                tap += 1;
            }
        }
        let mut tap = 0u32;
        for line in self.lines {
            for pixel in self.pixels {
                let at = line + pixel + first;
                let Some(dx) = dx[at..].first_chunk_mut::<N>() else { return };
                for i in 0..N {
                    let before = if self.is_tiled { T::default() } else { dx[i] };
                    let sum = add(before, dy[i]);
                    dx[i] = if winners[i] == tap { sum } else { before };
                }
                tap += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::max_pool_backprop;
    use crate::pooling::Pool2dGeometry;
    use crate::test_support::{Random, pools};
    use crate::window::Padding;

    #[test]
    fn each_gradient_goes_to_the_first_largest_element() {
        let cases = [
            ([1, 4, 4, 0], [2, 2], [2, 2], Padding::Valid),
            ([2, 7, 5, 3], [3, 2], [2, 1], Padding::Same),
            ([1, 6, 5, 70], [3, 3], [1, 2], Padding::Same),
            ([3, 5, 5, 32], [2, 2], [3, 3], Padding::Valid),
            ([2, 5, 4, 40], [2, 2], [2, 2], Padding::Same),
            ([2, 5, 4, 40], [2, 2], [2, 2], Padding::Valid),
        ];
        for pool in pools() {
            for (input, window, strides, padding) in cases {
                let g = Pool2dGeometry::new(input, window, strides, padding).unwrap();
                let (rows, cols, channels) = (g.rows, g.cols, g.channels);
                // Few values, so that windows have several largest elements.
                let x: Vec<f32> = Random::new(3).f32s(input.iter().product());
                let x: Vec<f32> = x.iter().map(|x| (x * 2.0).round()).collect();
                let dy = Random::new(4).f32s(g.output_shape().iter().product());
                let mut expected = vec![0.0; x.len()];
                for (at, dy) in dy.iter().enumerate() {
                    let (c, o) = (at % channels, at / channels);
                    let (q, p) = (o % cols.output, o / cols.output % rows.output);
                    let image = o / cols.output / rows.output * rows.input;
                    let taps = rows.taps(p).flat_map(|k| cols.taps(q).map(move |l| (k, l)));
                    let places = taps.map(|(k, l)| {
                        ((image + rows.at(p, k)) * cols.input + cols.at(q, l)) * channels + c
                    });
                    let best = places.reduce(|best, at| if x[best] < x[at] { at } else { best });
                    expected[best.unwrap()] += dy;
                }
                let mut dx = vec![7.0; x.len()];
                max_pool_backprop(&pool, &g, (&x, &dy), &mut dx, |a, b| a < b, |a, b| a + b);
                assert_eq!(dx, expected, "{g:?}");
            }
        }
    }
}
