//! `flowkeep ops`: which ops can run, on which types.

use std::io::Write;

use clap::Parser;
use flowkeep_graph::gradients::{self, Support};
use flowkeep_graph::op_def;
use flowkeep_runtime::{CONSTRUCTS, Registry};
use flowkeep_tensor::Code;
use serde::Serialize;

use super::op_meant;
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, json};

/// List the ops that can run.
///
/// All other ops of TensorFlow can be read, shown, edited and written.
#[derive(Debug, Parser)]
#[command(name = "flowkeep ops", bin_name = "flowkeep ops", after_help = EXAMPLES)]
pub(crate) struct Invocation {
    /// These ops only; an error if one of them cannot run
    ops: Vec<String>,
    /// How to print results
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  flowkeep ops
  flowkeep ops Conv2D While
  flowkeep ops --format json

Exit status: 0 success, 2 wrong command line, 22 an op cannot run.";

/// An op that can run.
#[derive(Debug, Serialize)]
struct Supported {
    op: &'static str,
    /// The types of tensors that it takes or gives.
    dtypes: Vec<&'static str>,
    devices: &'static [&'static str],
    /// Whether graphs with it can be differentiated.
    gradient: bool,
}

impl Invocation {
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Errors: `UNIMPLEMENTED`, after the list, if an op that was asked for cannot run.
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<(), Error> {
        let mut ops = supported();
        let missing: Vec<&str> = self
            .ops
            .iter()
            .map(String::as_str)
            .filter(|name| ops.iter().all(|op| op.op != *name))
            .collect();
        ops.retain(|op| self.ops.is_empty() || self.ops.iter().any(|name| name == op.op));
        match self.format {
            Format::Json => json::document(&ops, out)?,
            Format::Text => text(&ops, &mut Page(out))?,
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Error::Reported {
                code: Code::Unimplemented,
                message: format!("cannot run {}{}", missing.join(", "), unknown(&missing)),
            }),
        }
    }
}

/// The names that are of no op at all, as the end of a sentence.
fn unknown(names: &[&str]) -> String {
    let unknown = names.iter().filter(|name| !op_def::is_known(name));
    unknown.map(|name| format!("; TensorFlow has no op {name}{}", op_meant(name))).collect()
}

/// All ops of the shipped crates, sorted.
fn supported() -> Vec<Supported> {
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    let supported = |op, dtypes| Supported {
        op,
        dtypes,
        devices: &["CPU"],
        gradient: gradients::support(op) == Support::Differentiable,
    };
    let rows = registry.rows().into_iter().map(|row| {
        let dtypes = row.dtypes().into_iter().map(|dtype| dtype.python_name());
        supported(row.name(), dtypes.collect())
    });
    let constructs = CONSTRUCTS.iter().map(|name| supported(name, Vec::new()));
    let mut ops: Vec<Supported> = rows.chain(constructs).collect();
    ops.sort_by_key(|op| op.op);
    ops
}

fn text(ops: &[Supported], page: &mut Page<'_>) -> Result<(), Error> {
    let width = ops.iter().map(|op| op.op.len()).max().unwrap_or_default();
    for op in ops {
        let dtypes = op.dtypes.join(", ");
        page.line(format!("{:width$}  {dtypes}", op.op).trim_end())?;
    }
    page.line(format!("{} ops", ops.len()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Invocation::command().debug_assert();
    }
}
