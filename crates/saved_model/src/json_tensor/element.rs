//! Single elements to and from JSON.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use flowkeep_tensor::{Complex, DType};
use serde_json::{Map, Number, Value};

use super::Error;

/// The standard alphabet; padding is written and need not be there to be read.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Characters of a value that an error quotes, at most.
const QUOTED_CHARS: usize = 64;

pub(super) fn not_of_type(value: &Value, dtype: DType) -> Error {
    let kind = match value {
        Value::Null => "Null",
        Value::Bool(_) => "Bool",
        Value::Number(_) => "Number",
        Value::String(_) => "String",
        Value::Array(_) => "Array",
        Value::Object(_) => "Object",
    };
    Error::NotOfType { value: excerpt(value), kind, dtype }
}

/// The value's text, cut short. Only as much of it is written as is shown.
pub(super) fn excerpt(value: &Value) -> String {
    match value {
        Value::Array(_) => "[...]".into(),
        Value::Object(_) => "{...}".into(),
        value => {
            let text = value.to_string();
            match text.char_indices().nth(QUOTED_CHARS) {
                Some((at, _)) => format!("{}...", &text[..at]),
                None => text,
            }
        }
    }
}

/// A float: any number, or the name of one that JSON cannot write.
pub(super) fn float(value: &Value, dtype: DType) -> Result<f64, Error> {
    match value {
        Value::Number(number) => number.as_f64().ok_or_else(|| not_of_type(value, dtype)),
        Value::String(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(not_of_type(value, dtype)),
        },
        _ => Err(not_of_type(value, dtype)),
    }
}

/// An integer of any range: a number without fraction or exponent.
pub(super) fn integer<T: TryFrom<i128>>(value: &Value, dtype: DType) -> Result<T, Error> {
    let number = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| not_of_type(value, dtype))
}

pub(super) fn boolean(value: &Value, dtype: DType) -> Result<bool, Error> {
    value.as_bool().ok_or_else(|| not_of_type(value, dtype))
}

/// A complex number: `{"re", "im"}`, or a real number.
pub(super) fn complex(value: &Value, dtype: DType) -> Result<Complex<f64>, Error> {
    let Value::Object(parts) = value else {
        return Ok(Complex { re: float(value, dtype)?, im: 0.0 });
    };
    match (parts.get("re"), parts.get("im")) {
        (Some(re), Some(im)) if parts.len() == 2 => {
            Ok(Complex { re: float(re, dtype)?, im: float(im, dtype)? })
        }
        _ => Err(not_of_type(value, dtype)),
    }
}

/// A byte string: text, which stands for its UTF-8, or `{"b64"}`.
pub(super) fn string(value: &Value, dtype: DType) -> Result<Bytes, Error> {
    match value {
        Value::String(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Value::Object(wrapper) if wrapper.len() == 1 => match wrapper.get("b64") {
            Some(Value::String(text)) => {
                BASE64.decode(text).map(Bytes::from).map_err(Error::Base64)
            }
            _ => Err(not_of_type(value, dtype)),
        },
        _ => Err(not_of_type(value, dtype)),
    }
}

/// The JSON form of a 64-bit float.
pub(super) fn from_f64(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

/// The JSON form of a narrower float: of all numbers that read back as it, the shortest.
pub(super) fn from_f32(value: f32) -> Value {
    from_f64(match value.to_string().parse::<f64>() {
        Ok(short) if short as f32 == value => short,
        _ => f64::from(value),
    })
}

pub(super) fn from_complex(re: Value, im: Value) -> Value {
    Value::Object(Map::from_iter([("re".to_owned(), re), ("im".to_owned(), im)]))
}

pub(super) fn from_bytes(bytes: &Bytes) -> Value {
    Value::Object(Map::from_iter([("b64".to_owned(), BASE64.encode(bytes).into())]))
}
