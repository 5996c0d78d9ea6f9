//! `fixtures/transforms/*.json.gz`; `generate.py` beside them says what is in them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flate2::read::GzDecoder;
use flowkeep_graph::{Error, Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_tensor::{DType, Tensor};
use prost::Message;
use serde_json::Value;

use crate::normal;

pub(crate) struct Suite {
    graphs: BTreeMap<String, pb::GraphDef>,
    cases: Vec<Value>,
}

/// One graph, arguments, and what TensorFlow makes of them.
pub(crate) struct Case<'a> {
    value: &'a Value,
    pub(crate) def: pb::GraphDef,
}

impl Suite {
    pub(crate) fn open(transform: &str) -> Suite {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../../fixtures/transforms/{transform}.json.gz"));
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let suite: Value = serde_json::from_reader(GzDecoder::new(file)).unwrap();
        let graphs = suite["graphs"].as_object().unwrap().iter();
        Suite {
            graphs: graphs.map(|(key, graph)| (key.clone(), decode(graph))).collect(),
            cases: suite["cases"].as_array().unwrap().clone(),
        }
    }

    pub(crate) fn graph(&self, key: &str) -> pb::GraphDef {
        self.graphs[key].clone()
    }

    pub(crate) fn cases(&self) -> impl ExactSizeIterator<Item = Case<'_>> {
        self.cases.iter().map(|value| {
            let def = self.graphs[value["graph"].as_str().unwrap()].clone();
            Case { value, def }
        })
    }

    /// Tries all cases; `transform` gives what is made of each.
    pub(crate) fn check(&self, transform: impl Fn(&Case<'_>) -> Result<pb::GraphDef, Error>) {
        self.check_as(|def| def, transform);
    }

    /// As [`Suite::check`], where both graphs are brought into a form of their own first.
    pub(crate) fn check_as(
        &self,
        form: fn(pb::GraphDef) -> pb::GraphDef,
        transform: impl Fn(&Case<'_>) -> Result<pb::GraphDef, Error>,
    ) {
        assert!(!self.cases.is_empty());
        for case in self.cases() {
            let got = transform(&case);
            match (got, case.output(), case.error()) {
                (Ok(got), Some(want), None) => {
                    normal::assert_same(case.name(), form(got), form(want))
                }
                (Err(got), None, Some(want)) => {
                    assert_eq!(got.to_string(), want, "{}", case.name())
                }
                (Ok(_), ..) => panic!("{}: no error", case.name()),
                (Err(error), ..) => panic!("{}: {error}", case.name()),
            }
        }
    }
}

impl Case<'_> {
    pub(crate) fn name(&self) -> &str {
        self.value["name"].as_str().unwrap()
    }

    pub(crate) fn graph(&self) -> Graph {
        Graph::import(self.def.clone(), &ImportOptions::default())
            .unwrap_or_else(|error| panic!("{}: {error}", self.name()))
    }

    /// An argument that is a list of strings.
    pub(crate) fn strs(&self, argument: &str) -> Vec<&str> {
        let list = self.value[argument].as_array();
        let list = list.unwrap_or_else(|| panic!("{}: no {argument}", self.name()));
        list.iter().map(|value| value.as_str().unwrap()).collect()
    }

    /// Whether an argument is given.
    pub(crate) fn has(&self, argument: &str) -> bool {
        self.value.get(argument).is_some_and(|value| !value.is_null())
    }

    pub(crate) fn flag(&self, argument: &str) -> bool {
        self.value[argument].as_bool().unwrap()
    }

    /// An argument that is a map of tensors.
    pub(crate) fn tensors(&self, argument: &str) -> HashMap<String, Tensor> {
        let map = self.value[argument].as_object().unwrap().iter();
        map.map(|(name, value)| (name.clone(), tensor(value))).collect()
    }

    pub(crate) fn output(&self) -> Option<pb::GraphDef> {
        self.value.get("output").map(decode)
    }

    pub(crate) fn error(&self) -> Option<&str> {
        self.value.get("error").map(|error| error.as_str().unwrap())
    }
}

fn decode(graph: &Value) -> pb::GraphDef {
    let bytes = BASE64_STANDARD.decode(graph.as_str().unwrap()).unwrap();
    pb::GraphDef::decode(&*bytes).unwrap()
}

fn tensor(value: &Value) -> Tensor {
    let shape: Vec<usize> = value["shape"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dim| dim.as_u64().unwrap() as usize)
        .collect();
    let bytes = |text: &Value| Bytes::from(BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap());
    match dtype(value["dtype"].as_str().unwrap()) {
        DType::String => {
            let strings = value["strings"].as_array().unwrap().iter().map(bytes).collect();
            Tensor::from_strings(shape, strings).unwrap()
        }
        dtype => Tensor::from_bytes(dtype, shape, bytes(&value["b64"])).unwrap(),
    }
}

/// The type of a name of NumPy's.
pub(crate) fn dtype(name: &str) -> DType {
    let name = match name {
        "float16" => "half",
        "float32" => "float",
        "float64" => "double",
        name => name,
    };
    DType::from_name(name).unwrap()
}

/// A graph in the text format.
pub(crate) fn import(def: &str) -> Graph {
    Graph::import(text::parse_message(def).unwrap(), &ImportOptions::default()).unwrap()
}

/// Name, op and inputs of all nodes.
pub(crate) fn summary(graph: &Graph) -> Vec<String> {
    let defs = graph.to_graph_def().node.into_iter();
    defs.map(|node| format!("{} = {}({})", node.name, node.op, node.input.join(", "))).collect()
}
