//! Depthwise convolution: every channel has filters of its own.

use std::ops::Range;

use crate::number::Float;
use crate::pool::Pool;
use crate::simd::{Kernel, dispatch};
use crate::tile::{Activation, Epilogue, activate};
use crate::window::{Axis, GeometryError, Padding, checked_len};

/// Multiply-adds per task to aim at.
const TASK_SIZE: usize = 512 << 10;

/// The sizes of a depthwise convolution, by TensorFlow's rules.
///
/// Input `[batch, rows.input, cols.input, channels]`, filter `[rows.filter, cols.filter, channels,
/// multiplier]`, output `[batch, rows.output, cols.output, channels * multiplier]`; filter `m` of
/// channel `c` makes output channel `c * multiplier + m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthwiseGeometry {
    /// Images.
    pub batch: usize,
    /// Channels of the input.
    pub channels: usize,
    /// Output channels for each input channel.
    pub multiplier: usize,
    /// Windows from top to bottom.
    pub rows: Axis,
    /// Windows from left to right.
    pub cols: Axis,
}

impl DepthwiseGeometry {
    /// Works out the sizes for an NHWC input and a filter `[height, width, channels, multiplier]`.
    ///
    /// Errors: another number of channels, what [`Axis::new`] refuses, and sizes whose product
    /// exceeds the address space.
    pub fn new(
        input: [usize; 4],
        filter: [usize; 4],
        strides: [usize; 2],
        dilations: [usize; 2],
        padding: Padding,
    ) -> Result<Self, GeometryError> {
        let [batch, height, width, channels] = input;
        let [filter_height, filter_width, filter_channels, multiplier] = filter;
        if channels != filter_channels {
            let filter = filter_channels;
            return Err(GeometryError::DepthwiseDepth { input: channels, filter });
        }
        let rows = Axis::new(height, filter_height, strides[0], dilations[0], padding.rows())?;
        let cols = Axis::new(width, filter_width, strides[1], dilations[1], padding.cols())?;
        checked_len(&input)?;
        checked_len(&filter)?;
        checked_len(&[batch, rows.output, cols.output, channels, multiplier])?;
        Ok(DepthwiseGeometry { batch, channels, multiplier, rows, cols })
    }

    /// The shape of the output, NHWC.
    pub fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.rows.output, self.cols.output, self.channels * self.multiplier]
    }
}

/// Convolves every channel of `x` with its own filters.
///
/// Shapes: see [`DepthwiseGeometry`]; the bias has an element per output channel.
/// Panics: if the lengths do not fit the geometry.
pub fn depthwise_conv2d<T: Float>(
    pool: &Pool,
    geometry: &DepthwiseGeometry,
    x: &[T],
    filter: &[T],
    epilogue: Epilogue<'_, T>,
    y: &mut [T],
) {
    let DepthwiseGeometry { batch, channels, multiplier, rows, cols } = *geometry;
    let image_len = rows.input * cols.input * channels;
    let outputs = channels * multiplier;
    let filter_len = rows.filter * cols.filter * outputs;
    let line_len = cols.output * outputs;
    assert!(x.len() == batch * image_len, "an input of {} elements does not fit", x.len());
    assert!(filter.len() == filter_len, "a filter of {} elements does not fit", filter.len());
    assert!(y.len() == batch * rows.output * line_len, "an output of {} elements", y.len());
    if let Some(bias) = epilogue.bias {
        assert!(bias.len() == outputs, "a bias of {} elements", bias.len());
    }
    if y.is_empty() {
        return;
    }
    let no_bias = if epilogue.bias.is_none() { vec![T::ZERO; outputs] } else { Vec::new() };
    let bias = epilogue.bias.unwrap_or(&no_bias);
    let activation = epilogue.activation;
    let lines = (TASK_SIZE / (cols.output * filter_len).max(1)).max(1);
    pool.parallel_chunks(y, lines * line_len, |i, y| {
        let mut repeated = Vec::new();
        for (j, y) in y.chunks_mut(line_len).enumerate() {
            let (image_idx, o) = ((i * lines + j) / rows.output, (i * lines + j) % rows.output);
            let image = &x[image_idx * image_len..][..image_len];
            let taps = rows.taps(o);
            if multiplier == 1 {
                let first_line = 0;
                let line =
                    Line { rows, cols, image, first_line, taps, filter, bias, activation, o, y };
                dispatch(line);
                continue;
            }
            // Each channel is repeated for its filters; then every output has its own input.
            let first_line = if taps.is_empty() { 0 } else { rows.at(o, taps.start) };
            let end_line = if taps.is_empty() { 0 } else { rows.at(o, taps.end - 1) + 1 };
            let line_len = cols.input * channels;
            repeated.clear();
            for &x in &image[first_line * line_len..end_line * line_len] {
                repeated.extend(std::iter::repeat_n(x, multiplier));
            }
            let image = &repeated[..];
            dispatch(Line { rows, cols, image, first_line, taps, filter, bias, activation, o, y });
        }
    });
}

