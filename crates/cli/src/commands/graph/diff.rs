use std::path::PathBuf;

use flowkeep_graph::view::{
    Change, DiffOptions, FunctionDiff, GraphDiff, MetaGraphDiff, NodeDiff, PartChange,
};
use serde_json::{Value, json};

use super::source::Opened;
use super::{Context, NO};
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, graph, json};

/// Compare two graphs
///
/// Nodes and functions are compared by name and then by structure, whatever their order; of MetaGraphs,
/// signatures, collections and the rest, too. Exit status: 0 the same, 1 different, 2 trouble.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph diff before.pb after.pbtxt
  flowkeep graph diff model.ckpt-100.meta saved_model --ignore-versions --ignore-attr _class
  flowkeep graph diff saved_model saved_model --tags serve --second-tags train
  flowkeep graph diff a.pb b.pb --ignore-names --format json")]
pub(super) struct Args {
    /// The first graph
    a: PathBuf,
    /// The second graph
    b: PathBuf,
    /// The tags of the MetaGraph, of SavedModels
    #[arg(long, value_name = "TAG,TAG,...", value_delimiter = ',')]
    tags: Option<Vec<String>>,
    /// The tags of the second's MetaGraph, if they are others
    #[arg(long, value_name = "TAG,TAG,...", value_delimiter = ',')]
    second_tags: Option<Vec<String>>,
    /// Compare a function of both
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Let nodes and functions that are the same but for their names be the same
    #[arg(long)]
    ignore_names: bool,
    /// Let versions differ
    #[arg(long)]
    ignore_versions: bool,
    /// Let devices differ
    #[arg(long)]
    ignore_devices: bool,
    /// Let an attribute differ; may be given several times
    #[arg(long = "ignore-attr", value_name = "NAME")]
    ignore_attrs: Vec<String>,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let function = self.function.as_deref();
        let second_tags = self.second_tags.as_ref().or(self.tags.as_ref());
        let a = Opened::open(&self.a, self.tags.as_deref(), function)?;
        let b = Opened::open(&self.b, second_tags.map(Vec::as_slice), function)?;
        let options = DiffOptions {
            ignore_versions: self.ignore_versions,
            ignore_devices: self.ignore_devices,
            ignore_names: self.ignore_names,
            ignore_attrs: self.ignore_attrs.clone(),
        };
        // A graph alone has no other parts that could differ.
        let diff = match a.has_parts() && b.has_parts() {
            true => MetaGraphDiff::new(&a.meta_graph, &b.meta_graph, &options),
            false => MetaGraphDiff {
                graph: GraphDiff::new(a.graph(), b.graph(), &options),
                parts: Vec::new(),
            },
        };
        match cx.format {
            Format::Json => {
                json::document(&document(&diff, [&a.found, &b.found]), cx.out)?;
            }
            Format::Text => {
                let mut page = Page(cx.out);
                page.line(format!("first:  {}", a.found))?;
                page.line(format!("second: {}", b.found))?;
                page.text(graph::diff(&diff))?;
            }
        }
        Ok(if diff.is_same() { 0 } else { NO })
    }
}

fn document(diff: &MetaGraphDiff, [first, second]: [&String; 2]) -> Value {
    let graph = &diff.graph;
    let versions = graph
        .versions
        .iter()
        .map(|(which, old, new)| json!({"version": which, "first": old, "second": new}));
    let parts = diff.parts.iter().map(|part| {
        let change = match part.change {
            PartChange::Removed => "only_in_first",
            PartChange::Added => "only_in_second",
            PartChange::Changed => "changed",
        };
        json!({"part": part.part, "key": part.key, "outcome": change})
    });
    json!({
        "same": diff.is_same(),
        "first": first,
        "second": second,
        "nodes": graph.nodes.iter().map(node).collect::<Vec<_>>(),
        "functions": graph.functions.iter().map(function).collect::<Vec<_>>(),
        "versions": versions.collect::<Vec<_>>(),
        "parts": parts.collect::<Vec<_>>(),
        "totals": {"same_nodes": graph.n_same, "same_functions": graph.n_same_functions},
    })
}

fn node(diff: &NodeDiff) -> Value {
    match diff {
        NodeDiff::Removed { name, op } => {
            json!({"name": name, "op": op, "outcome": "only_in_first"})
        }
        NodeDiff::Added { name, op } => {
            json!({"name": name, "op": op, "outcome": "only_in_second"})
        }
        NodeDiff::Changed { name, old_name, op, changes } => json!({
            "name": name,
            "op": op,
            "outcome": if changes.is_empty() { "renamed" } else { "changed" },
            "first_name": old_name,
            "changes": changes.iter().map(change).collect::<Vec<_>>(),
        }),
    }
}

fn function(diff: &FunctionDiff) -> Value {
    match diff {
        FunctionDiff::Removed { name } => json!({"name": name, "outcome": "only_in_first"}),
        FunctionDiff::Added { name } => json!({"name": name, "outcome": "only_in_second"}),
        FunctionDiff::Changed { name, old_name, changes, nodes } => json!({
            "name": name,
            "outcome": match changes.is_empty() && nodes.is_empty() {
                true => "renamed",
                false => "changed",
            },
            "first_name": old_name,
            "changes": changes.iter().map(change).collect::<Vec<_>>(),
            "nodes": nodes.iter().map(node).collect::<Vec<_>>(),
        }),
    }
}

fn change(change: &Change) -> Value {
    match change {
        Change::Op { old, new } => json!({"what": "op", "first": old, "second": new}),
        Change::Input { index, old, new } => {
            json!({"what": "input", "index": index, "first": old, "second": new})
        }
        Change::ControlInputs { removed, added } => {
            json!({"what": "control_inputs", "only_in_first": removed, "only_in_second": added})
        }
        Change::Attr { name, old, new } => {
            let text = |attr: &Option<_>| attr.as_ref().map(flowkeep_graph::Attr::to_string);
            json!({"what": "attribute", "name": name, "first": text(old), "second": text(new)})
        }
        Change::Device { old, new } => json!({"what": "device", "first": old, "second": new}),
        Change::Signature { old, new } => {
            json!({"what": "signature", "first": old, "second": new})
        }
        Change::Result { name, old, new } => {
            json!({"what": "result", "name": name, "first": old, "second": new})
        }
        Change::Gradient { old, new } => json!({"what": "gradient", "first": old, "second": new}),
        Change::Body => json!({"what": "body"}),
    }
}
