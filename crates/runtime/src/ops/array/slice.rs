//! `Slice` and `StridedSlice`: parts of a tensor.

use flowkeep_tensor::Shape;

use super::slice_spec::SliceSpec;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::cells::fill_from;
use crate::ops::strided::{Strided, dense_strides};

/// The block of size `size` at `begin`; a size of -1 reaches to the end.
///
/// Shapes: `input [D..]`, `begin [rank]`, `size [rank]` → `size`.  Types: `T` any; `Index` i32 or
/// i64.
/// Errors: `INVALID_ARGUMENT` if the block reaches out of the input.  Source: OpDef `Slice`.
pub(super) fn slice(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let pool = cx.pool();
        let (begins, sizes) = (cx.input(1)?, cx.input(2)?);
        let input = cx.input(0)?;
        let dims = input.dims();
        if [begins, sizes].iter().any(|arg| arg.dims() != [dims.len()]) {
            return Err(Status::invalid_argument(format!(
                "Expected begin and size arguments to be 1-D tensors of size {}, but got shapes {} \
                 and {} instead.",
                dims.len(),
                begins.shape(),
                sizes.shape()
            )));
        }
        let (begins, sizes) = (args::ints(begins)?, args::ints(sizes)?);
        let strides = dense_strides(dims);
        let mut start = 0isize;
        let mut shape = Vec::with_capacity(dims.len());
        for (idx, &dim) in dims.iter().enumerate() {
            let (begin, size) = block(idx, dim, begins[idx], sizes[idx])?;
            start = start.wrapping_add((begin as isize).wrapping_mul(strides[idx]));
            shape.push(size);
        }
        if shape == dims {
            let input = cx.take_input(0)?;
            return cx.set_output(0, input);
        }
        let walk = Strided::new(start, shape.iter().copied().zip(strides));
        let output = fill_from(input.dtype(), &[input], shape, walk.on(pool))?;
        cx.set_output(0, output)
    })
}

/// Checks one dimension of a block; returns where it begins and its size.
fn block(idx: usize, dim: usize, begin: i64, size: i64) -> Result<(usize, usize), Status> {
    let begin_in = usize::try_from(begin).ok().filter(|begin| *begin <= dim).ok_or_else(|| {
        Status::invalid_argument(format!("Expected begin[{idx}] in [0, {dim}], but got {begin}"))
    })?;
    let rest = dim - begin_in;
    if size == -1 {
        return Ok((begin_in, rest));
    }
    let size = usize::try_from(size).ok().filter(|size| *size <= rest).ok_or_else(|| {
        Status::invalid_argument(format!("Expected size[{idx}] in [0, {rest}], but got {size}"))
    })?;
    Ok((begin_in, size))
}

/// The part of a tensor that a Python subscript such as `x[1:, ..., None, ::-1, 2]` names.
///
/// Shapes: `input [D..]`, `begin`, `end`, `strides` `[n]` → by the masks (see [`SliceSpec`]).
/// Types: `T` any; `Index` i32 or i64 (i16).
/// Errors: `INVALID_ARGUMENT` for a stride of 0, a single index out of range, or too many indices.
/// Source: OpDef `StridedSlice`; Python's rules for ranges.
pub(super) fn strided_slice(init: &KernelInit<'_>) -> Built {
    let spec = SliceSpec::from_attrs(init)?;
    kernel(move |cx| {
        let pool = cx.pool();
        let input = cx.input(0)?;
        let dims = input.dims();
        let part = spec.resolve(dims, cx.input(1)?, cx.input(2)?, cx.input(3)?)?;
        let shape = Shape::from(part.shape);
        if shape.n_elements() == input.n_elements() && part.axes.iter().all(|axis| axis.step == 1) {
            let output = cx.take_input(0)?.reshape(shape)?;
            return cx.set_output(0, output);
        }
        let strides = dense_strides(dims);
        let mut start = 0isize;
        let mut axes = Vec::with_capacity(dims.len());
        for (axis, &stride) in part.axes.iter().zip(&strides) {
            start = start.wrapping_add((axis.begin as isize).wrapping_mul(stride));
            axes.push((axis.len, stride.wrapping_mul(axis.step as isize)));
        }
        let walk = Strided::new(start, axes);
        let output = fill_from(input.dtype(), &[input], shape, walk.on(pool))?;
        cx.set_output(0, output)
    })
}
