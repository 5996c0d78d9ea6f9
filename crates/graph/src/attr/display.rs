//! Attributes as TensorFlow writes them in its messages.

use std::fmt;

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;
use flowkeep_tensor::{DType, PartialShape, REF_OFFSET};

use super::{Attr, AttrList, FuncRef, TensorAttr};

/// Strings longer than this many bytes are cut.
const MAX_STRING: usize = 80;
/// Of lists of this many elements, and of longer ones, only the ends are written.
const MAX_LIST: usize = 30;

impl fmt::Display for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attr::Unset => f.write_str("<Unknown AttrValue type>"),
            Attr::Str(value) => f.write_str(&quoted(value)),
            Attr::Int(value) => write!(f, "{value}"),
            Attr::Float(value) => f.write_str(&float(*value)),
            Attr::Bool(value) => write!(f, "{value}"),
            Attr::Type(dtype) => f.write_str(dtype.proto_name()),
            Attr::Shape(shape) => write!(f, "{shape}"),
            Attr::Tensor(tensor) => write!(f, "{tensor}"),
            Attr::Func(func) => write!(f, "{func}"),
            Attr::Placeholder(name) => write!(f, "${name}"),
            Attr::List(list) => write!(f, "{list}"),
            Attr::Raw(proto) => f.write_str(&raw(proto)),
        }
    }
}

impl fmt::Display for AttrList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces: Vec<String> = match self {
            AttrList::Empty => Vec::new(),
            AttrList::Str(values) => values.iter().map(|value| quoted(value)).collect(),
            AttrList::Int(values) => values.iter().map(ToString::to_string).collect(),
            AttrList::Float(values) => values.iter().map(|value| float(*value)).collect(),
            AttrList::Bool(values) => values.iter().map(ToString::to_string).collect(),
            AttrList::Type(values) => {
                values.iter().map(|dtype| dtype.proto_name().to_owned()).collect()
            }
            AttrList::Shape(values) => values.iter().map(ToString::to_string).collect(),
            AttrList::Tensor(values) => values.iter().map(ToString::to_string).collect(),
            AttrList::Func(values) => values.iter().map(ToString::to_string).collect(),
        };
        f.write_str(&bracketed(&pieces))
    }
}

impl fmt::Display for TensorAttr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proto = self.proto();
        let shape = proto.tensor_shape.as_ref().map_or_else(|| "[]".to_owned(), shape);
        write!(f, "Tensor<type: {} shape: {shape}>", type_name(proto.dtype))
    }
}

/// `name[attr=value, ...]`, the attributes sorted.
impl fmt::Display for FuncRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces: Vec<String> =
            self.attrs.iter().map(|(name, attr)| format!("{name}={attr}")).collect();
        write!(f, "{}[{}]", self.name, pieces.join(", "))
    }
}

fn raw(proto: &pb::AttrValue) -> String {
    match &proto.value {
        Some(Value::Type(number)) => enum_name(*number),
        Some(Value::Shape(proto)) => shape(proto),
        Some(Value::List(list)) => {
            let types = list.r#type.iter().map(|number| enum_name(*number));
            let shapes = list.shape.iter().map(shape);
            bracketed(&types.chain(shapes).collect::<Vec<_>>())
        }
        _ => "<Unknown AttrValue type>".to_owned(),
    }
}

/// A shape in any condition, without its labels.
fn shape(proto: &pb::TensorShapeProto) -> String {
    if proto.unknown_rank {
        return PartialShape::unknown().to_string();
    }
    let dim = |dim: &pb::tensor_shape_proto::Dim| match dim.size {
        -1 => "?".to_owned(),
        size => size.to_string(),
    };
    format!("[{}]", proto.dim.iter().map(dim).collect::<Vec<_>>().join(","))
}

/// `DT_FLOAT`, `DT_FLOAT_REF`, or the number of what is no type.
fn enum_name(number: i32) -> String {
    match DType::from_number(number) {
        Ok(dtype) if number > REF_OFFSET => format!("{}_REF", dtype.proto_name()),
        Ok(dtype) => dtype.proto_name().to_owned(),
        Err(_) if number == 0 => "DT_INVALID".to_owned(),
        Err(_) => number.to_string(),
    }
}

/// `float`, or what TensorFlow writes for a type it does not know.
fn type_name(number: i32) -> String {
    match DType::from_number(number) {
        Ok(dtype) => dtype.name().to_owned(),
        Err(_) if number == 0 => "INVALID".to_owned(),
        Err(_) => format!("unrecognized type enum: {number}"),
    }
}

fn bracketed(pieces: &[String]) -> String {
    if pieces.len() < MAX_LIST {
        return format!("[{}]", pieces.join(", "));
    }
    let first = pieces.iter().take(5);
    let last = pieces.iter().skip(pieces.len() - 5);
    let dots = "...".to_owned();
    let shown: Vec<&str> = first.chain([&dots]).chain(last).map(String::as_str).collect();
    format!("[{}]", shown.join(", "))
}

/// The string in quotes, with what is not printable escaped; the middle of a long one left out.
fn quoted(value: &[u8]) -> String {
    let escaped = |bytes: &[u8]| -> String { bytes.iter().map(|byte| escaped(*byte)).collect() };
    if value.len() <= MAX_STRING {
        return format!("\"{}\"", escaped(value));
    }
    let (head, tail) = value.split_at(MAX_STRING / 2);
    let (_, tail) = tail.split_at(tail.len() - MAX_STRING / 2);
    format!("\"{}...{}\"", escaped(head), escaped(tail))
}

fn escaped(byte: u8) -> String {
    match byte {
        b'\n' => "\\n".into(),
        b'\r' => "\\r".into(),
        b'\t' => "\\t".into(),
        b'"' => "\\\"".into(),
        b'\'' => "\\'".into(),
        b'\\' => "\\\\".into(),
        b' '..=b'~' => char::from(byte).into(),
        _ => format!("\\{byte:03o}"),
    }
}

/// A float in the fewest digits that give it back, with an exponent where C's `%g` has one.
fn float(value: f32) -> String {
    if !value.is_finite() {
        let sign = if value.is_sign_negative() && !value.is_nan() { "-" } else { "" };
        return format!("{sign}{}", if value.is_nan() { "nan" } else { "inf" });
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let n_digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let precision = if n_digits <= 6 { 6 } else { 9 };
    if (-4..precision).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn floats_are_written_as_by_percent_g() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.2, "0.2"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (100000.0, "100000"),
            (1e6, "1e+06"),
            (-1.5e-7, "-1.5e-07"),
            (16777216.0, "16777216"),
            (f32::INFINITY, "inf"),
            (f32::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn values_are_written_as_in_tensorflows_messages() {
        let list = |values: Vec<i64>| Attr::List(AttrList::Int(values.into()));
        for (attr, text) in [
            (Attr::Str(Bytes::from_static(b"SA\"ME\n\x01")), "\"SA\\\"ME\\n\\001\""),
            (Attr::Bool(true), "true"),
            (Attr::Type(DType::F32), "DT_FLOAT"),
            (Attr::Shape(PartialShape::unknown()), "<unknown>"),
            (Attr::Shape(PartialShape::new(vec![Some(2), None])), "[2,?]"),
            (Attr::List(AttrList::Empty), "[]"),
            (list(vec![1, 1, 2]), "[1, 1, 2]"),
            (list((0..30).collect()), "[0, 1, 2, 3, 4, ..., 25, 26, 27, 28, 29]"),
            (Attr::Placeholder("T".into()), "$T"),
        ] {
            assert_eq!(attr.to_string(), text);
        }
    }
}
