//! What convolution and pooling have in common: how windows are laid over images.

use std::ops::Range;

use flowkeep_linalg::window::{Axis, GeometryError, Padding};
use flowkeep_tensor::{Code, Tensor};

use super::layout::DataFormat;
use crate::kernel::{KernelInit, Status};

/// How a window moves over images; pairs are (rows, columns).
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowAttrs {
    /// The order of the images' dimensions.
    pub(super) format: DataFormat,
    /// Distance of windows, at least 1.
    pub(super) strides: [usize; 2],
    /// Distance of taps, at least 1; 1 for ops without the attribute.
    pub(super) dilations: [usize; 2],
    /// What lies around the images.
    pub(super) padding: Padding,
}

impl WindowAttrs {
    /// Reads `data_format`, `strides`, `padding`, and, where the op has them, `dilations` and
    /// `explicit_paddings`.
    ///
    /// Errors: `INVALID_ARGUMENT` for lists of a wrong length or wrong values; `UNIMPLEMENTED` for a
    /// stride or dilation of batch or channels.
    pub(super) fn new(init: &KernelInit<'_>) -> Result<WindowAttrs, Status> {
        WindowAttrs::of_format(init, DataFormat::new(init)?)
    }

    /// As [`new`](Self::new), for ops without `data_format`.
    pub(super) fn of_format(
        init: &KernelInit<'_>,
        format: DataFormat,
    ) -> Result<WindowAttrs, Status> {
        let strides = spatial(format, "strides", init.attr_ints("strides")?)?;
        if strides.contains(&0) {
            return Err(Status::invalid_argument("Stride must be > 0, but got 0"));
        }
        let dilations = match init.attr("dilations") {
            Some(_) => spatial(format, "dilations", init.attr_ints("dilations")?)?,
            None => [1, 1],
        };
        if dilations.contains(&0) {
            return Err(Status::invalid_argument("Dilation rate must be >= 1, but got 0"));
        }
        Ok(WindowAttrs { format, strides, dilations, padding: padding(init, format)? })
    }
}

/// The two spatial values of a list over all dimensions, the others of which must be 1.
///
/// Errors: `INVALID_ARGUMENT` for a wrong length or a negative value; `UNIMPLEMENTED` for another value
/// than 1 of batch or channels.
pub(super) fn spatial(
    format: DataFormat,
    what: &str,
    values: &[i64],
) -> Result<[usize; 2], Status> {
    let &[a, b, c, d] = values else {
        return Err(Status::invalid_argument(format!(
            "Sliding window {what} field must specify 4 dimensions"
        )));
    };
    let [n, h, w, channels] = format.nhwc([a, b, c, d]);
    if (n, channels) != (1, 1) {
        return Err(Status::unimplemented(format!(
            "Current implementation does not yet support {what} in the batch and depth dimensions."
        )));
    }
    match (usize::try_from(h), usize::try_from(w)) {
        (Ok(h), Ok(w)) => Ok([h, w]),
        _ => Err(Status::invalid_argument(format!("{what} must not be negative, got {h} and {w}"))),
    }
}

/// Reads `padding` and, where the op has it, `explicit_paddings`.
///
/// Errors: `INVALID_ARGUMENT` for an unknown rule, or explicit paddings that do not fit.
pub(super) fn padding(init: &KernelInit<'_>, format: DataFormat) -> Result<Padding, Status> {
    let explicit = match init.attr("explicit_paddings") {
        Some(_) => init.attr_ints("explicit_paddings")?,
        None => &[],
    };
    let kind = init.attr_str("padding")?;
    if kind != "EXPLICIT" && !explicit.is_empty() {
        return Err(Status::invalid_argument(
            "explicit_paddings attribute must be empty if the padding attribute is not EXPLICIT",
        ));
    }
    match kind {
        "SAME" => Ok(Padding::Same),
        "VALID" => Ok(Padding::Valid),
        "EXPLICIT" => explicit_padding(explicit, format),
        other => Err(Status::invalid_argument(format!("Unknown padding type: {other}"))),
    }
}

fn explicit_padding(values: &[i64], format: DataFormat) -> Result<Padding, Status> {
    let &[a0, a1, b0, b1, c0, c1, d0, d1] = values else {
        return Err(Status::invalid_argument(format!(
            "explicit_paddings attribute must contain 8 values, but got: {}",
            values.len()
        )));
    };
    let [n, (top, bottom), (left, right), channels] =
        format.nhwc([(a0, a1), (b0, b1), (c0, c1), (d0, d1)]);
    if (n, channels) != ((0, 0), (0, 0)) {
        return Err(Status::invalid_argument(
            "Nonzero explicit padding in the batch or depth dimensions is not supported",
        ));
    }
    let size = |value: i64| {
        usize::try_from(value).map_err(|_| {
            Status::invalid_argument("All elements of explicit_paddings must be nonnegative")
        })
    };
    let (top, bottom, left, right) = (size(top)?, size(bottom)?, size(left)?, size(right)?);
    Ok(Padding::Explicit { top, bottom, left, right })
}

/// The input element under tap `k` of window `o`, if it lies inside.
#[inline(always)]
pub(super) fn tap(axis: &Axis, o: usize, k: usize) -> Option<usize> {
    (o * axis.stride + k * axis.dilation).checked_sub(axis.before).filter(|at| *at < axis.input)
}

/// The input elements under window `o`, whose taps are next to each other.
#[inline(always)]
pub(super) fn under(axis: &Axis, o: usize) -> Range<usize> {
    let start = o * axis.stride;
    let end = (start + axis.filter).saturating_sub(axis.before).min(axis.input);
    start.saturating_sub(axis.before).min(end)..end
}

/// The dimensions of a tensor of rank 4.
pub(super) fn dims4(tensor: &Tensor) -> Option<[usize; 4]> {
    tensor.dims().try_into().ok()
}

/// The status of sizes that do not fit each other.
pub(super) fn misfit(error: GeometryError) -> Status {
    let code = match error {
        GeometryError::TooLarge => Code::ResourceExhausted,
        _ => Code::InvalidArgument,
    };
    Status::new(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explicit_paddings_follow_the_layout() {
        let padding = Padding::Explicit { top: 1, bottom: 2, left: 3, right: 4 };
        let last = explicit_padding(&[0, 0, 1, 2, 3, 4, 0, 0], DataFormat::ChannelsLast);
        assert_eq!(last, Ok(padding));
        let first = explicit_padding(&[0, 0, 0, 0, 1, 2, 3, 4], DataFormat::ChannelsFirst);
        assert_eq!(first, Ok(padding));
        assert!(explicit_padding(&[1, 0, 0, 0, 1, 2, 3, 4], DataFormat::ChannelsFirst).is_err());
        assert!(explicit_padding(&[0, 0, -1, 2, 3, 4, 0, 0], DataFormat::ChannelsLast).is_err());
        assert!(explicit_padding(&[0; 7], DataFormat::ChannelsLast).is_err());
    }

    #[test]
    fn strides_are_of_pixels_only() {
        assert_eq!(spatial(DataFormat::ChannelsFirst, "strides", &[1, 1, 2, 3]), Ok([2, 3]));
        let status = spatial(DataFormat::ChannelsLast, "strides", &[2, 1, 1, 1]).unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(spatial(DataFormat::ChannelsLast, "strides", &[1, 1, 1]).is_err());
        assert!(spatial(DataFormat::ChannelsLast, "strides", &[1, -1, 1, 1]).is_err());
    }
}
