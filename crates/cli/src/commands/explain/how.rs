//! How a signature is called: from a shell, from Rust, over HTTP.

use std::collections::BTreeMap;
use std::path::Path;

use flowkeep_proto::pb;
use flowkeep_saved_model::constants::{CLASSIFY_METHOD_NAME, REGRESS_METHOD_NAME};
use flowkeep_tensor::DType;
use serde::Serialize;

use crate::error::Error;
use crate::render::Page;
use crate::view::{Signature, TensorInfo};

use super::features::Feature;

/// The features of inputs that take serialized examples, by key.
pub(super) type Features = BTreeMap<String, Vec<Feature>>;

/// A feature with more values than this is cut.
const MAX_VALUES: usize = 1000;

/// Values with more elements than this are not written out.
const MAX_ELEMENTS: i64 = 12;

/// Calls, ready to be copied.
#[derive(Default, Serialize)]
pub(super) struct How {
    shell: String,
    rust: String,
    rest: String,
}

impl How {
    /// How the signature `key` of the model in `dir` is called.
    pub(super) fn new(
        dir: &Path,
        tags: &[String],
        key: &str,
        def: Option<&pb::SignatureDef>,
        features: &Features,
    ) -> How {
        let Some(signature) = def.map(Signature::new) else { return How::default() };
        How {
            shell: shell(dir, tags, key, &signature, features),
            rust: rust(dir, tags, key, &signature),
            rest: rest(dir, key, &signature, features),
        }
    }

    pub(super) fn text(&self, page: &mut Page<'_>) -> Result<(), Error> {
        for (title, code) in [
            ("From a shell", &self.shell),
            ("From Rust", &self.rust),
            ("From a model server's REST endpoint", &self.rest),
        ] {
            if !code.is_empty() {
                page.line(format!("\n{title}"))?;
                code.lines().try_for_each(|line| page.line(format!("  {line}")))?;
            }
        }
        Ok(())
    }
}

/// Type and shape, as `float32 [?, 2]`.
pub(super) fn type_of(info: &TensorInfo) -> String {
    let name = dtype(info).map_or(info.dtype.as_str(), |dtype| dtype.python_name());
    let shape = match &info.shape {
        None => "of any shape".to_owned(),
        Some(dims) => {
            let dim = |dim: &i64| if *dim < 0 { "?".to_owned() } else { dim.to_string() };
            format!("[{}]", dims.iter().map(dim).collect::<Vec<_>>().join(", "))
        }
    };
    format!("{name} {shape}")
}

fn dtype(info: &TensorInfo) -> Option<DType> {
    let name = info.dtype.strip_suffix("_REF").unwrap_or(&info.dtype);
    DType::ALL.iter().copied().find(|dtype| dtype.proto_name() == name)
}

/// The dimensions, 1 where they are open.
fn dims(info: &TensorInfo) -> Vec<i64> {
    let dims = info.shape.iter().flatten();
    dims.map(|dim| if *dim < 0 { 1 } else { *dim }).collect()
}

fn is_small(info: &TensorInfo) -> bool {
    let product = dims(info).iter().try_fold(1i64, |n, dim| n.checked_mul(*dim));
    product.is_some_and(|n| n <= MAX_ELEMENTS)
}

