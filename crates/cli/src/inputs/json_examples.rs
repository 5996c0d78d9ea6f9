//! `tf.train.Example`s as JSON, in the form in which TensorFlow Serving classifies them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowkeep_proto::pb;
use flowkeep_tensor::DType;
use pb::feature::Kind;
use prost::Message;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::python;

/// The serialized examples, if this is a list of objects with features and serialized examples are wanted; else
/// `None`: it is a value as any other.
///
/// A feature is a value or a list of values: numbers, of which all are floats if one is, or texts or
/// `{"b64": "..."}`. Errors: `INVALID_ARGUMENT` for features of other or several kinds.
pub(super) fn serialized(value: &Value, dtype: DType) -> Option<Result<python::Value, Error>> {
    let examples =
        value.as_array().filter(|examples| dtype == DType::String && !examples.is_empty())?;
    let is_example = |value: &Value| value.as_object().is_some_and(|map| !map.contains_key("b64"));
    if !examples.iter().all(is_example) {
        return None;
    }
    let features = examples.iter().filter_map(Value::as_object);
    let bytes =
        features.map(|features| Ok(python::Value::Bytes(example(features)?.encode_to_vec())));
    Some(bytes.collect::<Result<_, _>>().map(python::Value::List))
}

fn example(features: &Map<String, Value>) -> Result<pb::Example, Error> {
    let mut feature = std::collections::BTreeMap::new();
    for (name, value) in features {
        let values = match value {
            Value::Array(values) => &values[..],
            value => std::slice::from_ref(value),
        };
        feature.insert(name.clone(), pb::Feature { kind: kind(name, values)? });
    }
    Ok(pb::Example { features: Some(pb::Features { feature }) })
}

/// The list of a feature; none for an empty list.
fn kind(name: &str, values: &[Value]) -> Result<Option<Kind>, Error> {
    let integers = || {
        let value = values.iter().map(Value::as_i64).collect::<Option<_>>()?;
        Some(Kind::Int64List(pb::Int64List { value }))
    };
    let floats = || {
        let value = values.iter().map(|value| value.as_f64().map(|value| value as f32));
        Some(Kind::FloatList(pb::FloatList { value: value.collect::<Option<_>>()? }))
    };
    let texts = || {
        let bytes = |value: &Value| match value {
            Value::String(text) => Some(text.as_bytes().to_vec()),
            value => STANDARD.decode(value.get("b64")?.as_str()?).ok(),
        };
        let value = values.iter().map(bytes).collect::<Option<_>>()?;
        Some(Kind::BytesList(pb::BytesList { value }))
    };
    if values.is_empty() {
        return Ok(None);
    }
    integers().or_else(floats).or_else(texts).map(Some).ok_or_else(|| {
        Error::invalid(format!(
            "feature {name} is neither all numbers nor all texts or {{\"b64\": ...}}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn features(value: &Value) -> Vec<pb::Example> {
        let Some(Ok(python::Value::List(examples))) = serialized(value, DType::String) else {
            panic!("{value}");
        };
        let decode = |example: python::Value| match example {
            python::Value::Bytes(bytes) => pb::Example::decode(&bytes[..]).unwrap(),
            other => panic!("{other:?}"),
        };
        examples.into_iter().map(decode).collect()
    }

    #[test]
    fn features_have_the_kind_of_their_values() {
        let value =
            json!([{"i": [1, 2], "f": [1, 0.5], "s": "text", "b": [{"b64": "AQI="}], "e": []}]);
        let example = features(&value).remove(0).features.unwrap();
        let kind = |name: &str| example.feature[name].kind.clone();
        assert_eq!(kind("i"), Some(Kind::Int64List(pb::Int64List { value: vec![1, 2] })));
        assert_eq!(kind("f"), Some(Kind::FloatList(pb::FloatList { value: vec![1.0, 0.5] })));
        assert_eq!(
            kind("s"),
            Some(Kind::BytesList(pb::BytesList { value: vec![b"text".to_vec()] }))
        );
        assert_eq!(kind("b"), Some(Kind::BytesList(pb::BytesList { value: vec![vec![1, 2]] })));
        assert_eq!(kind("e"), None);
    }

    #[test]
    fn other_values_are_no_examples() {
        for (value, dtype) in [
            (json!([{"b64": "AQI="}]), DType::String),
            (json!(["text"]), DType::String),
            (json!([]), DType::String),
            (json!([{"x": 1}]), DType::F32),
        ] {
            assert!(serialized(&value, dtype).is_none(), "{value}");
        }
        assert!(serialized(&json!([{"x": [1, "a"]}]), DType::String).unwrap().is_err());
        assert!(serialized(&json!([{"x": {"b64": "!"}}]), DType::String).unwrap().is_err());
    }
}
