//! Drafts and their edges to a graph.

use std::collections::HashMap;

use super::{Draft, Edges, Source, check_outputs, check_types};
use crate::graph::node_id;
use crate::{Error, Graph, NodeId, Output};

/// Puts drafts into `order`, renumbers their edges, and checks what each node is fed.
pub(crate) fn assemble(
    drafts: Vec<Draft<'_>>,
    edges: &Edges,
    order: &[NodeId],
) -> Result<Graph, Error> {
    let mut position = vec![NodeId(0); drafts.len()];
    for (idx, id) in order.iter().enumerate() {
        if let Some(position) = position.get_mut(id.index()) {
            *position = node_id(idx);
        }
    }
    let renumbered = |id: NodeId| position.get(id.index()).copied().unwrap_or(id);

    for (idx, draft) in drafts.iter().enumerate() {
        let sources = |id: NodeId| drafts.get(id.index()).map(Source::from);
        check_outputs(draft.name(), edges.data(idx), sources)?;
        draft.check_arity(edges.data(idx).len())?;
        check_types(draft.into(), edges.data(idx), sources)?;
    }
    let mut drafts: Vec<Option<Draft<'_>>> = drafts.into_iter().map(Some).collect();
    let mut graph = Graph {
        nodes: Vec::with_capacity(order.len()),
        by_name: HashMap::with_capacity(order.len()),
        ..Default::default()
    };
    for id in order {
        let Some(draft) = drafts.get_mut(id.index()).and_then(Option::take) else { continue };
        let data = edges.data(id.index()).iter();
        let inputs =
            data.map(|output| Output { node: renumbered(output.node), ..*output }).collect();
        let mut control_inputs: Vec<NodeId> = Vec::new();
        for source in edges.control(id.index()) {
            control_inputs.push(renumbered(*source));
        }
        control_inputs.sort_unstable();
        control_inputs.dedup();
        let node = draft.finish(inputs, control_inputs.into());
        graph.by_name.insert(node.name.clone(), node_id(graph.nodes.len()));
        graph.nodes.push(node);
    }
    Ok(graph)
}
