//! Blocks of pixels as channels, and back.

use super::layout::DataFormat;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::cells::fill_from;
use crate::ops::strided::{Strided, dense_strides};

/// Turns blocks of pixels into channels.
///
/// Shapes: `[N, H, W, C]` (or as `data_format` says) → `[N, H / b, W / b, b * b * C]` with `b` the `block_size`;
/// channel `(y * b + x) * C + c` is channel `c` of pixel `(y, x)` of the block.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for another rank, or images that are no whole number of blocks; `UNIMPLEMENTED` for
/// `NCHW_VECT_C`.
/// Source: OpDef `SpaceToDepth`; NCHW, which the reference CPU kernel refuses, as the transposed NHWC.
pub(super) fn space_to_depth(init: &KernelInit<'_>) -> Built {
    let (format, block) = attrs(init)?;
    kernel(move |cx| {
        let input = cx.input(0)?;
        let &[a, b, c, d] = input.dims() else {
            let message = format!("Input rank should be 4 instead of {}", input.shape().rank());
            return Err(Status::invalid_argument(message));
        };
        let [n, height, width, depth] = format.nhwc([a, b, c, d]);
        if !height.is_multiple_of(block) || !width.is_multiple_of(block) {
            return Err(Status::invalid_argument(format!(
                "Image width {width} and height {height} should be divisible by block_size: {block}"
            )));
        }
        let (rows, cols) = (height / block, width / block);
        let channels = [block, block, depth].iter().try_fold(1usize, |n, dim| n.checked_mul(*dim));
        let channels = channels.ok_or_else(too_large)?;
        let strides = dense_strides(input.dims());
        let [by_n, by_row, by_col, by_channel] =
            format.nhwc([strides[0], strides[1], strides[2], strides[3]]);
        let step = block as isize;
        let blocks = [(block, by_row), (block, by_col), (depth, by_channel)];
        let pixels = [(rows, by_row.wrapping_mul(step)), (cols, by_col.wrapping_mul(step))];
        let (shape, axes) = match format {
            DataFormat::ChannelsLast => {
                ([n, rows, cols, channels], [&pixels[..], &blocks].concat())
            }
            DataFormat::ChannelsFirst => {
                ([n, channels, rows, cols], [&blocks[..], &pixels].concat())
            }
        };
        let walk = Strided::new(0, [(n, by_n)].into_iter().chain(axes));
        let output = fill_from(input.dtype(), &[input], shape, walk.on(cx.pool()))?;
        cx.set_output(0, output)
    })
}

/// Turns channels into blocks of pixels: the inverse of [`space_to_depth`].
///
/// Shapes: `[N, H, W, b * b * C]` → `[N, H * b, W * b, C]`.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for another rank, or channels that are no whole number of blocks; `UNIMPLEMENTED` for
/// `NCHW_VECT_C`.  Source: OpDef `DepthToSpace`.
pub(super) fn depth_to_space(init: &KernelInit<'_>) -> Built {
    let (format, block) = attrs(init)?;
    kernel(move |cx| {
        let input = cx.input(0)?;
        let &[a, b, c, d] = input.dims() else {
            let message = format!("Input rank should be: 4 instead of: {}", input.shape().rank());
            return Err(Status::invalid_argument(message));
        };
        let [n, rows, cols, channels] = format.nhwc([a, b, c, d]);
        let square = block.checked_mul(block).ok_or_else(too_large)?;
        if !channels.is_multiple_of(square) {
            return Err(Status::invalid_argument(format!(
                "Input depth dimension {channels} should be divisible by: {square}"
            )));
        }
        let depth = channels / square;
        let height = rows.checked_mul(block).ok_or_else(too_large)?;
        let width = cols.checked_mul(block).ok_or_else(too_large)?;
        let strides = dense_strides(input.dims());
        let [by_n, by_row, by_col, by_channel] =
            format.nhwc([strides[0], strides[1], strides[2], strides[3]]);
        let by_block_col = by_channel.wrapping_mul(depth as isize);
        let by_block_row = by_block_col.wrapping_mul(block as isize);
        let pixels = [(rows, by_row), (block, by_block_row), (cols, by_col), (block, by_block_col)];
        let channel = [(depth, by_channel)];
        let (shape, axes) = match format {
            DataFormat::ChannelsLast => {
                ([n, height, width, depth], [&pixels[..], &channel].concat())
            }
            DataFormat::ChannelsFirst => {
                ([n, depth, height, width], [&channel[..], &pixels].concat())
            }
        };
        let walk = Strided::new(0, [(n, by_n)].into_iter().chain(axes));
        let output = fill_from(input.dtype(), &[input], shape, walk.on(cx.pool()))?;
        cx.set_output(0, output)
    })
}

fn too_large() -> Status {
    Status::resource_exhausted("the blocks are too large")
}

fn attrs(init: &KernelInit<'_>) -> Result<(DataFormat, usize), Status> {
    if init.attr_str("data_format")? == "NCHW_VECT_C" {
        let message = format!("op {} has no CPU kernel for NCHW_VECT_C", init.op());
        return Err(Status::unimplemented(message));
    }
    let block = init.attr_int("block_size")?;
    match usize::try_from(block) {
        Ok(block) if block > 1 => Ok((DataFormat::new(init)?, block)),
        _ => Err(Status::invalid_argument(format!("Block size should be > 1, but was: {block}"))),
    }
}
