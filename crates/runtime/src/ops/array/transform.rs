//! Ops that rearrange or repeat whole dimensions.

use flowkeep_tensor::{Complex, DType, Shape, Tensor};

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::broadcast::broadcast_shape;
use crate::ops::cells::fill_in;
use crate::ops::strided::{Strided, dense_strides};

/// Walks input 0 to fill output 0.
fn walk_input(cx: &mut KernelContext<'_>, shape: Shape, walk: &Strided) -> Result<(), Status> {
    let output = walked(cx, shape, walk)?;
    cx.set_output(0, output)
}

/// The tensor that a walk over input 0 fills.
fn walked(cx: &KernelContext<'_>, shape: Shape, walk: &Strided) -> Result<Tensor, Status> {
    let input = cx.input(0)?;
    fill_in(cx, input.dtype(), &[input], shape, walk.on(cx.pool()))
}

/// Permutes dimensions: dimension `i` of the result is dimension `perm[i]` of `x`.
///
/// Shapes: `x [D..]`, `perm [rank]` → permuted.  Types: `T` any; `perm` i32 or i64.
/// Errors: `INVALID_ARGUMENT` if `perm` is no permutation of the dimensions.
/// Source: OpDef `Transpose`.
pub(super) fn transpose(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let axes = axes(cx)?;
        let output = transposed(cx, &axes)?;
        cx.set_output(0, output)
    })
}

/// As [`transpose`], of the complex conjugate.
///
/// Source: OpDef `ConjugateTranspose`.
pub(super) fn conjugate_transpose(_: &KernelInit<'_>) -> Built {
    fn conjugate<T: Copy + std::ops::Neg<Output = T>>(values: &mut [Complex<T>]) {
        values.iter_mut().for_each(|x| x.im = -x.im);
    }
    kernel(move |cx| {
        let axes = axes(cx)?;
        let mut output = transposed(cx, &axes)?;
        match output.dtype() {
            DType::Complex64 => conjugate(output.make_mut::<Complex<f32>>()?),
            DType::Complex128 => conjugate(output.make_mut::<Complex<f64>>()?),
            _ => {}
        }
        cx.set_output(0, output)
    })
}

/// The dimensions of input 0 in the order of input 1.
fn axes(cx: &KernelContext<'_>) -> Result<Vec<usize>, Status> {
    let perm = cx.input(1)?;
    if perm.shape().rank() != 1 {
        let message = format!("perm must be rank 1, got shape {}", perm.shape());
        return Err(Status::invalid_argument(message));
    }
    let perm = args::ints(perm)?;
    let input = cx.input(0)?;
    permutation(&perm, input.shape().rank())
}

/// Input 0 with its dimensions in another order.
fn transposed(cx: &mut KernelContext<'_>, axes: &[usize]) -> Result<Tensor, Status> {
    let dims = cx.input(0)?.dims();
    let shape: Vec<usize> = axes.iter().map(|&axis| dims[axis]).collect();
    // Moving dimensions of size 1 moves nothing.
    let moved: Vec<usize> = axes.iter().copied().filter(|&axis| dims[axis] != 1).collect();
    if moved.is_sorted() {
        return Ok(cx.take_input(0)?.reshape(shape)?);
    }
    let strides = dense_strides(dims);
    let walk = Strided::new(0, axes.iter().map(|&axis| (dims[axis], strides[axis])));
    walked(cx, shape.into(), &walk)
}

fn permutation(perm: &[i64], rank: usize) -> Result<Vec<usize>, Status> {
    if perm.len() != rank {
        return Err(Status::invalid_argument(format!(
            "transpose expects a vector of size {rank}. But input(1) is a vector of size {}",
            perm.len()
        )));
    }
    let mut seen = vec![false; rank];
    let mut axes = Vec::with_capacity(rank);
    for &dim in perm {
        let axis = args::axis(dim, rank).ok_or_else(|| {
            Status::invalid_argument(format!("{dim} is out of range [0 .. {rank})"))
        })?;
        seen[axis] = true;
        axes.push(axis);
    }
    match seen.iter().position(|seen| !seen) {
        None => Ok(axes),
        Some(missing) => {
            let perm: Vec<String> = perm.iter().map(i64::to_string).collect();
            let message = format!("{missing} is missing from {{{}}}.", perm.join(","));
            Err(Status::invalid_argument(message))
        }
    }
}

