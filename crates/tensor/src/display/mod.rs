//! Tensors as text, laid out as NumPy lays out arrays.
//!
//! The rules are those of NumPy 2.4 under its print options. By default these are eight digits after
//! the point, lines of 75 characters, arrays of more than 1,000 elements abbreviated to three items at
//! each end.

mod flag;
mod options;

mod complex;
mod digits;
mod float;
mod fraction;
mod integer;
mod layout;
mod lines;
mod narrow;
mod scalar;

use crate::{Complex, DType, Element, Tensor};
use complex::ComplexFormat;
use digits::Width;
use float::FloatFormat;
use integer::IntegerFormat;
use layout::Layout;

pub use narrow::narrow_value;
pub use options::{FloatMode, PrintOptions, PrintSign};
pub use scalar::bytes_repr;

/// Writes one element, given its row-major index.
type ElementText<'a> = Box<dyn Fn(usize) -> String + 'a>;

impl Tensor {
    /// The text that Python's `str()` gives for the NumPy array of the same elements.
    ///
    /// Scalars are bare (`3.0`), strings are Python bytes literals (`b'a'`), quantized types print as the
    /// integers that a session gives, and narrow types such as bfloat16 as their NumPy extension types do.
    /// A deferred tensor that cannot be read prints why, in angle brackets.
    pub fn numpy_str(&self) -> String {
        self.numpy_str_with(&PrintOptions::default())
    }

    /// As [`Tensor::numpy_str`], under other print options than NumPy's defaults.
    pub fn numpy_str_with(&self, options: &PrintOptions) -> String {
        if self.n_elements() == 0 {
            return "[]".into();
        }
        if let Err(error) = self.check() {
            return format!("<{error}>");
        }
        if let Some(integers) = narrow::dequantized(self) {
            return integers.numpy_str_with(options);
        }
        if self.shape().is_scalar() {
            return scalar::scalar_text(self);
        }
        let layout = Layout::new(self.dims(), options);
        let text = element_text(self, &layout.visible(), options);
        layout.print(&*text)
    }
}

/// The formatter of an array's elements; the `visible` ones settle the common width and notation.
fn element_text<'a>(
    tensor: &'a Tensor,
    visible: &[usize],
    options: &'a PrintOptions,
) -> ElementText<'a> {
    match tensor.dtype() {
        DType::F16 => {
            float_text(elements::<half::f16>(tensor), Width::F16, visible, options, |v| v.to_f64())
        }
        DType::F32 => {
            float_text(elements::<f32>(tensor), Width::F32, visible, options, |v| f64::from(*v))
        }
        DType::F64 => float_text(elements::<f64>(tensor), Width::F64, visible, options, |v| *v),
        DType::Complex64 => {
            complex_text(elements::<Complex<f32>>(tensor), Width::F32, visible, options, |v| {
                (f64::from(v.re), f64::from(v.im))
            })
        }
        DType::Complex128 => {
            complex_text(elements::<Complex<f64>>(tensor), Width::F64, visible, options, |v| {
                (v.re, v.im)
            })
        }
        DType::I8 => integer_text(elements::<i8>(tensor), visible, options),
        DType::I16 => integer_text(elements::<i16>(tensor), visible, options),
        DType::I32 => integer_text(elements::<i32>(tensor), visible, options),
        DType::I64 => integer_text(elements::<i64>(tensor), visible, options),
        DType::U8 => integer_text(elements::<u8>(tensor), visible, options),
        DType::U16 => integer_text(elements::<u16>(tensor), visible, options),
        DType::U32 => integer_text(elements::<u32>(tensor), visible, options),
        DType::U64 => integer_text(elements::<u64>(tensor), visible, options),
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
    options: &'a PrintOptions,
    value: impl Fn(&T) -> f64 + 'a,
) -> ElementText<'a> {
    let shown: Vec<f64> = visible.iter().map(|idx| value(&values[*idx])).collect();
    let format = FloatFormat::new(&shown, width, options.sign, options);
    Box::new(move |idx| format.text(value(&values[idx])))
}

fn complex_text<'a, T>(
    values: &'a [T],
    width: Width,
    visible: &[usize],
    options: &'a PrintOptions,
    parts: impl Fn(&T) -> (f64, f64) + 'a,
) -> ElementText<'a> {
    let shown: Vec<(f64, f64)> = visible.iter().map(|idx| parts(&values[*idx])).collect();
    let format = ComplexFormat::new(&shown, width, options);
    Box::new(move |idx| format.text(parts(&values[idx])))
}

fn integer_text<'a, T: Element + Into<i128>>(
    values: &'a [T],
    visible: &[usize],
    options: &PrintOptions,
) -> ElementText<'a> {
    let format = IntegerFormat::new(visible.iter().map(|idx| values[*idx].into()), options.sign);
    Box::new(move |idx| format.text(values[idx].into()))
}

#[cfg(test)]
mod tests;
