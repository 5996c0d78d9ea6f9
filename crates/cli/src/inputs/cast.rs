//! Elements of one type as a tensor of another, by NumPy's rules.
//!
//! Integers wrap, floats are cut to integers, complex numbers lose their imaginary part, texts are
//! parsed. Floats beyond an integer type's range give what an x86-64 processor gives.

use std::cell::Cell;

use bytes::Bytes;
use flowkeep_tensor::{Code, Complex, DType, Element, Shape, Tensor, bf16, bytes_repr, f16};

use super::numbers;
use crate::error::Error;
use crate::python::{Int, Value, str_repr};

const OUT_OF_RANGE: &str = "invalid value encountered in cast";
const IMAGINARY_LOST: &str = "Casting complex values to real discards the imaginary part";

/// Elements in the widest Rust type of their kind.
#[derive(Clone, Debug)]
pub(super) enum Elements {
    Bool(Vec<bool>),
    Int(Vec<i64>),
    UInt(Vec<u64>),
    Float(Vec<f64>),
    Complex(Vec<Complex<f64>>),
    Text(Vec<String>),
    Bytes(Vec<Vec<u8>>),
    /// Python values that have no common type, or that the wanted type takes one by one.
    Objects(Vec<Value>),
}

impl Elements {
    /// The tensor of these elements as `dtype`; says in `warnings` when values were lost.
    ///
    /// Errors: `INVALID_ARGUMENT` for values that are not of the type; `UNIMPLEMENTED` for types that
    /// no NumPy array is cast to.
    pub(super) fn cast(
        &self,
        shape: &Shape,
        dtype: DType,
        warnings: &mut Vec<String>,
    ) -> Result<Tensor, Error> {
        let caster = Caster { elements: self, shape, dtype, lost: Cell::new(None) };
        let tensor = caster.cast(dtype)?;
        warnings.extend(caster.lost.get().map(str::to_owned));
        Ok(tensor)
    }

    fn len(&self) -> usize {
        match self {
            Elements::Bool(values) => values.len(),
            Elements::Int(values) => values.len(),
            Elements::UInt(values) => values.len(),
            Elements::Float(values) => values.len(),
            Elements::Complex(values) => values.len(),
            Elements::Text(values) => values.len(),
            Elements::Bytes(values) => values.len(),
            Elements::Objects(values) => values.len(),
        }
    }

    fn get(&self, idx: usize) -> Scalar<'_> {
        match self {
            Elements::Bool(values) => Scalar::Int(i64::from(values[idx]), "bool"),
            Elements::Int(values) => Scalar::Int(values[idx], "int"),
            Elements::UInt(values) => Scalar::UInt(values[idx]),
            Elements::Float(values) => Scalar::Float(values[idx]),
            Elements::Complex(values) => Scalar::Complex(values[idx]),
            Elements::Text(values) => Scalar::Text(&values[idx]),
            Elements::Bytes(values) => Scalar::Bytes(&values[idx]),
            Elements::Objects(values) => Scalar::Object(&values[idx]),
        }
    }
}

