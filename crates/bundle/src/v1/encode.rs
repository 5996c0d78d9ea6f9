//! From a tensor to the value of its record, in the bytes that TensorFlow would write.

use std::borrow::Cow;

use flowkeep_tensor::{Tensor, TensorSlice};
use prost::Message;

use super::form::{Form, Kind};
use super::wire::{put_bytes, put_head};
use crate::Error;
use crate::coding::put_varint;
use crate::value::plain;

/// The value of a record, in two parts: everything before the values, and those. They are the
/// tensor's own memory where they can be.
pub(super) fn record<'a>(
    name: &[u8],
    slice: &TensorSlice,
    tensor: &'a Tensor,
    form: Form,
) -> Result<(Vec<u8>, Cow<'a, [u8]>), Error> {
    let values = values(tensor, form)?;
    // Strings bring their tags along.
    let mut proto = Vec::new();
    if form.kind != Kind::Strings && !values.is_empty() {
        put_head(&mut proto, form.field, values.len());
    }
    let mut saved_slice = slice_head(name, slice);
    put_head(&mut saved_slice, 3, proto.len().saturating_add(values.len()));
    saved_slice.append(&mut proto);
    let mut head = Vec::new();
    put_head(&mut head, 2, saved_slice.len().saturating_add(values.len()));
    head.append(&mut saved_slice);
    Ok((head, values))
}

/// A `SavedSlice` without its data.
pub(super) fn slice_head(name: &[u8], slice: &TensorSlice) -> Vec<u8> {
    let mut out = Vec::new();
    if !name.is_empty() {
        put_bytes(&mut out, 1, name);
    }
    put_bytes(&mut out, 2, &slice.to_proto().encode_to_vec());
    out
}

fn values(tensor: &Tensor, form: Form) -> Result<Cow<'_, [u8]>, Error> {
    match form.kind {
        Kind::Strings => {
            let strings = tensor.as_strings()?;
            // A tag, and a length of at most ten bytes.
            let len = strings.iter().map(|string| string.len().saturating_add(11)).sum();
            let mut out = Vec::with_capacity(len);
            for string in strings {
                put_bytes(&mut out, form.field, string);
            }
            Ok(out.into())
        }
        Kind::Fixed if cfg!(target_endian = "little") => Ok(tensor.as_bytes()?.into()),
        Kind::Fixed => {
            let mut out = tensor.as_bytes()?.to_vec();
            plain::to_stored_form(tensor.dtype(), &mut out);
            Ok(out.into())
        }
        Kind::Varint { is_signed, .. } => {
            let bytes = tensor.as_bytes()?;
            Ok(Cow::Owned(match tensor.dtype().size_bytes() {
                Some(1) => varints::<1>(bytes, is_signed),
                Some(2) => varints::<2>(bytes, is_signed),
                Some(4) => varints::<4>(bytes, is_signed),
                _ => varints::<8>(bytes, is_signed),
            }))
        }
    }
}

/// The varints of elements of `N` bytes.
fn varints<const N: usize>(bytes: &[u8], is_signed: bool) -> Vec<u8> {
    let elements = bytes.as_chunks::<N>().0.iter().map(|element| widen(*element, is_signed));
    let mut out = Vec::with_capacity(elements.clone().map(varint_len).sum());
    elements.for_each(|value| put_varint(&mut out, value));
    out
}

/// A number of `N` bytes, in the machine's order, as one of eight.
fn widen<const N: usize>(mut element: [u8; N], is_signed: bool) -> u64 {
    if cfg!(target_endian = "big") {
        element.reverse();
    }
    let is_negative = is_signed && element.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if is_negative { 0xff } else { 0 }; 8];
    wide.iter_mut().zip(element).for_each(|(wide, byte)| *wide = byte);
    u64::from_le_bytes(wide)
}

fn varint_len(value: u64) -> usize {
    let n_bits = u64::BITS - (value | 1).leading_zeros();
    usize::try_from(n_bits.div_ceil(7)).unwrap_or(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_widened_with_their_sign() {
        assert_eq!(widen((-2i16).to_ne_bytes(), true), (-2i64).cast_unsigned());
        assert_eq!(widen((-2i16).to_ne_bytes(), false), 0xfffe);
        assert_eq!(widen([7], true), 7);
        assert_eq!(widen(i64::MIN.to_ne_bytes(), true), 1 << 63);
    }

    #[test]
    fn lengths_of_varints_are_known_before() {
        for value in [0, 1, 127, 128, 16383, 16384, u64::from(u32::MAX), 1 << 62, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(varint_len(value), out.len(), "{value}");
        }
    }

    /// The two records of the format's worked example.
    #[test]
    fn records_are_those_of_the_worked_example() {
        let n = Tensor::scalar(7i32);
        let x = Tensor::from_elements(vec![1.0f32, 2.0]);
        let cases: [(&str, &Tensor, &[u8]); 2] = [
            ("n", &n, b"\x12\x0a\x0a\x01n\x12\x00\x1a\x03\x3a\x01\x07"),
            ("x", &x, b"\x12\x13\x0a\x01x\x12\x02\x0a\x00\x1a\x0a\x2a\x08\0\0\x80\x3f\0\0\0\x40"),
        ];
        for (name, tensor, expected) in cases {
            let slice = TensorSlice::full(tensor.shape().rank());
            let form = Form::of(tensor.dtype()).unwrap();
            let (mut head, values) = record(name.as_bytes(), &slice, tensor, form).unwrap();
            head.extend_from_slice(&values);
            assert_eq!(head, expected, "{name}");
        }
    }
}
