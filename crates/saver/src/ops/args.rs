//! Inputs that several ops have in common.

use std::borrow::Cow;
use std::path::Path;

use bytes::Bytes;
use flowkeep_runtime::kernel::{KernelContext, Status};
use flowkeep_tensor::{Shape, Tensor, TensorSlice};

/// The tensors that a checkpoint op is asked for: where, and by what names.
pub(super) struct Request<'a> {
    /// The checkpoint's prefix.
    pub(super) prefix: &'a Path,
    /// The names of the tensors: any bytes.
    pub(super) names: &'a [Bytes],
    /// As many slice specifications, empty for whole tensors.
    pub(super) specs: &'a [Bytes],
}

impl<'a> Request<'a> {
    /// Reads the first three inputs of an op for `n` tensors: a prefix of one element, names `[n]` and
    /// specifications `[n]`.
    ///
    /// Errors: `INVALID_ARGUMENT` for other shapes, in the words of `wrong_count` for another number
    /// of names.
    pub(super) fn read(
        cx: &'a KernelContext<'_>,
        n: usize,
        wrong_count: impl FnOnce(usize) -> String,
    ) -> Result<Request<'a>, Status> {
        let (prefix, names, specs) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let [prefix] = prefix.as_strings()? else {
            return Err(Status::invalid_argument(format!(
                "Input prefix should have a single element, got {} instead.",
                prefix.as_strings()?.len()
            )));
        };
        if names.shape().rank() != 1 || specs.shape().rank() != 1 {
            return Err(Status::invalid_argument(format!(
                "Input tensor_names and shape_and_slices should be an 1-D tensors, got {} and {} instead.",
                names.shape(),
                specs.shape()
            )));
        }
        let (names, specs) = (names.as_strings()?, specs.as_strings()?);
        if names.len() != specs.len() {
            return Err(Status::invalid_argument(format!(
                "tensor_names and shape_and_slices have different number of elements: {} vs. {}",
                names.len(),
                specs.len()
            )));
        }
        if names.len() != n {
            return Err(Status::invalid_argument(wrong_count(names.len())));
        }
        Ok(Request { prefix: path(prefix)?, names, specs })
    }
}

/// The path that a string means; on Unix, it may be any bytes.
///
/// Errors: elsewhere, `INVALID_ARGUMENT` if it is not UTF-8.
#[cfg(unix)]
pub(super) fn path(bytes: &[u8]) -> Result<&Path, Status> {
    use std::os::unix::ffi::OsStrExt;
    Ok(Path::new(std::ffi::OsStr::from_bytes(bytes)))
}

/// The path that a string means; on Unix, it may be any bytes.
///
/// Errors: elsewhere, `INVALID_ARGUMENT` if it is not UTF-8.
#[cfg(not(unix))]
pub(super) fn path(bytes: &[u8]) -> Result<&Path, Status> {
    let text = std::str::from_utf8(bytes).map_err(|_| {
        let shown = String::from_utf8_lossy(bytes);
        Status::invalid_argument(format!("path '{shown}' is not UTF-8"))
    })?;
    Ok(Path::new(text))
}

/// A name or a specification, for messages.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The only element of input `idx`, which the op calls `name`.
///
/// Errors: `INVALID_ARGUMENT` if the input is not a scalar.
pub(super) fn scalar<'a>(
    cx: &'a KernelContext<'_>,
    idx: usize,
    name: &str,
) -> Result<&'a Tensor, Status> {
    let tensor = cx.input(idx)?;
    if tensor.shape().is_scalar() {
        return Ok(tensor);
    }
    let message = format!("{name} must be a scalar, got shape {}", tensor.shape());
    Err(Status::invalid_argument(message))
}

/// The only string of input `idx`, which the op calls `name`.
///
/// Errors: `INVALID_ARGUMENT` if the input is not a scalar.
pub(super) fn scalar_string<'a>(
    cx: &'a KernelContext<'_>,
    idx: usize,
    name: &str,
) -> Result<&'a [u8], Status> {
    // A scalar has one element.
    Ok(scalar(cx, idx, name)?.as_strings()?.first().map_or(&[], |string| string))
}

/// The full shape and the slice that `tensor` is by a specification, or `None` if it is stored whole.
///
/// Errors: those of [`TensorSlice::parse_spec`]; `INVALID_ARGUMENT` if the tensor has another shape
/// than the slice.
pub(super) fn slice_of(
    spec: &[u8],
    tensor: &Tensor,
) -> Result<Option<(Shape, TensorSlice)>, Status> {
    let spec = text(spec);
    let Some((full_shape, slice)) = TensorSlice::parse_spec(&spec)? else { return Ok(None) };
    if slice.shape_in(&full_shape)? != *tensor.shape() {
        return Err(Status::invalid_argument(format!(
            "Slice in shape_and_slice specification does not match the shape of the tensor to  save: {spec}, \
             tensor: {}",
            tensor.shape()
        )));
    }
    Ok(Some((full_shape, slice)))
}
