use std::cmp::Reverse;
use std::io::Write;

use flowkeep_tensor::Tensor;
use serde_json::{Map, Value, json};

use super::{MAX_HEADER, METADATA, dtype};
use crate::interchange::TensorSpec;
use crate::interchange::error::{FormatError, unsupported};
use crate::interchange::plain;

/// The length of a header is a multiple of this many bytes.
const ALIGN: usize = 8;

/// The order in which tensors lie in a file: those of wide types first, then by name.
pub(in crate::interchange) fn order(specs: &[TensorSpec]) -> Vec<&TensorSpec> {
    let mut ordered: Vec<_> = specs.iter().collect();
    ordered.sort_by_key(|spec| (Reverse(dtype::rank(spec.dtype)), &spec.name));
    ordered
}

/// A file under way.
pub(in crate::interchange) struct SafetensorsWriter<W> {
    out: W,
}

impl<W: Write> SafetensorsWriter<W> {
    /// Writes the header of these tensors, which [`order`] has put into their order, and whose types
    /// the format has.
    pub(in crate::interchange) fn new(
        mut out: W,
        ordered: &[&TensorSpec],
        metadata: &[(String, String)],
    ) -> Result<SafetensorsWriter<W>, FormatError> {
        let mut header = header(ordered, metadata)?;
        header.resize(header.len().next_multiple_of(ALIGN), b' ');
        let len = u64::try_from(header.len()).unwrap_or(u64::MAX);
        if len > MAX_HEADER {
            return Err(unsupported(format!(
                "a safetensors file cannot have a header of {len} bytes, at most {MAX_HEADER}"
            )));
        }
        out.write_all(&len.to_le_bytes())?;
        out.write_all(&header)?;
        Ok(SafetensorsWriter { out })
    }

    /// Writes the elements of the next tensor.
    pub(in crate::interchange) fn add(&mut self, tensor: &Tensor) -> Result<(), FormatError> {
        plain::for_each_piece(tensor, |piece| self.out.write_all(piece))
    }

    /// Ends the file.
    pub(in crate::interchange) fn finish(mut self) -> Result<(), FormatError> {
        Ok(self.out.flush()?)
    }
}

fn header(ordered: &[&TensorSpec], metadata: &[(String, String)]) -> Result<Vec<u8>, FormatError> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        let texts = metadata.iter().map(|(key, text)| (key.clone(), Value::from(&**text)));
        header.insert(METADATA.to_owned(), texts.collect());
    }
    let mut begin = 0;
    for spec in ordered {
        dtype::check(spec.dtype)?;
        let end = begin + spec.len_bytes()?;
        header.insert(
            spec.name.clone(),
            json!({
                "dtype": dtype::name(spec.dtype),
                "shape": spec.shape.dims(),
                "data_offsets": [begin, end],
            }),
        );
        begin = end;
    }
    Ok(Value::from(header).to_string().into_bytes())
}
