use flowkeep_graph::view::{Edge, PathOptions, Paths, Step};
use serde_json::{Value, json};

use super::source::Source;
use super::{Context, NO};
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, graph, json};

/// Find how one node depends on another
///
/// Paths lead along data and control edges, from what is computed first to what is computed from it. Exit
/// status: 0 there is one, 1 there is none, 2 trouble.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph path frozen.pb input logits
  flowkeep graph path train.meta dense/kernel train --all --limit 50
  flowkeep graph path saved_model x y --data-only --function __inference_call_57")]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    /// The node to begin with, or one of its tensors
    from: String,
    /// The node that depends on it
    to: String,
    /// List all paths that go around no loop, the shortest first
    #[arg(long, short)]
    all: bool,
    /// The most paths that are listed
    #[arg(long, value_name = "N", default_value_t = 20, requires = "all")]
    limit: u16,
    /// Leave control edges out
    #[arg(long)]
    data_only: bool,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let opened = self.source.open()?;
        let options = PathOptions {
            data_only: self.data_only,
            limit: if self.all { self.limit.max(1).into() } else { 1 },
        };
        let paths = Paths::between(opened.graph(), &self.from, &self.to, &options)
            .map_err(|error| opened.not_found(&[&self.from, &self.to], error))?;
        let is_there = !paths.paths.is_empty();
        let is_reversed = !is_there
            && !Paths::between(opened.graph(), &self.to, &self.from, &options)?.paths.is_empty();
        match cx.format {
            Format::Json => {
                let list: Vec<Vec<_>> =
                    paths.paths.iter().map(|path| path.iter().map(step).collect()).collect();
                let document = json!({
                    "graph": opened.found,
                    "from": self.from,
                    "to": self.to,
                    "n_paths": paths.n_paths,
                    "reversed": is_reversed,
                    "paths": list,
                });
                json::document(&document, cx.out)?;
            }
            Format::Text => {
                let mut page = Page(cx.out);
                page.line(&opened.found)?;
                let ends = [self.from.as_str(), self.to.as_str()];
                page.text(graph::paths(&paths, ends, is_reversed))?;
            }
        }
        Ok(if is_there { 0 } else { NO })
    }
}

fn step(step: &Step) -> Value {
    let edge = match step.edge {
        None => Value::Null,
        Some(Edge::Control) => json!({"control": true}),
        Some(Edge::Data { output, input, is_back_edge }) => {
            json!({"control": false, "output": output, "input": input, "back_edge": is_back_edge})
        }
    };
    json!({"node": step.node, "op": step.op, "edge": edge})
}
