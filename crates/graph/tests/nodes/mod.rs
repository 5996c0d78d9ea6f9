//! Nodes as messages, compared.

use flowkeep_graph::builder::BuiltinShapes;
use flowkeep_graph::{InputRef, op_def};
use flowkeep_proto::pb;

/// A node in the one of several equal forms that a writer uses: control inputs sorted, defaults filled
/// in; shapes only of ops whose shapes are known here. Without its full type, which is advice to compilers that is not given here.
pub(crate) fn normal(mut node: pb::NodeDef) -> pb::NodeDef {
    node.experimental_type = None;
    if !BuiltinShapes.knows(&node.op) {
        node.attr.remove("_output_shapes");
    }
    for input in &mut node.input {
        *input = InputRef::parse(input).to_string();
    }
    let n_data = node.input.iter().take_while(|input| !input.starts_with('^')).count();
    node.input[n_data..].sort();
    // A function has no defaults.
    let attrs = op_def::lookup(&node.op).map(|def| &def.attrs[..]).unwrap_or_default();
    for attr in attrs {
        if let Some(default) = &attr.default {
            node.attr.entry(attr.name.to_string()).or_insert_with(|| default.to_proto());
        }
    }
    node
}

/// What differs between two nodes, told briefly.
pub(crate) fn difference(got: Option<pb::NodeDef>, want: Option<pb::NodeDef>) -> Option<String> {
    let (got, want) = match (got.map(normal), want.map(normal)) {
        (Some(got), Some(want)) if got == want => return None,
        (Some(got), Some(want)) => (got, want),
        (got, want) => {
            return Some(format!("got {:?}, want {:?}", got.map(|n| n.name), want.map(|n| n.name)));
        }
    };
    let head = |node: &pb::NodeDef| {
        format!("{} = {}({:?}) on {:?}", node.name, node.op, node.input, node.device)
    };
    let attrs: Vec<String> = got
        .attr
        .keys()
        .chain(want.attr.keys())
        .filter(|key| got.attr.get(*key) != want.attr.get(*key))
        .map(|key| format!("{key}: {:?}\n  instead {:?}", got.attr.get(key), want.attr.get(key)))
        .collect();
    Some(format!("{}\n  instead {}\n  {}", head(&got), head(&want), attrs.join("\n  ")))
}
