use std::fmt::Write as _;

use flowkeep_tensor::{Complex, Tensor, bytes_repr};

/// What a Python literal stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(Int),
    Float(f64),
    Complex(Complex<f64>),
    Str(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    /// Entries in the order of their first appearance.
    Dict(Vec<(Value, Value)>),
    /// Elements in the order of their first appearance.
    Set(Vec<Value>),
}

/// A Python integer, which has no bounds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Int {
    Small(i128),
    /// A magnitude beyond `i128`, in decimal digits.
    Big {
        negative: bool,
        digits: String,
    },
}

impl Int {
    /// The nearest float; infinite when it is too large for one.
    pub(crate) fn to_f64(&self) -> f64 {
        match self {
            Int::Small(value) => *value as f64,
            Int::Big { .. } => self.to_string().parse().unwrap_or(f64::INFINITY),
        }
    }

    pub(crate) fn negated(self) -> Int {
        match self {
            Int::Small(value) => match value.checked_neg() {
                Some(value) => Int::Small(value),
                None => Int::Big { negative: false, digits: value.unsigned_abs().to_string() },
            },
            Int::Big { negative, digits } => Int::Big { negative: !negative, digits },
        }
    }
}

impl std::fmt::Display for Int {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Int::Small(value) => write!(f, "{value}"),
            Int::Big { negative, digits } => {
                write!(f, "{}{digits}", if *negative { "-" } else { "" })
            }
        }
    }
}

impl Value {
    /// The name of the value's Python type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Complex(_) => "complex",
            Value::Str(_) => "str",
            Value::Bytes(_) => "bytes",
            Value::Tuple(_) => "tuple",
            Value::List(_) => "list",
            Value::Dict(_) => "dict",
            Value::Set(_) => "set",
        }
    }

    /// The items of a list or tuple, which NumPy takes as a dimension.
    pub(crate) fn sequence(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) | Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Python's `repr()` of the value.
    pub(crate) fn repr(&self) -> String {
        match self {
            Value::None => "None".into(),
            Value::Bool(true) => "True".into(),
            Value::Bool(false) => "False".into(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => Tensor::scalar(*value).numpy_str(),
            Value::Complex(value) => Tensor::scalar(*value).numpy_str(),
            Value::Str(text) => str_repr(text),
            Value::Bytes(bytes) => bytes_repr(bytes),
            Value::Tuple(items) if items.len() == 1 => format!("({},)", items[0].repr()),
            Value::Tuple(items) => format!("({})", joined(items)),
            Value::List(items) => format!("[{}]", joined(items)),
            Value::Set(items) if items.is_empty() => "set()".into(),
            Value::Set(items) => format!("{{{}}}", joined(items)),
            Value::Dict(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", key.repr(), value.repr()))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    /// Python's `str()` of the value: as `repr()`, but strings are bare.
    pub(crate) fn str(&self) -> String {
        match self {
            Value::Str(text) => text.clone(),
            value => value.repr(),
        }
    }

    /// Python's `==`, in which numbers of different types may be equal.
    pub(super) fn equals(&self, other: &Value) -> bool {
        match (self.as_number(), other.as_number()) {
            (Some(a), Some(b)) => a == b,
            _ => self == other,
        }
    }

    fn as_number(&self) -> Option<f64> {
        match self {
            Value::Bool(value) => Some(f64::from(u8::from(*value))),
            Value::Int(Int::Small(value)) if value.unsigned_abs() < 1 << 53 => Some(*value as f64),
            Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether the value may be an element of a set or the key of a dict.
    pub(super) fn is_hashable(&self) -> bool {
        match self {
            Value::List(_) | Value::Dict(_) | Value::Set(_) => false,
            Value::Tuple(items) => items.iter().all(Value::is_hashable),
            _ => true,
        }
    }
}

fn joined(items: &[Value]) -> String {
    items.iter().map(Value::repr).collect::<Vec<_>>().join(", ")
}

/// A set of strings as Python prints it, but in the order given.
pub(crate) fn set_repr(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| str_repr(item.as_ref())).collect();
    if items.is_empty() { "set()".into() } else { format!("{{{}}}", items.join(", ")) }
}

/// Python's `repr()` of a string.
pub(crate) fn str_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() || c == '\u{a0}' || c == '\u{ad}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_python_prints_them() {
        let list = Value::List(vec![
            Value::None,
            Value::Float(1e16),
            Value::Str("it's".into()),
            Value::Tuple(vec![Value::Bool(true)]),
            Value::Complex(Complex { re: 1.0, im: -2.5 }),
        ]);
        assert_eq!(list.repr(), r#"[None, 1e+16, "it's", (True,), (1-2.5j)]"#);
    }

    #[test]
    fn the_smallest_integer_negates() {
        let negated = Int::Small(i128::MIN).negated();
        assert_eq!(negated.to_string(), "170141183460469231731687303715884105728");
    }
}
