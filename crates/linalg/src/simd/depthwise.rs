//! A line of depthwise convolution: channels in registers, several pixels at a time.

use std::ops::Range;

use super::tile::load;
use super::{Level, Vector, VectorKernel, dispatch_vector};
use crate::number::Float;
use crate::tile::{Activation, activated};
use crate::window::Axis;

/// One line of the output, with one filter per channel.
#[derive(Clone)]
pub(crate) struct DepthwiseLine<'a, T> {
    /// Windows from left to right.
    pub(crate) cols: Axis,
    pub(crate) channels: usize,
    /// The image from the line under the first tap on.
    pub(crate) image: &'a [T],
    /// Distance of the lines under neighboring taps.
    pub(crate) dilation: usize,
    /// The filter rows inside the image.
    pub(crate) taps: Range<usize>,
    /// The weights of all taps, one element per channel each.
    pub(crate) weights: &'a [T],
    /// One element per channel.
    pub(crate) bias: &'a [T],
    pub(crate) activation: Activation,
}

impl<T: Float> DepthwiseLine<'_, T> {
    /// Computes the line. Panics: if sizes do not fit.
    pub(crate) fn store_to(self, level: Level, y: &mut [T]) {
        dispatch_vector(level, Walk { line: self, y });
    }
}

struct Walk<'a, T> {
    line: DepthwiseLine<'a, T>,
    y: &'a mut [T],
}

impl<T: Float> VectorKernel<T> for Walk<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(mut self) {
        let (inner, n_pixels) = (self.line.cols.inner(), self.line.cols.output);
        let n_taps = self.line.cols.filter;
        let mut pixel = 0;
        while pixel < n_pixels {
            // SAFETY: the instruction set of V is available, as the caller promises.
            unsafe {
                if inner.contains(&pixel) && pixel + 4 <= inner.end {
                    self.pixels::<V, 4>(pixel, 0..n_taps);
                    pixel += 4;
                } else {
                    // At the edges one by one, with the taps inside.
                    self.pixels::<V, 1>(pixel, self.line.cols.taps(pixel));
                    pixel += 1;
                }
            }
        }
    }
}

impl<T: Float> Walk<'_, T> {
    /// Computes `P` neighboring pixels.
    ///
    /// # Safety
    ///
    /// The instruction set of `V` must be available.
    #[inline(always)]
    unsafe fn pixels<V: Vector<T>, const P: usize>(&mut self, pixel: usize, taps: Range<usize>) {
        let channels = self.line.channels;
        let mut c = 0;
        // SAFETY: promised by the caller.
        unsafe {
            while c + 2 * V::LANES <= channels {
                self.lanes::<V, P, 2>(pixel, taps.clone(), c);
                c += 2 * V::LANES;
            }
            while c + V::LANES <= channels {
                self.lanes::<V, P, 1>(pixel, taps.clone(), c);
                c += V::LANES;
            }
            if c < channels && channels >= V::LANES {
                // The last lanes overlap those before, where they compute the same values.
                self.lanes::<V, P, 1>(pixel, taps, channels - V::LANES);
                return;
            }
        }
        for p in pixel..pixel + P {
            for c in c..channels {
                self.scalar(p, taps.clone(), c);
            }
        }
    }

    /// Computes `N` registers of channels from `c` on, for `P` neighboring pixels.
    ///
    /// # Safety
    ///
    /// The instruction set of `V` must be available.
    #[inline(always)]
    unsafe fn lanes<V: Vector<T>, const P: usize, const N: usize>(
        &mut self,
        pixel: usize,
        col_taps: Range<usize>,
        c: usize,
    ) {
        let DepthwiseLine { cols, channels, image, dilation, weights, bias, .. } = self.line;
        let step = cols.stride * channels;
        // SAFETY: the instruction set of V is available; every load is from a slice of N
        // registers, or of the last pixel's end, cut out of the data (checked).
        unsafe {
            let start: [V; N] = load(&bias[c..]);
            let mut sums = [start; P];
            for (i, k) in self.line.taps.clone().enumerate() {
                let line = i * dilation * cols.input;
                for l in col_taps.clone() {
                    let w: [V; N] = load(&weights[(k * cols.filter + l) * channels + c..]);
                    let x = (line + cols.at(pixel, l)) * channels + c;
                    let x = image[x..][..(P - 1) * step + N * V::LANES].as_ptr();
                    for (p, sums) in sums.iter_mut().enumerate() {
                        for (j, sum) in sums.iter_mut().enumerate() {
                            let x = V::load(x.add(p * step + j * V::LANES));
                            *sum = x.times_plus(w[j], *sum);
                        }
                    }
                }
            }
            let y = &mut self.y[pixel * channels + c..][..(P - 1) * channels + N * V::LANES];
            let y = y.as_mut_ptr();
            let (zero, six) = (V::splat(T::ZERO), V::splat(T::from_f64(6.0)));
            for (p, sums) in sums.into_iter().enumerate() {
                for (j, sum) in sums.into_iter().enumerate() {
                    let value = match self.line.activation {
                        Activation::None => sum,
                        Activation::Relu => sum.at_least(zero),
                        Activation::Relu6 => sum.at_least(zero).at_most(six),
                    };
                    // Inside the slice cut out above.
                    value.store(y.add(p * channels + j * V::LANES));
                }
            }
        }
    }

    /// Computes one channel of one pixel.
    fn scalar(&mut self, pixel: usize, col_taps: Range<usize>, c: usize) {
        let DepthwiseLine { cols, channels, image, dilation, weights, bias, .. } = self.line;
        let mut sum = bias[c];
        for (i, k) in self.line.taps.clone().enumerate() {
            let line = i * dilation * cols.input;
            for l in col_taps.clone() {
                let x = image[(line + cols.at(pixel, l)) * channels + c];
                let w = weights[(k * cols.filter + l) * channels + c];
                sum = x.times(w).plus(sum);
            }
        }
        self.y[pixel * channels + c] = activated(self.line.activation, sum);
    }
}
