//! How Python prints structures.

use std::fmt::{self, Write};

use flowkeep_tensor::{PartialShape, Tensor};

use super::type_spec::partial;
use super::{StructuredValue, TensorSpec, TypeSpec, TypeSpecClass};

/// As Python's `repr`, but that tensors do not show their elements.
impl fmt::Display for StructuredValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StructuredValue::None => f.write_str("None"),
            StructuredValue::Float(value) => write_float(f, *value),
            StructuredValue::Int(value) => write!(f, "{value}"),
            StructuredValue::Str(text) => write_text(f, text),
            StructuredValue::Bool(value) => f.write_str(if *value { "True" } else { "False" }),
            StructuredValue::Shape(shape) => write!(f, "TensorShape({})", Dims(shape, "[", "]")),
            StructuredValue::DType(dtype) => write!(f, "tf.{}", dtype.python_name()),
            StructuredValue::List(items) => {
                f.write_char('[')?;
                write_items(f, items)?;
                f.write_char(']')
            }
            StructuredValue::Tuple(items) => {
                f.write_char('(')?;
                write_items(f, items)?;
                f.write_str(if items.len() == 1 { ",)" } else { ")" })
            }
            StructuredValue::Dict(fields) => {
                f.write_char('{')?;
                for (idx, (key, value)) in fields.iter().enumerate() {
                    f.write_str(if idx == 0 { "" } else { ", " })?;
                    write_text(f, key)?;
                    write!(f, ": {value}")?;
                }
                f.write_char('}')
            }
            StructuredValue::NamedTuple(name, fields) => {
                write!(f, "{name}(")?;
                for (idx, (key, value)) in fields.iter().enumerate() {
                    write!(f, "{}{key}={value}", if idx == 0 { "" } else { ", " })?;
                }
                f.write_char(')')
            }
            StructuredValue::Tensor(tensor) => {
                let (shape, dtype) = (partial(tensor.shape()), tensor.dtype().python_name());
                write!(f, "<tf.Tensor: shape={}, dtype={dtype}>", Dims(&shape, "(", ")"))
            }
            StructuredValue::Composite(spec, _) => write!(f, "<{spec}>"),
            StructuredValue::TensorSpec(spec) => write!(f, "{spec}"),
            StructuredValue::TypeSpec(spec) => write!(f, "{spec}"),
        }
    }
}

/// An argument with the name that its parameter has.
pub(crate) fn argument(name: &str, value: &StructuredValue) -> String {
    match value {
        StructuredValue::Tensor(tensor) => {
            let mut text = String::new();
            match write_tensor(&mut text, name, tensor) {
                Ok(()) => text,
                Err(fmt::Error) => value.to_string(),
            }
        }
        value => value.to_string(),
    }
}

fn write_tensor(f: &mut dyn Write, name: &str, tensor: &Tensor) -> fmt::Result {
    let shape = partial(tensor.shape());
    let dtype = tensor.dtype().python_name();
    write!(f, "<tf.Tensor '{name}:0' shape={} dtype={dtype}>", Dims(&shape, "(", ")"))
}

fn write_items(f: &mut fmt::Formatter<'_>, items: &[StructuredValue]) -> fmt::Result {
    for (idx, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if idx == 0 { "" } else { ", " })?;
    }
    Ok(())
}

fn write_float(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    if value.is_nan() {
        return f.write_str("nan");
    }
    let (small, large) = (1e-4, 1e16);
    if value != 0.0 && value.is_finite() && !(small..large).contains(&value.abs()) {
        // Python has a sign and two digits in the exponent at least.
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return write!(f, "{mantissa}e{sign}{digits:0>2}");
    }
    write!(f, "{value:?}")
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    f.write_char(quote)?;
    for char in text.chars() {
        match char {
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\\' => f.write_str("\\\\")?,
            char if char == quote => write!(f, "\\{char}")?,
            char if char.is_control() => write!(f, "\\x{:02x}", u32::from(char))?,
            char => f.write_char(char)?,
        }
    }
    f.write_char(quote)
}

/// A shape as a Python tuple or list.
struct Dims<'a>(&'a PartialShape, &'static str, &'static str);

impl fmt::Display for Dims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Dims(shape, open, close) = self;
        let Some(dims) = shape.dims() else {
            return f.write_str(if *open == "(" { "<unknown>" } else { "None" });
        };
        f.write_str(open)?;
        for (idx, dim) in dims.iter().enumerate() {
            f.write_str(if idx == 0 { "" } else { ", " })?;
            match dim {
                Some(dim) => write!(f, "{dim}")?,
                None => f.write_str("None")?,
            }
        }
        f.write_str(if dims.len() == 1 && *open == "(" { "," } else { "" })?;
        f.write_str(close)
    }
}

impl fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shape, dtype) = (Dims(&self.shape, "(", ")"), self.dtype.python_name());
        write!(f, "TensorSpec(shape={shape}, dtype=tf.{dtype}, name=")?;
        match &*self.name {
            "" => f.write_str("None")?,
            name => write_text(f, name)?,
        }
        f.write_char(')')
    }
}

impl fmt::Display for TypeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.class, &*self.state) {
            (TypeSpecClass::Ragged | TypeSpecClass::Sparse, StructuredValue::Tuple(items)) => {
                write!(f, "{}(", self.class)?;
                write_items(f, items)?;
                f.write_char(')')
            }
            (class, state) => write!(f, "{class}({state})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_print_as_python_prints_them() {
        use StructuredValue::{Bool, Dict, Float, Int, List, Str, Tuple};
        for (value, text) in [
            (Float(1.0), "1.0"),
            (Float(1e-5), "1e-05"),
            (Float(1e22), "1e+22"),
            (Float(123456.75), "123456.75"),
            (Float(f64::INFINITY), "inf"),
            (Str("it's".into()), "\"it's\""),
            (Str("a\n".into()), "'a\\n'"),
            (Tuple(vec![Int(1)]), "(1,)"),
            (Tuple(vec![Int(1), Bool(true)]), "(1, True)"),
            (List(vec![]), "[]"),
            (Dict([("a".into(), StructuredValue::None)].into()), "{'a': None}"),
        ] {
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn specs_print_as_python_prints_them() {
        let spec = TensorSpec {
            name: "x".into(),
            shape: PartialShape::new(vec![None, Some(2)]),
            dtype: flowkeep_tensor::DType::F32,
            bounds: None,
        };
        assert_eq!(spec.to_string(), "TensorSpec(shape=(None, 2), dtype=tf.float32, name='x')");
        let spec =
            TensorSpec { shape: PartialShape::new(vec![Some(3)]), name: String::new(), ..spec };
        assert_eq!(spec.to_string(), "TensorSpec(shape=(3,), dtype=tf.float32, name=None)");
        let ragged = TypeSpec::ragged(PartialShape::new(vec![None, None]), spec.dtype, 1);
        let text = "RaggedTensorSpec(TensorShape([None, None]), tf.float32, 1, tf.int64)";
        assert_eq!(ragged.to_string(), text);
        let sparse = TypeSpec::sparse(PartialShape::new(vec![Some(3)]), spec.dtype);
        assert_eq!(sparse.to_string(), "SparseTensorSpec(TensorShape([3]), tf.float32)");
    }
}
