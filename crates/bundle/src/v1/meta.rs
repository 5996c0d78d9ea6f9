//! The record of the empty key: the tensors of a file, and which slices of them it holds.

use std::collections::BTreeMap;
use std::path::Path;

use flowkeep_proto::pb;
use flowkeep_tensor::{Code, DType, Shape, TensorSlice};
use prost::Message;

use super::wire::{Fields, Malformed, Wire, bytes_of, message_of, put_bytes};
use crate::Error;
use crate::coding::put_varint;
use crate::entry::{MAX_SLICES, decode_shape};
use crate::header::{PRODUCER, check_version};
use crate::overlap::find_overlap;

/// What all files together say about a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TensorMeta {
    /// The number of the type, which need not be known.
    pub(crate) dtype: i32,
    pub(crate) shape: Shape,
    pub(crate) slices: Vec<TensorSlice>,
    /// For each slice, the number of its file.
    pub(crate) files: Vec<u32>,
}

pub(super) type Tensors = BTreeMap<Vec<u8>, TensorMeta>;

/// What a message says about the tensors of its file: the value of the empty key, and where it is.
#[derive(Clone, Copy)]
pub(super) struct FileMeta<'a> {
    pub(super) value: &'a [u8],
    pub(super) path: &'a Path,
    pub(super) number: u32,
}

impl FileMeta<'_> {
    /// Adds the tensors of the file to those of other files.
    ///
    /// Errors: with TensorFlow's words, `INTERNAL` if files disagree, or slices do not fit their
    /// tensor; `INVALID_ARGUMENT` for an impossible shape or slice, and for a version that cannot be
    /// read; `DATA_LOSS` for a malformed message.
    pub(super) fn add_to(self, tensors: &mut Tensors) -> Result<(), Error> {
        let malformed = |Malformed| self.not_found();
        let meta = message_of(self.value, 1).map_err(malformed)?;
        let meta = meta.ok_or_else(|| self.no_meta())?;
        let versions = message_of(&meta, 2).map_err(malformed)?.unwrap_or_default();
        let versions = pb::VersionDef::decode(&*versions).map_err(|_| self.not_found())?;
        check_version(&versions).map_err(|what| Error::Version { what })?;
        for tensor in bytes_of(&meta, 1) {
            self.add_tensor(tensor.map_err(malformed)?, tensors)?;
        }
        Ok(())
    }

    fn not_found(&self) -> Error {
        let what = "Failed to find the saved tensor slices at the beginning of the checkpoint file";
        Error::Header { path: self.path.into(), what: what.into() }
    }

    /// The error for a message of another kind.
    fn no_meta(&self) -> Error {
        match self.path.extension() {
            Some(extension) if extension == "index" => Error::invalid(format!(
                "{} is the index of a checkpoint whose prefix is {}",
                self.path.display(),
                self.path.with_extension("").display()
            )),
            _ => self.not_found(),
        }
    }

    fn add_tensor(&self, message: &[u8], tensors: &mut Tensors) -> Result<(), Error> {
        let malformed = |Malformed| self.not_found();
        let (mut name, mut dtype) = (&[][..], 0);
        for field in Fields::new(message) {
            match field.map_err(malformed)? {
                (1, Wire::Bytes(bytes)) => name = bytes,
                (3, Wire::Varint(number)) => dtype = low_i32(number),
                _ => {}
            }
        }
        let shape = message_of(message, 2).map_err(malformed)?.unwrap_or_default();
        let shape = pb::TensorShapeProto::decode(&*shape).map_err(|_| self.not_found())?;
        let known = DType::from_number(dtype).unwrap_or(DType::Variant);
        let shape = decode_shape(Some(&shape), known).map_err(|what| {
            let code = Code::InvalidArgument;
            self.bad_tensor(name, code, &format!("Invalid tensor shape: {}", what))
        })?;
        for slice in bytes_of(message, 4) {
            let slice = pb::TensorSliceProto::decode(slice.map_err(malformed)?);
            let slice = slice.map_err(|_| self.not_found())?;
            let slice = TensorSlice::from_proto(&slice).and_then(|slice| {
                slice.resolve(&shape)?;
                Ok(slice)
            });
            let slice =
                slice.map_err(|error| self.bad_tensor(name, error.code(), &error.to_string()))?;
            self.register(name, dtype, &shape, slice, tensors)?;
        }
        Ok(())
    }

    fn register(
        &self,
        name: &[u8],
        dtype: i32,
        shape: &Shape,
        slice: TensorSlice,
        tensors: &mut Tensors,
    ) -> Result<(), Error> {
        if !tensors.contains_key(name) {
            let (slices, files) = (Vec::new(), Vec::new());
            tensors
                .insert(name.to_vec(), TensorMeta { dtype, shape: shape.clone(), slices, files });
        }
        let Some(tensor) = tensors.get_mut(name) else { return Ok(()) };
        let shown = String::from_utf8_lossy(name);
        let incompatible = |what: &str, existing: &str, new: &str| {
            let what = format!(
                "Incompatible tensor {what} detected for tensor {shown}: existing = {existing}, new = {new}"
            );
            self.bad_tensor(name, Code::Internal, &what)
        };
        if tensor.shape != *shape {
            let (existing, new) = (tensor.shape.to_string(), shape.to_string());
            return Err(incompatible("shapes", &existing, &new));
        }
        if tensor.dtype != dtype {
            return Err(incompatible("types", &dtype_name(tensor.dtype), &dtype_name(dtype)));
        }
        if tensor.slices.len() >= MAX_SLICES {
            let what = format!("more than {MAX_SLICES} slices");
            return Err(self.bad_tensor(name, Code::DataLoss, &what));
        }
        tensor.slices.push(slice);
        tensor.files.push(self.number);
        Ok(())
    }

    fn bad_tensor(&self, name: &[u8], code: Code, what: &str) -> Error {
        let (name, path) = (String::from_utf8_lossy(name), self.path.display());
        Error::Invalid { code, what: format!("{what} (tensor {name} of {path})") }
    }
}

