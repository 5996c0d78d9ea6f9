//! What a call must wait for so that its body runs neither in another frame nor too early.

use std::collections::HashMap;

use flowkeep_tensor::DType;

use crate::{Attr, FunctionBody, GraphEdit, Node, NodeId};

/// The loops that the nodes of a graph are in.
pub(super) struct Frames {
    /// An Enter node of the frame that a node is in; nodes outside of loops have none.
    enter: HashMap<NodeId, NodeId>,
}

impl Frames {
    pub(super) fn of(edit: &GraphEdit) -> Frames {
        let mut enter: HashMap<NodeId, NodeId> = HashMap::new();
        // The frame outside of the one that an Enter opens.
        let mut parents: HashMap<NodeId, Option<NodeId>> = HashMap::new();
        for (id, node) in edit.iter() {
            let sources = node.inputs().iter().map(|input| input.node);
            let sources = sources.chain(node.control_inputs().iter().copied());
            let outside = sources.filter_map(|source| enter.get(&source).copied()).next();
            let frame = match node.op() {
                op if is_enter(op) => {
                    parents.insert(id, outside);
                    Some(id)
                }
                "Exit" | "RefExit" => {
                    outside.and_then(|frame| parents.get(&frame).copied().flatten())
                }
                _ => outside,
            };
            if let Some(frame) = frame {
                enter.insert(id, frame);
            }
        }
        Frames { enter }
    }

    /// Adds the control inputs that a call needs before it is inlined.
    pub(super) fn hold_back(&self, edit: &mut GraphEdit, id: NodeId, body: &FunctionBody) {
        let Some(node) = edit.node(id) else { return };
        let mut control: Vec<NodeId> = node.control_inputs().to_vec();
        let n_before = control.len();
        let is_resource =
            |arg: &NodeId| body.graph.node(*arg).output_dtype(0) == Some(DType::Resource);
        let takes_resource = body.args.iter().any(is_resource);
        let sources: Vec<NodeId> = node.inputs().iter().map(|input| input.node).collect();
        let takes_constant =
            sources.iter().any(|source| edit.node(*source).is_some_and(is_constant_enter));
        if control.is_empty() && takes_resource || takes_constant {
            let is_placeholder =
                |source: &NodeId| edit.node(*source).is_some_and(|node| node.op() == "Placeholder");
            control.extend(sources.iter().filter(|source| !is_placeholder(source)));
        }
        if control.is_empty()
            && let Some(enter) = self.enter.get(&id)
        {
            let is_constant = edit.node(*enter).is_some_and(is_constant_enter);
            let merge = match is_constant {
                // It is alive in every iteration, and so is the Merge of another one.
                true => Some(*enter),
                false => edit
                    .consumers(*enter)
                    .into_iter()
                    .find(|user| edit.node(*user).is_some_and(Node::is_merge)),
            };
            control.extend(merge);
        }
        if control.len() > n_before {
            control.sort_unstable();
            control.dedup();
            edit.set_control_inputs(id, control);
        }
    }
}

fn is_enter(op: &str) -> bool {
    matches!(op, "Enter" | "RefEnter")
}

fn is_constant_enter(node: &Node) -> bool {
    is_enter(node.op()) && node.attr("is_constant").and_then(Attr::as_bool) == Some(true)
}
