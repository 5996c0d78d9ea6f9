//! Ops that deal pixels out to several images of a batch, and gather them again.

use flowkeep_linalg::Pool;
use flowkeep_tensor::Tensor;

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};
use crate::ops::cells::{Cell, Move, copy, fill_from};

/// Blocked dimensions that TensorFlow's kernels take, beside those without an effect.
const MAX_BLOCKED: usize = 4;

/// Deals the pixels of blocks out to images of their own.
///
/// Shapes: `input [N, S1.., SM, R..]`, `block_shape [M]`, `paddings [M, 2]` → `[N * product(block_shape),
/// (S1 + paddings) / block_shape[0].., R..]`.  Types: `T` any; the others i32 or i64.
/// Errors: `INVALID_ARGUMENT` if the padded sizes are no multiples of the blocks, or anything is
/// negative.  Source: OpDefs `SpaceToBatchND`, `SpaceToBatch` (of images, with one `block_size`).
pub(super) fn space_to_batch(init: &KernelInit<'_>) -> Built {
    build(init, Direction::ToBatch)
}

/// Gathers the pixels of blocks from images of their own, and crops the borders.
///
/// Shapes: `input [N, S1.., SM, R..]`, `block_shape [M]`, `crops [M, 2]` → `[N / product(block_shape),
/// S1 * block_shape[0] - crops.., R..]`.  Types: as [`space_to_batch`].
/// Errors: `INVALID_ARGUMENT` if the batch is no multiple of the blocks, or anything is negative.
/// Source: OpDefs `BatchToSpaceND`, `BatchToSpace` (of images, with one `block_size`).
pub(super) fn batch_to_space(init: &KernelInit<'_>) -> Built {
    build(init, Direction::ToSpace)
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    ToBatch,
    ToSpace,
}

fn build(init: &KernelInit<'_>, direction: Direction) -> Built {
    let block_size = match init.attr("block_size") {
        Some(_) => Some(init.attr_int("block_size")?),
        None => None,
    };
    kernel(move |cx| {
        let input = cx.input(0)?;
        let (blocks, borders) = match block_size {
            Some(size) => {
                let rank = input.shape().rank();
                if rank != 4 {
                    let message = format!("Input rank should be: 4instead of: {rank}");
                    return Err(Status::invalid_argument(message));
                }
                (vec![size; 2], cx.input(1)?)
            }
            None => (block_shape(cx)?, cx.input(2)?),
        };
        let layout = Layout::new(input, &blocks, borders, direction)?;
        if layout.dims.is_empty() {
            let input = cx.take_input(0)?;
            return cx.set_output(0, input);
        }
        let job = Deal { layout: &layout, direction, pool: cx.pool() };
        let output = fill_from(input.dtype(), &[input], layout.shape.clone(), job)?;
        cx.set_output(0, output)
    })
}

fn block_shape(cx: &KernelContext<'_>) -> Result<Vec<i64>, Status> {
    let blocks = cx.input(1)?;
    if blocks.shape().rank() != 1 {
        let message = format!("block_shape rank should be 1 instead of {}", blocks.shape().rank());
        return Err(Status::invalid_argument(message));
    }
    args::ints(blocks)
}

/// One blocked dimension: element `i` of the image number `offset` of a block is element
/// `i * block + offset - before` of the whole.
#[derive(Clone, Copy, Debug)]
struct Dim {
    whole: usize,
    part: usize,
    block: usize,
    before: usize,
}

/// How whole images and the parts of their blocks lie in memory.
struct Layout {
    shape: Vec<usize>,
    /// The images, with the dimensions behind them that are not blocked.
    batch: usize,
    dims: Vec<Dim>,
    /// The elements that stay together.
    inner: usize,
}

