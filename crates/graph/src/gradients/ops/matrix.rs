//! Products of matrices.

use super::super::forward::{Forward, Gradients, all};
use super::super::operators::Index;
use super::super::table::Entry;
use crate::builder::{Operand, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("BatchMatMul", batch_mat_mul_v1),
    ("BatchMatMulV2", batch_mat_mul),
    ("BatchMatMulV3", batch_mat_mul),
    ("Cross", cross),
    ("MatMul", mat_mul),
];

/// A product of two of the matrices: which, and whether they are transposed.
#[derive(Clone, Copy)]
struct Product {
    factors: [Factor; 2],
    transposed: [bool; 2],
}

#[derive(Clone, Copy)]
enum Factor {
    A,
    B,
    Grad,
}

/// The gradients of the product of two matrices that are transposed or not.
fn products(transpose_a: bool, transpose_b: bool) -> [Product; 2] {
    use Factor::{A, B, Grad};
    let product = |factors, transposed| Product { factors, transposed };
    match (transpose_a, transpose_b) {
        (false, false) => [product([Grad, B], [false, true]), product([A, Grad], [true, false])],
        (false, true) => [product([Grad, B], [false, false]), product([Grad, A], [true, false])],
        (true, false) => [product([B, Grad], [false, true]), product([A, Grad], [false, false])],
        (true, true) => [product([B, Grad], [true, true]), product([Grad, A], [true, true])],
    }
}

fn mat_mul(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let a = scope.conj(op.input(0)?)?;
    let b = scope.conj(op.input(1)?)?;
    let products = products(op.attrs.bool("transpose_a")?, op.attrs.bool("transpose_b")?);
    let mut made = Vec::with_capacity(2);
    for (product, mark) in products.into_iter().zip(["grad_a", "grad_b"]) {
        let mut node = scope.op("MatMul");
        for factor in product.factors {
            node = match factor {
                Factor::A => node.input(a),
                Factor::B => node.input(b),
                Factor::Grad => node.input(grad),
            };
        }
        for (attr, transposed) in ["transpose_a", "transpose_b"].iter().zip(product.transposed) {
            node = node.attr(attr, Attr::Bool(transposed));
        }
        made.push(Some(node.attr(mark, Attr::Bool(true)).build_one()?.into()));
    }
    Ok(made)
}

/// The gradients before sums along the axes of batches.
fn batch_products(scope: &mut Scope, op: &Forward, marked: bool) -> Result<[Output; 2], Error> {
    let (x, y) = (op.input(0)?, op.input(1)?);
    let [first, second] = products(op.attrs.bool("adj_x")?, op.attrs.bool("adj_y")?);
    let mut make = |which: Product, marks: [bool; 2]| {
        let factors = which.factors.map(|factor| match factor {
            Factor::A => Ok(x.into()),
            Factor::B => Ok(y.into()),
            Factor::Grad => op.grad(0).map(Operand::from),
        });
        let [a, b] = factors;
        marked_product(scope, [a?, b?], which.transposed, marks)
    };
    Ok([make(first, [marked, false])?, make(second, [false, marked])?])
}

/// `tf.matmul` of matrices or batches of them, each of which may be turned to its adjoint.
pub(super) fn product(
    scope: &mut Scope,
    factors: [Operand; 2],
    adjoint: [bool; 2],
) -> Result<Output, Error> {
    marked_product(scope, factors, adjoint, [false, false])
}

/// Such a product, with marks that say whose gradient it is.
fn marked_product(
    scope: &mut Scope,
    factors: [Operand; 2],
    adjoint: [bool; 2],
    marks: [bool; 2],
) -> Result<Output, Error> {
    scope.scoped("MatMul", |scope, name| {
        let [a, b] = factors;
        let mut factors = [scope.tensor(a, "a")?, scope.tensor(b, "b")?];
        let is_batch =
            factors.iter().any(|factor| scope.shape(*factor).rank().is_none_or(|rank| rank > 2));
        let names = if is_batch {
            ["adj_x", "adj_y", "grad_x", "grad_y"]
        } else {
            for (factor, adjoint) in factors.iter_mut().zip(adjoint) {
                if adjoint {
                    *factor = scope.conj(*factor)?;
                }
            }
            ["transpose_a", "transpose_b", "grad_a", "grad_b"]
        };
        let mut node = scope.op(if is_batch { "BatchMatMulV2" } else { "MatMul" });
        for factor in factors {
            node = node.input(factor);
        }
        for (name, value) in names.iter().zip(adjoint.into_iter().chain(marks)) {
            node = node.attr(name, Attr::Bool(value));
        }
        node.name(name).build_one()
    })
}

fn cross(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let of_first = scope.op("Cross").input(op.input(1)?).input(grad).build_one()?;
    let of_second = scope.op("Cross").input(grad).input(op.input(0)?).build_one()?;
    all([of_first, of_second])
}

fn batch_mat_mul_v1(scope: &mut Scope, op: &Forward) -> Gradients {
    all(batch_products(scope, op, false)?)
}

fn batch_mat_mul(scope: &mut Scope, op: &Forward) -> Gradients {
    let [gx, gy] = batch_products(scope, op, true)?;
    let (x, y) = (op.input(0)?, op.input(1)?);
    let is_batch = |tensor| scope.shape(tensor).rank().is_none_or(|rank| rank > 2);
    if !(is_batch(x) || is_batch(y)) || same_batches(scope, x, y) {
        return all([gx, gy]);
    }
    let [sx, sy] = [scope.shape_of(x)?, scope.shape_of(y)?];
    let bx = scope.between(sx, None, Some(Index::At(-2)))?;
    let by = scope.between(sy, None, Some(Index::At(-2)))?;
    let [rx, ry] = scope.broadcast_gradient_args(bx, by)?;
    let gx = scope.summed_to(gx, rx, sx, false)?;
    let gy = scope.summed_to(gy, ry, sy, false)?;
    all([gx, gy])
}

/// Whether two batches of matrices are known to have the same shape.
fn same_batches(scope: &Scope, x: Output, y: Output) -> bool {
    let batch = |tensor: Output| -> Option<Vec<u64>> {
        let dims = scope.shape(tensor).dims()?;
        dims.get(..dims.len().saturating_sub(2))?.iter().copied().collect()
    };
    batch(x).is_some_and(|x| batch(y) == Some(x))
}
