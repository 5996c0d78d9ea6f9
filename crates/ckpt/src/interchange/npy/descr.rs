use std::fmt;

use flowkeep_tensor::DType;

use crate::interchange::error::{FormatError, unsupported};

/// The layout of an element, NumPy's `dtype.str`: `<f4`, `|S5`, `>U3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descr {
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
    /// The kind of elements.
    pub kind: Kind,
    /// The size of one element in bytes.
    pub size: usize,
}

/// NumPy's kinds of elements, as far as tensors have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Truth values of one byte.
    Bool,
    /// Signed integers.
    Int,
    /// Unsigned integers.
    UInt,
    /// Floats; those of one byte are the type `float8_e5m2` of `ml_dtypes`.
    Float,
    /// Complex numbers.
    Complex,
    /// Byte strings of a fixed width, filled with zeros.
    Bytes,
    /// Texts of a fixed width in UTF-32, filled with zeros.
    Text,
    /// Raw bytes: how NumPy writes types that are not its own, such as bfloat16.
    Void,
}

impl Descr {
    /// Reads a layout; `None` for those that no tensor has, such as objects and dates.
    pub fn parse(text: &str) -> Option<Descr> {
        let (order, rest) = match text.as_bytes().first()? {
            b'<' | b'>' | b'=' | b'|' => text.split_at(1),
            _ => ("=", text),
        };
        if rest == "?" {
            return Some(Descr { big_endian: false, kind: Kind::Bool, size: 1 });
        }
        let (kind, len) = (rest.get(..1)?, rest.get(1..)?.parse::<usize>().ok()?);
        let (kind, size) = match (kind, len) {
            ("b", 1) => (Kind::Bool, 1),
            ("i", 1 | 2 | 4 | 8) => (Kind::Int, len),
            ("u", 1 | 2 | 4 | 8) => (Kind::UInt, len),
            ("f", 1 | 2 | 4 | 8) => (Kind::Float, len),
            ("c", 8 | 16) => (Kind::Complex, len),
            ("S" | "a", _) => (Kind::Bytes, len),
            ("U", _) => (Kind::Text, len.checked_mul(4)?),
            ("V", _) => (Kind::Void, len),
            _ => return None,
        };
        let big_endian = order == ">" || (order == "=" && cfg!(target_endian = "big"));
        Some(Descr { big_endian, kind, size })
    }

    /// The tensor type of the same elements; `None` for raw bytes that may be of several.
    pub fn dtype(self) -> Option<DType> {
        Some(match (self.kind, self.size) {
            (Kind::Bool, 1) => DType::Bool,
            (Kind::Int, 1) => DType::I8,
            (Kind::Int, 2) => DType::I16,
            (Kind::Int, 4) => DType::I32,
            (Kind::Int, 8) => DType::I64,
            (Kind::UInt, 1) => DType::U8,
            (Kind::UInt, 2) => DType::U16,
            (Kind::UInt, 4) => DType::U32,
            (Kind::UInt, 8) => DType::U64,
            (Kind::Float, 1) => DType::F8E5M2,
            (Kind::Float, 2) => DType::F16,
            (Kind::Float, 4) => DType::F32,
            (Kind::Float, 8) => DType::F64,
            (Kind::Complex, 8) => DType::Complex64,
            (Kind::Complex, 16) => DType::Complex128,
            (Kind::Void, 2) => DType::BF16,
            (Kind::Bytes | Kind::Text, _) => DType::String,
            _ => return None,
        })
    }

