//! Tensors as text, laid out as NumPy lays out arrays.
//!
//! The rules are those of NumPy 2.4 with its default print options: eight digits after the point,
//! lines of 75 characters, arrays of more than 1,000 elements abbreviated to three items at each end.

mod complex;
mod digits;
mod float;
mod layout;
mod narrow;
mod scalar;

use std::fmt::Display;

use crate::{Complex, DType, Element, Tensor};
use complex::ComplexFormat;
use digits::Width;
use float::FloatFormat;
use layout::Layout;

pub use scalar::bytes_repr;

/// Writes one element, given its row-major index.
type ElementText<'a> = Box<dyn Fn(usize) -> String + 'a>;

impl Tensor {
    /// The text that Python's `str()` gives for the NumPy array of the same elements.
    ///
    /// Scalars are bare (`3.0`), strings are Python bytes literals (`b'a'`), quantized types print as the
    /// integers that a session gives, and narrow types such as bfloat16 as their NumPy extension types do.
    pub fn numpy_str(&self) -> String {
        if self.n_elements() == 0 {
            return "[]".into();
        }
        if let Some(integers) = narrow::dequantized(self) {
            return integers.numpy_str();
        }
        if self.shape().is_scalar() {
            return scalar::scalar_text(self);
        }
        let layout = Layout::new(self.dims());
        let text = element_text(self, &layout.visible());
        layout.print(&*text)
    }
}

/// The formatter of an array's elements; the `visible` ones settle the common width and notation.
fn element_text<'a>(tensor: &'a Tensor, visible: &[usize]) -> ElementText<'a> {
    match tensor.dtype() {
        DType::F16 => {
            float_text(elements::<half::f16>(tensor), Width::F16, visible, |v| v.to_f64())
        }
        DType::F32 => float_text(elements::<f32>(tensor), Width::F32, visible, |v| f64::from(*v)),
        DType::F64 => float_text(elements::<f64>(tensor), Width::F64, visible, |v| *v),
        DType::Complex64 => {
            complex_text(elements::<Complex<f32>>(tensor), Width::F32, visible, |v| {
                (f64::from(v.re), f64::from(v.im))
            })
        }
        DType::Complex128 => {
            complex_text(elements::<Complex<f64>>(tensor), Width::F64, visible, |v| (v.re, v.im))
        }
        DType::I8 => integer_text(elements::<i8>(tensor), visible),
        DType::I16 => integer_text(elements::<i16>(tensor), visible),
        DType::I32 => integer_text(elements::<i32>(tensor), visible),
        DType::I64 => integer_text(elements::<i64>(tensor), visible),
        DType::U8 => integer_text(elements::<u8>(tensor), visible),
        DType::U16 => integer_text(elements::<u16>(tensor), visible),
        DType::U32 => integer_text(elements::<u32>(tensor), visible),
        DType::U64 => integer_text(elements::<u64>(tensor), visible),
        DType::Bool => {
            let values = elements::<bool>(tensor);
            Box::new(move |idx| if values[idx] { " True".into() } else { "False".into() })
        }
        DType::String => {
            let values = tensor.as_strings().unwrap_or_default();
            Box::new(move |idx| bytes_repr(&values[idx]))
        }
        _ => Box::new(move |idx| narrow::text(tensor, idx)),
    }
}

/// The elements; empty when the tensor is not one of `T`, which the callers' match rules out.
fn elements<T: Element>(tensor: &Tensor) -> &[T] {
    tensor.as_slice().unwrap_or_default()
}

fn float_text<'a, T>(
    values: &'a [T],
    width: Width,
    visible: &[usize],
    value: impl Fn(&T) -> f64 + 'a,
) -> ElementText<'a> {
    let shown: Vec<f64> = visible.iter().map(|idx| value(&values[*idx])).collect();
    let format = FloatFormat::new(&shown, width, false);
    Box::new(move |idx| format.text(value(&values[idx])))
}

fn complex_text<'a, T>(
    values: &'a [T],
    width: Width,
    visible: &[usize],
    parts: impl Fn(&T) -> (f64, f64) + 'a,
) -> ElementText<'a> {
    let shown: Vec<(f64, f64)> = visible.iter().map(|idx| parts(&values[*idx])).collect();
    let format = ComplexFormat::new(&shown, width);
    Box::new(move |idx| format.text(parts(&values[idx])))
}

fn integer_text<'a, T: Display>(values: &'a [T], visible: &[usize]) -> ElementText<'a> {
    let width = common_width(visible.iter().map(|idx| &values[*idx]));
    Box::new(move |idx| format!("{:>width$}", values[idx]))
}

fn common_width(values: impl Iterator<Item = impl Display>) -> usize {
    values.map(|value| value.to_string().len()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
