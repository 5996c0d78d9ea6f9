//! What may be written to a V1 checkpoint, with TensorFlow's words for what may not.

use bytes::Bytes;
use flowkeep_tensor::{Code, DType, Shape, Tensor, TensorSlice};

use super::encode::slice_head;
use super::form::{Form, size_bound};
use crate::Error;
use crate::key::text;

/// What TensorFlow allows a record, in bytes.
const MAX_RECORD_LEN: u64 = 1 << 31;
/// What it allows for everything in a record but name, slice and values.
const RECORD_SLACK: u64 = 1 << 10;

/// A slice that is to be written.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: Vec<u8>,
    pub(super) slice: TensorSlice,
}

/// A tensor of which slices are to be written.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) dtype: DType,
    pub(super) form: Form,
    pub(super) shape: Shape,
    pub(super) slices: Vec<TensorSlice>,
}

impl Target {
    /// The form in which values are written.
    pub(super) fn form(&self, dtype: DType) -> Result<Form, Error> {
        let name = text(&self.name);
        if str::from_utf8(&self.name).is_err() {
            let what = format!("tensor name {name} is not UTF-8, as V1 checkpoints want it");
            return Err(Error::invalid(what));
        }
        match (Form::of(dtype), size_bound(dtype, 0, &[])) {
            (Some(form), Some(_)) => Ok(form),
            (Some(_), None) => Err(Error::invalid(format!(
                "Tensor slice serialization not implemented for dtype {} (tensor {name})",
                dtype.number()
            ))),
            (None, _) => Err(Error::Invalid {
                code: Code::Unimplemented,
                what: format!("Saving data type {dtype} not yet supported (tensor {name})"),
            }),
        }
    }

    /// Checks that TensorFlow would not hold the record for too large: it goes by an upper bound.
    pub(super) fn check_size(
        &self,
        dtype: DType,
        full_shape: &Shape,
        strings: &[Bytes],
    ) -> Result<(), Error> {
        let n = self.slice.shape_in(full_shape)?.checked_n_elements();
        let n = n.and_then(|n| u64::try_from(n).ok()).unwrap_or(u64::MAX);
        let head_len = slice_head(&self.name, &self.slice).len();
        let bound = size_bound(dtype, n, strings).unwrap_or(u64::MAX);
        let bound = bound.saturating_add(RECORD_SLACK);
        let bound = bound.saturating_add(u64::try_from(head_len).unwrap_or(u64::MAX));
        if bound > MAX_RECORD_LEN {
            let name = text(&self.name);
            return Err(Error::invalid(format!(
                "Tensor slice is too large to serialize (conservative estimate: {bound} bytes) (tensor {name})"
            )));
        }
        Ok(())
    }

    /// Checks that the tensor has the shape of the slice.
    pub(super) fn check_shape(&self, full_shape: &Shape, tensor: &Tensor) -> Result<(), Error> {
        let shape = self.slice.shape_in(full_shape)?;
        if shape == *tensor.shape() {
            return Ok(());
        }
        let dims = full_shape.dims().iter().map(|dim| format!("{dim} ")).collect::<String>();
        Err(Error::invalid(format!(
            "Slice in shape_and_slice specification does not match the shape of the tensor to  save: {dims}{}, \
             tensor: {} (tensor {})",
            self.slice,
            tensor.shape(),
            text(&self.name)
        )))
    }

    /// Checks that other slices belong to the same tensor.
    pub(super) fn check_same(
        &self,
        existing: &Announced,
        dtype: DType,
        shape: &Shape,
    ) -> Result<(), Error> {
        let name = text(&self.name);
        let what = if existing.shape != *shape {
            format!(
                "Mismatching shapes: existing tensor = {}, trying to add name {name}, shape = {shape}",
                existing.shape
            )
        } else if existing.dtype != dtype {
            format!(
                "Mismatching types: existing type = {}, trying to add name {name}, type = {dtype}",
                existing.dtype
            )
        } else {
            return Ok(());
        };
        Err(Error::Invalid { code: Code::Internal, what })
    }

    /// Checks a tensor that was not there when it was announced.
    pub(super) fn check_supplied(
        &self,
        announced: &Announced,
        tensor: &Tensor,
    ) -> Result<(), Error> {
        let dtype = announced.dtype;
        if tensor.dtype() != dtype {
            let (name, got) = (text(&self.name), tensor.dtype());
            return Err(Error::invalid(format!("tensor {name} has type {got}, not {dtype}")));
        }
        self.check_shape(&announced.shape, tensor)?;
        self.check_size(dtype, &announced.shape, tensor.as_strings().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, slice: &str) -> Target {
        Target { name: name.into(), slice: slice.parse().unwrap() }
    }

    /// The estimates are those that TensorFlow 2.21 prints for these tensors.
    #[test]
    fn large_records_are_refused_as_tensorflow_does() {
        let check = |dtype, shape: &[usize], strings: &[Bytes]| {
            let checked = target("w", "-").check_size(dtype, &Shape::from(shape), strings);
            checked.map_err(|error| error.to_string())
        };
        let message = |bound: u64| {
            Err(format!(
                "Tensor slice is too large to serialize (conservative estimate: {bound} bytes) (tensor w)"
            ))
        };
        assert_eq!(check(DType::I8, &[(1 << 28) - 20], &[]), message(2_684_355_391));
        let strings = vec![Bytes::from("x".repeat(2100)); 1 << 20];
        assert_eq!(check(DType::String, &[1 << 20], &strings), message(2_212_496_391));
        let limit = ((1u64 << 31) - 1031) as usize / 4;
        assert_eq!(check(DType::F32, &[limit], &[]), Ok(()));
        assert_eq!(check(DType::F32, &[limit + 1], &[]), message((1 << 31) + 3));
        assert!(check(DType::F64, &[usize::MAX], &[]).is_err());
    }

    #[test]
    fn types_that_v1_does_not_hold_are_refused_in_tensorflows_words() {
        for (dtype, code, message) in [
            (DType::BF16, Code::Unimplemented, "Saving data type bfloat16 not yet supported"),
            (DType::I4, Code::Unimplemented, "Saving data type int4 not yet supported"),
            (DType::QU16, Code::Unimplemented, "Saving data type quint16 not yet supported"),
            (DType::Resource, Code::Unimplemented, "Saving data type resource not yet supported"),
            (
                DType::U32,
                Code::InvalidArgument,
                "Tensor slice serialization not implemented for dtype 22",
            ),
            (
                DType::U64,
                Code::InvalidArgument,
                "Tensor slice serialization not implemented for dtype 23",
            ),
        ] {
            let error = target("w", "").form(dtype).unwrap_err();
            assert_eq!(error.code(), code);
            assert_eq!(error.to_string(), format!("{message} (tensor w)"));
        }
        let name = Target { name: vec![0xff], slice: TensorSlice::full(0) };
        assert_eq!(name.form(DType::F32).unwrap_err().code(), Code::InvalidArgument);
    }
}
