use flowkeep_ckpt::counted;
use flowkeep_graph::rewrite::Endpoints;
use flowkeep_graph::transform::{extract_sub_graph, prune_library};
use serde_json::json;

use super::Context;
use super::edit::{Edit, Outputs, Report, list, transformed, with_fewer_functions};
use crate::error::Error;

/// Cut out the part of a graph that some nodes need
///
/// A MetaGraph or a SavedModel keeps the rest, as far as it names no node that is gone; what saves and
/// restores its variables stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph extract train.pb inference.pb --outputs probabilities
  flowkeep graph extract model.ckpt-100.meta small.meta --outputs logits,labels --drop-saver
  flowkeep graph extract saved_model small_model --prune-functions")]
pub(super) struct Args {
    #[command(flatten)]
    edit: Edit,
    #[command(flatten)]
    outputs: Outputs,
    /// Do without what saves and restores variables
    #[arg(long)]
    drop_saver: bool,
    /// Remove the functions that nothing needs any more, too
    #[arg(long)]
    prune_functions: bool,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        self.edit.run(cx, |meta_graph| {
            let mut nodes = self.outputs.nodes(&meta_graph)?;
            if !self.drop_saver {
                nodes.extend(Endpoints::of(&meta_graph).saver);
            }
            let (mut meta_graph, report) =
                transformed(meta_graph, |graph| extract_sub_graph(graph, &nodes))?;
            let mut functions = Vec::new();
            if self.prune_functions {
                (meta_graph, _, functions) =
                    with_fewer_functions(meta_graph, prune_library, |removed| removed)?;
            }
            let mut lines = vec![format!("{} removed", counted(report.removed.len(), "node"))];
            if !functions.is_empty() {
                lines.push(format!("{} removed", counted(functions.len(), "function")));
            }
            let data = json!({"removed": list(&report.removed), "functions": list(&functions)});
            Ok((meta_graph.into(), Report { lines, data, ..Report::default() }))
        })
    }
}
