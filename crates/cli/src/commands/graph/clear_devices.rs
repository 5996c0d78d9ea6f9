use flowkeep_ckpt::counted;
use flowkeep_graph::transform::clear_devices;
use serde_json::json;

use super::Context;
use super::edit::{Edit, Report, list, transformed};
use crate::error::Error;

/// Forget the devices that nodes ask for, in functions too
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph clear-devices train.meta anywhere.meta")]
pub(super) struct Args {
    #[command(flatten)]
    edit: Edit,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        self.edit.run(cx, |meta_graph| {
            let (meta_graph, report) = transformed(meta_graph, clear_devices)?;
            let (nodes, functions) = (&report.nodes, &report.functions);
            let of_functions = match functions.len() {
                0 => String::new(),
                n => format!(", and {} with such", counted(n, "function")),
            };
            let lines =
                vec![format!("{} asked for a device{of_functions}", counted(nodes.len(), "node"))];
            let data = json!({"nodes": list(nodes), "functions": list(functions)});
            Ok((meta_graph.into(), Report { lines, data, ..Report::default() }))
        })
    }
}
