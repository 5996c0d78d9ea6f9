//! The walk behind slicing, transposing, reversing, tiling and broadcasting: a dense output whose
//! element at some index is the input's at a linear function of it.

use flowkeep_linalg::Pool;

use crate::kernel::Status;
use crate::ops::cells::{Cell, Move, copy};

/// Cells per task of a long copy.
const GRAIN: usize = 32 << 10;
/// Edge of the squares in which matrices are transposed.
const TILE: usize = 16;

/// Which input cell each output cell is copied from.
#[derive(Clone, Debug)]
pub(crate) struct Strided {
    /// The input cell of the first output cell.
    start: isize,
    /// The output's dimensions, without those of size 1, neighbors merged where they can be.
    dims: Vec<usize>,
    /// The distance in the input along each of `dims`.
    strides: Vec<isize>,
}

impl Strided {
    /// The walk over an input that exists: `axes` are pairs of size and stride, outermost first.
    pub(crate) fn new(start: isize, axes: impl IntoIterator<Item = (usize, isize)>) -> Strided {
        let (mut dims, mut strides): (Vec<usize>, Vec<isize>) = (Vec::new(), Vec::new());
        for (dim, stride) in axes {
            if dim == 1 {
                continue;
            }
            if let (Some(outer_dim), Some(outer)) = (dims.last_mut(), strides.last_mut())
                && stride.checked_mul(dim as isize) == Some(*outer)
            {
                *outer_dim = outer_dim.saturating_mul(dim);
                *outer = stride;
                continue;
            }
            dims.push(dim);
            strides.push(stride);
        }
        Strided { start, dims, strides }
    }

    /// This walk as a job on the only input, spread over the threads of `pool`.
    pub(crate) fn on<'a>(&'a self, pool: &'a Pool) -> StridedCopy<'a> {
        StridedCopy { walk: self, pool }
    }
}

/// The distances between neighbors along each dimension of a dense tensor.
pub(crate) fn dense_strides(dims: &[usize]) -> Vec<isize> {
    let mut strides = vec![1isize; dims.len()];
    for idx in (1..dims.len()).rev() {
        // Only the shape of an empty tensor can overflow, and that one is never walked.
        strides[idx - 1] = strides[idx].wrapping_mul(dims[idx] as isize);
    }
    strides
}

/// Fills an output by a [`Strided`] walk over the first input.
pub(crate) struct StridedCopy<'a> {
    walk: &'a Strided,
    pool: &'a Pool,
}

impl Move for StridedCopy<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let Strided { start, dims, strides } = self.walk;
        let Some(from) = from.first().filter(|_| !to.is_empty()) else { return Ok(()) };
        let Some((&outer, inner_dims)) = dims.split_first() else {
            copy_part(from, *start, &[1], &[0], to);
            return Ok(());
        };
        let row: usize = inner_dims.iter().product();
        let rows = (GRAIN / row).clamp(1, outer);
        self.pool.parallel_chunks(to, rows * row, |idx, to| {
            let mut dims = dims.clone();
            dims[0] = to.len() / row;
            copy_part(from, start + (idx * rows) as isize * strides[0], &dims, strides, to);
        });
        Ok(())
    }
}

fn copy_part<C: Cell>(from: &[C], start: isize, dims: &[usize], strides: &[isize], to: &mut [C]) {
    match (dims, strides) {
        ([_], [stride]) => copy_row(from, start, *stride, to),
        ([rows, cols], [1, stride]) if *stride > 1 && *rows >= 4 => {
            transpose(&from[start as usize..], *stride as usize, *cols, to);
        }
        ([_, inner_dims @ ..], [stride, inner_strides @ ..]) => {
            let row: usize = inner_dims.iter().product();
            let mut start = start;
            for to in to.chunks_exact_mut(row) {
                copy_part(from, start, inner_dims, inner_strides, to);
                start += stride;
            }
        }
        _ => {}
    }
}

fn copy_row<C: Cell>(from: &[C], start: isize, stride: isize, to: &mut [C]) {
    let first = start as usize;
    match stride {
        1 => copy(&from[first..first + to.len()], to),
        0 => to.fill(from[first].clone()),
        2.. => {
            let from = from[first..].iter().step_by(stride as usize);
            to.iter_mut().zip(from).for_each(|(to, from)| to.clone_from(from));
        }
        _ => {
            let from = from[..=first].iter().rev().step_by(stride.unsigned_abs());
            to.iter_mut().zip(from).for_each(|(to, from)| to.clone_from(from));
        }
    }
}

/// `to[r, c] = from[r + c * stride]`, in squares that stay in the cache.
fn transpose<C: Cell>(from: &[C], stride: usize, cols: usize, to: &mut [C]) {
    for (tile_idx, rows) in to.chunks_mut(TILE * cols).enumerate() {
        let first_row = tile_idx * TILE;
        for first_col in (0..cols).step_by(TILE) {
            let n_cols = TILE.min(cols - first_col);
            for (r, row) in rows.chunks_mut(cols).enumerate() {
                let from = &from[first_row + r + first_col * stride..];
                for (c, to) in row[first_col..first_col + n_cols].iter_mut().enumerate() {
                    to.clone_from(&from[c * stride]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flowkeep_tensor::Tensor;

    use super::*;
    use crate::ops::cells::fill_from;

    /// Copies by the definition and by the walk.
    fn check(n: usize, start: isize, axes: &[(usize, isize)]) {
        let input = Tensor::from_elements((0..n as u32).collect());
        let dims: Vec<usize> = axes.iter().map(|axis| axis.0).collect();
        let len: usize = dims.iter().product();
        let expected: Vec<u32> = (0..len)
            .map(|mut at| {
                let mut offset = start;
                for (dim, stride) in axes.iter().rev() {
                    offset += (at % dim) as isize * stride;
                    at /= dim;
                }
                offset as u32
            })
            .collect();
        let walk = Strided::new(start, axes.iter().copied());
        for threads in [1, 2] {
            let pool = Pool::new(threads);
            let out = fill_from(input.dtype(), &[&input], dims.clone(), walk.on(&pool)).unwrap();
            assert_eq!(out.as_slice::<u32>().unwrap(), expected, "{start} {axes:?}");
        }
    }

    #[test]
    fn walks_copy_as_defined() {
        check(1, 0, &[]);
        check(24, 0, &[(2, 12), (3, 4), (4, 1)]);
        check(24, 2, &[(2, 12), (3, 4), (2, 1)]);
        check(24, 23, &[(24, -1)]);
        check(24, 11, &[(2, 12), (3, -4), (4, -1)]);
        check(24, 1, &[(4, 6), (3, 2)]);
        check(6, 0, &[(3, 0), (2, 3), (2, 0), (3, 1)]);
        check(70 * 45, 0, &[(45, 1), (70, 45)]);
        check(3 * 70 * 45, 0, &[(3, 70 * 45), (45, 1), (70, 45)]);
        check(400 * 300, 0, &[(300, 1), (400, 300)]);
        check(4 * 5 * 6, 0, &[(6, 1), (5, 6), (4, 30)]);
        check(10, 3, &[(100_000, 0)]);
    }
}