/// One line of the output, for one filter per channel.
struct Line<'a, T> {
    rows: Axis,
    cols: Axis,
    /// The image from `first_line` on.
    image: &'a [T],
    first_line: usize,
    /// The filter rows inside the image.
    taps: Range<usize>,
    filter: &'a [T],
    /// One element per channel.
    bias: &'a [T],
    activation: Activation,
    o: usize,
    y: &'a mut [T],
}

impl<T: Float> Kernel for Line<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool, const WIDTH: usize>(mut self) {
        // Two registers at a time, or as much as the channels fill.
        let lanes = WIDTH / size_of::<T>();
        match self.bias.len() {
            32.. if lanes >= 16 => self.line::<32, FMA>(),
            16.. if lanes >= 8 => self.line::<16, FMA>(),
            8.. if lanes >= 4 => self.line::<8, FMA>(),
            4.. => self.line::<4, FMA>(),
            _ => self.line::<1, FMA>(),
        }
    }
}

impl<T: Float> Line<'_, T> {
    /// Pixels at the edges one by one, with the taps inside; those between four at a time.
    #[inline(always)]
    fn line<const W: usize, const FMA: bool>(&mut self) {
        let inner = self.cols.inner();
        let mut pixel = 0;
        while pixel < self.cols.output {
            if inner.contains(&pixel) && pixel + 4 <= inner.end {
                self.pixels::<4, W, FMA>(pixel, 0..self.cols.filter);
                pixel += 4;
            } else {
                self.pixels::<1, W, FMA>(pixel, self.cols.taps(pixel));
                pixel += 1;
            }
        }
    }

    /// Computes `P` neighboring pixels.
    #[inline(always)]
    fn pixels<const P: usize, const W: usize, const FMA: bool>(
        &mut self,
        pixel: usize,
        col_taps: Range<usize>,
    ) {
        let channels = self.bias.len();
        let mut c = 0;
        loop {
            self.lanes::<P, W, FMA>(pixel, col_taps.clone(), c);
            c += W;
            match channels.saturating_sub(c) {
                0 => return,
                // The last lanes overlap those before; they hold the same values there.
                rest if rest < W => c = channels - W,
                _ => {}
            }
        }
    }

    /// Computes channels `c..c + W` of `P` neighboring pixels.
    #[inline(always)]
    fn lanes<const P: usize, const W: usize, const FMA: bool>(
        &mut self,
        pixel: usize,
        col_taps: Range<usize>,
        c: usize,
    ) {
        let channels = self.bias.len();
        let mut sums = [*lanes_at::<T, W>(self.bias, c); P];
        for k in self.taps.clone() {
            let line = (self.rows.at(self.o, k) - self.first_line) * self.cols.input;
            for l in col_taps.clone() {
                let weights =
                    lanes_at::<T, W>(self.filter, (k * self.cols.filter + l) * channels + c);
                let first = (line + self.cols.at(pixel, l)) * channels + c;
                for (p, sums) in sums.iter_mut().enumerate() {
                    let x = lanes_at::<T, W>(self.image, first + p * self.cols.stride * channels);
                    for j in 0..W {
                        sums[j] = x[j].times_plus::<FMA>(weights[j], sums[j]);
                    }
                }
            }
        }
        for (p, sums) in sums.iter_mut().enumerate() {
            activate(self.activation, sums);
            self.y[(pixel + p) * channels + c..][..W].copy_from_slice(sums);
        }
    }
}

/// The `W` elements from `start` on.
#[inline(always)]
fn lanes_at<T, const W: usize>(data: &[T], start: usize) -> &[T; W] {
    let Some(lanes) = data[start..].first_chunk() else {
        unreachable!("{W} lanes lie inside the data")
    };
    lanes
}
