//! `flowkeep freeze`: a graph without variables and functions, of whatever has them.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use flowkeep_graph::file::{FileError, GraphFile, GraphMessage, write_atomically};
use flowkeep_graph::rewrite::Endpoints;
use flowkeep_graph::transform::{
    InlineOptions, clear_devices, extract_sub_graph, inline_functions, prune_library,
};
use flowkeep_graph::{Graph, ImportOptions, InputRef, MetaGraph, Signature};
use flowkeep_tensor::Code;
use serde_json::{Value, json};

use super::choose_signature;
use super::graph::edit::{To, must_have, transformed};
use super::graph::freeze::{Choice, freeze_model};
use super::graph::source::read;
use crate::args::Format;
use crate::error::Error;
use crate::render::{self, Page};

/// Make a graph without variables of a model and its checkpoint.
///
/// SRC is a SavedModel, a MetaGraph or a GraphDef; DST becomes a GraphDef. The graph is cut to what the outputs
/// need, functions are put in the place of their calls, and the names of inputs and outputs stay. 'flowkeep graph
/// freeze' writes what SRC is, and keeps the rest of it.
#[derive(Debug, Parser)]
#[command(name = "flowkeep freeze", bin_name = "flowkeep freeze", after_help = EXAMPLES)]
pub(crate) struct Invocation {
    /// A SavedModel's directory, a MetaGraph or a GraphDef; - for standard input
    src: PathBuf,
    /// The file to write
    dst: PathBuf,
    /// The tags of the SavedModel's MetaGraph
    #[arg(long, alias = "saved-model-tags", value_name = "TAG,TAG,...", value_delimiter = ',')]
    tags: Option<Vec<String>>,
    /// The signature that the graph is for [default: the only one, or serving_default]
    #[arg(long, alias = "signature-def", value_name = "KEY")]
    signature: Option<String>,
    /// The checkpoint, or a file of another tool [default: that of the SavedModel]
    #[arg(long, alias = "input-checkpoint", value_name = "PATH")]
    checkpoint: Option<PathBuf>,
    /// The nodes that the graph is for, in the place of a signature's outputs
    #[arg(long, alias = "output-node-names", value_name = "NODE,NODE,...", value_delimiter = ',')]
    outputs: Vec<String>,
    /// Freeze these variables only, by the names of their nodes
    #[arg(
        long,
        alias = "variable-names-whitelist",
        value_name = "NODE,NODE,...",
        value_delimiter = ','
    )]
    only: Vec<String>,
    /// Let these variables be
    #[arg(
        long,
        alias = "variable-names-denylist",
        value_name = "NODE,NODE,...",
        value_delimiter = ','
    )]
    keep: Vec<String>,
    /// Keep the devices that nodes ask for
    #[arg(long)]
    keep_devices: bool,
    /// Leave functions and their calls as they are
    #[arg(long)]
    keep_functions: bool,
    /// The form to write
    #[arg(long, value_enum, value_name = "FORM", default_value = "binary")]
    to: To,
    /// Replace what is there
    #[arg(long)]
    overwrite: bool,
    /// How to print results
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  flowkeep freeze saved_model frozen.pb
  flowkeep freeze saved_model frozen.pb --tags serve --signature regress
  flowkeep freeze model.ckpt-100.meta frozen.pb --checkpoint model.ckpt-100 --outputs logits

Exit status: 0 success, 2 wrong command line, otherwise 10 plus TensorFlow's error code.";

/// A graph without variables, and how it came to be.
pub(super) struct FrozenGraph {
    pub(super) graph: Graph,
    /// The signature that it is for, unless outputs were named.
    pub(super) signature: Option<(String, Signature)>,
    pub(super) lines: Vec<String>,
    pub(super) data: Value,
}

/// What of a model is frozen.
pub(super) struct Wanted<'a> {
    pub(super) tags: Option<&'a [String]>,
    pub(super) signature: Option<&'a str>,
    pub(super) checkpoint: Option<&'a Path>,
    pub(super) outputs: &'a [String],
    pub(super) only: &'a [String],
    pub(super) keep: &'a [String],
    pub(super) keep_devices: bool,
    pub(super) keep_functions: bool,
}

impl Invocation {
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Does what is asked for and gives the exit status.
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let file = read(&self.src)?;
        let wanted = Wanted {
            tags: self.tags.as_deref(),
            signature: self.signature.as_deref(),
            checkpoint: self.checkpoint.as_deref(),
            outputs: &self.outputs,
            only: &self.only,
            keep: &self.keep,
            keep_devices: self.keep_devices,
            keep_functions: self.keep_functions,
        };
        let frozen = frozen(&file, &wanted)?;
        let form = self.to.form();
        let message = GraphMessage::GraphDef(Box::new(frozen.graph.to_graph_def()));
        write_atomically(&self.dst, &message.to_bytes(form)?, self.overwrite)?;
        let n_nodes = frozen.graph.nodes().len();
        let dst = self.dst.display();
        if self.format == Format::Json {
            let names = |infos: &std::collections::BTreeMap<String, flowkeep_graph::TensorInfo>| {
                infos
                    .iter()
                    .map(|(key, info)| (key.clone(), Value::from(info.name())))
                    .collect::<Value>()
            };
            let signature = frozen.signature.as_ref().map(|(key, signature)| {
                json!({"key": key, "inputs": names(&signature.inputs), "outputs": names(&signature.outputs)})
            });
            let written = json!({"path": dst.to_string(), "form": form.name(), "nodes": n_nodes});
            let document = json!({"written": written, "signature": signature, "done": frozen.data});
            return render::json::document(&document, out).map(|()| 0);
        }
        let mut page = Page(out);
        frozen.lines.iter().try_for_each(|line| page.line(line))?;
        if let Some((_, signature)) = &frozen.signature {
            for (role, infos) in [("input", &signature.inputs), ("output", &signature.outputs)] {
                for (key, info) in infos {
                    page.line(format!("{role} {key}: {}", info.name().unwrap_or("(composite)")))?;
                }
            }
        }
        page.line(format!("{dst} (a GraphDef, {}): {n_nodes} nodes", form.name()))?;
        Ok(0)
    }
}

/// Freezes a model: its variables become constants, its functions take the place of their calls.
///
/// Errors: what is wanted and not there; those of reading values and of the transforms.
pub(super) fn frozen(file: &GraphFile, wanted: &Wanted<'_>) -> Result<FrozenGraph, Error> {
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
                        "You need to supply the name of a node to --output_node_names.",
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
        let choice = Choice { outputs: outputs.clone(), only: wanted.only, keep: wanted.keep };
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;

    use super::*;
    use crate::args::own;

    #[test]
    fn the_definition_is_consistent() {
        Invocation::command().debug_assert();
    }

    #[test]
    fn the_flags_of_freeze_graph_are_understood() {
        let words = [
            "flowkeep",
            "freeze",
            "m",
            "f",
            "--input_checkpoint=c",
            "--output_node_names=a, b",
            "--variable_names_denylist=v",
            "--saved_model_tags=serve,gpu",
        ];
        let parsed = own::<Invocation>(words.map(OsString::from).to_vec()).unwrap();
        assert_eq!(parsed.outputs, ["a", " b"]);
        assert_eq!(parsed.keep, ["v"]);
        assert_eq!(parsed.checkpoint, Some("c".into()));
        assert_eq!(parsed.tags.unwrap(), ["serve", "gpu"]);
    }
}
