use std::path::PathBuf;

use flowkeep_graph::file::write_atomically;
use flowkeep_graph::view::{Item, ItemKind, Outline, OutlineEdge, OutlineOptions, Role, Scope};
use serde_json::{Value, json};

use super::Context;
use super::json::{port, shape};
use super::source::Source;
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, graph, json};

/// Draw a graph, for Graphviz
///
/// Scopes become clusters, control edges are dashed, edges that close loops are bold.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph dot frozen.pb --depth 1 | dot -Tsvg > frozen.svg
  flowkeep graph dot train.meta --focus loss --radius 3 --data-only --output loss.dot
  flowkeep graph dot saved_model --function __inference_call_57")]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    /// Draw N levels of scopes, and what is in deeper ones as one thing
    #[arg(long, value_name = "N")]
    depth: Option<u8>,
    /// Draw only what is near a node
    #[arg(long, value_name = "NODE")]
    focus: Option<String>,
    /// How many edges away that is
    #[arg(long, value_name = "N", default_value_t = 2, requires = "focus")]
    radius: u16,
    /// Leave control edges out
    #[arg(long)]
    data_only: bool,
    /// Write into a file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    overwrite: bool,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let opened = self.source.open()?;
        let options = OutlineOptions {
            depth: self.depth.map(usize::from),
            focus: self.focus.clone().map(|focus| (focus, self.radius.into())),
            data_only: self.data_only,
        };
        let outline = Outline::new(opened.graph(), &opened.shapes(), &options)?;
        let mut text = Vec::new();
        match cx.format {
            Format::Json => json::document(&document(&opened.found, &outline), &mut text)?,
            Format::Text => Page(&mut text).text(graph::dot(&outline, &opened.found))?,
        }
        match &self.output {
            Some(path) => write_atomically(path, &text, self.overwrite)?,
            None => cx.out.write_all(&text).map_err(Error::Output)?,
        }
        if outline.n_hidden > 0 {
            cx.note(format!("{} of the graph's nodes are farther away", outline.n_hidden));
        }
        Ok(0)
    }
}

fn document(found: &str, outline: &Outline) -> Value {
    json!({
        "graph": found,
        "root": scope(&outline.root),
        "edges": outline.edges.iter().map(edge).collect::<Vec<_>>(),
        "hidden_nodes": outline.n_hidden,
    })
}

fn scope(of: &Scope) -> Value {
    json!({
        "name": of.name,
        "scopes": of.scopes.iter().map(scope).collect::<Vec<_>>(),
        "items": of.items.iter().map(item).collect::<Vec<_>>(),
    })
}

fn item(item: &Item) -> Value {
    match &item.kind {
        ItemKind::Node { op, role, is_focus } => {
            let role = match role {
                Role::Input => "input",
                Role::Constant => "constant",
                Role::Variable => "variable",
                Role::ControlFlow => "control_flow",
                Role::Call => "call",
                Role::Plain => "plain",
            };
            json!({"id": item.id, "node": item.name, "op": op, "role": role, "focus": is_focus})
        }
        ItemKind::Scope { n_nodes } => {
            json!({"id": item.id, "scope": item.name, "nodes": n_nodes})
        }
    }
}

fn edge(edge: &OutlineEdge) -> Value {
    json!({
        "from": edge.from,
        "to": edge.to,
        "control": edge.is_control,
        "back_edge": edge.is_back_edge,
        "edges": edge.n_edges,
        "dtype": edge.tensor.as_ref().map(|(of, _)| port(Some(*of))),
        "shape": edge.tensor.as_ref().map(|(_, dims)| shape(dims)),
    })
}
