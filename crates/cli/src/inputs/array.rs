//! NumPy arrays as they lie in files.

use bytes::Bytes;
use flowkeep_tensor::{Complex, DType, Shape, Tensor, f16};

use super::cast::Elements;
use crate::error::Error;

/// An array: the layout of its elements, its shape, and the elements in C order.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub(super) descr: Descr,
    pub(super) shape: Shape,
    pub(super) data: Bytes,
}

/// The layout of an element, NumPy's `dtype.str`: `<f4`, `|S5`, `>U3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descr {
    pub(super) big_endian: bool,
    pub(super) kind: Kind,
    /// The size of one element in bytes.
    pub(super) size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    UInt,
    Float,
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
    pub(super) fn parse(text: &str) -> Option<Descr> {
        let (order, rest) = match text.as_bytes().first()? {
            b'<' | b'>' | b'=' | b'|' => text.split_at(1),
            _ => ("=", text),
        };
        let (kind, len) = (rest.get(..1)?, rest.get(1..)?.parse::<usize>().ok()?);
        let (kind, size) = match (kind, len) {
            ("b", 1) => (Kind::Bool, 1),
            ("i", 1 | 2 | 4 | 8) => (Kind::Int, len),
            ("u", 1 | 2 | 4 | 8) => (Kind::UInt, len),
            ("f", 2 | 4 | 8) => (Kind::Float, len),
            // The name under which 8-bit floats are written.
            ("f", 1) => (Kind::Void, len),
            ("c", 8 | 16) => (Kind::Complex, len),
            ("S" | "a", _) => (Kind::Bytes, len),
            ("U", _) => (Kind::Text, len.checked_mul(4)?),
            ("V", _) => (Kind::Void, len),
            _ => return None,
        };
        let big_endian = order == ">" || (order == "=" && cfg!(target_endian = "big"));
        Some(Descr { big_endian, kind, size })
    }

    /// The bytes that change places between byte orders.
    fn word(self) -> usize {
        match self.kind {
            Kind::Complex => self.size / 2,
            Kind::Text => 4,
            Kind::Bytes | Kind::Void => 1,
            _ => self.size,
        }
    }

    /// The tensor type of the same elements.
    fn dtype(self) -> Option<DType> {
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
            (Kind::Float, 2) => DType::F16,
            (Kind::Float, 4) => DType::F32,
            (Kind::Float, 8) => DType::F64,
            (Kind::Complex, 8) => DType::Complex64,
            (Kind::Complex, 16) => DType::Complex128,
            _ => return None,
        })
    }

    /// NumPy's name of the type, for messages.
    pub(super) fn name(self) -> String {
        match self.kind {
            Kind::Bytes => format!("S{}", self.size),
            Kind::Text => format!("{}U{}", if self.big_endian { '>' } else { '<' }, self.size / 4),
            _ => self
                .dtype()
                .map(|dtype| dtype.python_name().to_owned())
                .unwrap_or_else(|| format!("V{}", self.size)),
        }
    }
}

impl Array {
    /// The tensor of the same elements, where `dtype` is their type.
    ///
    /// Raw bytes serve for the types that NumPy lacks. `None` when the elements must be converted.
    pub(super) fn to_same(&self, dtype: DType) -> Result<Option<Tensor>, Error> {
        let is_foreign = dtype.size_bytes() == Some(self.descr.size)
            && !(dtype == DType::Bool || dtype.is_complex())
            && (dtype == DType::BF16 || self.descr.size == 1);
        if self.descr.dtype() != Some(dtype) && !(self.descr.kind == Kind::Void && is_foreign) {
            return Ok(None);
        }
        let data = match self.descr.kind {
            // Any other byte is true as well.
            Kind::Bool => self.data.iter().map(|byte| u8::from(*byte != 0)).collect(),
            _ => self.little_endian(),
        };
        Ok(Some(Tensor::from_bytes(dtype, self.shape.clone(), data)?))
    }

