//! `--input_examples`: inputs as serialized `tf.train.Example`s.

use std::collections::BTreeMap;

use flowkeep_proto::pb;
use pb::feature::Kind;
use prost::Message;

use super::exprs;
use crate::error::Error;
use crate::python::{Int, Value};

/// Reads `key=[{feature: [values]}]`; each key gets a list of serialized examples.
pub(super) fn parse(flag: &str) -> Result<Vec<(String, Value)>, Error> {
    let mut examples = exprs::parse(flag)?;
    for (_, value) in &mut examples {
        let Value::List(dicts) = &*value else {
            return Err(Error::invalid(format!(
                "tf.Example input must be a list of dictionaries, but \"{}\" is <class '{}'>",
                value.str(),
                value.type_name()
            )));
        };
        *value = Value::List(dicts.iter().map(serialized).collect::<Result<_, _>>()?);
    }
    Ok(examples)
}

fn serialized(example: &Value) -> Result<Value, Error> {
    let Value::Dict(entries) = example else {
        return Err(Error::invalid(format!(
            "tf.Example input must be a list of dictionaries, but \"{}\" is <class '{}'>",
            example.str(),
            example.type_name()
        )));
    };
    let mut feature = BTreeMap::new();
    for (name, values) in entries {
        let Value::List(items) = values else {
            return Err(Error::invalid(format!(
                "feature value must be a list, but {}: \"{}\" is <class '{}'>",
                name.str(),
                values.str(),
                values.type_name()
            )));
        };
        let Value::Str(name) = name else {
            return Err(Error::invalid(format!("feature name {} is not a string", name.repr())));
        };
        feature.insert(name.clone(), pb::Feature { kind: Some(kind(name, items)?) });
    }
    let example = pb::Example { features: Some(pb::Features { feature }) };
    Ok(Value::Bytes(example.encode_to_vec()))
}

/// The list of a feature; its first item decides the kind, which all others must have.
fn kind(name: &str, items: &[Value]) -> Result<Kind, Error> {
    let mixed = |item: &Value| {
        Error::invalid(format!("feature {name} mixes {} with other values", item.type_name()))
    };
    match items.first() {
        Some(Value::Float(_)) => {
            let float = |item: &Value| match item {
                Value::Float(value) => Ok(*value as f32),
                Value::Int(value) => Ok(value.to_f64() as f32),
                Value::Bool(value) => Ok(f32::from(u8::from(*value))),
                item => Err(mixed(item)),
            };
            let value = items.iter().map(float).collect::<Result<_, _>>()?;
            Ok(Kind::FloatList(pb::FloatList { value }))
        }
        Some(Value::Str(_)) => {
            let text = |item: &Value| match item {
                Value::Str(text) => Ok(text.as_bytes().to_vec()),
                item => Err(mixed(item)),
            };
            let value = items.iter().map(text).collect::<Result<_, _>>()?;
            Ok(Kind::BytesList(pb::BytesList { value }))
        }
        Some(Value::Bytes(_)) => {
            let bytes = |item: &Value| match item {
                Value::Bytes(bytes) => Ok(bytes.clone()),
                item => Err(mixed(item)),
            };
            let value = items.iter().map(bytes).collect::<Result<_, _>>()?;
            Ok(Kind::BytesList(pb::BytesList { value }))
        }
        Some(Value::Int(_) | Value::Bool(_)) => {
            let int = |item: &Value| match item {
                Value::Int(Int::Small(value)) => i64::try_from(*value)
                    .map_err(|_| Error::invalid(format!("Value out of range: {value}"))),
                Value::Int(value) => Err(Error::invalid(format!("Value out of range: {value}"))),
                Value::Bool(value) => Ok(i64::from(*value)),
                item => Err(mixed(item)),
            };
            let value = items.iter().map(int).collect::<Result<_, _>>()?;
            Ok(Kind::Int64List(pb::Int64List { value }))
        }
        Some(item) => Err(Error::invalid(format!(
            "Type <class '{}'> for value {} is not supported for tf.train.Feature.",
            item.type_name(),
            item.str()
        ))),
        None => {
            Err(Error::invalid(format!("feature {name} has an empty list, which tells no type")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(flag: &str) -> String {
        parse(flag).unwrap_err().to_string()
    }

    #[test]
    fn examples_become_messages() {
        let flag = "x=[{'f': [1.5, 2], 'i': [3, True], 's': ['é'], 'b': [b'\\xff']}, {}]";
        let parsed = parse(flag).unwrap();
        let Value::List(items) = &parsed[0].1 else { panic!("{parsed:?}") };
        let [Value::Bytes(first), Value::Bytes(second)] = &items[..] else { panic!("{items:?}") };
        let example = pb::Example::decode(&first[..]).unwrap();
        let feature =
            |name: &str| example.features.as_ref().unwrap().feature[name].kind.clone().unwrap();
        assert_eq!(feature("f"), Kind::FloatList(pb::FloatList { value: vec![1.5, 2.0] }));
        assert_eq!(feature("i"), Kind::Int64List(pb::Int64List { value: vec![3, 1] }));
        assert_eq!(feature("s"), Kind::BytesList(pb::BytesList { value: vec!["é".into()] }));
        assert_eq!(feature("b"), Kind::BytesList(pb::BytesList { value: vec![b"\xff".to_vec()] }));
        assert!(
            pb::Example::decode(&second[..])
                .unwrap()
                .features
                .is_some_and(|f| f.feature.is_empty())
        );
    }

    #[test]
    fn mistakes_have_tensorflows_words() {
        assert_eq!(
            error("x={'a': 1}"),
            "tf.Example input must be a list of dictionaries, but \"{'a': 1}\" is <class 'dict'>"
        );
        assert_eq!(
            error("x=[{'id': 26}]"),
            "feature value must be a list, but id: \"26\" is <class 'int'>"
        );
        assert_eq!(
            error("x=[{'id': [[1]]}]"),
            "Type <class 'list'> for value [1] is not supported for tf.train.Feature."
        );
        assert!(error("x=[{'id': [1, 'a']}]").contains("mixes"));
        assert!(error("x=[{'id': []}]").contains("empty"));
    }
}
