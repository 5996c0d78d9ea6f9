//! What convolution and pooling of volumes have in common: how windows are laid over them.

use flowkeep_linalg::window::{Axis, AxisPadding};
use flowkeep_tensor::Tensor;

use super::layout::DataFormat;
use super::window::misfit;
use crate::kernel::{KernelInit, Status};

/// How a window moves over volumes; lists are (planes, rows, columns).
#[derive(Clone, Copy, Debug)]
pub(super) struct VolumeAttrs {
    pub(super) format: DataFormat,
    strides: [usize; 3],
    dilations: [usize; 3],
    padding: AxisPadding,
}

impl VolumeAttrs {
    /// Reads `data_format`, `strides`, `padding`, and, where the op has it, `dilations`.
    ///
    /// Errors: `INVALID_ARGUMENT` for lists of a wrong length or wrong values, and for a stride or dilation of batch
    /// or channels.
    pub(super) fn new(init: &KernelInit<'_>) -> Result<VolumeAttrs, Status> {
        let format = DataFormat::new(init)?;
        let strides = spatial(format, "strides", init.attr_ints("strides")?)?;
        let dilations = match init.attr("dilations") {
            Some(_) => spatial(format, "dilations", init.attr_ints("dilations")?)?,
            None => [1; 3],
        };
        let padding = match init.attr_str("padding")? {
            "SAME" => AxisPadding::Same,
            "VALID" => AxisPadding::Explicit(0, 0),
            other => {
                return Err(Status::invalid_argument(format!("Unknown padding type: {other}")));
            }
        };
        Ok(VolumeAttrs { format, strides, dilations, padding })
    }

    /// The windows of this size along planes, rows and columns.
    pub(super) fn axes(&self, input: [usize; 3], window: [usize; 3]) -> Result<[Axis; 3], Status> {
        let axis = |i: usize| {
            Axis::new(input[i], window[i], self.strides[i], self.dilations[i], self.padding)
                .map_err(misfit)
        };
        Ok([axis(0)?, axis(1)?, axis(2)?])
    }
}

/// The three spatial values of a list over all dimensions, which are positive; the others must be 1.
pub(super) fn spatial(
    format: DataFormat,
    what: &str,
    values: &[i64],
) -> Result<[usize; 3], Status> {
    let &[n, a, b, c, d] = values else {
        return Err(Status::invalid_argument(format!(
            "Sliding window {what} field must specify 5 dimensions"
        )));
    };
    let (channels, values) = match format {
        DataFormat::ChannelsLast => (d, [a, b, c]),
        DataFormat::ChannelsFirst => (a, [b, c, d]),
    };
    if (n, channels) != (1, 1) {
        return Err(Status::invalid_argument(format!(
            "Current implementation does not yet support {what} in the batch and depth dimensions."
        )));
    }
    let mut sizes = [0; 3];
    for (size, value) in sizes.iter_mut().zip(values) {
        *size = usize::try_from(value).ok().filter(|size| *size > 0).ok_or_else(|| {
            Status::invalid_argument(format!("{what} must be positive, got {value}"))
        })?;
    }
    Ok(sizes)
}

/// The dimensions of a tensor of rank 5 as (batch, planes, rows, columns, channels).
pub(super) fn dims5(format: DataFormat, tensor: &Tensor) -> Option<[usize; 5]> {
    let &[n, a, b, c, d] = tensor.dims() else { return None };
    Some(match format {
        DataFormat::ChannelsLast => [n, a, b, c, d],
        DataFormat::ChannelsFirst => [n, b, c, d, a],
    })
}

/// The input element under tap `k` of window `o`, if it lies inside.
#[inline(always)]
pub(super) fn tap(axis: &Axis, o: usize, k: usize) -> Option<usize> {
    (o * axis.stride + k * axis.dilation).checked_sub(axis.before).filter(|at| *at < axis.input)
}

/// The window whose tap `k` is the input element `i`, if there is one.
#[inline(always)]
pub(super) fn window_of(axis: &Axis, i: usize, k: usize) -> Option<usize> {
    let start = (i + axis.before).checked_sub(k * axis.dilation)?;
    let window = start / axis.stride;
    (start % axis.stride == 0 && window < axis.output).then_some(window)
}

/// The place of element number `at` of volumes of this size: batch, plane, row, column.
#[inline(always)]
pub(super) fn place(at: usize, [planes, rows, cols]: [usize; 3]) -> [usize; 4] {
    let (rest, col) = (at / cols, at % cols);
    let (rest, row) = (rest / rows, rest % rows);
    [rest / planes, rest % planes, row, col]
}
