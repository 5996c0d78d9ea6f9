use flowkeep_ckpt::counted;
use flowkeep_graph::rewrite::Endpoints;
use flowkeep_graph::transform::{InlineOptions, inline_functions};
use serde_json::json;

use super::Context;
use super::edit::{Edit, Report, list, names, with_fewer_functions};
use crate::error::Error;

/// Put the bodies of functions in the place of calls
///
/// Nodes that a MetaGraph names can still be fetched and fed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph inline saved_model flat_model
  flowkeep graph inline frozen.pb flat.pb --keep StatefulPartitionedCall")]
pub(super) struct Args {
    #[command(flatten)]
    edit: Edit,
    /// Calls that can still be fetched by their names
    #[arg(long, value_name = "NODE,NODE,...", value_delimiter = ',')]
    keep: Vec<String>,
    /// Inline what is marked as not to be inlined, and calls whose effects may then not take place
    #[arg(long)]
    aggressive: bool,
    /// Inline calls in the bodies of functions that stay, too
    #[arg(long)]
    in_functions: bool,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        self.edit.run(cx, |meta_graph| {
            let endpoints = Endpoints::of(&meta_graph);
            let mut options = InlineOptions::default();
            options.feeds = endpoints.inputs.clone();
            options.keep = endpoints.into_all().into_iter().chain(names(&self.keep)).collect();
            options.aggressive = self.aggressive;
            options.in_functions = self.in_functions;
            let (meta_graph, report, gone) = with_fewer_functions(
                meta_graph,
                |graph| inline_functions(graph, &options),
                |report| &report.removed_functions,
            )?;
            let mut lines = vec![format!(
                "{} inlined, {} removed",
                counted(report.inlined.len(), "call"),
                counted(gone.len(), "function")
            )];
            lines.extend(
                report
                    .kept
                    .iter()
                    .map(|call| format!("{} ({}) stays: {}", call.node, call.function, call.why)),
            );
            let inlined = report.inlined.iter().map(|call| {
                json!({
                    "node": &*call.node,
                    "function": &*call.function,
                    "inside": call.inside.as_deref(),
                })
            });
            let kept = report.kept.iter().map(|call| {
                json!({
                    "node": &*call.node,
                    "function": &*call.function,
                    "inside": call.inside.as_deref(),
                    "why": call.why,
                })
            });
            let data = json!({
                "inlined": inlined.collect::<Vec<_>>(),
                "kept": kept.collect::<Vec<_>>(),
                "removed_functions": list(&gone),
            });
            Ok((meta_graph.into(), Report { lines, data, ..Report::default() }))
        })
    }
}
