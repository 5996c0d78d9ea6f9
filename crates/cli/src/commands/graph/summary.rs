use flowkeep_graph::view::{
    FlopTotals, FunctionSummary, InputSummary, OpFlops, OutputSummary, Summary, SummaryOptions,
    VariableView,
};
use serde_json::{Value, json};

use super::Context;
use super::json::{dtype, shape};
use super::source::{Source, shape_provider};
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, graph};

/// Sum a graph up: inputs, outputs, variables, ops, functions, operations
///
/// Operations are those that TensorFlow's profiler counts, of nodes whose shapes are known; those of
/// functions count once for each node that names the function.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph summary frozen.pb
  flowkeep graph summary saved_model --tags serve --batch 32
  flowkeep graph summary saved_model --function __inference_call_57 --format json")]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    /// Count operations as if all unknown dimensions were N
    #[arg(long, value_name = "N")]
    batch: Option<u64>,
    /// Print whole lists
    #[arg(long, short)]
    all: bool,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let opened = self.source.open()?;
        let options = SummaryOptions { shapes: Some(shape_provider()), assume: self.batch };
        let summary = match &opened.body {
            Some(body) => Summary::of_function(body, &options),
            None => Summary::new(opened.graph(), &options),
        };
        match cx.format {
            Format::Json => {
                crate::render::json::document(&document(&opened.found, &summary), cx.out)?;
            }
            Format::Text => {
                let mut page = Page(cx.out);
                page.line(&opened.found)?;
                page.text(graph::summary(&summary, self.all))?;
            }
        }
        Ok(0)
    }
}

fn document(found: &str, summary: &Summary) -> Value {
    let parameters = &summary.parameters;
    let constants = &summary.constants;
    let ops = summary.ops.iter().map(|op| {
        json!({
            "op": op.op,
            "kind": op.kind.name(),
            "control_flow": op.is_control_flow,
            "nodes": op.n_nodes,
        })
    });
    let devices = summary.devices.iter().map(|(device, n)| json!({"device": device, "nodes": n}));
    json!({
        "graph": found,
        "nodes": summary.n_nodes,
        "depth": summary.depth,
        "producer": summary.producer,
        "min_consumer": summary.min_consumer,
        "inputs": summary.inputs.iter().map(input).collect::<Vec<_>>(),
        "outputs": summary.outputs.iter().map(output).collect::<Vec<_>>(),
        "variables": summary.variables.iter().map(variable).collect::<Vec<_>>(),
        "parameters": {
            "variables": parameters.n_variables,
            "elements": parameters.n_elements,
            "bytes": parameters.len_bytes,
            "unknown": parameters.n_unknown,
        },
        "constants": {
            "nodes": constants.n_nodes,
            "elements": constants.n_elements,
            "bytes": constants.len_bytes,
            "stored_bytes": constants.stored_bytes,
        },
        "ops": ops.collect::<Vec<_>>(),
        "frames": summary.frames,
        "devices": devices.collect::<Vec<_>>(),
        "functions": summary.functions.iter().map(function).collect::<Vec<_>>(),
        "flops": flops(&summary.flops),
        "function_flops": flops(&summary.function_flops),
    })
}

fn input(input: &InputSummary) -> Value {
    json!({
        "name": input.name,
        "op": input.op,
        "dtype": dtype(input.dtype),
        "shape": shape(&input.shape),
    })
}

fn output(output: &OutputSummary) -> Value {
    let tensors = output.tensors.iter();
    let tensors = tensors.map(|(of, dims)| json!({"dtype": dtype(*of), "shape": shape(dims)}));
    json!({
        "name": output.name,
        "op": output.op,
        "tensor": output.tensor_name,
        "tensors": tensors.collect::<Vec<_>>(),
    })
}

fn variable(variable: &VariableView) -> Value {
    json!({
        "name": variable.name,
        "op": variable.op,
        "dtype": dtype(variable.dtype),
        "shape": shape(&variable.shape),
        "elements": variable.n_elements(),
        "bytes": variable.len_bytes(),
        "shared_name": variable.shared_name,
    })
}

fn function(function: &FunctionSummary) -> Value {
    let callers = function.callers.iter();
    let callers = callers.map(|caller| json!({"function": caller.function, "node": caller.node}));
    json!({
        "name": function.name,
        "arguments": function.n_args,
        "results": function.n_rets,
        "nodes": function.n_nodes,
        "stateful": function.is_stateful,
        "constant_bytes": function.constants.len_bytes,
        "flops": function.flops.as_ref().map(flops),
        "callers": callers.collect::<Vec<_>>(),
    })
}

fn flops(totals: &FlopTotals) -> Value {
    let of_op = |op: &OpFlops| {
        json!({
            "op": op.op,
            "flops": op.flops,
            "nodes": op.n_known,
            "unknown_nodes": op.n_unknown,
        })
    };
    json!({
        "flops": totals.flops,
        "nodes": totals.n_known,
        "unknown_nodes": totals.n_unknown,
        "ops": totals.by_op.iter().map(of_op).collect::<Vec<_>>(),
    })
}
