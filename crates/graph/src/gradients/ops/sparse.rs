//! Rows that are chosen and summed up in segments; products with sparse matrices.
//!
//! Source: `math_grad.py`, `sparse_grad.py`.

use super::super::forward::{Forward, Gradients, first};
use super::super::operators::Index;
use super::super::table::Entry;
use crate::builder::Scope;
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("SparseSegmentMean", mean),
    ("SparseSegmentMeanWithNumSegments", mean),
    ("SparseSegmentSqrtN", sqrt_n),
    ("SparseSegmentSqrtNWithNumSegments", sqrt_n),
    ("SparseSegmentSum", sum),
    ("SparseSegmentSumWithNumSegments", sum),
    ("SparseTensorDenseMatMul", mat_mul),
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

fn mat_mul(scope: &mut Scope, op: &Forward) -> Gradients {
    let (indices, dense) = (op.input(0)?, op.input(3)?);
    let [adjoint_a, adjoint_b] = [op.attrs.bool("adjoint_a")?, op.attrs.bool("adjoint_b")?];
    let grad = op.grad(0)?;
    let node = scope.op("SparseTensorDenseMatMul").input(indices).input(op.input(1)?);
    let node = node.input(op.input(2)?).input(grad).attr("adjoint_a", Attr::Bool(!adjoint_a));
    let mut dense_grad = node.build_one()?;
    if adjoint_b {
        let is_complex = scope.dtype(dense_grad).is_some_and(|dtype| dtype.is_complex());
        let op = if is_complex { "ConjugateTranspose" } else { "Transpose" };
        let mut inner = scope.name_scope("matrix_transpose")?;
        let turned = inner.op(op).input(dense_grad).input([1i32, 0]).name("transpose");
        dense_grad = turned.build_one()?;
    }
    let (rows, cols) = (scope.column(indices, 0)?, scope.column(indices, 1)?);
    let (of_a, of_b) = if adjoint_a { (cols, rows) } else { (rows, cols) };
    let parts_a = scope.gather(grad, of_a, 0)?;
    let dense = if adjoint_b { scope.transpose_all(dense)? } else { dense };
    let parts_b = scope.gather(dense, of_b, 0)?;
    // The product of two rows, whichever way these lie.
    let axis_a = if adjoint_a { -1 } else { -2 };
    let axis_b = if adjoint_a == adjoint_b { -2 } else { -1 };
    let parts_a = scope.expand_dims(parts_a, axis_a)?;
    let parts_b = scope.expand_dims(parts_b, axis_b)?;
    let product = scope.op("BatchMatMulV2").input(parts_a).input(parts_b);
    let product = product.attr("adj_x", Attr::Bool(adjoint_a));
    let product = product.attr("adj_y", Attr::Bool(adjoint_a == adjoint_b));
    let product = product.name("MatMul").build_one()?;
    let values = scope.squeeze(product, &[-2, -1])?;
    Ok(vec![None, Some(values.into()), None, Some(dense_grad.into())])
}

impl Scope {
    /// `x[:, index]`.
    fn column(&mut self, x: Output, index: i32) -> Result<Output, Error> {
        self.scoped("strided_slice", |scope, name| {
            let mut bounds = Vec::with_capacity(3);
            for bound in [[0, index], [0, index + 1], [1, 1]] {
                bounds.push(scope.tensor(bound, "stack")?);
            }
            let mut slice = scope.op("StridedSlice").input(x);
            for bound in bounds {
                slice = slice.input(bound);
            }
            for (mask, bits) in [("begin_mask", 1), ("end_mask", 1), ("shrink_axis_mask", 2)] {
                slice = slice.attr(mask, Attr::Int(bits));
            }
            slice.name(name).build_one()
        })
    }
}
