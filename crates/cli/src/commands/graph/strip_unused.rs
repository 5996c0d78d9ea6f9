use flowkeep_ckpt::counted;
use flowkeep_graph::transform::{StripInput, strip_unused};
use flowkeep_tensor::DType;
use serde_json::json;

use super::Context;
use super::edit::{Edit, Report, list, must_have, names, transformed};
use crate::error::Error;

/// Keep what lies between inputs and outputs; the inputs become placeholders
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph strip-unused frozen.pb small.pb --inputs image --outputs probabilities
  flowkeep graph strip-unused frozen.pb small.pb --inputs decoded,flag --types float32,bool --outputs y")]
pub(super) struct Args {
    #[command(flatten)]
    edit: Edit,
    /// The nodes that become placeholders
    #[arg(long, value_name = "NODE,NODE,...", value_delimiter = ',', required = true)]
    inputs: Vec<String>,
    /// The nodes that the graph is for
    #[arg(long, value_name = "NODE,NODE,...", value_delimiter = ',', required = true)]
    outputs: Vec<String>,
    /// The types of the placeholders, one for each or one for all [default: what the nodes have]
    #[arg(long, value_name = "TYPE,TYPE,...", value_delimiter = ',', value_parser = dtype)]
    types: Vec<DType>,
}

fn dtype(name: &str) -> Result<DType, String> {
    DType::from_name(name).ok_or_else(|| format!("there is no type '{name}'"))
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let types: Vec<Option<DType>> = match self.types[..] {
            [] => vec![None; self.inputs.len()],
            [one] => vec![Some(one); self.inputs.len()],
            ref types if types.len() == self.inputs.len() => {
                types.iter().copied().map(Some).collect()
            }
            _ => {
                let n = counted(self.inputs.len(), "input");
                return Err(Error::invalid(format!("--types is for {n}, or for all of them")));
            }
        };
        let inputs = names(&self.inputs).into_iter().zip(types).map(|(name, dtype)| {
            let input = StripInput::new(name);
            dtype.into_iter().fold(input, StripInput::dtype)
        });
        let inputs: Vec<_> = inputs.collect();
        let outputs = names(&self.outputs);
        self.edit.run(cx, |meta_graph| {
            must_have(&meta_graph.graph, &outputs)?;
            must_have(&meta_graph.graph, &names(&self.inputs))?;
            let (meta_graph, report) =
                transformed(meta_graph, |graph| strip_unused(graph, &inputs, &outputs))?;
            let lines = vec![format!("{} removed", counted(report.removed.len(), "node"))];
            let data = json!({
                "placeholders": list(&report.placeholders),
                "removed": list(&report.removed),
            });
            Ok((meta_graph.into(), Report { lines, data, ..Report::default() }))
        })
    }
}
