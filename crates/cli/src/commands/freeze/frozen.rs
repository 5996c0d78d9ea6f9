use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use flowkeep_graph::file::{FileError, GraphFile};
use flowkeep_graph::rewrite::Endpoints;
use flowkeep_graph::transform::{
    InlineOptions, clear_devices, extract_sub_graph, inline_functions, prune_library,
};
use flowkeep_graph::{Graph, ImportOptions, InputRef, MetaGraph, Signature};
use flowkeep_tensor::Code;
use serde_json::{Value, json};

use crate::commands::choose_signature;
use crate::commands::graph::edit::{must_have, transformed};
use crate::commands::graph::freeze::{Choice, freeze_model};
use crate::error::Error;

/// A graph without variables, and how it came to be.
pub(in crate::commands) struct FrozenGraph {
    pub(in crate::commands) graph: Graph,
    /// The signature that it is for, unless outputs were named.
    pub(in crate::commands) signature: Option<(String, Signature)>,
    pub(in crate::commands) lines: Vec<String>,
    pub(in crate::commands) data: Value,
}

/// What of a model is frozen.
pub(in crate::commands) struct Wanted<'a> {
    pub(in crate::commands) tags: Option<&'a [String]>,
    pub(in crate::commands) signature: Option<&'a str>,
    pub(in crate::commands) checkpoint: Option<&'a Path>,
    pub(in crate::commands) outputs: &'a [String],
    pub(in crate::commands) only: &'a [String],
    pub(in crate::commands) keep: &'a [String],
    /// What is run before.
    pub(in crate::commands) initializers: &'a [String],
    pub(in crate::commands) keep_devices: bool,
    pub(in crate::commands) keep_functions: bool,
}

/// Freezes a model: its variables become constants, its functions take the place of their calls.
///
/// Errors: what is wanted and not there; those of reading values and of the transforms.
pub(in crate::commands) fn frozen(
    file: &GraphFile,
    wanted: &Wanted<'_>,
) -> Result<FrozenGraph, Error> {
    let (def, _) = file.clone().into_meta_graph_def(wanted.tags)?;
    let mut meta_graph = MetaGraph::import(def, &ImportOptions::default())
        .map_err(|source| FileError::Graph { path: file.path.clone(), source })?;
    let signature = match wanted.outputs {
        [] => {
            let key = choose_signature(wanted.signature, meta_graph.signatures.keys());
            let Some(signature) = meta_graph.signatures.get(&key).cloned() else {
                return Err(match meta_graph.signatures.is_empty() {
                    // TensorFlow's words.
                    true => Error::invalid(
                        "You need to supply the name of a node to --output_node_names. Its other name is --outputs.",
                    ),
                    false => flowkeep_saved_model::Error::no_such_signature(
                        &key,
                        meta_graph.signatures.keys(),
                    )
                    .into(),
                });
            };
            Some((key, signature))
        }
        _ => None,
    };
    // Only what is wanted keeps nodes alive.
    meta_graph.signatures = signature.clone().into_iter().collect();
    let outputs = outputs(&meta_graph, wanted.outputs)?;
    let inputs = Endpoints::of(&meta_graph).inputs;

    let has_values =
        wanted.checkpoint.is_some() || file.variables().is_some_and(|prefix| has_index(&prefix));
    let mut lines = Vec::new();
    let mut data = json!({});
    if has_values || file.variables().is_none() && has_variables(&meta_graph.graph) {
        let choice = Choice {
            outputs: outputs.clone(),
            only: wanted.only,
            keep: wanted.keep,
            initializers: wanted.initializers,
        };
        let frozen = freeze_model(file, wanted.checkpoint, wanted.tags, meta_graph, choice)?;
        (lines, data) = (frozen.lines(), frozen.data());
        meta_graph = frozen.meta_graph;
    } else {
        lines.push("no variables to freeze".to_owned());
        (meta_graph, _) = transformed(meta_graph, |graph| extract_sub_graph(graph, &outputs))?;
    }
    if !wanted.keep_functions {
        let mut options = InlineOptions::default();
        options.keep = outputs.iter().cloned().collect();
        options.feeds = inputs;
        options.aggressive = true;
        let report;
        (meta_graph, report) = transformed(meta_graph, |graph| inline_functions(graph, &options))?;
        lines.extend(
            report
                .kept
                .iter()
                .map(|call| format!("{} ({}) stays: {}", call.node, call.function, call.why)),
        );
        (meta_graph, _) = transformed(meta_graph, |graph| extract_sub_graph(graph, &outputs))?;
    }
    (meta_graph, _) = transformed(meta_graph, prune_library)?;
    if !wanted.keep_devices {
        (meta_graph, _) = transformed(meta_graph, clear_devices)?;
    }
    let graph = Arc::unwrap_or_clone(meta_graph.graph);
    Ok(FrozenGraph { graph, signature, lines, data })
}

/// The nodes that stay: those that are named, or those of the signature's outputs.
fn outputs(meta_graph: &MetaGraph, named: &[String]) -> Result<Vec<String>, Error> {
    let named: Vec<String> =
        named.iter().map(|name| InputRef::parse(name.trim()).node().to_owned()).collect();
    must_have(&meta_graph.graph, &named)?;
    if !named.is_empty() {
        return Ok(named);
    }
    let outputs: BTreeSet<String> = Endpoints::of(meta_graph).outputs;
    match outputs.is_empty() {
        false => Ok(outputs.into_iter().collect()),
        true => Err(Error::Failed {
            code: Code::InvalidArgument,
            message: "the signature has no output".into(),
        }),
    }
}

fn has_index(prefix: &Path) -> bool {
    let mut index = prefix.as_os_str().to_owned();
    index.push(".index");
    Path::new(&index).is_file()
}

fn has_variables(graph: &Graph) -> bool {
    let ops = ["VarHandleOp", "Variable", "VariableV2"];
    graph.nodes().iter().any(|node| ops.contains(&node.op()))
}
