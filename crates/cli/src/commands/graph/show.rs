use flowkeep_graph::view::{ConsumerView, Flops, NodeView};
use serde_json::{Value, json};

use super::Context;
use super::json::{port, shape};
use super::source::Source;
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, graph, json};

/// Show a node: inputs, outputs and who takes them, attributes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph show frozen.pb --node logits/MatMul
  flowkeep graph show saved_model --node 'StatefulPartitionedCall:1'
  flowkeep graph show saved_model --function __inference_call_57 --node x --node Identity")]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    /// The name of a node, or of one of its tensors; may be given several times
    #[arg(long = "node", value_name = "NAME", required = true)]
    nodes: Vec<String>,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let opened = self.source.open()?;
        let shapes = opened.shapes();
        let views = self.nodes.iter().map(|name| {
            NodeView::find(opened.graph(), name, &shapes)
                .map_err(|error| opened.not_found(&[name], error))
        });
        let views = views.collect::<Result<Vec<_>, _>>()?;
        match cx.format {
            Format::Json => {
                let nodes: Vec<_> = views.iter().map(document).collect();
                json::document(&json!({"graph": opened.found, "nodes": nodes}), cx.out)?;
            }
            Format::Text => {
                let mut page = Page(cx.out);
                page.line(&opened.found)?;
                for view in &views {
                    page.text("\n")?;
                    page.text(graph::node(view))?;
                }
            }
        }
        Ok(0)
    }
}

fn document(view: &NodeView) -> Value {
    let inputs = view.inputs.iter().map(|input| {
        json!({
            "argument": input.arg,
            "tensor": input.tensor,
            "op": input.op,
            "dtype": port(input.dtype),
            "shape": shape(&input.shape),
            "back_edge": input.is_back_edge,
        })
    });
    let consumer =
        |taken: &ConsumerView| json!({"node": taken.node, "op": taken.op, "input": taken.input});
    let outputs = view.outputs.iter().map(|output| {
        json!({
            "argument": output.arg,
            "tensor": output.tensor,
            "dtype": port(output.dtype),
            "shape": shape(&output.shape),
            "consumers": output.consumers.iter().map(consumer).collect::<Vec<_>>(),
        })
    });
    let attrs = view.attrs.iter().map(|attr| {
        json!({
            "name": attr.name,
            "kind": attr.kind,
            "value": attr.value.to_string(),
            "default": attr.is_default,
        })
    });
    let flops = match view.flops {
        Flops::NotCounted => Value::Null,
        Flops::Unknown => "unknown".into(),
        Flops::Known(n) => n.into(),
    };
    json!({
        "name": view.name,
        "op": view.op,
        "kind": view.kind.name(),
        "stateful": view.is_stateful,
        "device": view.device,
        "colocation": view.colocation,
        "inputs": inputs.collect::<Vec<_>>(),
        "control_inputs": view.control_inputs,
        "outputs": outputs.collect::<Vec<_>>(),
        "control_consumers": view.control_consumers,
        "attributes": attrs.collect::<Vec<_>>(),
        "functions": view.functions,
        "flops": flops,
    })
}
