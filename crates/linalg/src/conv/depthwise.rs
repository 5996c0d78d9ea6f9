//! Depthwise convolution: every channel has filters of its own.

use crate::number::Float;
use crate::pool::Pool;
use crate::simd::{DepthwiseLine, Level};
use crate::tile::Epilogue;
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
    convolve(Level::best(), pool, geometry, x, filter, epilogue, y);
}

/// [`depthwise_conv2d`] at a given level.
pub(super) fn convolve<T: Float>(
    level: Level,
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
            // The input lines under the filter; with several filters for a channel, each channel
            // is repeated for them, so that every output has an input of its own.
            let first_line = if taps.is_empty() { 0 } else { rows.at(o, taps.start) };
            let end_line = if taps.is_empty() { 0 } else { rows.at(o, taps.end - 1) + 1 };
            let line_len = cols.input * channels;
            let mut image = &image[first_line * line_len..end_line * line_len];
            if multiplier != 1 {
                repeated.clear();
                repeated.extend(image.iter().flat_map(|&x| std::iter::repeat_n(x, multiplier)));
                image = &repeated;
            }
            let (dilation, channels) = (rows.dilation, outputs);
            let line = DepthwiseLine {
                cols,
                channels,
                image,
                dilation,
                taps,
                weights: filter,
                bias,
                activation,
            };
            line.store_to(level, y);
        }
    });
}
