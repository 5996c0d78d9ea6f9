//! Products with a packed right operand, in register tiles.

use super::mat::Mat;
use crate::number::Float;
use crate::pool::{Block, Pool};
use crate::tile::{Epilogue, Gathered, Panel, Panels, Right, Row, fill};

/// Multiply-adds per task to aim at; about 20 microseconds of one core.
const TASK_SIZE: usize = 1 << 20;
/// Rows of `C` per task.
const MAX_ROWS: usize = 192;
/// Rows of a register tile, for every instruction set.
const TILE_ROWS: usize = 12;
/// The longest run of `k` at a time: so much of a panel and of the rows stays in the cache.
const MAX_DEPTH: usize = 1024;

/// A right operand in the form that [`gemm_packed`] reads; made once, used for every product.
///
/// It holds a copy of the matrix. Products with few rows gain most: nothing but the matrix itself
/// is read.
#[derive(Debug)]
pub struct PackedMatrix<T>(Panels<T>);

impl<T: Float> PackedMatrix<T> {
    /// Packs a matrix `[k, n]`.
    pub fn new(pool: &Pool, matrix: Mat<'_, T>) -> Self {
        PackedMatrix(Panels::pack(pool, matrix))
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.0.k()
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.0.n()
    }
}

/// Computes `c = a·b` with a packed `b`; adds the bias and applies the activation on the way out.
///
/// Shapes: `a [m, k]`, `b [k, n]`, bias `[n]`, `c [m, n]` row-major.
/// Panics: if the shapes do not fit together.
///
/// ```
/// use flowkeep_linalg::gemm::{Mat, PackedMatrix, gemm_packed};
/// use flowkeep_linalg::{Activation, Epilogue, Pool};
///
/// let pool = Pool::new(1);
/// let weights = PackedMatrix::new(&pool, Mat::row_major(&[1.0_f32, -1.0, 0.5, 2.0], 2, 2));
/// let epilogue = Epilogue { bias: Some(&[10.0, -9.0]), activation: Activation::Relu };
/// let mut c = [0.0; 2];
/// gemm_packed(&pool, Mat::row_major(&[2.0, 4.0], 1, 2), &weights, epilogue, &mut c);
/// assert_eq!(c, [14.0, 0.0]);
/// ```
pub fn gemm_packed<T: Float>(
    pool: &Pool,
    a: Mat<'_, T>,
    b: &PackedMatrix<T>,
    epilogue: Epilogue<'_, T>,
    c: &mut [T],
) {
    let (m, k, n) = (a.rows(), b.rows(), b.cols());
    assert!(a.cols() == k, "a {m}x{} matrix cannot be multiplied with a {k}x{n} matrix", a.cols());
    assert!(m.checked_mul(n) == Some(c.len()), "{m}x{n} results do not fit {} places", c.len());
    if let Some(bias) = epilogue.bias {
        assert!(bias.len() == n, "a bias of {} elements for {n} columns", bias.len());
    }
    if c.is_empty() {
        return;
    }
    if !a.has_dense_rows() {
        let mut dense = vec![T::ZERO; m * k];
        fill(&mut dense, k, a, 0..k);
        return gemm_packed(pool, Mat::row_major(&dense, m, k), b, epilogue, c);
    }
    let width = b.0.width();
    let rows = m.div_ceil(m.div_ceil(MAX_ROWS)).next_multiple_of(TILE_ROWS);
    let cols = TASK_SIZE / rows.min(m).saturating_mul(k).max(1);
    let cols = cols.min(n).next_multiple_of(width).max(width);
    pool.parallel_blocks(c, n, (rows, cols), |block| compute(a, &b.0, epilogue, block));
}

/// Computes a block of `C`.
fn compute<T: Float>(
    a: Mat<'_, T>,
    b: &Panels<T>,
    epilogue: Epilogue<'_, T>,
    block: &mut Block<'_, T>,
) {
    let k = a.cols();
    let n_runs = k.div_ceil(MAX_DEPTH).max(1);
    let depth = k.div_ceil(n_runs);
    let first_panel = block.first_col() / b.width();
    let end_panel = (block.first_col() + block.cols()).div_ceil(b.width());
    let rows: Vec<Row> = a.starts(block.first_row()..block.first_row() + block.rows());
    for run in 0..n_runs {
        let depths = (run * depth).min(k)..((run + 1) * depth).min(k);
        let source = a.data().get(depths.start..).unwrap_or_default();
        let gathered = Gathered::whole(source, &rows, depths.len());
        for i in first_panel..end_panel {
            let Panel { data, width, cols } = b.get(i);
            let is_last = run + 1 == n_runs;
            let bias = epilogue.bias.filter(|_| is_last).map(|bias| &bias[cols.clone()]);
            let activation = if is_last { epilogue.activation } else { Default::default() };
            let right = Right {
                panel: &data[depths.start * width..depths.end * width],
                width,
                first_row: 0,
                add: run > 0,
                epilogue: Epilogue { bias, activation },
            };
            let first_col = cols.start - block.first_col();
            let cols = first_col..first_col + cols.len();
            right.multiply(b.level(), gathered, block, None, cols);
        }
    }
}