    /// The layout in which elements of a type are written; `None` for strings, whose width differs,
    /// and for types without plain elements.
    pub(in crate::interchange) fn written_for(dtype: DType) -> Option<&'static str> {
        Some(match dtype {
            DType::F16 => "<f2",
            DType::F32 => "<f4",
            DType::F64 => "<f8",
            DType::I8 | DType::QI8 => "|i1",
            DType::I16 | DType::QI16 => "<i2",
            DType::I32 | DType::QI32 => "<i4",
            DType::I64 => "<i8",
            DType::U8 | DType::QU8 => "|u1",
            DType::U16 | DType::QU16 => "<u2",
            DType::U32 => "<u4",
            DType::U64 => "<u8",
            DType::Bool => "|b1",
            DType::Complex64 => "<c8",
            DType::Complex128 => "<c16",
            DType::BF16 => "<V2",
            dtype if dtype.size_bytes() == Some(1) => "<V1",
            _ => return None,
        })
    }

    /// Whether elements of this layout can be taken for those of `dtype` as they are: for its own
    /// type, and of raw bytes and of quantized types for any that is written in this way.
    pub fn can_be(self, dtype: DType) -> bool {
        let written = Descr::written_for(dtype).and_then(Descr::parse);
        let same = |other: Descr| (other.kind, other.size) == (self.kind, self.size);
        self.dtype() == Some(dtype) || written.is_some_and(same)
    }

    /// Errors: `UNIMPLEMENTED` if elements cannot be taken for those of `dtype`.
    pub(super) fn check_can_be(self, dtype: DType) -> Result<(), FormatError> {
        if self.can_be(dtype) {
            return Ok(());
        }
        let name = self.name();
        Err(unsupported(format!("an array of type {name} has no elements of type {dtype}")))
    }

    /// The number of bytes that change places between byte orders.
    pub(super) fn word(self) -> usize {
        match self.kind {
            Kind::Complex => self.size / 2,
            Kind::Text => 4,
            Kind::Bytes => 1,
            // A brain float, unless it is something else altogether.
            Kind::Void if self.size != 2 => 1,
            _ => self.size,
        }
    }

    /// NumPy's name of the type, for messages: `float32`, `S5`, `<U3`.
    pub fn name(self) -> String {
        match self.kind {
            Kind::Bytes => format!("S{}", self.size),
            Kind::Text => format!("{}U{}", if self.big_endian { '>' } else { '<' }, self.size / 4),
            Kind::Void => format!("V{}", self.size),
            _ => self.dtype().map_or_else(|| self.to_string(), |dtype| dtype.python_name().into()),
        }
    }
}

/// NumPy's `dtype.str`.
impl fmt::Display for Descr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.word() {
            0 | 1 => '|',
            _ if self.big_endian => '>',
            _ => '<',
        };
        let (kind, size) = match self.kind {
            Kind::Bool => ('b', self.size),
            Kind::Int => ('i', self.size),
            Kind::UInt => ('u', self.size),
            Kind::Float => ('f', self.size),
            Kind::Complex => ('c', self.size),
            Kind::Bytes => ('S', self.size),
            Kind::Text => ('U', self.size / 4),
            Kind::Void => ('V', self.size),
        };
        write!(f, "{order}{kind}{size}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_read_and_printed() {
        for (text, printed, dtype) in [
            ("<f4", "<f4", Some(DType::F32)),
            ("f4", "<f4", Some(DType::F32)),
            ("|f4", "<f4", Some(DType::F32)),
            (">i8", ">i8", Some(DType::I64)),
            ("|b1", "|b1", Some(DType::Bool)),
            ("?", "|b1", Some(DType::Bool)),
            ("<c16", "<c16", Some(DType::Complex128)),
            ("a3", "|S3", Some(DType::String)),
            (">U2", ">U2", Some(DType::String)),
            ("<V2", "<V2", Some(DType::BF16)),
            ("<f1", "|f1", Some(DType::F8E5M2)),
            ("|V1", "|V1", None),
            ("|V7", "|V7", None),
        ] {
            let descr = Descr::parse(text).unwrap();
            assert_eq!((descr.to_string().as_str(), descr.dtype()), (printed, dtype), "{text}");
        }
        for text in ["", "<", "|O", "<f16", "<M8[s]", "<i3", "float32", "<f-4", "ü4", "b", "<c4"] {
            assert_eq!(Descr::parse(text), None, "{text}");
        }
    }

    #[test]
    fn raw_bytes_can_be_what_is_written_as_such() {
        let v1 = Descr::parse("|V1").unwrap();
        let i1 = Descr::parse("|i1").unwrap();
        assert!(v1.can_be(DType::F8E4M3FN) && v1.can_be(DType::I4));
        assert!(!v1.can_be(DType::U8) && !v1.can_be(DType::Bool) && !v1.can_be(DType::BF16));
        assert!(i1.can_be(DType::QI8) && i1.can_be(DType::I8) && !i1.can_be(DType::U8));
    }
}
