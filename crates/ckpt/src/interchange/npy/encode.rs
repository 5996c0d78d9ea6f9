use std::io;

use bytes::Bytes;
use flowkeep_tensor::Tensor;

use super::Descr;
use crate::interchange::error::{FormatError, unsupported};
use crate::interchange::plain;

/// The file's header and elements begin at multiples of this many bytes.
const ALIGN: usize = 64;
/// Room for the first dimension to grow in place, in digits.
const GROWTH_DIGITS: usize = 21;
/// What begins the file: magic, version, length of the header.
const PREFIX_LEN: usize = 10;
/// The most dimensions that NumPy's arrays have.
const MAX_RANK: usize = 64;
/// The largest file that byte strings are stretched to.
const MAX_STRINGS_LEN: usize = 1 << 30;
/// Strings are gathered in pieces of about this many bytes.
const PIECE: usize = 1 << 16;

/// A tensor as the content of a `.npy` file, byte for byte as NumPy writes it; the elements stay
/// where they are until they are written.
///
/// Types that NumPy lacks are written as raw bytes (`V2` for bfloat16), quantized types as their
/// integers, strings as bytes of the longest one's width.
#[derive(Clone, Debug)]
pub struct Encoded<'a> {
    header: Vec<u8>,
    tensor: &'a Tensor,
    /// The width of a string.
    width: usize,
    data_len: usize,
}

