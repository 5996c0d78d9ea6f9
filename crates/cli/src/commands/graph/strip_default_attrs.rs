use flowkeep_ckpt::counted;
use flowkeep_graph::transform::strip_default_attrs;
use serde_json::json;

use super::Context;
use super::edit::{Edit, Report};
use crate::error::Error;

/// Leave out attributes that have their defaults, so that older readers take the graph
///
/// From message to message: nothing is imported.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph strip-default-attrs new.meta for_older_readers.meta")]
pub(super) struct Args {
    #[command(flatten)]
    edit: Edit,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        self.edit.run_on_def(cx, |mut def| {
            let report = def.graph_def.as_mut().map(strip_default_attrs).unwrap_or_default();
            if let Some(info) = &mut def.meta_info_def {
                info.stripped_default_attrs = true;
            }
            let removed = report.removed.iter().map(|attr| {
                json!({
                    "function": attr.function,
                    "node": attr.node,
                    "op": attr.op,
                    "attribute": attr.attr,
                })
            });
            let data = json!({"removed": removed.collect::<Vec<_>>()});
            let lines = vec![format!("{} left out", counted(report.removed.len(), "attribute"))];
            Ok((def, Report { lines, data, ..Report::default() }))
        })
    }
}
