//! What convolution and pooling of volumes have in common: how windows are laid over them.

use std::ops::Range;

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
        Ok(VolumeAttrs { format, strides, dilations, padding: padding(init)? })
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

/// Reads `padding`.
///
/// Errors: `INVALID_ARGUMENT` for an unknown rule.
pub(super) fn padding(init: &KernelInit<'_>) -> Result<AxisPadding, Status> {
    match init.attr_str("padding")? {
        "SAME" => Ok(AxisPadding::Same),
        "VALID" => Ok(AxisPadding::Explicit(0, 0)),
        other => Err(Status::invalid_argument(format!("Unknown padding type: {other}"))),
    }
}

/// The windows of pooling along planes, rows and columns; images are volumes of one plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolWindows {
    size: [usize; 3],
    strides: [usize; 3],
}

impl PoolWindows {
    /// Checks lists over all dimensions of volumes, or of images.
    ///
    /// Errors: `INVALID_ARGUMENT` for lists of another length than `rank` and for sizes that are not positive;
    /// `UNIMPLEMENTED` for windows over batch or channels, the latter saying that `name` has none.
    pub(super) fn new(
        format: DataFormat,
        rank: usize,
        name: &str,
        ksize: &[i64],
        strides: &[i64],
    ) -> Result<PoolWindows, Status> {
        for (list, what) in [(ksize, "ksize"), (strides, "strides")] {
            if list.len() != rank {
                return Err(Status::invalid_argument(format!(
                    "Sliding window {what} field must specify {rank} dimensions"
                )));
            }
        }
        let channels = format.channel_axis(rank);
        for (at, whose) in [(0, "Pooling is not yet supported on the batch"), (channels, name)] {
            if ksize[at] != 1 || strides[at] != 1 {
                return Err(Status::unimplemented(match at {
                    0 => format!("{whose} dimension."),
                    _ => format!("{whose} is not yet supported on the depth dimension."),
                }));
            }
        }
        let three = |list: &[i64]| -> Result<[usize; 3], Status> {
            let spatial = list.iter().enumerate().filter(|(at, _)| ![0, channels].contains(at));
            // Images have no planes.
            let mut sizes = [1; 3];
            for (to, (_, size)) in sizes[5 - rank..].iter_mut().zip(spatial) {
                *to = usize::try_from(*size).ok().filter(|size| *size > 0).ok_or_else(|| {
                    let message =
                        format!("Sliding window ksize and strides must be > 0, got {size}");
                    Status::invalid_argument(message)
                })?;
            }
            Ok(sizes)
        };
        Ok(PoolWindows { size: three(ksize)?, strides: three(strides)? })
    }

    /// The windows on volumes of these sizes.
    pub(super) fn axes(
        &self,
        input: [usize; 3],
        padding: AxisPadding,
    ) -> Result<[Axis; 3], Status> {
        let axis = |i: usize| {
            Axis::new(input[i], self.size[i], self.strides[i], 1, padding).map_err(misfit)
        };
        Ok([axis(0)?, axis(1)?, axis(2)?])
    }
}

/// The windows that lie over input element `i`, if taps are next to each other.
pub(super) fn over(axis: &Axis, i: usize) -> Range<usize> {
    let at = i + axis.before;
    let start = at.checked_sub(axis.filter).map_or(0, |rest| rest / axis.stride + 1);
    start..(at / axis.stride + 1).min(axis.output)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::nn::window::under;

    #[test]
    fn windows_over_an_element_are_those_that_it_lies_under() {
        let paddings =
            [AxisPadding::Same, AxisPadding::Explicit(0, 0), AxisPadding::Explicit(2, 1)];
        for padding in paddings {
            for (input, filter, stride) in [(7, 3, 1), (7, 2, 3), (6, 5, 2), (1, 1, 1), (4, 3, 4)] {
                let axis = Axis::new(input, filter, stride, 1, padding).unwrap();
                for i in 0..input {
                    let under_it = (0..axis.output).filter(|o| under(&axis, *o).contains(&i));
                    assert!(under_it.eq(over(&axis, i)), "{axis:?} at {i}");
                }
            }
        }
    }

    #[test]
    fn images_are_volumes_of_one_plane() {
        let windows = |format, rank, ksize: &[i64]| {
            PoolWindows::new(format, rank, "This", ksize, &[1, 1, 1, 1, 1][..rank])
        };
        let (last, first) = (DataFormat::ChannelsLast, DataFormat::ChannelsFirst);
        assert_eq!(windows(last, 4, &[1, 2, 3, 1]).unwrap().size, [1, 2, 3]);
        assert_eq!(windows(first, 4, &[1, 1, 2, 3]).unwrap().size, [1, 2, 3]);
        assert_eq!(windows(first, 5, &[1, 1, 2, 3, 4]).unwrap().size, [2, 3, 4]);
        let status = windows(last, 4, &[1, 2, 3, 2]).unwrap_err();
        assert_eq!(status.message(), "This is not yet supported on the depth dimension.");
        assert!(windows(last, 5, &[1, 2, 3, 1]).is_err());
        assert!(windows(last, 4, &[1, 0, 3, 1]).is_err());
    }
}