/// The inverse of a permutation of `0..n`: `y[x[i]] = i`.
///
/// Shapes: `x [n]` → `[n]`.  Types: `T` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for another rank, a repeated element, or one outside `0..n`.
/// Source: OpDef `InvertPermutation`.
pub(super) fn invert_permutation(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    kernel(move |cx| {
        let input = cx.input(0)?;
        if input.shape().rank() != 1 {
            return Err(Status::invalid_argument("invert_permutation expects a 1D vector."));
        }
        let values = args::ints(input)?;
        let mut inverse = vec![None; values.len()];
        for (idx, &value) in values.iter().enumerate() {
            let place = usize::try_from(value).ok().and_then(|value| inverse.get_mut(value));
            let place = place.ok_or_else(|| {
                let message = format!("{value} is not between 0 and {}", values.len());
                Status::invalid_argument(message)
            })?;
            if place.replace(idx).is_some() {
                return Err(Status::invalid_argument(format!(
                    "{value} is duplicated in the input."
                )));
            }
        }
        let inverse: Vec<usize> = inverse.into_iter().flatten().collect();
        let output = args::dims_tensor(&inverse, dtype)?;
        cx.set_output(0, output)
    })
}

/// Reverses the order along some dimensions.
///
/// Shapes: `tensor [D..]`, `axis [n]` → `[D..]`.  Types: `T` any; `axis` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for an axis that does not exist or is named twice.
/// Source: OpDef `ReverseV2`.
pub(super) fn reverse(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let axes = cx.input(1)?;
        if axes.shape().rank() != 1 {
            let message = format!("'dims' must be 1-dimension, not {}", axes.shape().rank());
            return Err(Status::invalid_argument(message));
        }
        let axes = args::ints(axes)?;
        let input = cx.input(0)?;
        let dims = input.dims();
        let mut marks = vec![false; dims.len()];
        for (idx, &dim) in axes.iter().enumerate() {
            let axis = args::axis(dim, dims.len()).ok_or_else(|| {
                Status::invalid_argument(format!(
                    "'axis'[{idx}] = {dim} is out of valid range [0, {}",
                    dims.len() as i64 - 1
                ))
            })?;
            if std::mem::replace(&mut marks[axis], true) {
                let message = format!("axis {axis} specified more than once.");
                return Err(Status::invalid_argument(message));
            }
        }
        reversed(cx, &marks)
    })
}

/// Reverses the marked dimensions of input 0 into output 0.
pub(super) fn reversed(cx: &mut KernelContext<'_>, marks: &[bool]) -> Result<(), Status> {
    let input = cx.input(0)?;
    let (shape, dims) = (input.shape().clone(), input.dims());
    if shape.n_elements() == 0 || !marks.contains(&true) {
        let input = cx.take_input(0)?;
        return cx.set_output(0, input);
    }
    let mut strides = dense_strides(dims);
    let mut start = 0;
    for axis in (0..dims.len()).filter(|&axis| marks[axis]) {
        start += (dims[axis] - 1) as isize * strides[axis];
        strides[axis] = -strides[axis];
    }
    let walk = Strided::new(start, dims.iter().copied().zip(strides));
    walk_input(cx, shape, &walk)
}

/// Repeats the tensor `multiples[i]` times along dimension `i`.
///
/// Shapes: `input [D..]`, `multiples [rank]` → `[D0 * multiples[0], ..]`.  Types: `T` any;
/// `multiples` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for a negative or missing multiple; `RESOURCE_EXHAUSTED` if the
/// result is too large.  Source: OpDef `Tile`.
pub(super) fn tile(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let multiples = cx.input(1)?;
        if multiples.shape().rank() != 1 {
            return Err(Status::invalid_argument(format!(
                "Expected multiples to be 1-D, but got shape {}",
                multiples.shape()
            )));
        }
        let multiples = args::ints(multiples)?;
        let input = cx.input(0)?;
        let dims = input.dims();
        if multiples.len() != dims.len() {
            return Err(Status::invalid_argument(format!(
                "Expected multiples argument to be a vector of length {} but got length {}",
                dims.len(),
                multiples.len()
            )));
        }
        let mut shape = Vec::with_capacity(dims.len());
        let mut axes = Vec::with_capacity(2 * dims.len());
        for (idx, (&multiple, stride)) in multiples.iter().zip(dense_strides(dims)).enumerate() {
            let times = usize::try_from(multiple).map_err(|_| {
                Status::invalid_argument(format!(
                    "Expected multiples[{idx}] >= 0, but got {multiple}"
                ))
            })?;
            shape.push(times.checked_mul(dims[idx]).ok_or_else(|| {
                let message = format!("Expected a non-negative size, got {} * {times}", dims[idx]);
                Status::invalid_argument(message)
            })?);
            axes.extend([(times, 0), (dims[idx], stride)]);
        }
        if multiples.iter().all(|&multiple| multiple == 1) {
            let input = cx.take_input(0)?;
            return cx.set_output(0, input);
        }
        walk_input(cx, shape.into(), &Strided::new(0, axes))
    })
}

