use flowkeep_ckpt::counted;
use flowkeep_graph::rewrite::Endpoints;
use flowkeep_graph::transform::remove_training_nodes;
use serde_json::json;

use super::Context;
use super::edit::{Edit, Report, list, names, transformed};
use crate::error::Error;

/// Remove CheckNumerics, Identity and StopGradient where only training needs them
///
/// What a MetaGraph names is protected.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph remove-training-nodes frozen.pb smaller.pb --protect probabilities")]
pub(super) struct Args {
    #[command(flatten)]
    edit: Edit,
    /// Nodes that stay, such as outputs
    #[arg(long, value_name = "NODE,NODE,...", value_delimiter = ',')]
    protect: Vec<String>,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        self.edit.run(cx, |meta_graph| {
            let mut protected = names(&self.protect);
            protected.extend(Endpoints::of(&meta_graph).into_all());
            let (meta_graph, report) =
                transformed(meta_graph, |graph| remove_training_nodes(graph, &protected))?;
            let n = report.removed.len() + report.spliced.len();
            let lines = vec![format!("{} removed", counted(n, "node"))];
            let data = json!({"removed": list(&report.removed), "spliced": list(&report.spliced)});
            Ok((meta_graph.into(), Report { lines, data, ..Report::default() }))
        })
    }
}
