//! The features that a graph reads out of serialized `tf.Example`s.

use std::collections::HashSet;

use flowkeep_graph::{Attr, AttrList, Graph, Node, NodeId, Output};
use flowkeep_tensor::{DType, Tensor};

/// How many nodes are looked at between an input and what parses it.
const MAX_NODES: usize = 64;

/// A feature that examples have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Feature {
    pub(super) name: String,
    pub(super) dtype: DType,
    /// How many values it has.
    pub(super) n_values: usize,
}

/// The features that are parsed out of a tensor: those of a fixed number of values, or, without any, the others.
pub(super) fn features(graph: &Graph, tensor: &str) -> Option<Vec<Feature>> {
    let start = graph.output(tensor).ok()?.node;
    let mut reached = HashSet::from([start]);
    for _ in 0..MAX_NODES {
        let mut grown = false;
        for (id, node) in graph.iter() {
            if !node.inputs().first().is_some_and(|input| reached.contains(&input.node)) {
                continue;
            }
            match node.op() {
                "ParseExample" | "ParseExampleV2" => return of_parser(graph, node),
                "Identity" | "Reshape" | "ExpandDims" | "Squeeze" => grown |= reached.insert(id),
                _ => {}
            }
        }
        if !grown {
            break;
        }
    }
    None
}

fn of_parser(graph: &Graph, node: &Node) -> Option<Vec<Feature>> {
    let n = |attr: &str| node.attrs().int(attr).ok().and_then(|n| usize::try_from(n).ok());
    let inputs = node.inputs();
    let (sparse, dense): (Vec<String>, Vec<String>) = match node.op() {
        "ParseExampleV2" => (strings(graph, *inputs.get(2)?)?, strings(graph, *inputs.get(3)?)?),
        _ => {
            let (n_sparse, n_dense) = (n("Nsparse")?, n("Ndense")?);
            let all = |from: usize, n: usize| {
                let inputs = inputs.get(from..from.checked_add(n)?)?.iter();
                let keys = inputs.map(|input| strings(graph, *input)?.into_iter().next());
                keys.collect::<Option<Vec<String>>>()
            };
            (all(2, n_sparse)?, all(n_sparse.checked_add(2)?, n_dense)?)
        }
    };
    let types = |attr: &str| match node.attr(attr) {
        Some(Attr::List(AttrList::Type(types))) => types.to_vec(),
        _ => Vec::new(),
    };
    let sizes: Vec<usize> = match node.attr("dense_shapes") {
        Some(Attr::List(AttrList::Shape(shapes))) => {
            let size = |dims: &[Option<u64>]| {
                let dims = dims.iter().map(|dim| usize::try_from(dim.unwrap_or(1)).unwrap_or(1));
                dims.fold(1usize, usize::saturating_mul)
            };
            shapes.iter().map(|shape| shape.dims().map_or(1, size)).collect()
        }
        _ => vec![1; dense.len()],
    };
    let feature = |((name, dtype), n_values)| Feature { name, dtype, n_values };
    let ones = || std::iter::repeat(1);
    let found: Vec<Feature> = match dense.is_empty() {
        false => dense.into_iter().zip(types("Tdense")).zip(sizes).map(feature).collect(),
        true => {
            let sparse = sparse.into_iter().zip(types("sparse_types"));
            let ragged = inputs.get(4).filter(|_| node.op() == "ParseExampleV2");
            let ragged = ragged.and_then(|keys| strings(graph, *keys)).unwrap_or_default();
            let ragged = ragged.into_iter().zip(types("ragged_value_types"));
            sparse.chain(ragged).zip(ones()).map(feature).collect()
        }
    };
    (!found.is_empty()).then_some(found)
}

/// The strings of a constant.
fn strings(graph: &Graph, tensor: Output) -> Option<Vec<String>> {
    let mut id: NodeId = tensor.node;
    // Constants may be handed on.
    while graph.get(id)?.op() == "Identity" {
        id = graph.get(id)?.inputs().first()?.node;
    }
    let node = graph.get(id).filter(|node| node.op() == "Const")?;
    let value = Tensor::try_from(node.attr("value")?.as_tensor()?.proto()).ok()?;
    let strings = value.as_strings().ok()?.iter();
    Some(strings.map(|text| String::from_utf8_lossy(text).into_owned()).collect())
}