impl Layout {
    fn new(
        input: &Tensor,
        blocks: &[i64],
        borders: &Tensor,
        direction: Direction,
    ) -> Result<Layout, Status> {
        let (sizes, rank) = (input.dims(), input.shape().rank());
        if rank < blocks.len() + 1 {
            return Err(Status::invalid_argument(format!(
                "input rank should be >= {} instead of {rank}",
                blocks.len() + 1
            )));
        }
        if borders.dims() != [blocks.len(), 2] {
            return Err(Status::invalid_argument(format!(
                "{} should have shape [{}, 2] instead of {}",
                if direction == Direction::ToBatch { "paddings" } else { "crops" },
                blocks.len(),
                borders.shape()
            )));
        }
        let borders = args::ints(borders)?;
        let borders: Vec<[i64; 2]> = borders.as_chunks().0.to_vec();
        check_blocks(blocks, direction)?;
        // Blocks of one element without a border move nothing; at the ends they need no loop.
        let moves = |dim: usize| (blocks[dim], borders[dim]) != (1, [0, 0]);
        let first = (0..blocks.len()).position(moves).unwrap_or(blocks.len());
        let end = (first..blocks.len()).rposition(moves).map_or(first, |last| first + last + 1);
        if end - first > MAX_BLOCKED {
            return Err(Status::invalid_argument(format!(
                "Maximum number of non-combined block dimensions is {} but must not exceed \
                 {MAX_BLOCKED}",
                end - first
            )));
        }
        let mut shape = sizes.to_vec();
        shape[0] = batch_size(sizes[0], blocks, direction)?;
        let mut dims = Vec::with_capacity(end - first);
        for dim in first..end {
            let (size, other) = other_size(sizes[dim + 1], blocks[dim], borders[dim], direction)
                .map_err(|error| error.status(dim - first, blocks[dim]))?;
            shape[dim + 1] = other;
            let (whole, part) = match direction {
                Direction::ToBatch => (size, other),
                Direction::ToSpace => (other, size),
            };
            // Both are positive, as was checked.
            let block = usize::try_from(blocks[dim]).unwrap_or(1);
            let before = usize::try_from(borders[dim][0]).unwrap_or(0);
            dims.push(Dim { whole, part, block, before });
        }
        let n_whole = if direction == Direction::ToBatch { sizes[0] } else { shape[0] };
        let batch = n_whole.saturating_mul(product(&sizes[1..=first]));
        let inner = product(&sizes[end + 1..]);
        Ok(Layout { shape, batch, dims, inner })
    }
}

fn check_blocks(blocks: &[i64], direction: Direction) -> Result<(), Status> {
    if direction == Direction::ToBatch {
        return match blocks.iter().position(|block| *block < 1) {
            None => Ok(()),
            Some(idx) => Err(Status::invalid_argument(format!(
                "All values in block_shape must be positive, got value, {} at index {idx}.",
                blocks[idx]
            ))),
        };
    }
    let product = blocks.iter().fold(1i64, |product, block| product.saturating_mul(*block));
    if product <= 0 || blocks.iter().any(|block| *block < 1) {
        return Err(Status::invalid_argument(format!(
            "Product of block sizes must be positive, got {product}"
        )));
    }
    Ok(())
}

/// The number of images in the output.
fn batch_size(n: usize, blocks: &[i64], direction: Direction) -> Result<usize, Status> {
    let blocks = blocks.iter().try_fold(1usize, |product, block| {
        usize::try_from(*block).ok().and_then(|block| product.checked_mul(block))
    });
    let too_large = || Status::resource_exhausted("the blocks are too large");
    let blocks = blocks.ok_or_else(too_large)?;
    match direction {
        Direction::ToBatch => n.checked_mul(blocks).ok_or_else(too_large),
        Direction::ToSpace if n.is_multiple_of(blocks) => Ok(n / blocks),
        Direction::ToSpace => Err(Status::invalid_argument(format!(
            "Input batch dimension ({n}) is not divisible by product of block sizes ({blocks})"
        ))),
    }
}

/// What is wrong with a border.
enum BorderError {
    Negative(Direction),
    NotDivisible(i64),
    TooLarge,
    NegativeSize(i64),
}

impl BorderError {
    fn status(self, dim: usize, block: i64) -> Status {
        match self {
            BorderError::Negative(Direction::ToBatch) => {
                Status::invalid_argument("Paddings must be non-negative")
            }
            BorderError::Negative(Direction::ToSpace) => {
                Status::invalid_argument("Crops must be non-negative")
            }
            BorderError::NotDivisible(padded) => Status::invalid_argument(format!(
                "padded_shape[{dim}]={padded} is not divisible by block_shape[{dim}]={block}"
            )),
            BorderError::NegativeSize(cropped) => Status::invalid_argument(format!(
                "cropped_shape[{dim}]={cropped} must be non-negative"
            )),
            BorderError::TooLarge => Status::resource_exhausted("the blocks are too large"),
        }
    }
}

