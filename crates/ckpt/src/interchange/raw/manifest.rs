//! `manifest.json`, read without trust and printed.

use flowkeep_tensor::{DType, MAX_RANK, Shape};
use serde_json::{Map, Value, json};

use super::file_name;
use crate::interchange::TensorSpec;
use crate::interchange::error::{FormatError, corrupt, unsupported};
use crate::interchange::unique::first_duplicate;

const FORMAT: &str = "flowkeep-raw-1";

/// What a manifest says.
pub(super) struct Manifest {
    pub(super) metadata: Vec<(String, String)>,
    pub(super) entries: Vec<Entry>,
}

/// What a manifest says about a tensor.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) dtype: DType,
    pub(super) shape: Shape,
    pub(super) file: String,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// Errors: `DATA_LOSS` if it is damaged, has a name twice, or names files elsewhere;
    /// `UNIMPLEMENTED` if it is one of another version.
    pub(super) fn parse(json: &[u8]) -> Result<Manifest, FormatError> {
        let damaged = |what: String| corrupt(format!("the manifest is damaged: {what}"));
        let value: Value =
            serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))?;
        match value.get("format").and_then(Value::as_str) {
            Some(FORMAT) => {}
            Some(format) => {
                return Err(unsupported(format!("manifests of format {format} are not known")));
            }
            None => return Err(damaged("it has no format".into())),
        }
        let metadata = match value.get("metadata") {
            None => Some(Vec::new()),
            Some(metadata) => metadata.as_object().and_then(texts),
        };
        let metadata = metadata.ok_or_else(|| damaged("its metadata are no texts".into()))?;
        let tensors = value.get("tensors").and_then(Value::as_array);
        let tensors = tensors.ok_or_else(|| damaged("it has no tensors".into()))?;
        let entries = tensors.iter().enumerate().map(|(idx, tensor)| {
            entry(tensor).ok_or_else(|| damaged(format!("its tensor {idx} is none")))
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        if let Some(name) = first_duplicate(entries.iter().map(|entry| &*entry.name)) {
            return Err(damaged(format!("it has two tensors called {name}")));
        }
        Ok(Manifest { metadata, entries })
    }
}

fn texts(object: &Map<String, Value>) -> Option<Vec<(String, String)>> {
    object.iter().map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned()))).collect()
}

fn entry(tensor: &Value) -> Option<Entry> {
    let text = |field: &str| tensor.get(field).and_then(Value::as_str);
    let dim = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let dims = tensor.get("shape")?.as_array()?.iter().map(dim).collect::<Option<Vec<_>>>()?;
    let dtype = DType::from_name(text("dtype")?)?;
    let is_held = !matches!(dtype, DType::Resource | DType::Variant);
    let file = text("file").filter(|file| file_name::is_safe(file))?.to_owned();
    (dims.len() <= MAX_RANK && is_held).then_some(Entry {
        name: text("name")?.to_owned(),
        dtype,
        shape: dims.into(),
        file,
    })
}

/// The manifest of these tensors, whose files are named after their place in the list.
pub(super) fn print(specs: &[TensorSpec], metadata: &[(String, String)]) -> String {
    let metadata: Map<_, _> =
        metadata.iter().map(|(key, text)| (key.clone(), Value::from(&**text))).collect();
    let mut tensors = String::new();
    for (idx, spec) in specs.iter().enumerate() {
        let entry = json!({
            "name": spec.name,
            "dtype": spec.dtype.python_name(),
            "shape": spec.shape.dims(),
            "file": file_name::of_tensor(idx, &spec.name),
        });
        tensors.push_str(if idx == 0 { "\n    " } else { ",\n    " });
        tensors.push_str(&entry.to_string());
    }
    let metadata = Value::from(metadata);
    format!(
        "{{\n  \"format\": \"{FORMAT}\",\n  \"metadata\": {metadata},\n  \"tensors\": [{tensors}\n  ]\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_read_as_they_were_printed() {
        let specs = [
            TensorSpec::new("a/\"b\"", DType::BF16, [2, 3]),
            TensorSpec::new("", DType::String, Shape::SCALAR),
        ];
        let metadata = [("key".to_owned(), "text\n".to_owned())];
        let manifest = Manifest::parse(print(&specs, &metadata).as_bytes()).unwrap();
        assert_eq!(manifest.metadata, metadata);
        for (entry, spec) in manifest.entries.iter().zip(&specs) {
            assert_eq!(
                (&entry.name, entry.dtype, &entry.shape),
                (&spec.name, spec.dtype, &spec.shape)
            );
        }
        assert_eq!(Manifest::parse(print(&[], &[]).as_bytes()).unwrap().entries.len(), 0);
    }

    #[test]
    fn manifests_that_lie_are_refused() {
        let code =
            |json: &str| Manifest::parse(json.as_bytes()).err().map(|error| error.code().name());
        assert_eq!(code(r#"{"format": "flowkeep-raw-2", "tensors": []}"#), Some("UNIMPLEMENTED"));
        assert_eq!(code(r#"{"format": "flowkeep-raw-1", "tensors": []}"#), None);
        for json in [
            "",
            "[]",
            "{}",
            r#"{"format": "flowkeep-raw-1"}"#,
            r#"{"format": "flowkeep-raw-1", "tensors": [], "metadata": {"a": 1}}"#,
        ] {
            assert_eq!(code(json), Some("DATA_LOSS"), "{json}");
        }
        let tensor = |json: &str| {
            code(&format!("{{\"format\": \"flowkeep-raw-1\", \"tensors\": [{json}]}}"))
        };
        let good = r#"{"name": "a", "dtype": "float32", "shape": [1], "file": "a.bin"}"#;
        assert_eq!(tensor(good), None);
        assert_eq!(tensor(&format!("{good}, {good}")), Some("DATA_LOSS"));
        for (from, to) in [
            ("a.bin", "../a.bin"),
            ("a.bin", "/etc/passwd"),
            ("float32", "float33"),
            ("float32", "variant"),
            ("[1]", "[-1]"),
            ("[1]", "[1.5]"),
            ("[1]", "1"),
            ("\"name\"", "\"nome\""),
        ] {
            assert_eq!(tensor(&good.replace(from, to)), Some("DATA_LOSS"), "{from} {to}");
        }
    }
}
