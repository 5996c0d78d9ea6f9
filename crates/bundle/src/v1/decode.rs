//! From the value of a record to a tensor, without the messages in between.

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor};

use super::form::{Form, Kind};
use super::wire::{Fields, Malformed, Wire, bytes_of, count_varints, each_varint};
use crate::Error;
use crate::value::plain;

/// The field of `SavedTensorSlices` with a `SavedSlice`.
const DATA: u32 = 2;
/// The field of `SavedSlice` with a `TensorProto`.
const TENSOR: u32 = 3;

/// The values of a type in a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    record: &'a [u8],
    dtype: DType,
    form: Form,
    /// Bytes of an element in memory; 0 for strings.
    size: usize,
}

impl<'a> Values<'a> {
    /// The values of `dtype` in a record, which may be malformed; `None` if the type has no form.
    pub(super) fn new(record: &'a [u8], dtype: DType) -> Option<Values<'a>> {
        let (form, size) = (Form::of(dtype)?, dtype.size_bytes().unwrap_or(0));
        Some(Values { record, dtype, form, size })
    }

    /// The number of values: of a complex type, of both parts together.
    ///
    /// This looks at everything in the record but the values of varints themselves.
    pub(super) fn count(&self) -> Result<usize, Malformed> {
        let mut n_values = 0usize;
        let mut n_bytes = 0usize;
        self.each_piece(|piece| {
            match piece {
                Wire::Bytes(packed) if self.is_varint() => n_values += count_varints(packed),
                Wire::Bytes(_) if self.form.kind == Kind::Strings => n_values += 1,
                Wire::Bytes(bytes) | Wire::Fixed(bytes) => {
                    let is_whole = bytes.len().is_multiple_of(self.part_size().max(1));
                    n_bytes += is_whole.then_some(bytes.len()).ok_or(Malformed)?;
                }
                Wire::Varint(_) => n_values += 1,
            }
            Ok(())
        })?;
        match self.form.kind {
            // A real part without an imaginary one is no value.
            Kind::Fixed if n_bytes.is_multiple_of(self.size.max(1)) => {
                Ok(n_bytes / self.size.max(1))
            }
            Kind::Fixed => Err(Malformed),
            _ => Ok(n_values),
        }
    }

    /// The values as they are in memory, if they lie in the record like that and in one piece.
    pub(super) fn in_place(&self) -> Option<&'a [u8]> {
        if self.form.kind != Kind::Fixed || cfg!(target_endian = "big") {
            return None;
        }
        let mut found = None;
        let mut n_pieces = 0usize;
        let pieces = self.each_piece(|piece| {
            if let Wire::Bytes(bytes) | Wire::Fixed(bytes) = piece {
                found = Some(bytes);
            }
            n_pieces += 1;
            Ok(())
        });
        found.filter(|_| pieces.is_ok() && n_pieces == 1)
    }

    /// The tensor of the values, copied out of the record; their number has been found to be that of
    /// the shape. Strings are views of `shared`, which is the record.
    ///
    /// Errors: `malformed` if varints are.
    pub(super) fn read(
        &self,
        shape: &Shape,
        shared: &Bytes,
        malformed: impl Fn(Malformed) -> Error,
    ) -> Result<Tensor, Error> {
        if self.form.kind == Kind::Strings {
            let mut strings = Vec::with_capacity(shape.n_elements());
            let pieces = self.each_piece(|piece| {
                if let Wire::Bytes(string) = piece {
                    strings.push(shared.slice_ref(string));
                }
                Ok(())
            });
            pieces.map_err(&malformed)?;
            return Ok(Tensor::from_strings(shape, strings)?);
        }
        Tensor::from_fill(self.dtype, shape, |out| {
            let filled = match (self.form.kind, self.size) {
                (Kind::Fixed, _) => self.copy(out),
                (_, 1) => self.fill::<1>(out),
                (_, 2) => self.fill::<2>(out),
                (_, 4) => self.fill::<4>(out),
                _ => self.fill::<8>(out),
            };
            filled.map_err(&malformed)
        })
    }

    fn copy(&self, out: &mut [u8]) -> Result<(), Malformed> {
        let mut rest = &mut *out;
        self.each_piece(|piece| {
            let (Wire::Bytes(bytes) | Wire::Fixed(bytes)) = piece else { return Ok(()) };
            let (place, after) =
                std::mem::take(&mut rest).split_at_mut_checked(bytes.len()).ok_or(Malformed)?;
            place.copy_from_slice(bytes);
            rest = after;
            Ok(())
        })?;
        plain::to_stored_form(self.dtype, out);
        Ok(())
    }

    /// Decodes varints into elements of `N` bytes; bits that do not fit are dropped, as TensorFlow
    /// does it.
    fn fill<const N: usize>(&self, out: &mut [u8]) -> Result<(), Malformed> {
        let is_bool = self.dtype == DType::Bool;
        let mut elements = out.as_chunks_mut::<N>().0.iter_mut();
        let mut put = |value: u64| {
            let value = if is_bool { u64::from(value != 0) } else { value };
            if let (Some(element), Some(low)) = (elements.next(), value.to_le_bytes().first_chunk())
            {
                *element = *low;
                if cfg!(target_endian = "big") {
                    element.reverse();
                }
            }
        };
        self.each_piece(|piece| match piece {
            Wire::Bytes(packed) => each_varint(packed, &mut put),
            Wire::Varint(value) => {
                put(value);
                Ok(())
            }
            Wire::Fixed(_) => Ok(()),
        })
    }

