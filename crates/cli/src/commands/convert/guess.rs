//! What a graph without signatures probably takes and gives.

use std::collections::{BTreeMap, HashSet};

use flowkeep_graph::{Graph, Node, NodeId, Output};

use crate::error::Error;

/// Inputs and outputs of a graph, by keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) inputs: BTreeMap<String, Output>,
    pub(super) outputs: BTreeMap<String, Output>,
}

/// The placeholders of a graph, and the nodes without consumers that depend on one and only compute.
///
/// With `outputs` given, the placeholders are those that these need.
///
/// Errors: `INVALID_ARGUMENT` if there is nothing that could be an output.
pub(super) fn guess(graph: &Graph, outputs: &[Output]) -> Result<Guess, Error> {
    let consumed: HashSet<NodeId> =
        graph.nodes().iter().flat_map(|node| node.inputs()).map(|input| input.node).collect();
    let is_sink = |(id, node): &(NodeId, &Node)| {
        !consumed.contains(id) && node.n_outputs().is_some_and(|n| n > 0) && !is_effect(node.op())
    };
    let sinks = graph.iter().filter(is_sink).map(|(id, _)| id);
    let reaches = |id: &NodeId| !placeholders(graph, [*id]).is_empty();
    let guessed: Vec<NodeId> = match outputs {
        [] => sinks.filter(reaches).collect(),
        _ => Vec::new(),
    };
    if outputs.is_empty() && guessed.is_empty() {
        return Err(Error::invalid(
            "nothing in the graph looks like an output: name some with --outputs key=tensor",
        ));
    }
    let ends = guessed.iter().copied().chain(outputs.iter().map(|output| output.node));
    let inputs = placeholders(graph, ends);
    let of_nodes = |ids: Vec<NodeId>| {
        let names: Vec<&str> = ids.iter().map(|id| graph.node(*id).name()).collect();
        keys(&names).into_iter().zip(ids.iter().map(|id| id.output(0))).collect()
    };
    Ok(Guess { inputs: of_nodes(inputs), outputs: of_nodes(guessed) })
}

/// Whether an op is there for what it does, not for what it gives.
fn is_effect(op: &str) -> bool {
    ["Assign", "Save", "Restore", "Print", "Summary", "Queue", "Merge"]
        .iter()
        .any(|part| op.contains(part))
        || matches!(op, "Const" | "ShardedFilename" | "Placeholder" | "VarHandleOp")
}

/// The placeholders that nodes depend on, in the graph's order.
fn placeholders(graph: &Graph, ends: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
    let mut seen = HashSet::new();
    let mut pending: Vec<NodeId> = ends.into_iter().collect();
    let mut found = Vec::new();
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = graph.node(id);
        if node.op() == "Placeholder" {
            found.push(id);
        }
        pending.extend(node.inputs().iter().map(|input| input.node));
    }
    found.sort_by_key(|id| id.0);
    found
}

/// Keys for nodes: the last parts of their names, or the whole names where these are not unique.
fn keys(names: &[&str]) -> Vec<String> {
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let short: Vec<String> = names.iter().map(|name| last(name)).collect();
    let is_unique = short.iter().collect::<HashSet<_>>().len() == short.len();
    if is_unique { short } else { names.iter().map(|name| name.replace('/', "_")).collect() }
}

#[cfg(test)]
mod tests {
    use flowkeep_graph::ImportOptions;
    use flowkeep_proto::text::parse_message;

    use super::*;

    fn graph(text: &str) -> Graph {
        Graph::import(parse_message(text).unwrap(), &ImportOptions::default()).unwrap()
    }

    const NET: &str = "
        node { name: 'in/x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
        node { name: 'unused' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
        node { name: 'c' op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value'
          value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 1 } } } }
        node { name: 'net/y' op: 'Neg' input: 'in/x' attr { key: 'T' value { type: DT_FLOAT } } }
        node { name: 'alone' op: 'Neg' input: 'c' attr { key: 'T' value { type: DT_FLOAT } } }";

    #[test]
    fn ends_that_depend_on_placeholders_are_outputs() {
        let graph = graph(NET);
        let guess = guess(&graph, &[]).unwrap();
        let names = |map: &BTreeMap<String, Output>| -> Vec<(String, String)> {
            map.iter()
                .map(|(key, output)| (key.clone(), graph.tensor_name(*output).to_string()))
                .collect()
        };
        assert_eq!(names(&guess.inputs), [("x".to_owned(), "in/x:0".to_owned())]);
        assert_eq!(names(&guess.outputs), [("y".to_owned(), "net/y:0".to_owned())]);
    }

    #[test]
    fn what_cannot_be_guessed_is_said() {
        let error = guess(&graph("node { name: 'n' op: 'NoOp' }"), &[]).unwrap_err();
        assert!(error.to_string().contains("--outputs"), "{error}");
        assert_eq!(keys(&["a/x", "b/x"]), ["a_x", "b_x"]);
    }
}
