//! Ops on shapes: they look at dimensions, or change them without touching elements.

use flowkeep_tensor::{DType, MAX_RANK, Shape, Tensor};

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};
use crate::ops::broadcast::broadcast_shape;

/// The shape of the input as a vector; `ShapeN` does so for each of its inputs.
///
/// Shapes: `input [D..]` → `[rank]`.  Types: `T` any; the output is `out_type`, i32 or i64.
/// Errors: `INVALID_ARGUMENT` if a dimension does not fit `out_type`.
/// Source: OpDefs `Shape`, `ShapeN`.
pub(super) fn shape(init: &KernelInit<'_>) -> Built {
    let out_type = init.attr_type("out_type")?;
    kernel(move |cx| {
        for idx in 0..cx.n_inputs() {
            let dims = args::dims_tensor(cx.input(idx)?.dims(), out_type)?;
            cx.set_output(idx, dims)?;
        }
        Ok(())
    })
}

/// The number of elements.
///
/// Shapes: `input [D..]` → `[]`.  Types: as [`shape`].
/// Errors: `INVALID_ARGUMENT` if the number does not fit `out_type`.  Source: OpDef `Size`.
pub(super) fn size(init: &KernelInit<'_>) -> Built {
    let out_type = init.attr_type("out_type")?;
    kernel(move |cx| {
        let n = cx.input(0)?.n_elements();
        let size = args::dims_tensor(&[n], out_type)?.reshape(Shape::SCALAR)?;
        cx.set_output(0, size)
    })
}

/// The number of dimensions.
///
/// Shapes: `input [D..]` → `[]`, i32.  Types: `T` any.  Source: OpDef `Rank`.
pub(super) fn rank(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let rank = cx.input(0)?.shape().rank();
        // At most 254.
        cx.set_output(0, Tensor::scalar(rank as i32))
    })
}

/// Gives the elements another shape, one dimension of which may be left open as -1.
///
/// Shapes: `tensor [D..]`, `shape [r]` → `shape`.  Types: `T` any; `shape` i32 or i64.
/// Errors: `INVALID_ARGUMENT` if the numbers of elements differ, or there are two open dimensions.
/// Source: OpDef `Reshape`.
pub(super) fn reshape(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let sizes = cx.input(1)?;
        if sizes.shape().rank() > 1 {
            let message = format!("sizes input must be 1-D, not {}", sizes.shape());
            return Err(Status::invalid_argument(message));
        }
        let sizes = args::ints(sizes)?;
        let tensor = cx.take_input(0)?;
        let output = tensor.reshape(reshaped(tensor.shape(), &sizes)?)?;
        cx.set_output(0, output)
    })
}

/// The shape with `sizes`, of which one may be -1, for the elements of a tensor of shape `input`.
fn reshaped(input: &Shape, sizes: &[i64]) -> Result<Shape, Status> {
    let mut open = None;
    let mut dims = Vec::with_capacity(sizes.len());
    for (idx, &size) in sizes.iter().enumerate() {
        match (size, open) {
            (-1, None) => {
                open = Some(idx);
                dims.push(1);
            }
            (-1, Some(first)) => {
                return Err(Status::invalid_argument(format!(
                    "Only one input size may be -1, not both {first} and {idx}"
                )));
            }
            _ => dims.push(usize::try_from(size).map_err(|_| {
                Status::invalid_argument(format!("Size {idx} must be non-negative, not {size}"))
            })?),
        }
    }
    if dims.len() > MAX_RANK {
        let message = format!("cannot reshape to more than {MAX_RANK} dimensions");
        return Err(Status::invalid_argument(message));
    }
    if let Some(idx) = open {
        // Where a size of 0 is asked for, the open one is that of the tensor's other dimensions.
        let (n_elements, n_known) = if dims.contains(&0) {
            (product_of_nonzero(input.dims()), product_of_nonzero(&dims))
        } else {
            (input.n_elements(), product(&dims))
        };
        if n_elements % n_known != 0 {
            return Err(Status::invalid_argument(format!(
                "Input to reshape is a tensor with {n_elements} values, but the requested shape \
                 requires a multiple of {n_known}"
            )));
        }
        dims[idx] = n_elements / n_known;
    }
    let (shape, n_elements) = (Shape::from(dims), input.n_elements());
    if shape.n_elements() != n_elements {
        return Err(Status::invalid_argument(format!(
            "Input to reshape is a tensor with {n_elements} values, but the requested shape has {}",
            shape.n_elements()
        )));
    }
    Ok(shape)
}

