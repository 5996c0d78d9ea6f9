//! The gradient of each op.

use super::forward::GradientFn;
use super::{function, functional, ops, registered};
use crate::{Graph, Node, NodeId};

/// An op and its gradient.
pub(super) type Entry = (&'static str, GradientFn);

/// The tables, each sorted by op.
const TABLES: &[&[Entry]] = &[
    functional::OPS,
    ops::activation::OPS,
    ops::binary::OPS,
    ops::control::OPS,
    ops::diagonal::OPS,
    ops::einsum::OPS,
    ops::elementwise::OPS,
    ops::fourier::OPS,
    ops::gather::OPS,
    ops::image::OPS,
    ops::join::OPS,
    ops::linalg::OPS,
    ops::list::OPS,
    ops::matrix::OPS,
    ops::nn::OPS,
    ops::patches::OPS,
    ops::quantize::OPS,
    ops::reduce::OPS,
    ops::scatter::OPS,
    ops::segment::OPS,
    ops::shape::OPS,
    ops::sparse::OPS,
    ops::sparse_values::OPS,
    ops::special::OPS,
    ops::tensor_array::OPS,
    ops::window::OPS,
];

/// What is done with a node when a walk comes to it.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Its inputs get gradients.
    Function(GradientFn),
    /// Its inputs get none.
    NotDifferentiable,
    /// TensorFlow has a gradient of the op; here there is none.
    Missing,
    /// The op has no gradient.
    Unknown,
}

/// Whether gradients pass an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// They do.
    Differentiable,
    /// They end there: what the op depends on has no influence, or none that can be followed.
    NotDifferentiable,
    /// TensorFlow has a gradient of the op; this crate has none yet.
    Missing,
    /// The op has no gradient; to meet it is an error.
    Unknown,
}

/// Says whether gradients pass an op.
pub fn support(op: &str) -> Support {
    if function::is_partitioned(op) {
        return Support::Differentiable;
    }
    match rule_of(op) {
        Rule::Function(_) => Support::Differentiable,
        Rule::NotDifferentiable => Support::NotDifferentiable,
        Rule::Missing => Support::Missing,
        Rule::Unknown => Support::Unknown,
    }
}

/// What is done with a node.
pub(super) fn rule(graph: &Graph, id: NodeId) -> Rule {
    match graph.get(id) {
        // Gradients of a program's own are known to that program alone.
        Some(node) if node.attr("_gradient_op_type").is_some() => Rule::Unknown,
        Some(node) if is_call(graph, node) => Rule::Function(function::call),
        Some(node) => rule_of(node.op()),
        None => Rule::NotDifferentiable,
    }
}

/// Whether a node calls a function of the graph's library.
pub(super) fn is_call(graph: &Graph, node: &Node) -> bool {
    let called = node.attrs().func("f").ok().filter(|_| function::is_partitioned(node.op()));
    let name = called.map_or(node.op(), |function| &function.name);
    graph.library().get(name).is_some()
}

fn rule_of(op: &str) -> Rule {
    let found = TABLES.iter().find_map(|table| {
        let idx = table.binary_search_by(|(known, _)| (*known).cmp(op)).ok()?;
        table.get(idx).map(|(_, function)| *function)
    });
    match found {
        Some(function) => Rule::Function(function),
        None if registered::NOT_DIFFERENTIABLE.binary_search(&op).is_ok() => {
            Rule::NotDifferentiable
        }
        None if registered::DIFFERENTIABLE.binary_search(&op).is_ok() => Rule::Missing,
        None => Rule::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_hold_what_tensorflow_has_gradients_of() {
        let mut all = Vec::new();
        for table in TABLES {
            assert!(table.is_sorted_by(|(a, _), (b, _)| a < b), "{table:?}");
            all.extend(table.iter().map(|(op, _)| *op));
        }
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n, "an op is in two tables");
        assert!(all.iter().all(|op| registered::DIFFERENTIABLE.contains(op)));
        for list in [registered::DIFFERENTIABLE, registered::NOT_DIFFERENTIABLE] {
            assert!(list.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn support_says_what_becomes_of_an_op() {
        for (op, want) in [
            ("MatMul", Support::Differentiable),
            ("StopGradient", Support::NotDifferentiable),
            ("MatrixSquareRoot", Support::Missing),
            ("Bucketize", Support::Unknown),
            ("NoSuchOp", Support::Unknown),
        ] {
            assert_eq!(support(op), want, "{op}");
        }
    }
}