    /// The tensor of the elements converted to another type.
    pub(super) fn cast(&self, dtype: DType, warnings: &mut Vec<String>) -> Result<Tensor, Error> {
        if dtype == DType::BF16 && matches!(self.descr.kind, Kind::Bytes | Kind::Text) {
            let what = if self.shape.is_scalar() { "scalar" } else { "array data" };
            return Err(Error::invalid(format!(
                "Cannot cast {what} from dtype('{}') to dtype(bfloat16) according to the rule 'unsafe'",
                self.descr.name()
            )));
        }
        self.elements()?.cast(&self.shape, dtype, warnings)
    }

    /// The elements as Rust values.
    fn elements(&self) -> Result<Elements, Error> {
        let data = self.little_endian();
        let size = self.descr.size;
        Ok(match (self.descr.kind, size) {
            (Kind::Bool, _) => Elements::Bool(data.iter().map(|byte| *byte != 0).collect()),
            (Kind::Int, 1) => {
                Elements::Int(numbers(&data, |[a]| i64::from(i8::from_le_bytes([a]))))
            }
            (Kind::Int, 2) => Elements::Int(numbers(&data, |b| i64::from(i16::from_le_bytes(b)))),
            (Kind::Int, 4) => Elements::Int(numbers(&data, |b| i64::from(i32::from_le_bytes(b)))),
            (Kind::Int, _) => Elements::Int(numbers(&data, i64::from_le_bytes)),
            (Kind::UInt, 1) => Elements::Int(numbers(&data, |[a]| i64::from(a))),
            (Kind::UInt, 2) => Elements::Int(numbers(&data, |b| i64::from(u16::from_le_bytes(b)))),
            (Kind::UInt, 4) => Elements::Int(numbers(&data, |b| i64::from(u32::from_le_bytes(b)))),
            (Kind::UInt, _) => Elements::UInt(numbers(&data, u64::from_le_bytes)),
            (Kind::Float, 2) => Elements::Float(numbers(&data, |b| f16::from_le_bytes(b).to_f64())),
            (Kind::Float, 4) => {
                Elements::Float(numbers(&data, |b| f64::from(f32::from_le_bytes(b))))
            }
            (Kind::Float, _) => Elements::Float(numbers(&data, f64::from_le_bytes)),
            (Kind::Complex, 8) => pairs(numbers(&data, |b| f64::from(f32::from_le_bytes(b)))),
            (Kind::Complex, _) => pairs(numbers(&data, f64::from_le_bytes)),
            (Kind::Bytes, _) => Elements::Bytes(self.strings(&data).map(<[u8]>::to_vec).collect()),
            (Kind::Text, _) => {
                Elements::Text(self.strings(&data).map(text).collect::<Option<_>>().ok_or_else(
                    || Error::invalid("the array has a text with a character that does not exist"),
                )?)
            }
            (Kind::Void, _) => {
                return Err(Error::invalid(format!(
                    "an array of type {} has no numbers",
                    self.descr.name()
                )));
            }
        })
    }

    /// The elements of fixed width, without the zeros at their ends. Of width 0 all are empty.
    fn strings<'a>(&self, data: &'a Bytes) -> impl Iterator<Item = &'a [u8]> {
        let (size, unit) = (self.descr.size, self.descr.word());
        (0..self.shape.n_elements()).map(move |idx| {
            let element = data.get(idx * size..(idx + 1) * size).unwrap_or_default();
            let len = element.iter().rposition(|byte| *byte != 0).map(|last| last + 1).unwrap_or(0);
            &element[..len.next_multiple_of(unit)]
        })
    }

    fn little_endian(&self) -> Bytes {
        let word = self.descr.word();
        if !self.descr.big_endian || word == 1 {
            return self.data.clone();
        }
        let mut swapped = self.data.to_vec();
        swapped.chunks_exact_mut(word).for_each(<[u8]>::reverse);
        swapped.into()
    }
}

fn numbers<const N: usize, T>(data: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok()).map(number).collect()
}

fn pairs(parts: Vec<f64>) -> Elements {
    Elements::Complex(
        parts.chunks_exact(2).map(|pair| Complex { re: pair[0], im: pair[1] }).collect(),
    )
}

fn text(utf32: &[u8]) -> Option<String> {
    numbers(utf32, u32::from_le_bytes).into_iter().map(char::from_u32).collect()
}
