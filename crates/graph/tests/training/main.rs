//! Optimizers and what belongs to them add what TensorFlow's Python adds.
//!
//! `fixtures/optimizers/graphs.json.gz` holds the graphs, written in `generate.py` beside it; here are the
//! same ones, line by line.

#[path = "../meta_graphs/compare.rs"]
mod compare;
mod mistakes;
mod others;
mod steps;

use std::io::Read;

use base64::Engine;
use flowkeep_graph::builder::Scope;
use flowkeep_graph::{Error, ExportOptions};
use flowkeep_proto::pb;
use prost::Message;
use serde_json::Value;

type Build = dyn Fn(&mut Scope) -> Result<(), Error>;

/// A graph and how it is built.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) build: Box<Build>,
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        build: impl Fn(&mut Scope) -> Result<(), Error> + 'static,
    ) -> Case {
        Case { name: name.into(), build: Box::new(build) }
    }

    /// A graph for variables of each kind.
    pub(crate) fn both(name: &str, build: fn(&mut Scope, bool) -> Result<(), Error>) -> [Case; 2] {
        [("ref", false), ("resource", true)].map(|(kind, use_resource)| {
            Case::new(format!("{name}_{kind}"), move |scope| build(scope, use_resource))
        })
    }
}

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/optimizers/graphs.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn golden_graphs() -> Vec<(String, pb::MetaGraphDef)> {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap().iter().map(|case| {
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(case["meta_graph"].as_str().unwrap())
            .unwrap();
        let meta_graph = pb::MetaGraphDef::decode(&*bytes).unwrap();
        (case["name"].as_str().unwrap().to_owned(), meta_graph)
    });
    cases.collect()
}

/// Only what the graph is: neither who wrote it, nor shapes of ops whose shapes are not known here.
fn stripped(mut def: pb::MetaGraphDef) -> pb::MetaGraphDef {
    def.meta_info_def = None;
    if def.collection_def.contains_key("cond_context") {
        // TensorFlow adds what goes into conditionals after what is in them.
        def.graph_def.iter_mut().for_each(|graph| graph.node.sort_by(|a, b| a.name.cmp(&b.name)));
    }
    for node in def.graph_def.iter_mut().flat_map(|graph| &mut graph.node) {
        if !flowkeep_graph::builder::BuiltinShapes.knows(&node.op) {
            node.attr.remove("_output_shapes");
        }
    }
    def
}

fn check(case: &Case, want: &pb::MetaGraphDef) -> Result<(), String> {
    let mut scope = Scope::new();
    let told = |what: String| format!("{}: {what}", case.name);
    (case.build)(&mut scope).map_err(|error| told(error.to_string()))?;
    let exported = scope.export_meta_graph(&ExportOptions::default());
    let exported = exported.map_err(|error| told(error.to_string()))?;
    let got = stripped(exported.meta_graph_def);
    compare::compare(&got, &stripped(want.clone()), false).map_err(told)
}

#[test]
fn graphs_come_out_as_tensorflow_makes_them() {
    let golden = golden_graphs();
    let mut cases = steps::cases();
    cases.extend(others::cases());
    let names: Vec<&str> = golden.iter().map(|(name, _)| name.as_str()).collect();
    let ours: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ours);
    let checked = cases.iter().zip(&golden);
    let wrong: Vec<String> =
        checked.filter_map(|(case, (_, want))| check(case, want).err()).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn what_cannot_be_is_refused_in_tensorflows_words() {
    let golden = golden();
    let texts: Vec<&str> =
        golden["mistakes"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let ours: Vec<String> = mistakes::MISTAKES
        .iter()
        .map(|mistake| mistake(&mut Scope::new()).unwrap_err().to_string())
        .collect();
    assert_eq!(ours, texts);
}
