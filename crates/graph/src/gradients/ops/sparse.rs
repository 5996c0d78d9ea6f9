//! Rows that are chosen and summed up in segments.
//!
//! Source: `math_grad.py`.

use super::super::forward::{Forward, Gradients, first};
use super::super::operators::Index;
use super::super::table::Entry;
use crate::Error;
use crate::builder::Scope;

pub(in super::super) const OPS: &[Entry] = &[
    ("SparseSegmentMean", mean),
    ("SparseSegmentMeanWithNumSegments", mean),
    ("SparseSegmentSqrtN", sqrt_n),
    ("SparseSegmentSqrtNWithNumSegments", sqrt_n),
    ("SparseSegmentSum", sum),
    ("SparseSegmentSumWithNumSegments", sum),
];

fn sum(scope: &mut Scope, op: &Forward) -> Gradients {
    rows(scope, op, "SparseSegmentSumGrad")
}

fn mean(scope: &mut Scope, op: &Forward) -> Gradients {
    rows(scope, op, "SparseSegmentMeanGrad")
}

fn sqrt_n(scope: &mut Scope, op: &Forward) -> Gradients {
    rows(scope, op, "SparseSegmentSqrtNGrad")
}

fn rows(scope: &mut Scope, op: &Forward, gradient: &str) -> Gradients {
    if op.attrs.bool("sparse_gradient") == Ok(true) {
        return Err(Error::Unsupported(format!(
            "the gradient in rows, by {gradient}V2, is not supported"
        )));
    }
    let shape = scope.shape_of(op.input(0)?)?;
    let n_rows = scope.item(shape, Index::At(0))?;
    let node = scope.op(gradient).input(op.grad(0)?).input(op.input(1)?).input(op.input(2)?);
    first(node.input(n_rows).build_one()?, op.inputs.len())
}
