//! Inverses and determinants of matrices, and what solves equations.
//!
//! Source: `linalg_grad.py`.

use flowkeep_tensor::DType;

use super::super::Gradient;
use super::super::forward::{Forward, Gradients, all};
use super::super::operators::Index;
use super::super::table::Entry;
use super::matrix::product;
use crate::builder::{Operand, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("Cholesky", cholesky),
    ("LogMatrixDeterminant", log_matrix_determinant),
    ("MatrixDeterminant", matrix_determinant),
    ("MatrixInverse", matrix_inverse),
    ("MatrixSolve", matrix_solve),
    ("MatrixTriangularSolve", matrix_triangular_solve),
    ("Qr", qr),
];

impl Scope {
    /// `tf.linalg.adjoint`.
    fn adjoint(&mut self, x: Output) -> Result<Output, Error> {
        let is_complex = self.dtype(x).is_some_and(DType::is_complex);
        let mut outer = self.name_scope("adjoint")?;
        let mut inner = outer.name_scope("matrix_transpose")?;
        let perm: Operand = match inner.shape(x).rank().and_then(|rank| i32::try_from(rank).ok()) {
            Some(rank) => {
                let mut perm: Vec<i32> = (0..rank).collect();
                if let [.., a, b] = &mut perm[..] {
                    std::mem::swap(a, b);
                }
                perm.into()
            }
            None => {
                let rank = inner.rank(x)?;
                let end = inner.minus(rank, 2i32)?;
                let before = inner.range_of(0, end, 1i32)?;
                let last = inner.minus(rank, 1i32)?;
                let second = inner.minus(rank, 2i32)?;
                let behind = Operand::packed([Operand::from(last), second.into()]);
                inner.concat_at(vec![before.into(), behind], 0i32)?.into()
            }
        };
        let op = if is_complex { "ConjugateTranspose" } else { "Transpose" };
        inner.op(op).input(x).input(perm).name("transpose").build_one()
    }

    /// The triangle of a matrix below its diagonal, or above.
    fn triangle(&mut self, x: Output, is_lower: bool) -> Result<Output, Error> {
        let (lower, upper) = if is_lower { (-1i32, 0i32) } else { (0, -1) };
        self.op("MatrixBandPart").input(x).input(lower).input(upper).build_one()
    }

    /// `tf.linalg.triangular_solve`.
    fn triangular_solve(
        &mut self,
        matrix: Output,
        rhs: impl Into<Operand>,
        is_lower: bool,
        adjoint: bool,
    ) -> Result<Output, Error> {
        let mut inner = self.name_scope("triangular_solve")?;
        let node = inner.op("MatrixTriangularSolve").input(matrix).input(rhs);
        let node = node.attr("lower", Attr::Bool(is_lower)).attr("adjoint", Attr::Bool(adjoint));
        node.build_one()
    }
}

fn matrix_inverse(scope: &mut Scope, op: &Forward) -> Gradients {
    let inverse = op.output(0);
    let adjoint = op.attrs.bool("adjoint")?;
    let made = product(scope, [op.grad(0)?.into(), inverse.into()], [adjoint, !adjoint])?;
    let made = product(scope, [inverse.into(), made.into()], [!adjoint, false])?;
    all([scope.neg(made)?])
}

/// The adjoint of the inverse, by a number for each matrix.
fn scaled_inverse(
    scope: &mut Scope,
    op: &Forward,
    of: Output,
    factor: impl FnOnce(&mut Scope) -> Result<Gradient, Error>,
) -> Gradients {
    let node = scope.op("MatrixInverse").input(op.input(0)?);
    let inverse = node.attr("adjoint", Attr::Bool(true)).build_one()?;
    let factor = factor(scope)?;
    let shape = scope.shape_of(of)?;
    let shape = scope.concat_at(vec![shape.into(), Operand::from([1i32, 1])], 0i32)?;
    let factor = scope.reshape(factor, shape)?;
    all([scope.times(factor, inverse)?])
}

fn matrix_determinant(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(0)?;
    let determinant = op.output(0);
    scaled_inverse(scope, op, determinant, |scope| Ok(scope.times(grad, determinant)?.into()))
}

fn log_matrix_determinant(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = op.grad(1)?;
    scaled_inverse(scope, op, op.output(1), |_| Ok(grad))
}

