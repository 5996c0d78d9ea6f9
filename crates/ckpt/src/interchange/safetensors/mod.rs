//! The `.safetensors` format: a JSON header with types, shapes and places, then all elements.
//!
//! ```text
//! header length u64  header  blanks to a multiple of 8  elements, little-endian, row-major
//! header = {"__metadata__": {"key": "text"},
//!           "dense/kernel": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
//! ```
//!
//! The elements of the tensors follow one another without holes and fill the rest of the file.
//! What this crate writes is, but for the order of the metadata, what the `safetensors` package
//! writes: tensors in the order of their types, widest first, then of their names, so that every one
//! is aligned for its type.
//!
//! # Types
//!
//! `BOOL`, `U8` to `U64`, `I8` to `I64`, `F16` to `F64`, `BF16`, `C64`, `F8_E4M3` (float8_e4m3fn),
//! `F8_E5M2`, `F8_E4M3FNUZ` and `F8_E5M2FNUZ` are those of the same names. Files with other types
//! (`F8_E8M0`, and those that pack several elements into a byte) are listed, and only reading such a
//! tensor fails. The format has no strings, no complex128, and no quantized or 4-bit integers.

mod dtype;
mod header;
mod writer;

use std::io::Read as _;
use std::sync::Arc;

use flowkeep_bundle::source::Source;
use flowkeep_tensor::{DType, Tensor};

pub(super) use dtype::check;
pub(super) use writer::{SafetensorsWriter, order};

use super::error::{FormatError, corrupt, unsupported};
use super::region::Region;
use super::{Member, Opened, Store, plain};

/// The longest header that is read, in bytes: that of the `safetensors` package.
const MAX_HEADER: u64 = 100_000_000;
/// The name under which the metadata is.
pub(super) const METADATA: &str = "__metadata__";

/// Whether a file of this length that begins with these bytes looks like one.
pub(super) fn is_one(start: &[u8], len: u64) -> bool {
    let (Some(header_len), Some(b'{')) = (start.first_chunk(), start.get(8)) else { return false };
    u64::from_le_bytes(*header_len).checked_add(8).is_some_and(|end| end <= len)
}

/// Opens a file and checks its header.
pub(super) fn open(source: Arc<dyn Source>) -> Result<Opened, FormatError> {
    let file = Region::of(source);
    let mut header_len = [0; 8];
    let cut = || corrupt("the header is cut short");
    file.stream().read_exact(&mut header_len).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => cut(),
        _ => error.into(),
    })?;
    let header_len = u64::from_le_bytes(header_len);
    if header_len > MAX_HEADER {
        return Err(corrupt(format!("the header claims to have {header_len} bytes")));
    }
    let header = file.part(8, header_len).map_err(|_| cut())?.read()?;
    let header = header::parse(&header)?;
    let data = file.rest(8 + header_len)?;
    let (mut members, mut regions) = (Vec::new(), Vec::new());
    for tensor in header.tensors(data.len())? {
        regions.push(data.part(tensor.begin, tensor.member.len_bytes)?);
        members.push(tensor.member);
    }
    let dtypes = members.iter().map(|member: &Member| member.dtype).collect();
    let shapes = members.iter().map(|member| member.shape.clone()).collect();
    let store = Box::new(Tensors { regions, dtypes, shapes });
    Ok(Opened { members, metadata: header.metadata, store })
}

/// The places of tensors in a file.
struct Tensors {
    regions: Vec<Region>,
    dtypes: Vec<Option<DType>>,
    shapes: Vec<flowkeep_tensor::Shape>,
}

impl Store for Tensors {
    fn read(&self, idx: usize, dtype: DType) -> Result<Tensor, FormatError> {
        let (Some(region), Some(stored), Some(shape)) =
            (self.regions.get(idx), self.dtypes.get(idx), self.shapes.get(idx))
        else {
            return Err(corrupt("the tensor is not there"));
        };
        if *stored != Some(dtype) {
            return Err(unsupported(format!("its elements are not of type {dtype}")));
        }
        plain::read_region(dtype, shape, region)
    }
}
