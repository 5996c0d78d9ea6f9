use flowkeep_ckpt::{Align, Columns};
use flowkeep_graph::view::{Flops, NodeView, OpKind};
use flowkeep_graph::{PortType, TensorAttr};
use flowkeep_tensor::PartialShape;

use super::{grouped, safe, tensor};

/// Constants of more elements are not printed.
const MAX_ELEMENTS: usize = 10_000;

/// A node and its neighbours.
pub(crate) fn node(view: &NodeView) -> String {
    let mut facts = Columns::new(&[Align::Left; 2]);
    let mut fact = |what: &str, text: String| facts.push(vec![what.into(), text]);
    fact("node", view.name.clone());
    let note = match view.kind {
        OpKind::Op => "",
        OpKind::Function => " (a function)",
        OpKind::Unknown => " (unknown)",
    };
    let stateful = if view.is_stateful { " (stateful)" } else { "" };
    fact("op", format!("{}{note}{stateful}", safe(&view.op)));
    if !view.device.is_empty() {
        fact("device", safe(&view.device));
    }
    if !view.colocation.is_empty() {
        fact("with", view.colocation.join(", "));
    }
    if !view.functions.is_empty() {
        let functions: Vec<_> = view.functions.iter().map(|name| safe(name)).collect();
        fact("calls", functions.join(", "));
    }
    match view.flops {
        Flops::NotCounted => {}
        Flops::Unknown => fact("FLOPs", "unknown".into()),
        Flops::Known(n) => fact("FLOPs", grouped(n)),
    }
    let mut out = String::new();
    facts.write(&mut out);

    let mut list = List { out: &mut out };
    let inputs = view.inputs.iter().enumerate().map(|(idx, input)| {
        let back = if input.is_back_edge { " (from behind)" } else { "" };
        vec![
            idx.to_string(),
            input.arg.clone().unwrap_or_default(),
            input.tensor.clone(),
            typed(input.dtype, &input.shape),
            format!("{}{back}", safe(&input.op)),
        ]
    });
    list.write("inputs", &[Align::Right], inputs.collect());
    let waits = view.control_inputs.iter().map(|name| vec![name.clone()]);
    list.write("waits for", &[], waits.collect());
    let mut rows = Vec::new();
    for (idx, output) in view.outputs.iter().enumerate() {
        let name = output.arg.clone().unwrap_or_default();
        let mut row =
            vec![idx.to_string(), name, output.tensor.clone(), typed(output.dtype, &output.shape)];
        if output.consumers.is_empty() {
            rows.push(row.clone());
        }
        for consumer in &output.consumers {
            row.push(format!(
                "-> {} ({}), input {}",
                consumer.node,
                safe(&consumer.op),
                consumer.input
            ));
            rows.push(std::mem::replace(&mut row, vec![String::new(); 4]));
        }
    }
    list.write("outputs", &[Align::Right], rows);
    let waiting = view.control_consumers.iter().map(|name| vec![name.clone()]);
    list.write("waited for by", &[], waiting.collect());
    let attrs = view.attrs.iter().map(|attr| {
        let default = if attr.is_default { "(default)" } else { "" };
        vec![safe(&attr.name), attr.kind.into(), safe(&attr.value.to_string()), default.into()]
    });
    list.write("attributes", &[], attrs.collect());
    if let Some(value) = view.constant.as_ref().and_then(value) {
        out += &format!("value\n{value}\n");
    }
    out
}

fn typed(port: Option<PortType>, shape: &PartialShape) -> String {
    match port {
        Some(port) if port.is_ref => format!("{}_ref {shape}", port.dtype.python_name()),
        port => tensor(port.map(|port| port.dtype), shape),
    }
}

/// The elements, as NumPy prints them.
fn value(constant: &TensorAttr) -> Option<String> {
    let dims = constant.proto().tensor_shape.as_ref().map_or(&[][..], |shape| &shape.dim);
    let n = dims.iter().try_fold(1usize, |n, dim| n.checked_mul(usize::try_from(dim.size).ok()?));
    n.filter(|n| *n <= MAX_ELEMENTS)?;
    Some(constant.tensor().ok()?.numpy_str())
}

struct List<'a> {
    out: &'a mut String,
}

impl List<'_> {
    /// Writes rows below a title; columns without an alignment are aligned at their beginnings.
    fn write(&mut self, title: &str, aligns: &[Align], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        *self.out += &format!("{title}\n");
        let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut all = vec![Align::Left];
        all.extend_from_slice(aligns);
        all.resize(n_columns + 1, Align::Left);
        let mut columns = Columns::new(&all);
        rows.into_iter().for_each(|row| columns.push([vec![String::new()], row].concat()));
        columns.write(self.out);
    }
}
