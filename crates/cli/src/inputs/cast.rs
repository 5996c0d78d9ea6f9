//! Elements of one type as a tensor of another, by NumPy's rules.
//!
//! Integers wrap, floats are cut to integers, complex numbers lose their imaginary part, texts are
//! parsed. Floats beyond an integer type's range give what an x86-64 processor gives.

use bytes::Bytes;
use flowkeep_tensor::{Complex, DType, Element, Shape, Tensor, bf16, f16};

use super::numbers;
use crate::error::Error;
use crate::python::{Int, Value, str_repr};

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
    /// Python values of kinds that have no common type.
    Objects(Vec<Value>),
}

/// An element that a tensor type's elements can be made from.
trait Castable {
    fn truth(&self) -> bool;
    fn integer(&self, target: Target<'_>) -> Result<i128, Error>;
    fn float(&self, target: Target<'_>) -> Result<f64, Error>;
    /// To a 32-bit float in one rounding.
    fn float32(&self, target: Target<'_>) -> Result<f32, Error> {
        self.float(target).map(|value| value as f32)
    }
    fn complex(&self, target: Target<'_>) -> Result<Complex<f64>, Error> {
        Ok(Complex { re: self.float(target)?, im: 0.0 })
    }
    fn string(&self) -> Result<Bytes, Error>;
}

/// What elements are cast to, and where to say what was lost.
#[derive(Clone, Copy)]
struct Target<'a> {
    dtype: DType,
    lost: &'a std::cell::Cell<Option<&'static str>>,
}

impl Elements {
    /// The tensor of these elements as `dtype`; says in `warnings` when values were lost.
    pub(super) fn cast(&self, shape: &Shape, dtype: DType, warnings: &mut Vec<String>) -> Result<Tensor, Error> {
        let lost = std::cell::Cell::new(None);
        let target = Target { dtype, lost: &lost };
        let tensor = match self {
            Elements::Bool(values) => cast(values, shape, target),
            Elements::Int(values) => cast(values, shape, target),
            Elements::UInt(values) => cast(values, shape, target),
            Elements::Float(values) => cast(values, shape, target),
            Elements::Complex(values) => cast(values, shape, target),
            Elements::Text(values) => cast(values, shape, target),
            Elements::Bytes(values) => cast(values, shape, target),
            Elements::Objects(values) => cast(values, shape, target),
        }?;
        warnings.extend(lost.get().map(str::to_owned));
        Ok(tensor)
    }
}

fn cast<S: Castable>(values: &[S], shape: &Shape, target: Target<'_>) -> Result<Tensor, Error> {
    fn collect<S, T: Element>(
        values: &[S],
        shape: &Shape,
        cast: impl Fn(&S) -> Result<T, Error>,
    ) -> Result<Tensor, Error> {
        let values = values.iter().map(cast).collect::<Result<Vec<T>, Error>>()?;
        Ok(Tensor::from_vec(shape.clone(), values)?)
    }
    let integer = |value: &S| value.integer(target);
    let wide = |value: Complex<f64>| Complex { re: value.re as f32, im: value.im as f32 };
    match target.dtype {
        DType::Bool => collect(values, shape, |v| Ok(v.truth())),
        DType::I8 => collect(values, shape, |v| integer(v).map(|v| v as i8)),
        DType::I16 => collect(values, shape, |v| integer(v).map(|v| v as i16)),
        DType::I32 => collect(values, shape, |v| integer(v).map(|v| v as i32)),
        DType::I64 => collect(values, shape, |v| integer(v).map(|v| v as i64)),
        DType::U8 => collect(values, shape, |v| integer(v).map(|v| v as u8)),
        DType::U16 => collect(values, shape, |v| integer(v).map(|v| v as u16)),
        DType::U32 => collect(values, shape, |v| integer(v).map(|v| v as u32)),
        DType::U64 => collect(values, shape, |v| integer(v).map(|v| v as u64)),
        DType::F16 => collect(values, shape, |v| v.float16(target)),
        DType::BF16 => collect(values, shape, |v| v.float32(target).map(bf16::from_f32)),
        DType::F32 => collect(values, shape, |v| v.float32(target)),
        DType::F64 => collect(values, shape, |v| v.float(target)),
        DType::Complex64 => collect(values, shape, |v| v.complex(target).map(wide)),
        DType::Complex128 => collect(values, shape, |v| v.complex(target)),
        DType::String => {
            let values = values.iter().map(S::string).collect::<Result<Vec<_>, _>>()?;
            Ok(Tensor::from_strings(shape.clone(), values)?)
        }
        _ => Err(Error::invalid("todo")),
    }
}
