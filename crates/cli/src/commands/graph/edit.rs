//! What all subcommands that write an edited graph have in common.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use flowkeep_graph::file::{Form, GraphFile, GraphMessage, SaveOptions};
use flowkeep_graph::rewrite::{Dropped, Endpoints, Rewritten, keep_functions_of_objects};
use flowkeep_graph::{Graph, InputRef, MetaGraph};
use flowkeep_proto::pb;
use flowkeep_tensor::Code;
use serde_json::{Value, json};

use super::Context;
use super::source::{STANDARD, meant, read};
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, graph, json};

/// What is read, and what is written.
#[derive(Args, Debug)]
pub(in crate::commands) struct Edit {
    /// A GraphDef, a MetaGraph, a SavedModel or its directory; - for standard input
    src: PathBuf,
    /// The file or directory to write, of the same kind; - for standard output
    dst: PathBuf,
    /// The tags of the SavedModel's MetaGraph
    #[arg(long, value_name = "TAG,TAG,...", value_delimiter = ',')]
    tags: Option<Vec<String>>,
    /// The form to write [default: that of the source]
    #[arg(long, value_enum, value_name = "FORM")]
    to: Option<To>,
    /// Replace what is there
    #[arg(long)]
    overwrite: bool,
}

/// How a message is written down.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(in crate::commands) enum To {
    Binary,
    Text,
}

impl To {
    pub(in crate::commands) fn form(self) -> Form {
        match self {
            To::Binary => Form::Binary,
            To::Text => Form::Text,
        }
    }
}

/// What was done, as lines and as data.
#[derive(Debug, Default)]
pub(in crate::commands) struct Report {
    pub(in crate::commands) lines: Vec<String>,
    pub(in crate::commands) data: Value,
    /// Whether the variables are not needed any more.
    pub(in crate::commands) without_variables: bool,
}

impl Edit {
    pub(in crate::commands) fn tags(&self) -> Option<&[String]> {
        self.tags.as_deref()
    }

    /// Reads the source.
    pub(in crate::commands) fn open(&self) -> Result<GraphFile, Error> {
        read(&self.src)
    }

    /// Reads the source, edits the MetaGraph that is meant, and writes what that gives.
    pub(in crate::commands) fn run(
        &self,
        cx: &mut Context<'_>,
        edit: impl FnOnce(MetaGraph) -> Result<(Rewritten, Report), Error>,
    ) -> Result<u8, Error> {
        self.run_on(self.open()?, cx, edit)
    }

    /// As [`Edit::run`], for those who have read the source.
    pub(in crate::commands) fn run_on(
        &self,
        file: GraphFile,
        cx: &mut Context<'_>,
        edit: impl FnOnce(MetaGraph) -> Result<(Rewritten, Report), Error>,
    ) -> Result<u8, Error> {
        let mut report = Report::default();
        let (file, dropped) = file.rewrite(self.tags(), |meta_graph| {
            let (rewritten, of_edit) = edit(meta_graph).map_err(|error| self.of_file(error))?;
            report = of_edit;
            Ok::<_, Error>(rewritten)
        })?;
        self.write(cx, &file, &report, &dropped)
    }

    /// As [`Edit::run`], for those who edit the message.
    pub(super) fn run_on_def(
        &self,
        cx: &mut Context<'_>,
        edit: impl FnOnce(pb::MetaGraphDef) -> Result<(pb::MetaGraphDef, Report), Error>,
    ) -> Result<u8, Error> {
        let mut report = Report::default();
        let file = self.open()?.rewrite_def(self.tags(), |def| {
            let (def, of_edit) = edit(def).map_err(|error| self.of_file(error))?;
            report = of_edit;
            Ok::<_, Error>(def)
        })?;
        self.write(cx, &file, &report, &Dropped::default())
    }

    /// The error of an edit, with the file that was edited, unless it is about another one.
    fn of_file(&self, error: Error) -> Error {
        match error {
            Error::Graph(flowkeep_graph::Error::Outside { .. })
            | Error::GraphFile(_)
            | Error::Ckpt(_) => error,
            _ => Error::Failed {
                code: error.code(),
                message: format!("{}: {error}", self.src.display()),
            },
        }
    }