/// The size of a dimension of the input, and that of the output.
fn other_size(
    size: usize,
    block: i64,
    [before, after]: [i64; 2],
    direction: Direction,
) -> Result<(usize, usize), BorderError> {
    if before < 0 || after < 0 {
        return Err(BorderError::Negative(direction));
    }
    let border = before.checked_add(after).ok_or(BorderError::TooLarge)?;
    let known = i64::try_from(size).map_err(|_| BorderError::TooLarge)?;
    let other = match direction {
        Direction::ToBatch => {
            let padded = known.checked_add(border).ok_or(BorderError::TooLarge)?;
            if padded % block != 0 {
                return Err(BorderError::NotDivisible(padded));
            }
            padded / block
        }
        Direction::ToSpace => {
            let whole = known.checked_mul(block).ok_or(BorderError::TooLarge)?;
            whole - border
        }
    };
    let other = usize::try_from(other).map_err(|_| BorderError::NegativeSize(other))?;
    Ok((size, other))
}

/// Copies all pixels to their new places; there is at least one blocked dimension.
struct Deal<'a> {
    layout: &'a Layout,
    direction: Direction,
    pool: &'a Pool,
}

impl Move for Deal<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let Layout { batch, ref dims, inner, .. } = *self.layout;
        let Some(from) = from.first().filter(|from| !from.is_empty() && !to.is_empty()) else {
            return Ok(());
        };
        let whole = dims.iter().fold(inner, |size, dim| size * dim.whole);
        let part = dims.iter().fold(inner, |size, dim| size * dim.part);
        let n_offsets: usize = dims.iter().map(|dim| dim.block).product();
        match self.direction {
            Direction::ToBatch => self.pool.parallel_chunks(to, part, |idx, to| {
                let offsets = offsets(idx / batch, dims);
                let from = &from[idx % batch * whole..][..whole];
                runs(dims, &offsets, (0, whole), (0, part), &mut |at, to_at| {
                    copy(&from[at..at + inner], &mut to[to_at..to_at + inner]);
                });
            }),
            Direction::ToSpace => self.pool.parallel_chunks(to, whole, |idx, to| {
                for offset in 0..n_offsets {
                    let from = &from[(offset * batch + idx) * part..][..part];
                    let offsets = offsets(offset, dims);
                    runs(dims, &offsets, (0, whole), (0, part), &mut |to_at, at| {
                        copy(&from[at..at + inner], &mut to[to_at..to_at + inner]);
                    });
                }
            }),
        }
        Ok(())
    }
}

/// The place in its block of the image number `offset`.
fn offsets(offset: usize, dims: &[Dim]) -> Vec<usize> {
    let mut rest = offset;
    let mut offsets = vec![0; dims.len()];
    for (offset, dim) in offsets.iter_mut().zip(dims).rev() {
        *offset = rest % dim.block;
        rest /= dim.block;
    }
    offsets
}

/// Calls `f` with the place in the whole, and that in the part, of all runs of elements that
/// lie inside the whole. `whole` and `part` are pairs of a start and a size.
fn runs(
    dims: &[Dim],
    offsets: &[usize],
    whole: (usize, usize),
    part: (usize, usize),
    f: &mut impl FnMut(usize, usize),
) {
    let (Some((dim, dims)), Some((offset, offsets))) = (dims.split_first(), offsets.split_first())
    else {
        return f(whole.0, part.0);
    };
    let (whole_step, part_step) = (whole.1 / dim.whole, part.1 / dim.part);
    let first = dim.before.saturating_sub(*offset).div_ceil(dim.block);
    let end = (dim.whole + dim.before).saturating_sub(*offset).div_ceil(dim.block).min(dim.part);
    for i in first..end {
        let whole_at = whole.0 + (i * dim.block + offset - dim.before) * whole_step;
        let part_at = part.0 + i * part_step;
        runs(dims, offsets, (whole_at, whole_step), (part_at, part_step), f);
    }
}
