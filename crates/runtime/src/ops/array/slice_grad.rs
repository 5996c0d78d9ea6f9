//! Gradients of slices and of mirrored borders.

use flowkeep_tensor::{Shape, Tensor};

use super::slice_spec::{Range, SliceSpec};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, int_vector, ints, kernel};
use crate::ops::arith::Arith;
use crate::ops::cells::{Cell, Move, copy, fill_from};
use crate::ops::dispatch::{no_type, with_number};

/// Puts a gradient where the slice was taken from; the rest is zero.
///
/// Shapes: `shape [rank]`, `begin`, `end`, `strides` `[n]`, `dy` as the slice → of that shape.
/// Types: `T` any; `Index` i32 or i64.
/// Errors: as for `StridedSlice`, and `INVALID_ARGUMENT` if `dy` has another shape than the slice.
/// Source: OpDef `StridedSliceGrad`.
pub(super) fn strided_slice_grad(init: &KernelInit<'_>) -> Built {
    let spec = SliceSpec::from_attrs(init)?;
    kernel(move |cx| {
        let shape = args::shape(&int_vector(cx.input(0)?, "shape")?)?;
        let part = spec.resolve(shape.dims(), cx.input(1)?, cx.input(2)?, cx.input(3)?)?;
        let gradient = cx.input(4)?;
        if gradient.dims() != part.shape {
            return Err(Status::invalid_argument(format!(
                "shape of dy was {} instead of {}",
                gradient.shape(),
                Shape::from(part.shape)
            )));
        }
        let job = Spread { axes: &part.axes, dims: shape.dims() };
        let output = fill_from(gradient.dtype(), &[gradient], shape.clone(), job)?;
        cx.set_output(0, output)
    })
}

/// Copies the elements of a slice to their places.
struct Spread<'a> {
    axes: &'a [Range],
    dims: &'a [usize],
}

impl Move for Spread<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        if let Some(from) = from.first().filter(|from| !from.is_empty()) {
            spread(from, self.axes, self.dims, to);
        }
        Ok(())
    }
}

fn spread<C: Cell>(from: &[C], axes: &[Range], dims: &[usize], to: &mut [C]) {
    let (Some((axis, axes)), Some((dim, dims))) = (axes.split_first(), dims.split_first()) else {
        return copy(from, to);
    };
    let (row_len, from_len) = (to.len() / dim, from.len() / axis.len);
    let mut at = axis.begin as i64;
    for from in from.chunks(from_len) {
        spread(from, axes, dims, &mut to[at as usize * row_len..][..row_len]);
        at = at.wrapping_add(axis.step);
    }
}

/// Adds to each element the gradients of its mirror images.
///
/// Shapes: `input [before + D + after, ..]`, `paddings [rank, 2]` → `[D..]`.  Types: numbers;
/// `paddings` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for paddings of another shape, negative ones, and ones wider than there
/// are elements.
/// Source: OpDef `MirrorPadGrad`.
pub(super) fn mirror_pad_grad(init: &KernelInit<'_>) -> Built {
    let (dtype, mode) = (init.attr_type("T")?, init.attr_str("mode")?);
    let skip = match mode {
        "REFLECT" => 1,
        "SYMMETRIC" => 0,
        _ => {
            let message = format!("mode must be either REFLECT or SYMMETRIC, not {mode}");
            return Err(Status::invalid_argument(message));
        }
    };
    with_number!(
        dtype,
        T => kernel(move |cx| fold::<T>(cx, skip)),
        else Err(no_type(init, dtype))
    )
}

fn fold<T: Arith>(cx: &mut KernelContext<'_>, skip: usize) -> Result<(), Status> {
    let (gradient, paddings) = (cx.input(0)?, cx.input(1)?);
    let error = |message: String| Err(Status::invalid_argument(message));
    let rank = gradient.shape().rank();
    if paddings.shape().rank() != 2 || paddings.dims()[1] != 2 {
        return error(format!("paddings must be a matrix with 2 columns: {}", paddings.shape()));
    }
    if paddings.dims()[0] != rank {
        return error(format!(
            "The first dimension of paddings must be the rank of inputs{} {}",
            paddings.shape(),
            gradient.shape()
        ));
    }
    // For each element along each axis, the one that it mirrors.
    let mut sources: Vec<Vec<usize>> = Vec::with_capacity(rank);
    let mut dims = Vec::with_capacity(rank);
    for (pair, padded) in ints(paddings)?.chunks(2).zip(gradient.dims()) {
        let (Ok(before), Ok(after)) = (usize::try_from(pair[0]), usize::try_from(pair[1])) else {
            return error("Paddings must be non-negative".into());
        };
        let dim = before.checked_add(after).and_then(|border| padded.checked_sub(border));
        let Some(dim) = dim else {
            return error(format!("paddings {before} and {after} are wider than {padded}"));
        };
        if before.max(after).saturating_add(skip) > dim && (before, after) != (0, 0) {
            return error(match skip {
                0 => format!(
                    "paddings must be no greater than the output dimension size: {before}, {after} \
                     greater than {dim}"
                ),
                _ => format!(
                    "paddings must be less than the output dimension size: {before}, {after} not less \
                     than {dim}"
                ),
            });
        }
        let source = |i: usize| match i.checked_sub(before) {
            None => before - 1 - i + skip,
            Some(i) if i < dim => i,
            Some(i) => dim + dim - 1 - skip - i,
        };
        // An empty tensor may be huge along its other axes.
        let n = if gradient.n_elements() == 0 { 0 } else { *padded };
        sources.push((0..n).map(source).collect());
        dims.push(dim);
    }
    let mut out = Tensor::zeros(T::DTYPE, Shape::from(dims.clone()))?;
    if out.n_elements() > 0 && gradient.n_elements() > 0 {
        add_folded(gradient.as_slice::<T>()?, &sources, &dims, out.make_mut::<T>()?);
    }
    cx.set_output(0, out)
}

fn add_folded<T: Arith>(from: &[T], sources: &[Vec<usize>], dims: &[usize], to: &mut [T]) {
    let (Some((source, sources)), Some((dim, dims))) = (sources.split_first(), dims.split_first())
    else {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = to.add(*from));
        return;
    };
    let (row_len, from_len) = (to.len() / dim, from.len() / source.len());
    for (from, at) in from.chunks(from_len).zip(source) {
        add_folded(from, sources, dims, &mut to[at * row_len..][..row_len]);
    }
}
