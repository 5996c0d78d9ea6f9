//! What convolution and pooling have in common: how windows are laid over images.

use flowkeep_linalg::window::{GeometryError, Padding};
use flowkeep_tensor::Tensor;

use super::layout::DataFormat;
use crate::kernel::{KernelInit, Status};

/// The attributes of an op whose windows move over rows and columns; pairs are (rows, columns).
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowAttrs {
    /// Where the channels are.
    pub format: DataFormat,
    /// Distance of windows, at least 1.
    pub strides: [usize; 2],
    /// Distance of taps, at least 1; 1 for ops without the attribute.
    pub dilations: [usize; 2],
    /// What is around the images.
    pub padding: Padding,
}

impl WindowAttrs {
    /// Reads `data_format`, `strides`, `dilations`, `padding` and `explicit_paddings`.
    ///
    /// Errors: `INVALID_ARGUMENT` for lists of another length, for strides and dilations below 1
    /// and for negative paddings; `UNIMPLEMENTED` for windows that move over batch or channels.
    pub(super) fn new(init: &KernelInit<'_>) -> Result<WindowAttrs, Status> {
        let format = DataFormat::new(init)?;
        let strides = steps(format, init.attr_ints("strides")?, "strides")?
            .ok_or_else(|| invalid("Row and column strides should be larger than 0."))?;
        let dilations = match init.attr("dilations") {
            Some(_) => steps(format, init.attr_ints("dilations")?, "dilations")?
                .ok_or_else(|| invalid("Dilated rates should be larger than 0."))?,
            None => [1, 1],
        };
        Ok(WindowAttrs { format, strides, dilations, padding: padding(init, format)? })
    }
}

/// The sizes along rows and columns of a list for all dimensions; none if one is not positive.
fn steps(format: DataFormat, list: &[i64], name: &str) -> Result<Option<[usize; 2]>, Status> {
    let &[a, b, c, d] = list else {
        let message = format!("Sliding window {name} field must specify 4 dimensions");
        return Err(Status::invalid_argument(message));
    };
    let [batch, rows, cols, channels] = format.nhwc([a, b, c, d]);
    if (batch, channels) != (1, 1) {
        return Err(Status::unimplemented(format!(
            "Current implementation does not yet support {name} in the batch and depth dimensions."
        )));
    }
    let size = |n: i64| usize::try_from(n).ok().filter(|&n| n > 0);
    Ok(size(rows).zip(size(cols)).map(|(rows, cols)| [rows, cols]))
}

fn padding(init: &KernelInit<'_>, format: DataFormat) -> Result<Padding, Status> {
    let explicit = match init.attr("explicit_paddings") {
        Some(_) => init.attr_ints("explicit_paddings")?,
        None => &[],
    };
    let rule = init.attr_str("padding")?;
    if rule != "EXPLICIT" && !explicit.is_empty() {
        return Err(invalid(
            "explicit_paddings attribute must be empty if the padding attribute is not EXPLICIT",
        ));
    }
    match rule {
        "SAME" => Ok(Padding::Same),
        "VALID" => Ok(Padding::Valid),
        "EXPLICIT" => explicit_padding(format, explicit),
        _ => Err(Status::invalid_argument(format!("Unknown padding type: {rule}"))),
    }
}

fn explicit_padding(format: DataFormat, list: &[i64]) -> Result<Padding, Status> {
    let &[a, b, c, d, e, f, g, h] = list else {
        return Err(Status::invalid_argument(format!(
            "explicit_paddings attribute must contain 8 values, but got: {}",
            list.len()
        )));
    };
    if list.iter().any(|&n| n < 0) {
        return Err(invalid("All elements of explicit_paddings must be nonnegative"));
    }
    let [batch, rows, cols, channels] = format.nhwc([(a, b), (c, d), (e, f), (g, h)]);
    if (batch, channels) != ((0, 0), (0, 0)) {
        return Err(invalid(
            "Nonzero explicit padding in the batch or depth dimensions is not supported",
        ));
    }
    // Not negative, as checked above.
    let size = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
    Ok(Padding::Explicit {
        top: size(rows.0),
        bottom: size(rows.1),
        left: size(cols.0),
        right: size(cols.1),
    })
}

/// The dimensions of a tensor of rank 4.
pub(super) fn dims4(tensor: &Tensor) -> Option<[usize; 4]> {
    tensor.dims().try_into().ok()
}

/// Sizes that make no convolution or pooling.
pub(super) fn misfit(error: GeometryError) -> Status {
    match error {
        GeometryError::TooLarge => Status::resource_exhausted(error.to_string()),
        _ => Status::invalid_argument(error.to_string()),
    }
}

fn invalid(message: &str) -> Status {
    Status::invalid_argument(message)
}
