use flowkeep_ckpt::counted;
use flowkeep_graph::transform::fold_batch_norms;
use serde_json::json;

use super::Context;
use super::edit::{Edit, Report, transformed};
use crate::error::Error;

/// Fold normalizations into the weights of the convolutions and products before them
///
/// The weights must be constants: freeze the graph first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph fold-batch-norms frozen.pb folded.pb")]
pub(super) struct Args {
    #[command(flatten)]
    edit: Edit,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        self.edit.run(cx, |meta_graph| {
            let (meta_graph, report) = transformed(meta_graph, fold_batch_norms)?;
            let mut lines =
                vec![format!("{} folded", counted(report.folded.len(), "normalization"))];
            lines.extend(
                report.skipped.iter().map(|norm| format!("{} stays: {}", norm.node, norm.why)),
            );
            let folded = report.folded.iter();
            let folded = folded.map(|norm| json!({"node": &*norm.node, "into": &*norm.into}));
            let skipped = report.skipped.iter();
            let skipped = skipped.map(|norm| json!({"node": &*norm.node, "why": norm.why}));
            let data = json!({
                "folded": folded.collect::<Vec<_>>(),
                "skipped": skipped.collect::<Vec<_>>(),
            });
            Ok((meta_graph.into(), Report { lines, data, ..Report::default() }))
        })
    }
}
