//! The `.npy` format: an array's type and shape as a Python literal, then its elements.
//!
//! ```text
//! \x93NUMPY  major u8  minor u8  header length u16 (u32 from version 2)  header  elements
//! header = {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } blanks \n
//! ```

use bytes::Bytes;
use flowkeep_tensor::{Code, Shape};

use super::array::{Array, Descr};
use crate::python::{self, Int, Value};

/// How every `.npy` file begins.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{0}")]
    Corrupt(String),
    #[error("{0}")]
    Unsupported(String),
}

impl Error {
    pub(super) fn code(&self) -> Code {
        match self {
            Error::Corrupt(_) => Code::DataLoss,
            Error::Unsupported(_) => Code::Unimplemented,
        }
    }
}

pub(super) fn corrupt(what: impl Into<String>) -> Error {
    Error::Corrupt(what.into())
}

/// Reads an array; its elements are shared with `content` where they lie in C order.
pub(super) fn read(content: &Bytes) -> Result<Array, Error> {
    let (header, data_at) = header(content)?;
    let Ok(Value::Dict(entries)) = python::parse(&header) else {
        return Err(corrupt("the header of the array is not a Python dict"));
    };
    let field = |name: &str| {
        let found = entries.iter().find(|(key, _)| matches!(key, Value::Str(key) if key == name));
        found
            .map(|(_, value)| value)
            .ok_or_else(|| corrupt(format!("the header of the array lacks '{name}'")))
    };
    let descr = match field("descr")? {
        Value::Str(descr) => Descr::parse(descr).ok_or_else(|| {
            Error::Unsupported(format!("arrays of type '{descr}' are not supported"))
        })?,
        descr => {
            return Err(Error::Unsupported(format!(
                "arrays of records ({}) are not supported",
                descr.repr()
            )));
        }
    };
    let Value::Bool(fortran_order) = field("fortran_order")? else {
        return Err(corrupt("'fortran_order' of the array is neither True nor False"));
    };
    let shape = shape(field("shape")?)?;
    let n_bytes = shape.checked_n_elements().and_then(|n| n.checked_mul(descr.size));
    let n_bytes =
        n_bytes.ok_or_else(|| corrupt(format!("an array of shape {shape} is too large")))?;
    let data = content.slice(data_at..);
    if data.len() < n_bytes {
        return Err(corrupt(format!(
            "Failed to read all data for array. Expected {n_bytes} bytes, could only read {}. (file seems not fully \
             written?)",
            data.len()
        )));
    }
    let data = data.slice(..n_bytes);
    let data = if *fortran_order { to_c_order(&data, shape.dims(), descr.size) } else { data };
    Ok(Array { descr, shape, data })
}

/// The header's text, and where the elements begin.
fn header(content: &Bytes) -> Result<(String, usize), Error> {
    let cut = || corrupt("the header of the array is cut short");
    let at = |range: std::ops::Range<usize>| content.get(range).ok_or_else(cut);
    let [major, _] = at(6..8)? else { return Err(cut()) };
    let (len, start): (u32, usize) = match (major, at(8..10)?) {
        (1, &[a, b]) => (u32::from(u16::from_le_bytes([a, b])), 10),
        (2 | 3, &[a, b]) => match at(10..12)? {
            &[c, d] => (u32::from_le_bytes([a, b, c, d]), 12),
            _ => return Err(cut()),
        },
        (major, _) => {
            return Err(Error::Unsupported(format!(
                "version {major} of the .npy format is not known"
            )));
        }
    };
    let end = usize::try_from(len).ok().and_then(|len| start.checked_add(len)).ok_or_else(cut)?;
    let text = at(start..end)?;
    // Before version 3 the header is Latin-1, which matters only to names that are not supported.
    Ok((String::from_utf8_lossy(text).into_owned(), end))
}

fn shape(value: &Value) -> Result<Shape, Error> {
    let dim = |value: &Value| match value {
        Value::Int(Int::Small(dim)) => usize::try_from(*dim).ok(),
        _ => None,
    };
    let dims = match value {
        Value::Tuple(dims) => dims.iter().map(dim).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    dims.map(Shape::from)
        .ok_or_else(|| corrupt(format!("{} is not the shape of an array", value.repr())))
}

/// Reorders elements from first-index-fastest to last-index-fastest.
fn to_c_order(data: &Bytes, dims: &[usize], size: usize) -> Bytes {
    if dims.len() < 2 || data.is_empty() {
        return data.clone();
    }
    let mut strides = Vec::with_capacity(dims.len());
    let mut stride = 1;
    for dim in dims {
        strides.push(stride);
        stride *= dim;
    }
    let mut ordered = Vec::with_capacity(data.len());
    let mut index = vec![0; dims.len()];
    let mut offset = 0;
    for _ in 0..stride {
        ordered.extend_from_slice(&data[offset * size..(offset + 1) * size]);
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            offset += strides[axis];
            if index[axis] < dims[axis] {
                break;
            }
            offset -= strides[axis] * dims[axis];
            index[axis] = 0;
        }
    }
    ordered.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Bytes {
        let mut file = MAGIC.to_vec();
        file.extend([1, 0]);
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(data);
        file.into()
    }

    #[test]
    fn hostile_headers_are_refused() {
        let header = |descr: &str, shape: &str| {
            format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}")
        };
        assert!(read(&file(&header("'<f4'", "(1,)"), &[0; 4])).is_ok());
        for (descr, shape) in [
            ("'<f4'", "(2,)"),
            ("'<f4'", "(-1,)"),
            ("'<f4'", "(9223372036854775807, 9223372036854775807)"),
            ("'<f4'", "(99999999999999999999999999,)"),
            ("'<f4'", "5"),
            ("'<f16'", "(1,)"),
            ("'|O'", "(1,)"),
            ("'<M8[s]'", "(1,)"),
            ("'<U9223372036854775807'", "(1,)"),
            ("[('a', '<f4')]", "(1,)"),
            ("1", "(1,)"),
        ] {
            assert!(read(&file(&header(descr, shape), &[0; 4])).is_err(), "{descr} {shape}");
        }
        assert!(read(&file("{}", &[])).is_err());
        assert!(read(&file("nonsense", &[])).is_err());
        for len in 0..20 {
            assert!(read(&file(&header("'<f4'", "(1,)"), &[0; 4]).slice(..len)).is_err(), "{len}");
        }
    }
}