/// Repeats dimensions of size 1, and the whole, until the tensor has the given shape.
///
/// Shapes: `input [D..]`, `shape [r]` → `shape`.  Types: `T` any; `shape` i32 or i64.
/// Errors: `INVALID_ARGUMENT` if the input does not broadcast to `shape`; `RESOURCE_EXHAUSTED` if
/// that is too large.  Source: OpDef `BroadcastTo`.
pub(super) fn broadcast_to(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let shape = cx.input(1)?;
        if shape.shape().rank() != 1 {
            return Err(Status::invalid_argument(format!(
                "shape must be a vector of {{int32,int64}}, got shape {}",
                shape.shape()
            )));
        }
        let shape = args::shape(&args::ints(shape)?)?;
        let input = cx.input(0)?;
        let dims = input.dims();
        if input.shape() == &shape {
            let input = cx.take_input(0)?;
            return cx.set_output(0, input);
        }
        if dims.len() > shape.rank() {
            return Err(Status::invalid_argument(format!(
                "Rank of input ({}) must be no greater than rank of output shape ({}).",
                dims.len(),
                shape.rank()
            )));
        }
        if broadcast_shape(dims, shape.dims()).as_ref() != Some(&shape) {
            return Err(Status::invalid_argument(format!(
                "Incompatible shapes: {} vs. {shape}",
                input.shape()
            )));
        }
        let new = shape.rank() - dims.len();
        let mut strides = vec![0; new];
        let own = dense_strides(dims).into_iter().zip(dims);
        strides.extend(own.map(|(stride, &dim)| if dim == 1 { 0 } else { stride }));
        let walk = Strided::new(0, shape.dims().iter().copied().zip(strides));
        walk_input(cx, shape, &walk)
    })
}

/// The indices of the elements that are not zero, in row-major order.
///
/// Shapes: `input [D..]` → `[n, rank]`, i64.  Types: `T` bool or any number.
/// Errors: `INVALID_ARGUMENT` for a scalar.
/// Source: OpDef `Where`.
pub(super) fn indices_where(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let input = cx.input(0)?;
        if input.shape().is_scalar() {
            return Err(Status::invalid_argument("WhereOp : Unhandled input dimensions: 0"));
        }
        let found = nonzero(input)?;
        let (dims, rank) = (input.dims(), input.shape().rank());
        let mut output = Tensor::zeros(DType::I64, [found.len(), rank])?;
        if rank > 0 {
            for (row, &at) in output.make_mut::<i64>()?.chunks_exact_mut(rank).zip(&found) {
                let mut rest = at;
                for (place, &dim) in row.iter_mut().zip(dims).rev() {
                    *place = (rest % dim) as i64;
                    rest /= dim;
                }
            }
        }
        cx.set_output(0, output)
    })
}

/// The positions of the elements that are not zero; NaN is not.
fn nonzero(tensor: &Tensor) -> Result<Vec<usize>, Status> {
    let size = tensor.dtype().size_bytes().unwrap_or(1).max(1);
    let bytes = tensor.as_bytes()?;
    // Of the bits of a float the highest is its sign: -0 is zero too.
    let word = if tensor.dtype().is_complex() { size / 2 } else { size };
    let mask =
        if tensor.dtype().is_floating() || tensor.dtype().is_complex() { 0x7f } else { 0xff };
    let top = if cfg!(target_endian = "little") { word - 1 } else { 0 };
    let is_zero = |element: &[u8]| {
        element.chunks_exact(word).all(|word| {
            word.iter()
                .enumerate()
                .all(|(idx, byte)| byte & if idx == top { mask } else { 0xff } == 0)
        })
    };
    Ok(bytes
        .chunks_exact(size)
        .enumerate()
        .filter(|(_, element)| !is_zero(element))
        .map(|(idx, _)| idx)
        .collect())
}
