//! Nodes that hand a variable on.

use super::convert::Frozen;
use crate::{Attr, AttrList, GraphEdit, Node, NodeId, Output};

/// A node that hands its inputs on: what becomes of it when they are values, and no handles or
/// references any more.
#[derive(Clone, Copy)]
pub(super) struct Carrier {
    /// The op that does the same to values.
    op: &'static str,
    flow: Flow,
}

/// Which outputs an input comes out of.
#[derive(Clone, Copy)]
enum Flow {
    /// The first input out of all outputs.
    FirstToAll,
    /// Each input out of the output of its place.
    EachToEach,
    /// Any input out of the first output.
    AnyToFirst,
}

impl Carrier {
    pub(super) fn of(op: &str) -> Option<Carrier> {
        use Flow::{AnyToFirst, EachToEach, FirstToAll};
        let (op, flow) = match op {
            "Identity" | "RefIdentity" => ("Identity", FirstToAll),
            "Enter" | "RefEnter" => ("Enter", FirstToAll),
            "Exit" | "RefExit" => ("Exit", FirstToAll),
            "NextIteration" | "RefNextIteration" => ("NextIteration", FirstToAll),
            "Switch" | "RefSwitch" => ("Switch", FirstToAll),
            "_SwitchN" => ("_SwitchN", FirstToAll),
            "Merge" | "RefMerge" => ("Merge", AnyToFirst),
            "IdentityN" => ("IdentityN", EachToEach),
            _ => return None,
        };
        Some(Carrier { op, flow })
    }

    /// The outputs of a node that hand an input on.
    pub(super) fn outputs(self, id: NodeId, node: &Node, input: usize) -> Vec<Output> {
        let n_outputs = u32::try_from(node.n_outputs().unwrap_or(0)).unwrap_or(u32::MAX);
        match self.flow {
            Flow::FirstToAll if input == 0 => {
                (0..n_outputs).map(|index| id.output(index)).collect()
            }
            Flow::FirstToAll => Vec::new(),
            Flow::AnyToFirst => vec![id.output(0)],
            Flow::EachToEach => {
                u32::try_from(input).map(|index| id.output(index)).into_iter().collect()
            }
        }
    }

    /// Lets the node hand on values.
    pub(super) fn convert(self, edit: &mut GraphEdit, id: NodeId, inputs: &[Option<Frozen>]) {
        let Some(node) = edit.node(id) else { return };
        let types = match (self.flow, node.attr("T").and_then(Attr::as_types)) {
            (Flow::EachToEach, Some(types)) => {
                let inputs = inputs.iter().chain(std::iter::repeat(&None));
                let dtypes = types.iter().zip(inputs).map(|(dtype, input)| match input {
                    Some(frozen) => frozen.dtype,
                    None => *dtype,
                });
                Some(Attr::List(AttrList::Type(dtypes.collect())))
            }
            (Flow::EachToEach, None) => None,
            _ => inputs.iter().flatten().next().map(|frozen| Attr::Type(frozen.dtype)),
        };
        if node.op() != self.op {
            edit.set_op(id, self.op);
        }
        if let Some(types) = types {
            edit.set_attr(id, "T", types);
        }
        edit.remove_attr(id, "_output_shapes");
    }
}