/// One element.
#[derive(Clone, Copy)]
enum Scalar<'a> {
    /// An integer or truth value, with its Python type.
    Int(i64, &'static str),
    UInt(u64),
    Float(f64),
    Complex(Complex<f64>),
    Text(&'a str),
    Bytes(&'a [u8]),
    Object(&'a Value),
}

/// A cast under way.
struct Caster<'a> {
    elements: &'a Elements,
    shape: &'a Shape,
    dtype: DType,
    /// What was lost, to be said once.
    lost: Cell<Option<&'static str>>,
}

impl Caster<'_> {
    fn cast(&self, dtype: DType) -> Result<Tensor, Error> {
        match dtype {
            DType::Bool => self.plain(|v| Ok(v.is_true())),
            DType::I8 => self.plain(|v| self.integer(v).map(|v| v as i8)),
            DType::I16 => self.plain(|v| self.integer(v).map(|v| v as i16)),
            DType::I32 => self.plain(|v| self.integer(v).map(|v| v as i32)),
            DType::I64 => self.plain(|v| self.integer(v).map(|v| v as i64)),
            DType::U8 => self.plain(|v| self.integer(v).map(|v| v as u8)),
            DType::U16 => self.plain(|v| self.integer(v).map(|v| v as u16)),
            DType::U32 => self.plain(|v| self.integer(v).map(|v| v as u32)),
            DType::U64 => self.plain(|v| self.integer(v).map(|v| v as u64)),
            DType::QI8 => Ok(self.cast(DType::I8)?.bitcast(dtype)?),
            DType::QU8 => Ok(self.cast(DType::U8)?.bitcast(dtype)?),
            DType::QI16 => Ok(self.cast(DType::I16)?.bitcast(dtype)?),
            DType::QU16 => Ok(self.cast(DType::U16)?.bitcast(dtype)?),
            DType::QI32 => Ok(self.cast(DType::I32)?.bitcast(dtype)?),
            DType::F16 => self.plain(|v| match v {
                Scalar::Float(_) | Scalar::Text(_) | Scalar::Bytes(_) => {
                    self.float(v).map(f16::from_f64)
                }
                v => self.float32(v).map(f16::from_f32),
            }),
            DType::BF16 => self.plain(|v| match v {
                Scalar::Object(value) => brain_float(value),
                v => self.float32(v).map(bf16::from_f32),
            }),
            DType::F32 => self.plain(|v| self.float32(v)),
            DType::F64 => self.plain(|v| self.float(v)),
            DType::Complex64 => self.plain(|v| match v {
                Scalar::Int(..) | Scalar::UInt(_) => {
                    self.float32(v).map(|re| Complex { re, im: 0.0 })
                }
                v => self.complex(v).map(|v| Complex { re: v.re as f32, im: v.im as f32 }),
            }),
            DType::Complex128 => self.plain(|v| self.complex(v)),
            DType::String => {
                let values = (0..self.elements.len()).map(|idx| self.elements.get(idx).string());
                Ok(Tensor::from_strings(self.shape, values.collect::<Result<Vec<_>, _>>()?)?)
            }
            dtype => Err(Error::Failed {
                code: Code::Unimplemented,
                message: format!("values cannot be converted to type {dtype}"),
            }),
        }
    }

    fn plain<T: Element>(
        &self,
        cast: impl Fn(Scalar<'_>) -> Result<T, Error>,
    ) -> Result<Tensor, Error> {
        let values = (0..self.elements.len()).map(|idx| cast(self.elements.get(idx)));
        Ok(Tensor::from_vec(self.shape, values.collect::<Result<Vec<T>, Error>>()?)?)
    }

    /// The integer that is then cut to the width of the type.
    fn integer(&self, scalar: Scalar<'_>) -> Result<i128, Error> {
        match scalar {
            Scalar::Int(value, _) => Ok(i128::from(value)),
            Scalar::UInt(value) => Ok(i128::from(value)),
            Scalar::Float(value) => Ok(self.truncated(value)),
            Scalar::Complex(value) => {
                self.lost.set(Some(IMAGINARY_LOST));
                Ok(self.truncated(value.re))
            }
            Scalar::Text(text) => self.parsed_integer(text, || str_repr(text)),
            Scalar::Bytes(bytes) => {
                let text = std::str::from_utf8(bytes).unwrap_or("?");
                self.parsed_integer(text, || bytes_repr(bytes))
            }
            Scalar::Object(value) => match value {
                Value::Bool(value) => Ok(i128::from(*value)),
                Value::Int(Int::Small(value)) => match i64::try_from(*value) {
                    Ok(value) => Ok(i128::from(value)),
                    Err(_) => Err(too_large_for_long()),
                },
                Value::Int(Int::Big { .. }) => Err(too_large_for_long()),
                Value::Float(value) if value.is_nan() => {
                    Err(Error::invalid("cannot convert float NaN to integer"))
                }
                Value::Float(value) if value.is_infinite() => {
                    Err(Error::invalid("cannot convert float infinity to integer"))
                }
                Value::Float(value) => Ok(self.truncated(*value)),
                Value::Str(text) => self.parsed_integer(text, || str_repr(text)),
                value => Err(Error::invalid(format!(
                    "int() argument must be a string, a bytes-like object or a real number, not '{}'",
                    value.type_name()
                ))),
            },
        }
    }

    fn parsed_integer(&self, text: &str, repr: impl Fn() -> String) -> Result<i128, Error> {
        let value = numbers::integer(text).ok_or_else(|| {
            Error::invalid(format!("invalid literal for int() with base 10: {}", repr()))
        })?;
        let bits = self.dtype.size_bytes().unwrap_or(8) * 8;
        let unsigned = matches!(self.dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64);
        let range =
            if unsigned { 0..1i128 << bits } else { -(1i128 << (bits - 1))..1i128 << (bits - 1) };
        if !range.contains(&value) {
            let dtype = self.dtype.python_name();
            return Err(Error::invalid(format!(
                "Python integer {value} out of bounds for {dtype}"
            )));
        }
        Ok(value)
    }

    /// Cuts a float as an x86-64 processor does for the type: by way of a wider signed integer, the
    /// smallest value of which stands for all that it cannot hold.
    fn truncated(&self, value: f64) -> i128 {
        let value = value.trunc();
        let fits = |bits: i32| value >= -(2f64.powi(bits - 1)) && value < 2f64.powi(bits - 1);
        let bits = match self.dtype {
            DType::I64 | DType::U32 => 64,
            DType::U64 if value >= 2f64.powi(63) && value < 2f64.powi(64) => return value as i128,
            DType::U64 if value >= 2f64.powi(64) => {
                self.lost.set(Some(OUT_OF_RANGE));
                return 0;
            }
            DType::U64 => 64,
            _ => 32,
        };
        if fits(bits) {
            return value as i128;
        }
        self.lost.set(Some(OUT_OF_RANGE));
        -(1i128 << (bits - 1))
    }

    fn float32(&self, scalar: Scalar<'_>) -> Result<f32, Error> {
        // Straight from integers, as going by way of 64-bit floats would round twice.
        match scalar {
            Scalar::Int(value, _) => Ok(value as f32),
            Scalar::UInt(value) => Ok(value as f32),
            scalar => self.float(scalar).map(|value| value as f32),
        }
    }

    fn float(&self, scalar: Scalar<'_>) -> Result<f64, Error> {
        match scalar {
            Scalar::Int(value, _) => Ok(value as f64),
            Scalar::UInt(value) => Ok(value as f64),
            Scalar::Float(value) => Ok(value),
            Scalar::Complex(value) => {
                self.lost.set(Some(IMAGINARY_LOST));
                Ok(value.re)
            }
            Scalar::Text(text) => parsed_float(Some(text), || str_repr(text)),
            Scalar::Bytes(bytes) => {
                parsed_float(std::str::from_utf8(bytes).ok(), || bytes_repr(bytes))
            }
            Scalar::Object(value) => match value {
                Value::None => Ok(f64::NAN),
                Value::Bool(value) => Ok(f64::from(u8::from(*value))),
                Value::Int(value) => finite(value.to_f64()),
                Value::Float(value) => Ok(*value),
                Value::Str(text) => parsed_float(Some(text), || str_repr(text)),
                value => Err(Error::invalid(format!(
                    "float() argument must be a string or a real number, not '{}'",
                    value.type_name()
                ))),
            },
        }
    }

    fn complex(&self, scalar: Scalar<'_>) -> Result<Complex<f64>, Error> {
        let malformed = || Error::invalid("complex() arg is a malformed string");
        match scalar {
            Scalar::Complex(value) => Ok(value),
            Scalar::Text(text) => numbers::complex(text).ok_or_else(malformed),
            Scalar::Bytes(bytes) => {
                std::str::from_utf8(bytes).ok().and_then(numbers::complex).ok_or_else(malformed)
            }
            Scalar::Object(Value::None) => Ok(Complex { re: f64::NAN, im: f64::NAN }),
            Scalar::Object(Value::Complex(value)) => Ok(*value),
            Scalar::Object(Value::Str(text)) => numbers::complex(text).ok_or_else(malformed),
            Scalar::Object(value @ (Value::Dict(_) | Value::Set(_))) => {
                Err(Error::invalid(format!("must be real number, not {}", value.type_name())))
            }
            scalar => self.float(scalar).map(|re| Complex { re, im: 0.0 }),
        }
    }
}

impl Scalar<'_> {
    fn is_true(self) -> bool {
        match self {
            Scalar::Int(value, _) => value != 0,
            Scalar::UInt(value) => value != 0,
            Scalar::Float(value) => value != 0.0,
            Scalar::Complex(value) => value.re != 0.0 || value.im != 0.0,
            Scalar::Text(text) => !text.is_empty(),
            Scalar::Bytes(bytes) => !bytes.is_empty(),
            Scalar::Object(value) => match value {
                Value::None => false,
                Value::Bool(value) => *value,
                Value::Int(value) => *value != Int::Small(0),
                Value::Float(value) => *value != 0.0,
                Value::Complex(value) => value.re != 0.0 || value.im != 0.0,
                Value::Str(text) => !text.is_empty(),
                Value::Bytes(bytes) => !bytes.is_empty(),
                Value::Tuple(items) | Value::List(items) | Value::Set(items) => !items.is_empty(),
                Value::Dict(entries) => !entries.is_empty(),
            },
        }
    }

    fn string(self) -> Result<Bytes, Error> {
        let type_name = match self {
            Scalar::Text(text) => return Ok(Bytes::copy_from_slice(text.as_bytes())),
            Scalar::Bytes(bytes) => return Ok(Bytes::copy_from_slice(bytes)),
            Scalar::Object(Value::Str(text)) => return Ok(Bytes::copy_from_slice(text.as_bytes())),
            Scalar::Object(Value::Bytes(bytes)) => return Ok(Bytes::copy_from_slice(bytes)),
            Scalar::Object(value) => value.type_name(),
            Scalar::Int(_, type_name) => type_name,
            Scalar::UInt(_) => "int",
            Scalar::Float(_) => "float",
            Scalar::Complex(_) => "complex",
        };
        Err(Error::invalid(format!("Unsupported object type {type_name}")))
    }
}

/// Numbers one by one, as the bfloat16 type takes them.
fn brain_float(value: &Value) -> Result<bf16, Error> {
    match value {
        Value::Bool(value) => Ok(bf16::from_f32(f32::from(u8::from(*value)))),
        Value::Int(Int::Small(value)) if i64::try_from(*value).is_ok() => {
            Ok(bf16::from_f32(*value as f32))
        }
        Value::Float(value) => Ok(bf16::from_f32(*value as f32)),
        value => Err(Error::invalid(format!("expected number, got {}", value.type_name()))),
    }
}

fn parsed_float(text: Option<&str>, repr: impl Fn() -> String) -> Result<f64, Error> {
    let value = text.and_then(numbers::float);
    value.ok_or_else(|| Error::invalid(format!("could not convert string to float: {}", repr())))
}

fn finite(value: f64) -> Result<f64, Error> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Error::invalid("int too large to convert to float"))
    }
}

pub(super) fn too_large_for_long() -> Error {
    Error::invalid("Python int too large to convert to C long")
}
