use flowkeep_ckpt::{Sizes, counted};
use flowkeep_graph::rewrite::Endpoints;
use flowkeep_graph::transform::{FoldOptions, fold_constants};
use flowkeep_runtime::ConstantEvaluator;
use serde_json::json;

use super::Context;
use super::edit::{Edit, Report, list, names, transformed};
use crate::error::Error;

/// Compute what depends on constants alone
///
/// Nodes that a MetaGraph names stay, and what may be fed is no constant.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph fold-constants frozen.pb folded.pb --keep probabilities
  flowkeep graph fold-constants saved_model folded_model --max-bytes 1000000")]
pub(super) struct Args {
    #[command(flatten)]
    edit: Edit,
    /// Nodes that are fetched, and stay under their names
    #[arg(long, value_name = "NODE,NODE,...", value_delimiter = ',')]
    keep: Vec<String>,
    /// Nodes that are fed, and what depends on them is not computed
    #[arg(long, value_name = "NODE,NODE,...", value_delimiter = ',')]
    feeds: Vec<String>,
    /// The bytes that a constant may have that is larger than what it is made from [default: 102400]
    #[arg(long, value_name = "N")]
    max_bytes: Option<usize>,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        self.edit.run(cx, |meta_graph| {
            let endpoints = Endpoints::of(&meta_graph);
            let mut options = FoldOptions::default();
            options.feeds.extend(names(&self.feeds));
            options.feeds.extend(endpoints.inputs.iter().chain(&endpoints.saver).cloned());
            options.feeds.extend(
                meta_graph
                    .asset_files
                    .iter()
                    .flat_map(|asset| names(std::slice::from_ref(&asset.tensor_name))),
            );
            options.keep = endpoints.into_all().into_iter().chain(names(&self.keep)).collect();
            if let Some(max_bytes) = self.max_bytes {
                options.max_bytes = max_bytes;
            }
            let evaluator = ConstantEvaluator::default();
            let (meta_graph, report) =
                transformed(meta_graph, |graph| fold_constants(graph, &evaluator, &options))?;
            let size = u64::try_from(report.len_bytes).unwrap_or(u64::MAX);
            let mut lines = vec![format!(
                "{} folded, {} removed, {} of constants",
                counted(report.folded.len(), "node"),
                counted(report.removed.len(), "node"),
                Sizes::Human.text(size)
            )];
            lines.extend(
                report.failed.iter().map(|node| format!("{} stays: {}", node.node, node.why)),
            );
            let failed = report.failed.iter();
            let failed =
                failed.map(|node| json!({"node": &*node.node, "why": node.why.to_string()}));
            let data = json!({
                "folded": list(&report.folded),
                "removed": list(&report.removed),
                "failed": failed.collect::<Vec<_>>(),
                "bytes": report.len_bytes,
            });
            Ok((meta_graph.into(), Report { lines, data, ..Report::default() }))
        })
    }
}
