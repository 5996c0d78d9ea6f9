//! The strings that name tensors inside of a function.
//!
//! `arg`, `arg:i`; `node:out_arg`, `node:out_arg:i`. Without `i` all tensors of the argument or the
//! result are meant, for a list that is more than one.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::import::Draft;
use crate::op_def::{OpDef, Ports};
use crate::{NodeId, Output};

/// What a name inside of a function stands for.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// An argument: nodes of op `_Arg`, one after the other.
    Arg(Range<u32>),
    /// A node of the body.
    Node(NodeId),
}

/// The names inside of a function.
pub(super) struct Names {
    pub(super) items: HashMap<Arc<str>, Item>,
}

impl Names {
    /// The tensors that `text` names; `None` when it names nothing.
    pub(super) fn tensors(&self, text: &str, drafts: &[Draft<'_>]) -> Option<Vec<Output>> {
        let mut parts = text.split(':');
        let item = self.items.get(parts.next()?)?;
        let (first, second) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return None;
        }
        match (item, first, second) {
            (Item::Arg(nodes), index, None) => {
                let nodes = match index {
                    Some(index) => {
                        let node = nodes.clone().nth(parse(index)?)?;
                        node..node.checked_add(1)?
                    }
                    None => nodes.clone(),
                };
                Some(nodes.map(|node| Output { node: NodeId(node), index: 0 }).collect())
            }
            (Item::Node(id), Some(out_arg), index) => {
                let draft = drafts.get(id.index())?;
                let index = index.map(parse);
                if index == Some(None) {
                    return None;
                }
                outputs(*id, draft, out_arg, index.flatten())
            }
            _ => None,
        }
    }

    /// The nodes that `^text` or a control result names.
    pub(super) fn control(&self, text: &str) -> Option<Vec<NodeId>> {
        match self.items.get(text)? {
            Item::Arg(nodes) => Some(nodes.clone().map(NodeId).collect()),
            Item::Node(id) => Some(vec![*id]),
        }
    }
}

/// The tensors of a node's result `out_arg`, or one of them.
fn outputs(
    node: NodeId,
    draft: &Draft<'_>,
    out_arg: &str,
    index: Option<usize>,
) -> Option<Vec<Output>> {
    let range = match (draft.signature(), draft.outputs()) {
        (Some(signature), Some(ports)) => arg_range(signature, ports, out_arg)?,
        // Results of an unknown op have no known place; the op cannot be executed in any case.
        _ => 0..index.unwrap_or(0).checked_add(1)?,
    };
    let range = match index {
        None => range,
        Some(index) => {
            let at = range.start.checked_add(index).filter(|at| *at < range.end)?;
            at..at.checked_add(1)?
        }
    };
    range.map(|at| Some(Output { node, index: u32::try_from(at).ok()? })).collect()
}

fn arg_range(signature: &OpDef, ports: &Ports, out_arg: &str) -> Option<Range<usize>> {
    ports.range(signature.outputs.iter().position(|arg| *arg.name == *out_arg)?)
}

fn parse(index: &str) -> Option<usize> {
    if index.bytes().all(|byte| byte.is_ascii_digit()) { index.parse().ok() } else { None }
}

/// The names of the nodes of an argument that stands for `n` tensors.
pub(super) fn arg_node_names(arg: &str, n: usize) -> Vec<Arc<str>> {
    match n {
        1 => vec![arg.into()],
        _ => (0..n).map(|idx| format!("{arg}_{idx}").into()).collect(),
    }
}
