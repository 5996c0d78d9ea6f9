use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor};

use super::c_order::to_c_order;
use super::{Descr, Header, Kind};
use crate::interchange::error::{FormatError, corrupt, unsupported};
use crate::interchange::plain;

/// An array in memory: little-endian elements in row-major order, and what they are.
#[derive(Clone, Debug)]
pub struct Array {
    descr: Descr,
    shape: Shape,
    data: Bytes,
}

impl Array {
    /// Reads the array that a file or a member of an archive begins with; its elements are shared
    /// with `content` where they lie as they should.
    ///
    /// Errors: `DATA_LOSS` if it is damaged or cut short; `UNIMPLEMENTED` for types that no tensor
    /// has, such as Python objects.
    pub fn read(content: &Bytes) -> Result<Array, FormatError> {
        let header = Header::read(&mut &content[..])?;
        header.check_len(content.len().saturating_sub(header.data_at))?;
        let len = header.len_bytes(header.supported()?)?;
        Array::new(&header, content.slice(header.data_at..header.data_at.saturating_add(len)))
    }

    /// The array of these elements, which are as many as the header says.
    pub(super) fn new(header: &Header, data: Bytes) -> Result<Array, FormatError> {
        let (descr, shape) = (header.supported()?, header.shape.clone());
        if descr.size == 0 && shape.n_elements() > 0 {
            // NumPy gives strings a width of at least 1; without one there may be any number of them.
            return Err(unsupported(format!("arrays of type '{descr}' are not supported")));
        }
        let mut data = data;
        if header.fortran_order && shape.rank() > 1 {
            data = to_c_order(&data, shape.dims(), descr.size).into();
        }
        if descr.big_endian && descr.word() > 1 {
            let mut swapped = Vec::from(data);
            plain::swap(descr.word(), &mut swapped);
            data = swapped.into();
        }
        Ok(Array { descr, shape, data })
    }

    /// The layout of the elements in the file.
    pub fn descr(&self) -> Descr {
        self.descr
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The elements, little-endian and in row-major order.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The elements of fixed width, without the zeros at their ends: byte strings, or texts in
    /// UTF-32.
    pub fn strings(&self) -> impl Iterator<Item = Bytes> {
        let unit = if self.descr.kind == Kind::Text { 4 } else { 1 };
        let size = self.descr.size.max(1);
        self.data.chunks_exact(size).map(move |element| {
            let len = element.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let len = len.next_multiple_of(unit).min(element.len());
            self.data.slice_ref(element.get(..len).unwrap_or_default())
        })
    }

    /// The texts of an array of them.
    ///
    /// Errors: `DATA_LOSS` for texts of characters that do not exist.
    pub fn texts(&self) -> Result<Vec<String>, FormatError> {
        self.strings()
            .map(|utf32| text(&utf32))
            .collect::<Option<_>>()
            .ok_or_else(|| corrupt("the array has a text with a character that does not exist"))
    }

    /// The tensor of the same elements, where they are of type `dtype`, or raw bytes that may be.
    ///
    /// Errors: `UNIMPLEMENTED` if they are not.
    pub fn to_tensor(&self, dtype: DType) -> Result<Tensor, FormatError> {
        self.descr.check_can_be(dtype)?;
        Ok(match self.descr.kind {
            Kind::Bytes => Tensor::from_strings(&self.shape, self.strings().collect())?,
            Kind::Text => {
                let texts = self.texts()?.into_iter().map(Bytes::from).collect();
                Tensor::from_strings(&self.shape, texts)?
            }
            _ => match plain::canonical_byte(dtype) {
                Some(canonical) => {
                    let bytes = self.data.iter().map(|byte| canonical(*byte)).collect();
                    Tensor::from_bytes(dtype, &self.shape, bytes)?
                }
                None => Tensor::from_bytes(dtype, &self.shape, self.data.clone())?,
            },
        })
    }
}

impl Header {
    /// Checks that all elements are there, in `len` bytes.
    pub(super) fn check_len(&self, len: usize) -> Result<(), FormatError> {
        let Some(descr) = self.descr else { return Ok(()) };
        let expected = self.len_bytes(descr)?;
        if len >= expected {
            return Ok(());
        }
        Err(corrupt(format!(
            "Failed to read all data for array. Expected {expected} bytes, could only read {len}. (file seems not \
             fully written?)"
        )))
    }
}

fn text(utf32: &[u8]) -> Option<String> {
    let (chars, _) = utf32.as_chunks::<4>();
    chars.iter().map(|c| char::from_u32(u32::from_le_bytes(*c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(descr: &str, shape: &str, data: &[u8]) -> Result<Array, FormatError> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': True, 'shape': {shape}}}");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(data);
        Array::read(&file.into())
    }

    #[test]
    fn elements_come_in_row_major_little_endian_order() {
        let i16s = array(">i2", "(2, 2)", &[0, 1, 0, 2, 0, 3, 0, 4]).unwrap();
        let tensor = i16s.to_tensor(DType::I16).unwrap();
        assert_eq!(tensor.as_slice::<i16>().unwrap(), &[1, 3, 2, 4]);
        let texts = array(">U1", "(2,)", &[0, 0, 0, b'a', 0, 0, 0, 0]).unwrap();
        assert_eq!(texts.texts().unwrap(), ["a", ""]);
        let bools = array("|b1", "(3,)", &[0, 1, 2]).unwrap().to_tensor(DType::Bool).unwrap();
        assert_eq!(bools.as_slice::<bool>().unwrap(), &[false, true, true]);
    }

    #[test]
    fn strings_lose_their_padding_only() {
        let array = array("|S3", "(3,)", b"a\0\0\0b\0\0\0\0").unwrap();
        let tensor = array.to_tensor(DType::String).unwrap();
        assert_eq!(tensor.as_strings().unwrap(), &["a", "\0b", ""]);
    }

    #[test]
    fn absurd_arrays_are_refused() {
        assert_eq!(
            array("|S0", "(1152921504606846976,)", b"").unwrap_err().code().name(),
            "UNIMPLEMENTED"
        );
        assert_eq!(array("<f4", "(2,)", &[0; 7]).unwrap_err().code().name(), "DATA_LOSS");
        assert!(array("|S0", "(0,)", b"").is_ok());
        let texts = array("<U1", "(1,)", &[0, 0, 0x11, 0]).unwrap();
        assert!(texts.to_tensor(DType::String).is_err());
        let raw = array("|V1", "(1,)", &[0]).unwrap();
        assert!(raw.to_tensor(DType::F8E4M3FN).is_ok());
        assert!(raw.to_tensor(DType::U8).is_err());
    }
}