/// The gradient of a matrix of equations, from the solution and the gradient of the right hand sides.
fn of_matrix(scope: &mut Scope, op: &Forward, of_rhs: Output) -> Result<Output, Error> {
    let solution = op.output(0);
    let factors = match op.attrs.bool("adjoint")? {
        true => [solution, of_rhs],
        false => [of_rhs, solution],
    };
    let made = product(scope, factors.map(Operand::from), [false, true])?;
    scope.neg(made)
}

fn matrix_solve(scope: &mut Scope, op: &Forward) -> Gradients {
    let adjoint = op.attrs.bool("adjoint")?;
    let node = scope.op("MatrixSolve").input(op.input(0)?).input(op.grad(0)?);
    let of_rhs = node.attr("adjoint", Attr::Bool(!adjoint)).build_one()?;
    all([of_matrix(scope, op, of_rhs)?, of_rhs])
}

fn matrix_triangular_solve(scope: &mut Scope, op: &Forward) -> Gradients {
    let (a, b) = (op.input(0)?, op.input(1)?);
    let (is_lower, adjoint) = (op.attrs.bool("lower")?, op.attrs.bool("adjoint")?);
    let of_rhs = scope.triangular_solve(a, op.grad(0)?, is_lower, !adjoint)?;
    let of_matrix = of_matrix(scope, op, of_rhs)?;
    let of_matrix = scope.triangle(of_matrix, is_lower)?;
    let batch = |tensor: Output| {
        let shape = scope.shape(tensor).to_shape()?;
        shape.dims().split_last_chunk::<2>().map(|(batch, _)| batch.to_vec())
    };
    if let (Some(a), Some(b)) = (batch(a), batch(b))
        && a == b
    {
        return all([of_matrix, of_rhs]);
    }
    let [sa, sb] = [scope.shape_of(a)?, scope.shape_of(b)?];
    let ba = scope.between(sa, None, Some(Index::At(-2)))?;
    let bb = scope.between(sb, None, Some(Index::At(-2)))?;
    let [ra, rb] = scope.broadcast_gradient_args(ba, bb)?;
    let of_matrix = scope.summed_to(of_matrix, ra, sa, false)?;
    all([of_matrix, scope.summed_to(of_rhs, rb, sb, false)?])
}

fn cholesky(scope: &mut Scope, op: &Forward) -> Gradients {
    let l = op.output(0);
    let dtype = scope.dtype(l).unwrap_or(DType::F32);
    let shape = scope.shape_of(l)?;
    let n_rows = scope.item(shape, Index::At(-1))?;
    let shape = scope.shape_of(l)?;
    let batch = scope.between(shape, None, Some(Index::At(-2)))?;
    let eye = {
        let mut inner = scope.name_scope("eye")?;
        let size = inner.minimum(n_rows, n_rows)?;
        let size = Operand::packed([Operand::from(size)]);
        let shape = inner.concat_at(vec![batch.into(), size], 0i32)?;
        let ones = inner.ones_of(shape, dtype, "ones")?;
        inner.as_main_diagonal(ones)?
    };
    let inverse = scope.triangular_solve(l, eye, true, false)?;
    let middle = product(scope, [l.into(), op.grad(0)?.into()], [true, false])?;
    let diagonal = scope.main_diagonal(middle)?;
    let half = scope.number_like(0.5, diagonal)?;
    let halved = scope.times(half.clone(), diagonal)?;
    let middle = scope.with_main_diagonal(middle, halved)?;
    let middle = scope.triangle(middle, true)?;
    let grad = product(scope, [inverse.into(), middle.into()], [true, false])?;
    let grad = product(scope, [grad.into(), inverse.into()], [false, false])?;
    let adjoint = scope.adjoint(grad)?;
    let sum = scope.plus(grad, adjoint)?;
    all([scope.times(sum, half)?])
}

