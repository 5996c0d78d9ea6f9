use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_proto::pb;
use flowkeep_tensor::{DType, Tensor};
use prost::Message;
use prost::bytes::Bytes;
use serde_json::Value;

use crate::Tolerance;

/// The cases of one fixture file, `fixtures/ops/<name>.json` with its blob.
#[derive(Debug)]
pub struct Suite {
    /// The suite's name.
    pub name: String,
    /// Its cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// A graph, what is fed to it, and what TensorFlow made of it.
#[derive(Debug)]
pub struct Case {
    /// The case's name, unique in its suite: `AddV2/bcast-float32`.
    pub name: String,
    /// The graph; its placeholders are named `in0`, `in1`, ...
    pub graph: pb::GraphDef,
    /// The values of the placeholders, in order.
    pub feeds: Vec<Tensor>,
    /// The names to fetch.
    pub fetches: Vec<String>,
    /// How often they are fetched, in one session.
    pub n_runs: usize,
    /// Files that lie in the scratch folder before the run.
    pub files: Files,
    /// What must lie there after all runs, if that is known.
    pub files_after: Option<Files>,
    /// What must come of it.
    pub expected: Expected,
}

/// Files below a folder, by name: their contents. The name of a folder ends in `/`.
pub type Files = BTreeMap<String, Bytes>;

/// What must come of a case.
#[derive(Debug)]
pub enum Expected {
    /// These tensors, those of all runs in order.
    Outputs(Vec<Tensor>, Tolerance),
    /// An error of this code, in TensorFlow's Python spelling (`InvalidArgument`).
    Error {
        /// The code.
        code: String,
        /// TensorFlow's message.
        message: String,
    },
}

impl Case {
    /// The nodes to be run for themselves: the last one if nothing is fetched.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        let last = self.graph.node.last().filter(|_| self.fetches.is_empty());
        last.into_iter().map(|node| node.name.as_str())
    }
}

impl Suite {
    /// Reads the suite `name` from the repository's `fixtures/ops`.
    ///
    /// Errors: what is wrong with the files, in words.
    pub fn read(name: &str) -> Result<Suite, String> {
        let folder = ops_folder();
        let path = folder.join(format!("{name}.json"));
        let json: Value = serde_json::from_slice(&read(&path)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if json["format"] != "op-fixture-1" {
            return Err(format!("{}: unknown format {}", path.display(), json["format"]));
        }
        let blob = Blob(read(&folder.join(text(&json["blob"])?))?.into());
        let case = |json: &Value| {
            blob.case(json).map_err(|error| format!("{name}, case {}: {error}", json["name"]))
        };
        let cases = list(&json["cases"])?.iter().map(case).collect::<Result<_, _>>()?;
        Ok(Suite { name: name.to_owned(), cases })
    }

    /// The names of all suites in the repository, sorted.
    ///
    /// Errors: if the folder cannot be listed.
    pub fn names() -> Result<Vec<String>, String> {
        let folder = ops_folder();
        let entries =
            fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }
}

fn ops_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ops")
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The bytes that the tensors of a suite point into.
struct Blob(Bytes);

impl Blob {
    fn case(&self, json: &Value) -> Result<Case, String> {
        let graph = self.bytes(&json["graph"])?;
        let file = |file: &Value| Ok::<_, String>((text(&file["name"])?, self.bytes(file)?));
        let files = |key: &str| match json[key].as_array() {
            None => Ok(None),
            Some(files) => files.iter().map(file).collect::<Result<Files, _>>().map(Some),
        };
        let expected = if json["error"].is_null() {
            let outputs = self.tensors(&json["outputs"])?;
            Expected::Outputs(outputs, Tolerance::from_json(&json["tolerance"])?)
        } else {
            let error = &json["error"];
            Expected::Error { code: text(&error["code"])?, message: text(&error["message"])? }
        };
        Ok(Case {
            name: text(&json["name"])?,
            graph: pb::GraphDef::decode(graph).map_err(|error| error.to_string())?,
            feeds: self.tensors(&json["feeds"])?,
            fetches: list(&json["fetch"])?.iter().map(text).collect::<Result<_, _>>()?,
            n_runs: number(&json["runs"])?,
            files: files("files")?.unwrap_or_default(),
            files_after: files("files_after")?,
            expected,
        })
    }

    fn tensors(&self, json: &Value) -> Result<Vec<Tensor>, String> {
        list(json)?.iter().map(|json| self.tensor(json)).collect()
    }

    fn tensor(&self, json: &Value) -> Result<Tensor, String> {
        let name = text(&json["dtype"])?;
        let dtype = DType::from_name(&name).ok_or_else(|| format!("unknown dtype {name}"))?;
        let shape: Vec<usize> =
            list(&json["shape"])?.iter().map(number).collect::<Result<_, _>>()?;
        let bytes = self.bytes(json)?;
        let tensor = if dtype == DType::String {
            let n = shape.iter().product();
            Tensor::from_strings(shape, strings(bytes, n).ok_or("strings are cut off")?)
        } else {
            Tensor::from_bytes(dtype, shape, bytes)
        };
        tensor.map_err(|error| error.to_string())
    }

    fn bytes(&self, json: &Value) -> Result<Bytes, String> {
        let (offset, len) = (number(&json["offset"])?, number(&json["nbytes"])?);
        let end = offset.checked_add(len).filter(|end| *end <= self.0.len());
        Ok(self.0.slice(offset..end.ok_or("the blob is too short")?))
    }
}

/// The `n` byte strings behind as many lengths of eight bytes each.
fn strings(bytes: Bytes, n: usize) -> Option<Vec<Bytes>> {
    let (lengths, _) = bytes.split_at_checked(n.checked_mul(8)?)?;
    let mut start = lengths.len();
    lengths
        .as_chunks::<8>()
        .0
        .iter()
        .map(|len| {
            let end = start.checked_add(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
            let value = (end <= bytes.len()).then(|| bytes.slice(start..end))?;
            start = end;
            Some(value)
        })
        .collect()
}

fn text(json: &Value) -> Result<String, String> {
    json.as_str().map(str::to_owned).ok_or_else(|| format!("{json} is not a string"))
}

fn list(json: &Value) -> Result<&Vec<Value>, String> {
    json.as_array().ok_or_else(|| format!("{json} is not a list"))
}

fn number(json: &Value) -> Result<usize, String> {
    let number = json.as_u64().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| format!("{json} is not a length"))
}