fn product_of_nonzero(dims: &[usize]) -> usize {
    dims.iter().filter(|dim| **dim != 0).fold(1, |n: usize, dim| n.saturating_mul(*dim))
}

/// Adds a dimension of size 1.
///
/// Shapes: `input [D..]`, `dim []` → `[D0.., 1, ..]`.  Types: `T` any; `dim` i32 or i64.
/// Errors: `INVALID_ARGUMENT` if `dim` is outside `[-1 - rank, rank]`.
/// Source: OpDef `ExpandDims`.
pub(super) fn expand_dims(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let [dim] = args::ints(cx.input(1)?)?[..] else {
            let message = "'dim' must be a tensor with a single value";
            return Err(Status::invalid_argument(message));
        };
        let tensor = cx.take_input(0)?;
        let mut dims = tensor.dims().to_vec();
        let axis = args::axis(dim, dims.len() + 1).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Tried to expand dim index {dim} for tensor with {} dimensions.",
                dims.len()
            ))
        })?;
        dims.insert(axis, 1);
        let output = tensor.reshape(dims)?;
        cx.set_output(0, output)
    })
}

/// Drops dimensions of size 1: those in `squeeze_dims`, or all when it is empty.
///
/// Shapes: `input [D..]` → fewer dimensions.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` if a named dimension does not exist or is not 1.
/// Source: OpDef `Squeeze`.
pub(super) fn squeeze(init: &KernelInit<'_>) -> Built {
    let squeeze_dims = init.attr_ints("squeeze_dims")?.to_vec();
    kernel(move |cx| {
        let tensor = cx.take_input(0)?;
        let output = tensor.reshape(squeezed(tensor.dims(), &squeeze_dims)?)?;
        cx.set_output(0, output)
    })
}

fn squeezed(dims: &[usize], squeeze_dims: &[i64]) -> Result<Shape, Status> {
    let mut dropped = vec![false; dims.len()];
    for &dim in squeeze_dims {
        let axis = args::axis(dim, dims.len()).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Tried to squeeze dim index {dim} for tensor with {} dimensions.",
                dims.len()
            ))
        })?;
        if dims[axis] != 1 {
            return Err(Status::invalid_argument(format!(
                "Can not squeeze dim[{axis}], expected a dimension of 1, got {}",
                dims[axis]
            )));
        }
        dropped[axis] = true;
    }
    let keep = |axis: usize| if squeeze_dims.is_empty() { dims[axis] != 1 } else { !dropped[axis] };
    let kept: Vec<usize> =
        (0..dims.len()).filter(|&axis| keep(axis)).map(|axis| dims[axis]).collect();
    Ok(Shape::from(kept))
}

/// The shape that two shapes broadcast to.
///
/// Shapes: `s0 [a]`, `s1 [b]` → `[max(a, b)]`.  Types: `T` i32 or i64.
/// Errors: `INVALID_ARGUMENT` if they do not fit together.  Source: OpDef `BroadcastArgs`.
pub(super) fn broadcast_args(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    kernel(move |cx| {
        let a = shape_input(cx, 0)?;
        let b = shape_input(cx, 1)?;
        let shape = broadcast_shape(a.dims(), b.dims())
            .ok_or_else(|| Status::invalid_argument(format!("Incompatible shapes: {a} vs. {b}")))?;
        let output = args::dims_tensor(shape.dims(), dtype)?;
        cx.set_output(0, output)
    })
}