fn qr(scope: &mut Scope, op: &Forward) -> Gradients {
    let (q, r) = (op.output(0), op.output(1));
    let size = |tensor: Output| {
        let (_, size) = scope.shape(tensor).dims()?.split_last_chunk::<2>()?;
        Some([size[0]?, size[1]?])
    };
    let unknown = "the gradient of a QR decomposition of unknown shape is not supported";
    let unknown = || Error::Unsupported(unknown.to_owned());
    let [n_rows, n_columns] = size(r).ok_or_else(unknown)?;
    let [q_rows, q_columns] = size(q).ok_or_else(unknown)?;
    if n_rows > n_columns && q_rows == q_columns {
        return Err(Error::Unsupported(
            "the gradient of a full QR decomposition of a matrix with more rows than columns is not supported"
                .to_owned(),
        ));
    }
    let (dq, dr) = (scope.dense(op.grad(0)?, "dq")?, scope.dense(op.grad(1)?, "dr")?);
    if q_rows >= n_columns {
        return all([deep(scope, [q, r], [dq, dr])?]);
    }
    // The first columns are decomposed as a square is, and the others follow from them.
    let n = i32::try_from(q_rows).unwrap_or(i32::MAX);
    let y = columns(scope, op.input(0)?, n, false)?;
    let u = columns(scope, r, n, true)?;
    let dv = columns(scope, dr, n, false)?;
    let du = columns(scope, dr, n, true)?;
    let dy = product(scope, [q.into(), dv.into()], [false, false])?;
    let made = product(scope, [y.into(), dv.into()], [false, true])?;
    let dq = scope.plus(dq, made)?;
    let dx = deep(scope, [q, u], [dq, du])?;
    all([scope.concat_at(vec![dx.into(), dy.into()], -1i32)?])
}

/// The first columns of matrices, or those behind: `x[..., :, :n]` or `x[..., :, n:]`.
fn columns(scope: &mut Scope, x: Output, n: i32, are_first: bool) -> Result<Output, Error> {
    scope.scoped("strided_slice", |scope, name| {
        let (begin, end) = if are_first { (0, n) } else { (n, 0) };
        let mut bounds = Vec::with_capacity(3);
        for bound in [[0, 0, begin], [0, 0, end], [1, 1, 1]] {
            bounds.push(scope.tensor(bound, "stack")?);
        }
        let slice = scope.op("StridedSlice").input(x);
        let slice = bounds.into_iter().fold(slice, |slice, bound| slice.input(bound));
        let (begin, end) = if are_first { (6, 2) } else { (2, 6) };
        let masks = [("begin_mask", begin), ("end_mask", end), ("ellipsis_mask", 1)];
        let slice =
            masks.iter().fold(slice, |slice, (mask, bits)| slice.attr(mask, Attr::Int(*bits)));
        slice.name(name).build_one()
    })
}

/// The gradient of a decomposition of matrices that have no more columns than rows.
fn deep(scope: &mut Scope, [q, r]: [Output; 2], [dq, dr]: [Output; 2]) -> Result<Output, Error> {
    let qdq = product(scope, [q.into(), dq.into()], [true, false])?;
    let adjoint = scope.adjoint(qdq)?;
    let skew_q = scope.minus(qdq, adjoint)?;
    let rdr = product(scope, [r.into(), dr.into()], [false, true])?;
    let adjoint = scope.adjoint(rdr)?;
    let skew_r = scope.minus(rdr, adjoint)?;
    let sum = scope.plus(skew_q, skew_r)?;
    let lower = scope.triangle(sum, true)?;
    let solved = behind_inverse(scope, lower, r)?;
    let sum = scope.plus(dr, solved)?;
    let first = product(scope, [q.into(), sum.into()], [false, false])?;
    let projected = product(scope, [q.into(), qdq.into()], [false, false])?;
    let rest = scope.minus(dq, projected)?;
    let second = behind_inverse(scope, rest, r)?;
    let grad = scope.plus(first, second)?;
    let dtype = scope.dtype(q).unwrap_or(DType::F32);
    if !dtype.is_complex() {
        return Ok(grad);
    }
    let adjoint = scope.adjoint(qdq)?;
    let m = scope.minus(rdr, adjoint)?;
    let zeros = scope.zeros_like(m)?;
    let diagonal = scope.main_diagonal(m)?;
    let diagonal = scope.with_main_diagonal(zeros, diagonal)?;
    let real = scope.part("Real", diagonal)?;
    let real = scope.cast(real, dtype)?;
    let imaginary = scope.minus(diagonal, real)?;
    let adjoint = scope.adjoint(imaginary)?;
    let made = product(scope, [q.into(), adjoint.into()], [false, false])?;
    let correction = behind_inverse(scope, made, r)?;
    scope.plus(grad, correction)
}

/// `x` by the adjoint of the inverse of an upper triangle.
fn behind_inverse(scope: &mut Scope, x: Output, r: Output) -> Result<Output, Error> {
    let adjoint = scope.adjoint(x)?;
    let solved = scope.triangular_solve(r, adjoint, false, false)?;
    scope.adjoint(solved)
}