/// Nested lists of one element over and over.
fn nested(dims: &[i64], element: &str) -> String {
    match dims {
        [] => element.to_owned(),
        [n, rest @ ..] => {
            let items: Vec<String> = (0..*n).map(|_| nested(rest, element)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// An element of the type, in Python's words, or else in those of JSON.
fn element(info: &TensorInfo, python: bool) -> &'static str {
    match dtype(info) {
        Some(DType::String) if python => "b\"...\"",
        Some(DType::String) => "\"...\"",
        Some(DType::Bool) if python => "False",
        Some(DType::Bool) => "false",
        Some(dtype) if dtype.is_integer() => "0",
        _ => "0.0",
    }
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./,=:@%+".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// An example with each feature, in Python's words or in those of JSON; a feature of one value is that.
fn example(features: Option<&Vec<Feature>>, python: bool) -> String {
    let Some(features) = features else {
        return if python { "{\"feature\": [0.0]}" } else { "{\"feature\": 0.0}" }.to_owned();
    };
    let features = features.iter().map(|feature| {
        let value = match feature.dtype {
            DType::String => "\"...\"",
            DType::I64 => "0",
            _ => "0.0",
        };
        let name = serde_json::Value::from(feature.name.as_str());
        // More values than a page holds are not written out.
        let n = feature.n_values.min(MAX_VALUES);
        match n {
            1 if !python => format!("{name}: {value}"),
            n => format!("{name}: [{}]", vec![value; n].join(", ")),
        }
    });
    format!("{{{}}}", features.collect::<Vec<_>>().join(", "))
}

fn shell(
    dir: &Path,
    tags: &[String],
    key: &str,
    signature: &Signature,
    features: &Features,
) -> String {
    let mut call = format!(
        "flowkeep run --dir {} --tag_set {} --signature_def {}",
        quoted(&dir.display().to_string()),
        quoted(&tags.join(",")),
        quoted(key)
    );
    let takes_examples = takes_examples(signature);
    let is_example = |key: &String| takes_examples || features.contains_key(key);
    let (examples, others): (Vec<_>, Vec<_>) =
        signature.inputs.iter().partition(|(key, _)| is_example(key));
    let (small, large): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, info)| is_small(info));
    if !examples.is_empty() {
        let given = examples
            .iter()
            .map(|(key, _)| format!("{key}=[{}]", example(features.get(*key), true)));
        call += &format!(" --input_examples {}", quoted(&given.collect::<Vec<_>>().join(";")));
    }
    if !small.is_empty() {
        let given = small
            .iter()
            .map(|(key, info)| format!("{key}={}", nested(&dims(info), element(info, true))));
        call += &format!(" --input_exprs {}", quoted(&given.collect::<Vec<_>>().join(";")));
    }
    if !large.is_empty() {
        let given = large.iter().map(|(key, _)| format!("{key}={key}.npy"));
        call += &format!(" --inputs {}", quoted(&given.collect::<Vec<_>>().join(";")));
    }
    call
}

fn takes_examples(signature: &Signature) -> bool {
    [CLASSIFY_METHOD_NAME, REGRESS_METHOD_NAME].contains(&signature.method_name.as_str())
        && signature.inputs.values().all(|info| dtype(info) == Some(DType::String))
}

fn rust(dir: &Path, tags: &[String], key: &str, signature: &Signature) -> String {
    let mut lines = vec![format!(
        "let model = SavedModelBundle::load({:?}, &{tags:?}, LoadOptions::default())?;",
        dir.display().to_string()
    )];
    let mut inputs = Vec::new();
    for (idx, (key, info)) in signature.inputs.iter().enumerate() {
        let dims = dims(info);
        let value = match dtype(info) {
            Some(DType::String) => {
                let n: i64 = dims.iter().product();
                format!("Tensor::from_strings({dims:?}, vec![\"...\".into(); {n}])?")
            }
            Some(dtype) => format!("Tensor::zeros(DType::{dtype:?}, {dims:?})?"),
            None => continue,
        };
        let is_name = key.starts_with(|c: char| c.is_ascii_lowercase())
            && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let name = if is_name { key.clone() } else { format!("input_{idx}") };
        lines.push(format!("let {name} = {value};"));
        inputs.push(format!("({key:?}, {name})"));
    }
    lines.push(format!("let outputs = model.call({key:?}, &[{}])?;", inputs.join(", ")));
    lines.join("\n")
}

fn rest(dir: &Path, key: &str, signature: &Signature, features: &Features) -> String {
    // A model's folder is that of a version; its name is the one above.
    let path = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let is_version = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    let own = name(&path);
    let above = path.parent().and_then(name);
    let model = own.filter(|name| !is_version(name)).or(above).unwrap_or_else(|| "model".into());
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let (verb, body) = match signature.method_name.as_str() {
        CLASSIFY_METHOD_NAME | REGRESS_METHOD_NAME => {
            let verb = signature.method_name.rsplit('/').next().unwrap_or("predict");
            (verb, format!("\"examples\": [{}]", example(features.values().next(), false)))
        }
        _ => {
            let inputs = signature.inputs.iter().map(|(key, info)| {
                let value = match is_small(info) {
                    true => nested(&dims(info), element(info, false)),
                    false => format!("[... {}]", type_of(info)),
                };
                format!("{}: {value}", json(key))
            });
            ("predict", format!("\"inputs\": {{{}}}", inputs.collect::<Vec<_>>().join(", ")))
        }
    };
    let body = format!("{{\"signature_name\": {}, {body}}}", json(key));
    format!(
        "curl -d {} {}",
        quoted(&body),
        quoted(&format!("http://localhost:8501/v1/models/{model}:{verb}"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(dtype: &str, shape: &[i64]) -> TensorInfo {
        TensorInfo { dtype: dtype.into(), shape: Some(shape.to_vec()), name: "x:0".into() }
    }

    fn signature(method: &str, inputs: &[(&str, TensorInfo)]) -> Signature {
        let inputs = inputs.iter().map(|(key, info)| {
            let TensorInfo { dtype, shape, name } = info;
            let info =
                TensorInfo { dtype: dtype.clone(), shape: shape.clone(), name: name.clone() };
            ((*key).to_owned(), info)
        });
        Signature { inputs: inputs.collect(), outputs: [].into(), method_name: method.into() }
    }

    #[test]
    fn calls_are_whole() {
        let predict = signature(
            "tensorflow/serving/predict",
            &[("x", info("DT_FLOAT", &[-1, 2])), ("big", info("DT_INT64", &[100]))],
        );
        let dir = Path::new("/models/half/123");
        let tags = ["serve".to_owned()];
        let none = Features::new();
        assert_eq!(
            shell(dir, &tags, "k", &predict, &none),
            "flowkeep run --dir /models/half/123 --tag_set serve --signature_def k --input_exprs 'x=[[0.0, 0.0]]' \
             --inputs big=big.npy"
        );
        assert!(rust(dir, &tags, "k", &predict).contains(
            "let x = Tensor::zeros(DType::F32, [1, 2])?;\nlet outputs = model.call(\"k\", &[(\"big\", big), (\"x\", x)])?;"
        ));
        assert_eq!(
            rest(dir, "k", &predict, &none),
            "curl -d '{\"signature_name\": \"k\", \"inputs\": {\"big\": [... int64 [100]], \"x\": [[0.0, 0.0]]}}' \
             http://localhost:8501/v1/models/half:predict"
        );
        let classify = signature(CLASSIFY_METHOD_NAME, &[("inputs", info("DT_STRING", &[-1]))]);
        assert!(
            shell(dir, &tags, "c", &classify, &none)
                .ends_with("--input_examples 'inputs=[{\"feature\": [0.0]}]'")
        );
        assert!(rest(dir, "c", &classify, &none).ends_with("/v1/models/half:classify"));
        let feature = |name: &str, dtype, n_values| Feature { name: name.into(), dtype, n_values };
        let found = vec![feature("size", DType::F32, 2), feature("n", DType::I64, 1)];
        let features = Features::from([("inputs".to_owned(), found)]);
        assert!(
            shell(dir, &tags, "c", &classify, &features)
                .ends_with("--input_examples 'inputs=[{\"size\": [0.0, 0.0], \"n\": [0]}]'")
        );
        let body = "\"examples\": [{\"size\": [0.0, 0.0], \"n\": 0}]}'";
        assert!(rest(dir, "c", &classify, &features).contains(body));
    }

    #[test]
    fn words_are_safe_in_a_shell() {
        assert_eq!(quoted("a/b-1.0"), "a/b-1.0");
        assert_eq!(quoted("it's $x"), "'it'\\''s $x'");
    }
}
