//! Products of segments.
//!
//! Source: `math_grad.py`. The product of all elements but one is the whole by that one, unless it is 0.

use flowkeep_tensor::DType;

use super::super::forward::{Forward, Gradients, first};
use super::super::table::Entry;
use super::gather::without_negatives;
use crate::builder::{Operand, Scope};
use crate::{Error, Output};

pub(in super::super) const OPS: &[Entry] =
    &[("SegmentProd", segment_prod), ("UnsortedSegmentProd", unsorted_segment_prod)];

/// What both gradients begin with.
struct Parts {
    /// The gradient, or zeros where a segment has two zeros.
    grad: Output,
    is_zero: Output,
    /// The elements, with ones in the place of zeros, and their products.
    non_zero: Output,
    products: Output,
}

/// Makes them; `of_segments` is an op on segments.
fn parts(
    scope: &mut Scope,
    op: &Forward,
    of_segments: impl Fn(&mut Scope, &str, Output) -> Result<Output, Error>,
) -> Result<Parts, Error> {
    let (grad, data) = (op.grad(0)?, op.input(0)?);
    let zero = scope.number_like(0.0, data)?;
    let is_zero = scope.equal(data, zero)?;
    let counted = scope.cast(is_zero, DType::I32)?;
    let n_zeros = of_segments(scope, "Sum", counted)?;
    let is_nothing = scope.greater(n_zeros, 1i32)?;
    let zeros = scope.zeros_like(grad)?;
    let grad = scope.select_v2(is_nothing, zeros, grad)?;
    let ones = scope.ones_like(data, None)?;
    let non_zero = scope.select_v2(is_zero, ones, data)?;
    let products = of_segments(scope, "Prod", non_zero)?;
    Ok(Parts { grad, is_zero, non_zero, products })
}

fn segment_prod(scope: &mut Scope, op: &Forward) -> Gradients {
    let ids = op.input(1)?;
    let Parts { grad, is_zero, non_zero, products } = parts(scope, op, |scope, kind, data| {
        scope.op(&format!("Segment{kind}")).input(data).input(ids).build_one()
    })?;
    let whole = scope.gather(op.output(0), ids, 0)?;
    let others = scope.gather(products, ids, 0)?;
    let quotient = scope.over(whole, non_zero)?;
    let partial = scope.select_v2(is_zero, others, quotient)?;
    let gathered = scope.gather(grad, ids, 0)?;
    first(scope.times(gathered, partial)?, 2)
}

fn unsorted_segment_prod(scope: &mut Scope, op: &Forward) -> Gradients {
    let (data, ids, n) = (op.input(0)?, op.input(1)?, op.input(2)?);
    let Parts { grad, is_zero, products, .. } = parts(scope, op, |scope, kind, data| {
        let node = scope.op(&format!("UnsortedSegment{kind}")).input(data);
        node.input(ids).input(n).build_one()
    })?;
    let zeros = scope.zeros_like(ids)?;
    let clipped = scope.maximum(ids, zeros)?;
    let whole = scope.gather(op.output(0), clipped, 0)?;
    let others = scope.gather(products, clipped, 0)?;
    let quotient = scope.over(whole, data)?;
    let partial = scope.select_v2(is_zero, others, quotient)?;
    let gathered = without_negatives(scope, Operand::from(grad), ids, Some(clipped))?;
    first(scope.times(gathered.rows, partial)?, 3)
}
