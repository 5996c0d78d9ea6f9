//! Scripts of calls on the objects of a model, as JSON: what `fixtures` records and `interop` sends.
//!
//! A script is a list of steps; each gives `{"ok": value}` or `{"error": message}`. Values are JSON's
//! own where they are literals; `{"dtype", "shape", "hex"}` is a tensor in little-endian bytes
//! (`"strings"`, each in hex, instead for texts); `{"tuple"}`, `{"dict"}`, `{"named", "fields"}`,
//! `{"ragged"}` and `{"sparse"}` are what they say.

use std::path::Path;

use flowkeep_saved_model::{LoadedObjects, StructuredValue, TypeSpecClass};
use flowkeep_tensor::{DType, Shape, Tensor};
use serde_json::{Map, Value, json};

type Failure = Box<dyn std::error::Error>;

/// Runs a script and gives what each step gave; `dir` is where checkpoints are.
pub(crate) fn run(model: &LoadedObjects, dir: &Path, script: &Value) -> Vec<Value> {
    let steps = script.as_array().map(Vec::as_slice).unwrap_or_default();
    let outcome = |step: &Value| match run_step(model, dir, step) {
        Ok(value) => json!({ "ok": encode(&value) }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    steps.iter().map(outcome).collect()
}

fn run_step(model: &LoadedObjects, dir: &Path, step: &Value) -> Result<StructuredValue, Failure> {
    let text = |key: &str| step.get(key).and_then(Value::as_str);
    if let Some(path) = text("value") {
        return Ok(model.value(path)?.into());
    }
    if let Some(path) = text("assign") {
        let value = decode(step.get("to").unwrap_or(&Value::Null))?;
        model.assign(path, value.as_tensor().ok_or("no tensor")?.clone())?;
        return Ok(StructuredValue::None);
    }
    if let Some(prefix) = text("restore") {
        model.restore(dir.join(prefix))?;
        return Ok(StructuredValue::None);
    }
    let args = step.get("args").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let args = args.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
    if let Some(feeds) = step.get("prune") {
        let inputs = args.iter().map(|value| Ok(value.as_tensor().ok_or("no tensor")?.clone()));
        let inputs = inputs.collect::<Result<Vec<_>, Failure>>()?;
        let fetches = step.get("fetch").unwrap_or(&Value::Null);
        let outputs = model.prune(&names(feeds), &names(fetches))?.call(inputs)?.into_iter();
        let outputs = outputs.map(|output| output.map_or(StructuredValue::None, Into::into));
        return Ok(StructuredValue::List(outputs.collect()));
    }
    let empty = Map::new();
    let kwargs = step.get("kwargs").and_then(Value::as_object).unwrap_or(&empty).iter();
    let kwargs = kwargs.map(|(name, value)| Ok((name.as_str(), decode(value)?)));
    let kwargs = kwargs.collect::<Result<Vec<_>, Failure>>()?;
    if let Some(path) = text("call") {
        return Ok(model.call(path, &args, &kwargs)?);
    }
    if let Some(name) = text("concrete") {
        return Ok(model.call_concrete(name, &args, &kwargs)?);
    }
    let key = text("signature").ok_or("a step of no kind")?;
    let inputs = kwargs.iter().map(|(name, value)| {
        Ok((*name, value.as_tensor().ok_or("inputs of signatures are tensors")?.clone()))
    });
    let outputs = model.call_signature(key, &inputs.collect::<Result<Vec<_>, Failure>>()?)?;
    let outputs = outputs.into_iter().map(|(name, tensor)| (name, tensor.into()));
    Ok(StructuredValue::Dict(outputs.collect()))
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn decode(value: &Value) -> Result<StructuredValue, Failure> {
    let all = |items: &Value| {
        let items = items.as_array().ok_or("no list")?;
        items.iter().map(decode).collect::<Result<Vec<_>, Failure>>()
    };
    let tensors = |items: &Value| {
        let items = all(items)?.into_iter();
        let tensors = items.map(|item| Ok(item.as_tensor().ok_or("no tensor")?.clone()));
        tensors.collect::<Result<Vec<Tensor>, Failure>>()
    };
    Ok(match value {
        Value::Null => StructuredValue::None,
        Value::Bool(value) => StructuredValue::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => StructuredValue::Int(value),
            None => StructuredValue::Float(number.as_f64().ok_or("no number")?),
        },
        Value::String(text) => StructuredValue::Str(text.clone()),
        Value::Array(_) => StructuredValue::List(all(value)?),
        Value::Object(fields) => {
            if let Some(items) = fields.get("tuple") {
                return Ok(StructuredValue::Tuple(all(items)?));
            }
            if let Some(items) = fields.get("dict").and_then(Value::as_object) {
                let items = items.iter().map(|(key, value)| Ok((key.clone(), decode(value)?)));
                return Ok(StructuredValue::Dict(items.collect::<Result<_, Failure>>()?));
            }
            if let Some(name) = fields.get("named").and_then(Value::as_str) {
                let items = fields.get("fields").and_then(Value::as_array).ok_or("no fields")?;
                let items = items.iter().map(|pair| {
                    let key = pair.get(0).and_then(Value::as_str).ok_or("no name")?;
                    Ok((key.to_owned(), decode(pair.get(1).ok_or("no value")?)?))
                });
                let items = items.collect::<Result<_, Failure>>()?;
                return Ok(StructuredValue::NamedTuple(name.to_owned(), items));
            }
            if let Some(components) = fields.get("ragged") {
                let mut components = tensors(components)?.into_iter();
                let flat_values = components.next().ok_or("no flat values")?;
                return Ok(StructuredValue::ragged(flat_values, components.collect()));
            }
            if let Some(components) = fields.get("sparse") {
                let [indices, values, dense_shape]: [Tensor; 3] =
                    tensors(components)?.try_into().map_err(|_| "no three components")?;
                return Ok(StructuredValue::sparse(indices, values, dense_shape));
            }
            StructuredValue::Tensor(decode_tensor(fields)?)
        }
    })
}

fn decode_tensor(fields: &Map<String, Value>) -> Result<Tensor, Failure> {
    let dtype = fields.get("dtype").and_then(Value::as_str).ok_or("no dtype")?;
    let dims = fields.get("shape").and_then(Value::as_array).ok_or("no shape")?;
    let dims = dims.iter().map(|dim| Ok(usize::try_from(dim.as_u64().ok_or("no dimension")?)?));
    let shape = Shape::from(dims.collect::<Result<Vec<usize>, Failure>>()?);
    if let Some(strings) = fields.get("strings").and_then(Value::as_array) {
        let strings = strings.iter().map(|text| Ok(from_hex(text)?.into()));
        return Ok(Tensor::from_strings(shape, strings.collect::<Result<Vec<_>, Failure>>()?)?);
    }
    let dtype = DType::from_name(dtype).ok_or("unknown dtype")?;
    Ok(Tensor::from_bytes(
        dtype,
        shape,
        from_hex(fields.get("hex").unwrap_or(&Value::Null))?.into(),
    )?)
}

fn encode(value: &StructuredValue) -> Value {
    let all = |items: &[StructuredValue]| items.iter().map(encode).collect::<Value>();
    match value {
        StructuredValue::None => Value::Null,
        StructuredValue::Bool(value) => json!(value),
        StructuredValue::Int(value) => json!(value),
        StructuredValue::Float(value) => json!(value),
        StructuredValue::Str(value) => json!(value),
        StructuredValue::List(items) => all(items),
        StructuredValue::Tuple(items) => json!({ "tuple": all(items) }),
        StructuredValue::Dict(items) => {
            let items = items.iter().map(|(key, value)| (key.clone(), encode(value)));
            json!({ "dict": items.collect::<Map<_, _>>() })
        }
        StructuredValue::NamedTuple(name, fields) => {
            let fields = fields.iter().map(|(key, value)| json!([key, encode(value)]));
            json!({ "named": name, "fields": fields.collect::<Vec<_>>() })
        }
        StructuredValue::Tensor(tensor) => encode_tensor(tensor),
        StructuredValue::Composite(spec, components) => {
            let kind = match spec.class {
                TypeSpecClass::Ragged => "ragged",
                TypeSpecClass::Sparse => "sparse",
                _ => "composite",
            };
            json!({ kind: components.iter().map(encode_tensor).collect::<Vec<_>>() })
        }
        other => json!({ "other": other.to_string() }),
    }
}

fn encode_tensor(tensor: &Tensor) -> Value {
    let (dtype, shape) = (tensor.dtype().python_name(), tensor.dims());
    match tensor.as_strings() {
        Ok(strings) => {
            let strings: Vec<String> = strings.iter().map(|text| to_hex(text)).collect();
            json!({ "dtype": dtype, "shape": shape, "strings": strings })
        }
        Err(_) => {
            let hex = tensor.to_le_bytes().map(|bytes| to_hex(&bytes)).unwrap_or_default();
            json!({ "dtype": dtype, "shape": shape, "hex": hex })
        }
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &Value) -> Result<Vec<u8>, Failure> {
    let text = text.as_str().ok_or("no hex")?;
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| Ok(u8::from_str_radix(text.get(at..at + 2).ok_or("odd hex")?, 16)?)).collect()
}
