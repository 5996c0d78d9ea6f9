use flowkeep_ckpt::counted;
use flowkeep_graph::rewrite::relist_ops;
use flowkeep_graph::transform::{Consumer, DowngradeOptions, DowngradeReport, Problem, downgrade};
use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_tensor::Code;
use serde_json::json;

use super::Context;
use super::edit::{Edit, Report};
use crate::error::Error;

/// Make of a graph what an older TensorFlow takes
///
/// Attributes that the older release does not know go where it can do without, and ops that it does not know
/// become older ones where that is safe. What else it does not know is listed, and then nothing is written.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph downgrade --consumer 1.15 new.pb old.pb
  flowkeep graph downgrade --consumer 2.4 model.ckpt-100.meta old.meta
  flowkeep graph downgrade --consumer 134 saved_model old_model --assume-no-broadcast")]
pub(super) struct Args {
    #[command(flatten)]
    edit: Edit,
    /// Who is to read the graph: a release of TensorFlow, or a GraphDef version
    #[arg(long, value_name = "VERSION")]
    consumer: Consumer,
    /// Take it that products of batches and choices whose shapes are not known do without broadcasting
    #[arg(long)]
    assume_no_broadcast: bool,
    /// Write the graph even if the older release will not take it
    #[arg(long)]
    force: bool,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let mut options = DowngradeOptions::new(self.consumer);
        options.assume_no_broadcast = self.assume_no_broadcast;
        self.edit.run_on_def(cx, |mut def| {
            let graph_def = def.graph_def.take().unwrap_or_default();
            let graph = Graph::import(graph_def, &ImportOptions::default())?;
            let (graph_def, report) = downgrade(&graph, &options);
            def.graph_def = Some(graph_def);
            relist_ops(&mut def);
            if !report.problems.is_empty() && !self.force {
                let mut message = format!("{} does not take the graph:", self.consumer);
                report
                    .problems
                    .iter()
                    .for_each(|problem| message += &format!("\n  {}", line(problem)));
                return Err(Error::Failed { code: Code::Unimplemented, message });
            }
            Ok((def, self.report(&report)))
        })
    }

    fn report(&self, report: &DowngradeReport) -> Report {
        let mut lines = vec![format!(
            "for {}: {} changed, {} left out",
            self.consumer,
            counted(report.changed_ops.len(), "node"),
            counted(report.removed_attrs.len(), "attribute")
        )];
        lines.extend(report.changed_ops.iter().map(|node| {
            format!(
                "{}: {} => {}",
                inside(node.function.as_deref(), &node.node),
                node.from,
                node.to
            )
        }));
        lines.extend(report.unknown_ops.iter().map(|op| format!("nothing is known of op {op}")));
        lines.extend(report.problems.iter().map(|problem| format!("not taken: {}", line(problem))));
        let changed = report.changed_ops.iter().map(|node| {
            json!({"function": node.function, "node": node.node, "from": node.from, "to": node.to})
        });
        let removed = report.removed_attrs.iter().map(|attr| {
            json!({
                "function": attr.function,
                "node": attr.node,
                "op": attr.op,
                "attribute": attr.attr,
            })
        });
        let problems = report.problems.iter().map(|problem| {
            json!({
                "function": problem.function,
                "node": problem.node,
                "op": problem.op,
                "what": problem.what,
            })
        });
        let data = json!({
            "consumer": {"release": self.consumer.release(), "version": self.consumer.version()},
            "changed": changed.collect::<Vec<_>>(),
            "removed": removed.collect::<Vec<_>>(),
            "unknown_ops": report.unknown_ops,
            "problems": problems.collect::<Vec<_>>(),
        });
        Report { lines, data, ..Report::default() }
    }
}

/// What is wrong, and where.
fn line(problem: &Problem) -> String {
    let function = problem.function.as_deref();
    let node = match (&problem.node, &problem.op) {
        (Some(node), Some(op)) => format!("{} ({op})", inside(function, node)),
        (Some(node), None) => inside(function, node),
        (None, _) => {
            function.map_or_else(|| "the graph".to_owned(), |name| format!("function {name}"))
        }
    };
    format!("{node}: {}", problem.what)
}

/// A node, with the function that it is in.
fn inside(function: Option<&str>, node: &str) -> String {
    function.map_or_else(|| node.to_owned(), |function| format!("{function}/{node}"))
}
