//! Diagonals of matrices.
//!
//! Source: `array_grad.py`. Gradients of older versions of an op are made of the newest one, which lays
//! diagonals of unequal length out in its own way unless it is told another.

use flowkeep_tensor::{DType, Shape};

use super::super::forward::{Forward, Gradients, all, first};
use super::super::table::Entry;
use crate::builder::{Axes, Operand, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[
    ("MatrixDiag", matrix_diag),
    ("MatrixDiagPart", matrix_diag_part),
    ("MatrixDiagPartV2", matrix_diag_part_of),
    ("MatrixDiagPartV3", matrix_diag_part_of),
    ("MatrixDiagV2", matrix_diag_of),
    ("MatrixDiagV3", matrix_diag_of),
    ("MatrixSetDiag", matrix_set_diag),
    ("MatrixSetDiagV2", matrix_set_diag_of),
    ("MatrixSetDiagV3", matrix_set_diag_of),
];

/// How diagonals of unequal length are laid out, unless it is told.
const ALIGN: &str = "RIGHT_LEFT";

/// Which diagonals are meant, and how they are laid out.
#[derive(Clone)]
struct Band {
    k: Operand,
    align: Attr,
}

impl Band {
    /// The main diagonal.
    fn main() -> Band {
        Band { k: 0i32.into(), align: Attr::Str(ALIGN.as_bytes().to_vec().into()) }
    }

    fn of(op: &Forward, k: usize) -> Result<Band, Error> {
        let align = op.attrs.get("align").cloned();
        Ok(Band { k: op.input(k)?.into(), align: align.unwrap_or(Band::main().align) })
    }
}

impl Scope {
    /// `tf.linalg.diag_part`.
    pub(super) fn main_diagonal(&mut self, x: impl Into<Operand>) -> Result<Output, Error> {
        self.diag_part(x.into(), Band::main())
    }

    /// `tf.linalg.set_diag`.
    pub(super) fn with_main_diagonal(
        &mut self,
        x: impl Into<Operand>,
        diagonal: impl Into<Operand>,
    ) -> Result<Output, Error> {
        self.set_diag(x.into(), diagonal.into(), Band::main())
    }

    /// `tf.linalg.diag`.
    pub(super) fn as_main_diagonal(&mut self, x: impl Into<Operand>) -> Result<Output, Error> {
        self.diag(x.into(), Band::main(), [-1, -1])
    }

    fn diag_part(&mut self, x: Operand, band: Band) -> Result<Output, Error> {
        let zero = self.zero_like(&x)?;
        let node = self.op("MatrixDiagPartV3").input(x).input(band.k).input(zero);
        node.attr("align", band.align).name("diag_part").build_one()
    }

    fn set_diag(&mut self, x: Operand, diagonal: Operand, band: Band) -> Result<Output, Error> {
        let node = self.op("MatrixSetDiagV3").input(x).input(diagonal).input(band.k);
        node.attr("align", band.align).name("set_diag").build_one()
    }

    /// `tf.linalg.diag`, in matrices of this size.
    fn diag(&mut self, x: Operand, band: Band, size: [i32; 2]) -> Result<Output, Error> {
        let zero = self.zero_like(&x)?;
        let node = self.op("MatrixDiagV3").input(x).input(band.k);
        let node = node.input(size[0]).input(size[1]).input(zero);
        node.attr("align", band.align).name("diag").build_one()
    }

    fn zero_like(&self, x: &Operand) -> Result<flowkeep_tensor::Tensor, Error> {
        crate::builder::number(self.operand_dtype(x).unwrap_or(DType::F32), 0.0)
    }

    /// Rows and columns of matrices, if they are known.
    fn matrix_size(&self, x: Output) -> Option<[i32; 2]> {
        let (_, size) = self.shape(x).dims()?.split_last_chunk::<2>()?;
        let [rows, columns] = *size;
        Some([i32::try_from(rows?).ok()?, i32::try_from(columns?).ok()?])
    }
}

fn matrix_diag(scope: &mut Scope, op: &Forward) -> Gradients {
    all([scope.main_diagonal(op.grad(0)?)?])
}

fn matrix_diag_of(scope: &mut Scope, op: &Forward) -> Gradients {
    first(scope.diag_part(op.grad(0)?.into(), Band::of(op, 1)?)?, 5)
}

fn matrix_diag_part(scope: &mut Scope, op: &Forward) -> Gradients {
    let size = scope.matrix_size(op.input(0)?);
    if size.is_some_and(|[rows, columns]| rows == columns) {
        return all([scope.as_main_diagonal(op.grad(0)?)?]);
    }
    let zeros = scope.zeros_like(op.input(0)?)?;
    all([scope.with_main_diagonal(zeros, op.grad(0)?)?])
}

fn matrix_diag_part_of(scope: &mut Scope, op: &Forward) -> Gradients {
    let band = Band::of(op, 1)?;
    if let Some(size) = scope.matrix_size(op.input(0)?) {
        return first(scope.diag(op.grad(0)?.into(), band, size)?, 3);
    }
    let zeros = scope.zeros_like(op.input(0)?)?;
    first(scope.set_diag(zeros.into(), op.grad(0)?.into(), band)?, 3)
}

fn matrix_set_diag(scope: &mut Scope, op: &Forward) -> Gradients {
    let grad = scope.dense(op.grad(0)?, "input")?;
    let dtype = scope.dtype(grad).unwrap_or(DType::F32);
    let zeros = match known_diagonal(scope, op, grad) {
        Some(shape) => scope.zeros(&shape, dtype)?,
        None => {
            let shape = {
                let mut scope = scope.colocate_with(grad)?;
                let shape = scope.shape_of(grad)?;
                let rank = scope.rank(grad)?;
                let end = scope.minus(rank, 2i32)?;
                let batch = scope.slice(shape, [0i32], Operand::packed([Operand::from(end)]))?;
                let begin = scope.minus(rank, 2i32)?;
                let begin = Operand::packed([Operand::from(begin)]);
                let matrix = scope.slice(shape, begin, [2i32])?;
                let least = scope.reduce_min(matrix, Axes::all())?;
                let least = Operand::packed([Operand::from(least)]);
                scope.concat_at(vec![batch.into(), least], 0i32)?
            };
            scope.zeros_of(shape, dtype, "zeros")?
        }
    };
    let input = scope.with_main_diagonal(grad, zeros)?;
    let diagonal = scope.main_diagonal(grad)?;
    all([input, diagonal])
}

/// The shape of the main diagonals, if it is known from any of what has it.
fn known_diagonal(scope: &Scope, op: &Forward, grad: Output) -> Option<Shape> {
    let input = scope.shape(*op.inputs.first()?).dims();
    let grad = scope.shape(grad).dims();
    let diagonal = scope.shape(*op.inputs.get(1)?).dims();
    let rank = input.or(grad)?.len();
    let n_batch = rank.checked_sub(2)?;
    let dim = |place: usize| {
        let of = |dims: Option<&[Option<u64>]>| dims.and_then(|dims| *dims.get(place)?);
        of(input).or(of(grad)).or(of(diagonal).filter(|_| place < n_batch))
    };
    let mut dims: Vec<u64> = (0..n_batch).map(dim).collect::<Option<_>>()?;
    dims.push(dim(n_batch)?.min(dim(n_batch + 1)?));
    let dims: Option<Vec<usize>> = dims.iter().map(|dim| usize::try_from(*dim).ok()).collect();
    Some(Shape::from(dims?))
}

fn matrix_set_diag_of(scope: &mut Scope, op: &Forward) -> Gradients {
    let band = Band::of(op, 2)?;
    let shape = scope.shape(op.input(1)?).to_shape().ok_or_else(|| {
        Error::Unsupported(
            "the gradient of diagonals whose shape is known only at run time is not supported"
                .to_owned(),
        )
    })?;
    let grad = scope.dense(op.grad(0)?, "input")?;
    let zeros = scope.zeros(&shape, scope.dtype(grad).unwrap_or(DType::F32))?;
    let input = scope.set_diag(grad.into(), zeros.into(), band.clone())?;
    let diagonal = scope.diag_part(grad.into(), band)?;
    Ok(vec![Some(input.into()), Some(diagonal.into()), None])
}