    fn write(
        &self,
        cx: &mut Context<'_>,
        file: &GraphFile,
        report: &Report,
        dropped: &Dropped,
    ) -> Result<u8, Error> {
        let form = self.to.map_or(file.form, To::form);
        if self.dst == Path::new(STANDARD) {
            let bytes = file.message.to_bytes(form)?;
            cx.out.write_all(&bytes).map_err(Error::Output)?;
            report.lines.iter().chain(&graph::dropped(dropped)).for_each(|line| cx.note(line));
            return Ok(0);
        }
        let options = SaveOptions {
            form: Some(form),
            overwrite: self.overwrite,
            without_variables: report.without_variables,
        };
        file.save(&self.dst, &options)?;
        let n_nodes = n_nodes(&file.message);
        let kind = file.message.kind();
        let dst = self.dst.display();
        if cx.format == Format::Json {
            let collections = dropped.collections.iter();
            let document = json!({
                "written": {
                    "path": dst.to_string(),
                    "kind": kind.name(),
                    "form": form.name(),
                    "nodes": n_nodes,
                },
                "done": report.data,
                "dropped": {
                    "signatures": dropped.signatures,
                    "collections": collections
                        .map(|(name, n)| json!({"name": name, "items": n}))
                        .collect::<Vec<_>>(),
                    "saver": dropped.saver,
                    "assets": dropped.assets,
                    "objects": dropped.objects,
                },
            });
            json::document(&document, cx.out)?;
            return Ok(0);
        }
        let mut page = Page(cx.out);
        let lines = report.lines.iter().cloned().chain(graph::dropped(dropped));
        lines.into_iter().try_for_each(|line| page.line(line))?;
        page.line(format!("{dst} ({kind}, {}): {n_nodes} nodes", form.name()))?;
        Ok(0)
    }
}

/// The nodes of all graphs in a message.
fn n_nodes(message: &GraphMessage) -> usize {
    let of_def = |def: &pb::MetaGraphDef| def.graph_def.as_ref().map_or(0, |def| def.node.len());
    match message {
        GraphMessage::GraphDef(graph) => graph.node.len(),
        GraphMessage::MetaGraphDef(def) => of_def(def),
        GraphMessage::SavedModel(model) => model.meta_graphs.iter().map(of_def).sum(),
    }
}

/// Applies a transform to the graph of a MetaGraph.
pub(in crate::commands) fn transformed<R>(
    mut meta_graph: MetaGraph,
    transform: impl FnOnce(Graph) -> Result<(Graph, R), flowkeep_graph::Error>,
) -> Result<(MetaGraph, R), Error> {
    let graph = Arc::unwrap_or_clone(std::mem::take(&mut meta_graph.graph));
    let (graph, report) = transform(graph)?;
    meta_graph.graph = Arc::new(graph);
    Ok((meta_graph, report))
}

/// As [`transformed`], for transforms that remove functions: those that objects need come back.
///
/// Also gives the functions that are gone.
pub(super) fn with_fewer_functions<R>(
    meta_graph: MetaGraph,
    transform: impl FnOnce(Graph) -> Result<(Graph, R), flowkeep_graph::Error>,
    removed: impl FnOnce(&R) -> &[Arc<str>],
) -> Result<(MetaGraph, R, Vec<Arc<str>>), Error> {
    let library = meta_graph.graph.library().clone();
    let (mut meta_graph, report) = transformed(meta_graph, transform)?;
    let kept = keep_functions_of_objects(&mut meta_graph, &library)?;
    let gone = removed(&report).iter().filter(|name| !kept.contains(name)).cloned().collect();
    Ok((meta_graph, report, gone))
}

/// What a graph is for.
#[derive(Args, Debug)]
pub(super) struct Outputs {
    /// The nodes that the graph is for [default: the inputs and outputs of all signatures]
    #[arg(long, value_name = "NODE,NODE,...", value_delimiter = ',')]
    outputs: Vec<String>,
    /// Do without what initializes the model
    #[arg(long)]
    drop_init: bool,
}

impl Outputs {
    /// The nodes that stay, and what they need: those that are given, or else those of signatures, and
    /// what initializes the model.
    pub(super) fn nodes(&self, meta_graph: &MetaGraph) -> Result<Vec<String>, Error> {
        let endpoints = Endpoints::of(meta_graph);
        let mut nodes = names(&self.outputs);
        must_have(&meta_graph.graph, &nodes)?;
        if nodes.is_empty() {
            nodes.extend(endpoints.outputs.into_iter().chain(endpoints.inputs));
        }
        if nodes.is_empty() {
            return Err(Error::invalid(
                "nothing says what the graph is for: name its outputs with --outputs",
            ));
        }
        if !self.drop_init {
            nodes.extend(endpoints.init);
        }
        Ok(nodes)
    }
}

/// Errors: `NOT_FOUND` for the first node that a graph does not have, with what was probably meant.
pub(in crate::commands) fn must_have(graph: &Graph, nodes: &[String]) -> Result<(), Error> {
    let missing = nodes.iter().find(|node| graph.node_by_name(node).is_none());
    missing.map_or(Ok(()), |node| {
        let message = format!("{node} is not in graph{}", meant(graph, node));
        Err(Error::Failed { code: Code::NotFound, message })
    })
}

/// The nodes of names of nodes or tensors.
pub(super) fn names(names: &[String]) -> Vec<String> {
    names.iter().map(|name| InputRef::parse(name).node().to_owned()).collect()
}

/// Names of nodes, as JSON.
pub(super) fn list(names: &[Arc<str>]) -> Value {
    names.iter().map(|name| Value::from(&**name)).collect()
}
