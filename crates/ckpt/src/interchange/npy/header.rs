use std::io::{self, Read};

use flowkeep_tensor::{MAX_RANK, Shape};

use super::Descr;
use super::literal::{self, Literal};
use crate::interchange::error::{FormatError, corrupt, unsupported};

/// How every `.npy` file begins.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header that is read, in bytes. NumPy itself stops at 10,000.
const MAX_LEN: u32 = 1 << 20;

/// What precedes the elements of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The layout of an element; `None` for one that no tensor has.
    pub descr: Option<Descr>,
    /// The layout in NumPy's own words, such as `<f4` or `|O`; `record` for records.
    pub descr_text: String,
    /// Whether the first index runs fastest, and not the last.
    pub fortran_order: bool,
    /// The shape.
    pub shape: Shape,
    /// Where the elements begin, in bytes from the begin of the file.
    pub data_at: usize,
}

impl Header {
    /// Reads the header at the begin of an array's bytes, and no further.
    ///
    /// Errors: `DATA_LOSS` if it is damaged; `UNIMPLEMENTED` for versions beyond 3.
    pub fn read(from: &mut impl Read) -> Result<Header, FormatError> {
        let magic: [u8; 6] = bytes(from)?;
        if magic != MAGIC {
            return Err(corrupt("it does not begin like an array"));
        }
        let [major, _] = bytes(from)?;
        let (len, start) = match major {
            1 => (u32::from(u16::from_le_bytes(bytes(from)?)), 10),
            2 | 3 => (u32::from_le_bytes(bytes(from)?), 12),
            _ => {
                return Err(unsupported(format!(
                    "version {major} of the .npy format is not known"
                )));
            }
        };
        if len > MAX_LEN {
            return Err(corrupt(format!("the header of the array claims to have {len} bytes")));
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let mut text = Vec::new();
        from.take(len.try_into().unwrap_or(u64::MAX)).read_to_end(&mut text).map_err(cut)?;
        if text.len() < len {
            return Err(cut(io::ErrorKind::UnexpectedEof.into()));
        }
        // Before version 3 the header is Latin-1, which matters only to names of fields.
        Header::parse(&String::from_utf8_lossy(&text), start + len)
    }

    fn parse(text: &str, data_at: usize) -> Result<Header, FormatError> {
        let Some(Literal::Dict(entries)) = literal::parse(text) else {
            return Err(corrupt("the header of the array is not a Python dict"));
        };
        let field = |name: &str| {
            let found = entries.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
            found.ok_or_else(|| corrupt(format!("the header of the array lacks '{name}'")))
        };
        let descr_text = match field("descr")? {
            Literal::Str(descr) => (*descr).to_owned(),
            _ => "record".to_owned(),
        };
        let Literal::Bool(fortran_order) = field("fortran_order")? else {
            return Err(corrupt("'fortran_order' of the array is neither True nor False"));
        };
        let shape = shape(field("shape")?)
            .ok_or_else(|| corrupt("'shape' of the array is not a tuple of sizes"))?;
        let descr = Descr::parse(&descr_text);
        let header = Header { descr, descr_text, fortran_order: *fortran_order, shape, data_at };
        if let Some(descr) = header.descr {
            header.len_bytes(descr)?;
        }
        Ok(header)
    }

    /// The layout of an element.
    ///
    /// Errors: `UNIMPLEMENTED` for one that no tensor has.
    pub fn supported(&self) -> Result<Descr, FormatError> {
        self.descr.ok_or_else(|| {
            let why = if self.descr_text == "|O" { " (Python objects are pickled)" } else { "" };
            unsupported(format!("arrays of type '{}' are not supported{why}", self.descr_text))
        })
    }

    /// The length of all elements in bytes.
    ///
    /// Errors: `DATA_LOSS` if there cannot be so many.
    pub(super) fn len_bytes(&self, descr: Descr) -> Result<usize, FormatError> {
        let n_elements = self.shape.checked_n_elements();
        let len = n_elements.and_then(|n| n.checked_mul(descr.size));
        let len = len.filter(|len| isize::try_from(*len).is_ok());
        len.ok_or_else(|| corrupt(format!("an array of shape {} is too large", self.shape)))
    }
}

/// The next bytes, as many as are asked for.
fn bytes<const N: usize>(from: &mut impl Read) -> Result<[u8; N], FormatError> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(cut)?;
    Ok(bytes)
}

fn cut(error: io::Error) -> FormatError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => corrupt("the header of the array is cut short"),
        _ => error.into(),
    }
}

fn shape(value: &Literal<'_>) -> Option<Shape> {
    let Literal::Items(dims) = value else { return None };
    let dim = |value: &Literal<'_>| match value {
        Literal::Int(dim) => usize::try_from(*dim).ok(),
        _ => None,
    };
    let dims = dims.iter().map(dim).collect::<Option<Vec<_>>>()?;
    (dims.len() <= MAX_RANK).then(|| Shape::from(dims))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, header: &str) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.extend([version, 0]);
        match version {
            1 => file.extend((header.len() as u16).to_le_bytes()),
            _ => file.extend((header.len() as u32).to_le_bytes()),
        }
        file.extend(header.as_bytes());
        file
    }

    fn read(version: u8, header: &str) -> Result<Header, FormatError> {
        Header::read(&mut &file(version, header)[..])
    }

    const GOOD: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n";

    #[test]
    fn every_version_is_read() {
        for version in [1, 2, 3] {
            let header = read(version, GOOD).unwrap();
            assert_eq!(header.shape, [2, 3].into());
            assert_eq!(header.descr_text, "<f4");
            assert_eq!(header.data_at, file(version, GOOD).len());
        }
        assert_eq!(read(4, GOOD).unwrap_err().code().name(), "UNIMPLEMENTED");
        assert_eq!(read(0, GOOD).unwrap_err().code().name(), "UNIMPLEMENTED");
    }

    #[test]
    fn damaged_headers_are_refused() {
        let file = file(1, GOOD);
        for len in 0..file.len() {
            assert_eq!(Header::read(&mut &file[..len]).unwrap_err().code().name(), "DATA_LOSS");
        }
        for header in [
            "",
            "nonsense",
            "[]",
            "{}",
            "{'descr': '<f4', 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 5}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (5)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999999,)}",
            "{'descr': '|S9223372036854775807', 'fortran_order': False, 'shape': (3,)}",
        ] {
            assert_eq!(read(1, header).unwrap_err().code().name(), "DATA_LOSS", "{header}");
        }
        let deep =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({})}}", "1,".repeat(255));
        assert!(read(1, &deep).is_err());
        let mut lying = MAGIC.to_vec();
        lying.extend([2, 0, 0xff, 0xff, 0xff, 0xff]);
        assert!(Header::read(&mut &lying[..]).is_err());
    }

    #[test]
    fn types_without_tensors_are_named() {
        for (descr, name) in [
            ("'|O'", "'|O' are not supported (Python objects are pickled)"),
            ("'<M8[s]'", "'<M8[s]' are not supported"),
            ("'<f16'", "'<f16' are not supported"),
            ("[('a', '<f4')]", "'record' are not supported"),
        ] {
            let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,)}}");
            let error = read(1, &header).unwrap().supported().unwrap_err();
            assert_eq!(error.code().name(), "UNIMPLEMENTED");
            assert_eq!(error.to_string(), format!("arrays of type {name}"));
        }
    }
}