impl<'a> Encoded<'a> {
    /// Prepares a tensor for writing.
    ///
    /// Errors: `UNIMPLEMENTED` for what NumPy cannot load without loss: strings that end in zeros,
    /// strings of very different lengths, more than 64 dimensions, resources and variants.
    pub fn new(tensor: &'a Tensor) -> Result<Encoded<'a>, FormatError> {
        if tensor.shape().rank() > MAX_RANK {
            return Err(unsupported(format!(
                "an array cannot have {} dimensions, at most {MAX_RANK}",
                tensor.shape().rank()
            )));
        }
        if let Ok(strings) = tensor.as_strings() {
            let width = width(strings)?;
            let data_len = width.checked_mul(strings.len()).filter(|len| *len <= MAX_STRINGS_LEN);
            let data_len = data_len.ok_or_else(|| {
                unsupported(format!(
                    "{} strings of up to {width} bytes would take an array of more than {MAX_STRINGS_LEN} bytes",
                    strings.len()
                ))
            })?;
            let header = header(&format!("|S{width}"), tensor.dims());
            return Ok(Encoded { header, tensor, width, data_len });
        }
        let dtype = tensor.dtype();
        let descr = Descr::written_for(dtype)
            .ok_or_else(|| unsupported(format!("no array has elements of type {dtype}")))?;
        let data_len = tensor.as_bytes()?.len();
        Ok(Encoded { header: header(descr, tensor.dims()), tensor, width: 0, data_len })
    }

    /// The length of the file in bytes.
    #[expect(clippy::len_without_is_empty, reason = "there always is a header")]
    pub fn len(&self) -> usize {
        self.header.len() + self.data_len
    }

    /// Hands on the file piece by piece; the elements of a plain tensor are one piece, not copied.
    pub fn for_each_piece(
        &self,
        mut piece: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), FormatError> {
        piece(&self.header)?;
        let Ok(strings) = self.tensor.as_strings() else {
            return plain::for_each_piece(self.tensor, piece);
        };
        let mut cells = Vec::new();
        for string in strings {
            cells.extend_from_slice(string);
            cells.resize(cells.len() + self.width - string.len(), 0);
            if cells.len() >= PIECE {
                piece(&cells)?;
                cells.clear();
            }
        }
        Ok(piece(&cells)?)
    }
}

/// The width of the longest string.
fn width(strings: &[Bytes]) -> Result<usize, FormatError> {
    if let Some(idx) = strings.iter().position(|string| string.ends_with(b"\0")) {
        return Err(unsupported(format!(
            "string {idx} ends in a zero byte, which an array of strings would lose"
        )));
    }
    Ok(strings.iter().map(Bytes::len).max().unwrap_or(0).max(1))
}

/// All that precedes the elements. With at most 64 dimensions it is no longer than version 1 allows.
fn header(descr: &str, dims: &[usize]) -> Vec<u8> {
    let shape = match dims {
        [dim] => format!("({dim},)"),
        dims => format!("({})", dims.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    if let Some(first) = dims.first() {
        let n = GROWTH_DIGITS.saturating_sub(first.to_string().len());
        text.extend(std::iter::repeat_n(' ', n));
    }
    let used = PREFIX_LEN + text.len() + 1;
    text.extend(std::iter::repeat_n(' ', ALIGN - used % ALIGN));
    text.push('\n');
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [b"\x93NUMPY\x01\x00", &len.to_le_bytes()[..], text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use flowkeep_tensor::DType;
    use serde_json::Value;

    use super::*;
    use crate::interchange::npy::Array;

    const CASES: &str = include_str!("../../../../../fixtures/npy/saved.json");

    fn encode(tensor: &Tensor) -> Result<Vec<u8>, FormatError> {
        let encoded = Encoded::new(tensor)?;
        let mut file = Vec::new();
        encoded.for_each_piece(|piece| {
            file.extend_from_slice(piece);
            Ok(())
        })?;
        assert_eq!(file.len(), encoded.len());
        Ok(file)
    }

    #[test]
    fn files_are_those_of_numpy_both_ways() {
        let fixture: Value = serde_json::from_str(CASES).unwrap();
        let decode = |text: &Value| Bytes::from(STANDARD.decode(text.as_str().unwrap()).unwrap());
        let cases = fixture["cases"].as_array().unwrap();
        assert!(cases.len() > 20);
        for case in cases {
            let dims = case["shape"].as_array().unwrap().iter();
            let dims: Vec<usize> = dims.map(|dim| dim.as_u64().unwrap() as usize).collect();
            let dtype = DType::from_name(case["dtype"].as_str().unwrap()).unwrap();
            let tensor = match case["strings"].as_array() {
                Some(strings) => Tensor::from_strings(dims, strings.iter().map(decode).collect()),
                None => Tensor::from_bytes(dtype, dims, decode(&case["b64"])),
            };
            let (tensor, file) = (tensor.unwrap(), decode(&case["npy"]));
            assert_eq!(encode(&tensor).unwrap(), file, "{}", case["dtype"]);
            assert_eq!(Array::read(&file).unwrap().to_tensor(dtype).unwrap(), tensor);
        }
    }

    fn strings(values: &[&'static str]) -> Tensor {
        let values: Vec<_> = values.iter().map(|value| Bytes::from(*value)).collect();
        Tensor::from_strings([values.len()], values).unwrap()
    }

    #[test]
    fn strings_that_would_lose_zeros_have_no_array() {
        let error = encode(&strings(&["b", "a\0"])).unwrap_err();
        assert_eq!(error.code().name(), "UNIMPLEMENTED");
        assert!(error.to_string().starts_with("string 1 ends in a zero byte"));
        assert!(encode(&strings(&["\0a", ""])).is_ok());
    }

    #[test]
    fn what_numpy_cannot_hold_is_refused() {
        let long = Bytes::from(vec![b'x'; 1 << 21]);
        let values = vec![long; 1].into_iter().chain(vec![Bytes::new(); 1 << 10]).collect();
        assert!(encode(&Tensor::from_strings([1025], values).unwrap()).is_err());
        let deep = Tensor::scalar(1u8).reshape(vec![1; 65]).unwrap();
        assert!(encode(&deep).is_err());
        assert!(encode(&deep.reshape(vec![1; 64]).unwrap()).is_ok());
    }

    #[test]
    fn many_strings_are_gathered() {
        let values: Vec<_> = (0..20_000).map(|idx| Bytes::from(format!("{idx}"))).collect();
        let tensor = Tensor::from_strings([20_000], values).unwrap();
        let file = encode(&tensor).unwrap();
        assert_eq!(Array::read(&file.into()).unwrap().to_tensor(DType::String).unwrap(), tensor);
    }
}
