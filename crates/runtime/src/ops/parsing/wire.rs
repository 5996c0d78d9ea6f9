//! The wire form of `tf.train.Example`, read in place.
//!
//! ```text
//! Example   { features = 1: Features { feature = 1: repeated { key = 1, value = 2: Feature } } }
//! Feature   { bytes_list = 1 | float_list = 2 | int64_list = 3 }
//! *List     { value = 1: repeated, numbers packed or not }
//! ```
//!
//! Every function gives `None` for bytes that are not of this form.

use bytes::Bytes;
use flowkeep_tensor::{DType, Tensor};

use crate::kernel::Status;

/// The value of a field.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Word([u8; 4]),
    /// A number of 64 bits in full, which no message here has.
    Other,
}

/// Takes the first field of a message: its number and its value.
fn take_field<'a>(message: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = take_varint(message)?;
    let field = match tag & 7 {
        0 => Field::Number(take_varint(message)?),
        1 => {
            *message = message.get(8..)?;
            Field::Other
        }
        2 => {
            let len = usize::try_from(take_varint(message)?).ok()?;
            let (bytes, rest) = message.split_at_checked(len)?;
            *message = rest;
            Field::Bytes(bytes)
        }
        5 => {
            let (word, rest) = message.split_first_chunk()?;
            *message = rest;
            Field::Word(*word)
        }
        _ => return None,
    };
    Some((tag >> 3, field))
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Calls `f` with the key and the encoded `Feature` of each entry of an encoded `Example`, in order.
pub(super) fn each_feature<'a>(
    mut example: &'a [u8],
    mut f: impl FnMut(&'a [u8], &'a [u8]),
) -> Option<()> {
    while !example.is_empty() {
        let (1, Field::Bytes(mut features)) = take_field(&mut example)? else { continue };
        while !features.is_empty() {
            let (1, Field::Bytes(mut entry)) = take_field(&mut features)? else { continue };
            let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
            while !entry.is_empty() {
                match take_field(&mut entry)? {
                    (1, Field::Bytes(bytes)) => key = bytes,
                    (2, Field::Bytes(bytes)) => value = bytes,
                    _ => {}
                }
            }
            f(key, value);
        }
    }
    Some(())
}

/// The type of the values of an encoded `Feature` and their encoded list; `Some(None)` if it has no
/// list at all.
pub(super) fn feature_list(mut feature: &[u8]) -> Option<Option<(DType, &[u8])>> {
    if feature.is_empty() {
        return Some(None);
    }
    let (number, Field::Bytes(list)) = take_field(&mut feature)? else { return None };
    let dtype = match number {
        1 => DType::String,
        2 => DType::F32,
        3 => DType::I64,
        _ => return None,
    };
    Some(Some((dtype, list)))
}

/// A type of values that examples hold.
pub(super) trait Value: Clone + Default + Send + Sync + 'static {
    /// Its data type.
    const DTYPE: DType;

    /// Appends the values of an encoded list, which lies within `serialized`.
    fn read(list: &[u8], serialized: &Bytes, out: &mut Vec<Self>) -> Option<()>;

    /// The elements of a tensor of this type.
    ///
    /// Errors: `INVALID_ARGUMENT` if it is of another type.
    fn elements(tensor: &Tensor) -> Result<&[Self], Status>;

    /// The tensor of these elements.
    ///
    /// Errors: `INVALID_ARGUMENT` if they do not fit the shape.
    fn tensor(shape: Vec<usize>, values: Vec<Self>) -> Result<Tensor, Status>;
}

impl Value for f32 {
    const DTYPE: DType = DType::F32;

    fn read(mut list: &[u8], _: &Bytes, out: &mut Vec<f32>) -> Option<()> {
        while !list.is_empty() {
            match take_field(&mut list)? {
                (1, Field::Word(word)) => out.push(f32::from_le_bytes(word)),
                (1, Field::Bytes(packed)) => {
                    let (words, rest) = packed.as_chunks();
                    if !rest.is_empty() {
                        return None;
                    }
                    out.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn elements(tensor: &Tensor) -> Result<&[f32], Status> {
        Ok(tensor.as_slice()?)
    }

    fn tensor(shape: Vec<usize>, values: Vec<f32>) -> Result<Tensor, Status> {
        Ok(Tensor::from_vec(shape, values)?)
    }
}

impl Value for i64 {
    const DTYPE: DType = DType::I64;

    fn read(mut list: &[u8], _: &Bytes, out: &mut Vec<i64>) -> Option<()> {
        while !list.is_empty() {
            match take_field(&mut list)? {
                (1, Field::Number(number)) => out.push(number as i64),
                (1, Field::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        out.push(take_varint(&mut packed)? as i64);
                    }
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn elements(tensor: &Tensor) -> Result<&[i64], Status> {
        Ok(tensor.as_slice()?)
    }

    fn tensor(shape: Vec<usize>, values: Vec<i64>) -> Result<Tensor, Status> {
        Ok(Tensor::from_vec(shape, values)?)
    }
}

impl Value for Bytes {
    const DTYPE: DType = DType::String;

    /// The strings share the memory of `serialized`.
    fn read(mut list: &[u8], serialized: &Bytes, out: &mut Vec<Bytes>) -> Option<()> {
        while !list.is_empty() {
            match take_field(&mut list)? {
                (1, Field::Bytes(bytes)) => out.push(serialized.slice_ref(bytes)),
                _ => return None,
            }
        }
        Some(())
    }

    fn elements(tensor: &Tensor) -> Result<&[Bytes], Status> {
        Ok(tensor.as_strings()?)
    }

    fn tensor(shape: Vec<usize>, values: Vec<Bytes>) -> Result<Tensor, Status> {
        Ok(Tensor::from_strings(shape, values)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(example: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
        let mut found = Vec::new();
        each_feature(example, |key, value| found.push((key, value)))?;
        Some(found)
    }

    #[test]
    fn unknown_fields_are_skipped() {
        // Field 2 of Example is 5, then Features with the key "x" without a value.
        let example = [0x10, 5, 0x0a, 5, 0x0a, 3, 0x0a, 1, b'x'];
        assert_eq!(features(&example), Some(vec![(&b"x"[..], &b""[..])]));
    }

    #[test]
    fn every_truncation_of_a_message_is_refused_or_empty() {
        let example = [0x0a, 9, 0x0a, 7, 0x0a, 1, b'x', 0x12, 2, 0x12, 0];
        assert_eq!(features(&example).unwrap(), [(&b"x"[..], &[0x12, 0][..])]);
        assert!((1..example.len()).all(|len| features(&example[..len]).is_none()));
        assert!(features(b"not a proto").is_none());
        assert!(features(&[0x80; 11]).is_none());
    }

    #[test]
    fn numbers_may_be_packed_or_not() {
        let nothing = Bytes::new();
        let mut ints = Vec::new();
        i64::read(&[8, 7, 0x0a, 2, 8, 9], &nothing, &mut ints).unwrap();
        assert_eq!(ints, [7, 8, 9]);
        let mut floats = Vec::new();
        let list = [0x0d, 0, 0, 128, 63, 0x0a, 4, 0, 0, 0, 64];
        f32::read(&list, &nothing, &mut floats).unwrap();
        assert_eq!(floats, [1.0, 2.0]);
        assert!(f32::read(&[0x0a, 3, 0, 0, 0], &nothing, &mut floats).is_none());
        assert!(f32::read(&[8, 7], &nothing, &mut floats).is_none());
    }
}