/// Checks that no slices of a tensor overlap; an error says which.
pub(super) fn check_overlap(tensor: &TensorMeta) -> Result<(), String> {
    let ranges = tensor.slices.iter().map(|slice| slice.resolve(&tensor.shape));
    let ranges = ranges.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let Some((a, b)) = find_overlap(&ranges) else { return Ok(()) };
    let name = |idx: usize| tensor.slices.get(idx).map(TensorSlice::to_string).unwrap_or_default();
    Err(format!("Overlapping slices: existing slice = {}, new slice = {}", name(a), name(b)))
}

/// The name of a type, or its number if it has none.
pub(super) fn dtype_name(number: i32) -> String {
    DType::from_number(number).map_or_else(|_| number.to_string(), |dtype| dtype.to_string())
}

/// An enum as protocol buffers read it.
fn low_i32(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// The value of the empty key for these tensors, in the order in which they are given.
pub(super) fn encode<'a>(
    tensors: impl IntoIterator<Item = (&'a [u8], DType, &'a Shape, Vec<&'a TensorSlice>)>,
) -> Vec<u8> {
    let mut meta = Vec::new();
    for (name, dtype, shape, slices) in tensors {
        let mut tensor = Vec::new();
        if !name.is_empty() {
            put_bytes(&mut tensor, 1, name);
        }
        put_bytes(&mut tensor, 2, &shape.to_proto().encode_to_vec());
        put_varint(&mut tensor, 3 << 3);
        put_varint(&mut tensor, u64::try_from(dtype.number()).unwrap_or(0));
        for slice in slices {
            put_bytes(&mut tensor, 4, &slice.to_proto().encode_to_vec());
        }
        put_bytes(&mut meta, 1, &tensor);
    }
    let versions = pb::VersionDef { producer: PRODUCER, ..Default::default() };
    put_bytes(&mut meta, 2, &versions.encode_to_vec());
    let mut value = Vec::new();
    put_bytes(&mut value, 1, &meta);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of the empty key in the format's worked example.
    const EXAMPLE: &[u8] = b"\x0a\x20\x0a\x09\x0a\x01n\x12\x00\x18\x03\x22\x00\
        \x0a\x0f\x0a\x01x\x12\x04\x12\x02\x08\x02\x18\x01\x22\x02\x0a\x00\x12\x02\x08\x01";

    fn add(tensors: &mut Tensors, value: &[u8], number: u32) -> Result<(), String> {
        let meta = FileMeta { value, path: Path::new("f"), number };
        meta.add_to(tensors).map_err(|error| format!("{}: {error}", error.code().name()))
    }

    #[test]
    fn the_worked_example_is_read_and_written() {
        let mut tensors = Tensors::new();
        add(&mut tensors, EXAMPLE, 3).unwrap();
        let x = &tensors[&b"x"[..]];
        assert_eq!((x.dtype, x.shape.dims()), (DType::F32.number(), &[2][..]));
        assert_eq!((x.slices[0].to_string(), &x.files[..]), ("-".into(), &[3][..]));
        assert_eq!(tensors[&b"n"[..]].slices, [TensorSlice::full(0)]);
        let all = tensors.iter().map(|(name, tensor)| {
            let dtype = DType::from_number(tensor.dtype).unwrap();
            (name.as_slice(), dtype, &tensor.shape, tensor.slices.iter().collect())
        });
        assert_eq!(encode(all), EXAMPLE);
    }

    #[test]
    fn malformed_messages_are_refused() {
        for len in 0..EXAMPLE.len() {
            let error = add(&mut Tensors::new(), &EXAMPLE[..len], 0).unwrap_err();
            assert_eq!(
                error,
                "DATA_LOSS: f: Failed to find the saved tensor slices at the beginning of the checkpoint file",
                "{len}"
            );
        }
    }

    #[test]
    fn files_must_agree_about_a_tensor() {
        let value = |dims: &[usize], dtype: DType, slice: &str| {
            let slice = slice.parse().unwrap();
            encode([(&b"w"[..], dtype, &Shape::from(dims), vec![&slice])])
        };
        let mut tensors = Tensors::new();
        add(&mut tensors, &value(&[4], DType::F32, "0,2"), 0).unwrap();
        add(&mut tensors, &value(&[4], DType::F32, "1,3"), 1).unwrap();
        assert_eq!(tensors[&b"w"[..]].files, [0, 1]);
        assert_eq!(
            check_overlap(&tensors[&b"w"[..]]).unwrap_err(),
            "Overlapping slices: existing slice = 0,2, new slice = 1,3"
        );
        for (value, what) in [
            (
                value(&[5], DType::F32, "2,2"),
                "INTERNAL: Incompatible tensor shapes detected for tensor w: existing = [4], new = [5] (tensor w of f)",
            ),
            (
                value(&[4], DType::I32, "2,2"),
                "INTERNAL: Incompatible tensor types detected for tensor w: existing = float, new = int32 (tensor w of f)",
            ),
            (
                value(&[4], DType::F32, "2,3"),
                "INTERNAL: Extent in dimension 0 out of bounds: shape = [4], slice = 2,3 (tensor w of f)",
            ),
        ] {
            assert_eq!(add(&mut tensors, &value, 2).unwrap_err(), what);
        }
    }
}