/// The dimensions along which the gradients of two broadcast operands are summed.
///
/// Shapes: `s0 [a]`, `s1 [b]` → `r0 [n]`, `r1 [m]`.  Types: `T` i32 or i64.  Of equal shapes none; a dimension
/// of 1 in both of other shapes is in both lists.
/// Errors: `INVALID_ARGUMENT` if they do not fit together.  Source: OpDef `BroadcastGradientArgs`.
pub(super) fn broadcast_gradient_args(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    kernel(move |cx| {
        let (a, b) = (gradient_shape(cx, 0)?, gradient_shape(cx, 1)?);
        let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
        let rank = a.len().max(b.len());
        let dim = |dims: &[i64], idx: usize| match (idx + dims.len()).checked_sub(rank) {
            Some(idx) => dims[idx],
            None => 1,
        };
        for idx in (0..rank).filter(|_| a != b) {
            let (in_a, in_b) = (dim(&a, idx), dim(&b, idx));
            if in_a != in_b && in_a != 1 && in_b != 1 {
                let shown = |dims: &[i64]| {
                    let dims: Vec<String> = dims.iter().map(i64::to_string).collect();
                    format!("[{}]", dims.join(","))
                };
                let message = format!("Incompatible shapes: {} vs. {}", shown(&a), shown(&b));
                return Err(Status::invalid_argument(message));
            }
            if in_a == 1 {
                of_a.push(idx);
            }
            if in_b == 1 {
                of_b.push(idx);
            }
        }
        let (of_a, of_b) = (args::dims_tensor(&of_a, dtype)?, args::dims_tensor(&of_b, dtype)?);
        cx.set_output(0, of_a)?;
        cx.set_output(1, of_b)
    })
}

fn gradient_shape(cx: &KernelContext<'_>, idx: usize) -> Result<Vec<i64>, Status> {
    let dims = cx.input(idx)?;
    if dims.shape().rank() != 1 {
        let message = format!("In[{idx}] must be a vector.{}", dims.shape());
        return Err(Status::invalid_argument(message));
    }
    args::ints(dims)
}

fn shape_input(cx: &KernelContext<'_>, idx: usize) -> Result<Shape, Status> {
    let dims = cx.input(idx)?;
    if dims.shape().rank() != 1 {
        let message = format!("In[{idx}] must be a vector.{}", dims.shape());
        return Err(Status::invalid_argument(message));
    }
    args::shape(&args::ints(dims)?)
}

/// Where each of the inputs of a concatenation starts in its result.
///
/// Shapes: `concat_dim []`, `N` times `shape [r]` → `N` times `[r]`, zero but at `concat_dim`.
/// Types: i32 or i64.
/// Errors: `INVALID_ARGUMENT` if the shapes differ elsewhere or `concat_dim` is no dimension.
/// Source: OpDef `ConcatOffset`.
pub(super) fn concat_offset(init: &KernelInit<'_>) -> Built {
    // The attribute is new; there was only i32 before.
    let dtype = init.attr_type("shape_type").unwrap_or(DType::I32);
    kernel(move |cx| {
        let dim = cx.input(0)?;
        if !dim.shape().is_scalar() {
            return Err(Status::invalid_argument(format!(
                "Concat dim tensor should be a scalar integer, but got shape {}",
                dim.shape()
            )));
        }
        let dim = args::int(dim, "Concat dim tensor")?;
        let first = args::int_vector(cx.input(1)?, "input 0")?;
        let axis = args::axis(dim, first.len()).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Concat dim is out of range: {dim} vs. {}",
                first.len()
            ))
        })?;
        let mut start = 0usize;
        for idx in 0..cx.n_outputs() {
            let dims = args::int_vector(cx.input(idx + 1)?, &format!("input {idx}"))?;
            if dims.len() != first.len() {
                return Err(Status::invalid_argument(format!(
                    "input {idx} should contain {} elements, but got {}",
                    first.len(),
                    dims.len()
                )));
            }
            let differs = |other: &usize| *other != axis && dims[*other] != first[*other];
            if (0..dims.len()).any(|other| differs(&other)) {
                return Err(Status::invalid_argument(format!(
                    "All dimensions except {axis} must match. Input {idx} has shape {} and doesn't \
                     match input 0 with shape {}.",
                    spaced(&dims),
                    spaced(&first)
                )));
            }
            let mut offsets = vec![0; dims.len()];
            offsets[axis] = start;
            let offsets = args::dims_tensor(&offsets, dtype)?;
            cx.set_output(idx, offsets)?;
            start = usize::try_from(dims[axis])
                .ok()
                .and_then(|size| start.checked_add(size))
                .ok_or_else(|| Status::invalid_argument(format!("input {idx} is no shape")))?;
        }
        Ok(())
    })
}

/// A vector in TensorFlow's words: `[2 3]`.
fn spaced(dims: &[i64]) -> String {
    let dims: Vec<String> = dims.iter().map(i64::to_string).collect();
    format!("[{}]", dims.join(" "))
}