    /// Calls `take` with each field that holds values of the type: several of them, packed or not,
    /// follow one another. Fields of other kinds are unknown ones, and are passed over.
    fn each_piece(
        &self,
        mut take: impl FnMut(Wire<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        for data in bytes_of(self.record, DATA) {
            for tensor in bytes_of(data?, TENSOR) {
                for field in Fields::new(tensor?) {
                    let (number, value) = field?;
                    if number == self.form.field && self.is_value(&value) {
                        take(value)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_value(&self, value: &Wire<'_>) -> bool {
        match value {
            Wire::Bytes(_) => true,
            Wire::Varint(_) => self.is_varint(),
            Wire::Fixed(bytes) => self.form.kind == Kind::Fixed && bytes.len() == self.part_size(),
        }
    }

    fn is_varint(&self) -> bool {
        matches!(self.form.kind, Kind::Varint { .. })
    }

    /// Bytes of an element, or of each part of a complex one.
    fn part_size(&self) -> usize {
        if self.dtype.is_complex() { self.size / 2 } else { self.size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with these bytes as its `TensorProto`.
    fn record(proto: &[u8]) -> Bytes {
        let mut data = vec![0x0a, 1, b'v', 0x12, 0];
        data.extend([0x1a, proto.len() as u8]);
        data.extend_from_slice(proto);
        [&[0x12, data.len() as u8][..], &data].concat().into()
    }

    fn read(dtype: DType, proto: &[u8]) -> Result<Tensor, Malformed> {
        let record = record(proto);
        let values = Values::new(&record, dtype).unwrap();
        let shape = Shape::from([values.count()?]);
        Ok(values.read(&shape, &record, |_| Error::invalid("malformed")).unwrap())
    }

    #[test]
    fn floats_may_be_packed_or_not() {
        let one_two = [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40];
        let packed = [&[0x2a, 8][..], &one_two].concat();
        let mixed = [&[0x2a, 4][..], &one_two[..4], &[0x08, 1, 0x2d], &one_two[4..]].concat();
        for proto in [&packed, &mixed] {
            assert_eq!(read(DType::F32, proto).unwrap().as_slice::<f32>().unwrap(), [1.0, 2.0]);
        }
        let in_place = |proto: &[u8]| {
            let record = record(proto);
            Values::new(&record, DType::F32).unwrap().in_place().map(<[u8]>::to_vec)
        };
        assert_eq!(in_place(&packed).is_some(), cfg!(target_endian = "little"));
        assert_eq!(in_place(&mixed), None);
        assert_eq!(read(DType::F32, &[0x2a, 3, 0, 0, 0]), Err(Malformed));
        assert_eq!(read(DType::F32, &[]).unwrap().n_elements(), 0);
    }

    #[test]
    fn complex_numbers_have_two_parts() {
        let parts = [1.0f32, 2.0, 3.0, -4.0].map(f32::to_le_bytes).concat();
        let proto = [&[0x4a, 16][..], &parts].concat();
        let tensor = read(DType::Complex64, &proto).unwrap();
        assert_eq!((tensor.n_elements(), tensor.as_bytes().unwrap()), (2, parts.as_slice()));
        let odd = [&[0x4a, 12][..], &parts[..12]].concat();
        assert_eq!(read(DType::Complex64, &odd), Err(Malformed));
    }

    #[test]
    fn integers_keep_their_low_bits() {
        let ten = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let proto = [&[0x3a, 13, 0x07, 0xac, 0x02][..], &ten, &[0x38, 0x05]].concat();
        assert_eq!(read(DType::I32, &proto).unwrap().as_slice::<i32>().unwrap(), [7, 300, -1, 5]);
        assert_eq!(read(DType::I16, &proto).unwrap().as_slice::<i16>().unwrap(), [7, 300, -1, 5]);
        assert_eq!(read(DType::I8, &proto).unwrap().as_slice::<i8>().unwrap(), [7, 44, -1, 5]);
        assert_eq!(read(DType::U8, &proto).unwrap().as_slice::<u8>().unwrap(), [7, 44, 255, 5]);
        assert_eq!(read(DType::I64, &proto).unwrap().n_elements(), 0, "another field");
        let proto = [0x5a, 4, 0, 1, 0x80, 0x02];
        assert_eq!(read(DType::Bool, &proto).unwrap().as_bytes().unwrap(), [0, 1, 1]);
        let proto = [0x82, 0x01, 5, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(read(DType::U32, &proto).unwrap().as_slice::<u32>().unwrap(), [u32::MAX]);
    }

    #[test]
    fn strings_share_the_record() {
        let tensor = read(DType::String, b"\x42\x02ab\x42\x00\x42\x01c").unwrap();
        assert_eq!(tensor.as_strings().unwrap(), ["ab", "", "c"]);
    }

    #[test]
    fn records_may_come_in_parts() {
        let parts = [&record(&[0x3a, 1, 1])[..], &record(&[0x3a, 2, 2, 3])].concat();
        let values = Values::new(&parts, DType::I32).unwrap();
        assert_eq!(values.count(), Ok(3));
        let tensor = values.read(&Shape::from([3]), &Bytes::new(), |_| Error::invalid("")).unwrap();
        assert_eq!(tensor.as_slice::<i32>().unwrap(), [1, 2, 3]);
        assert_eq!(
            Values::new(&parts[..parts.len() - 1], DType::I32).unwrap().count(),
            Err(Malformed)
        );
    }
}
