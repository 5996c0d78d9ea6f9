//! Slices of a tensor, named by index, combined with others.

use flowkeep_tensor::{DType, Element, Shape, Tensor};

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, index_text, ints, kernel, product};
use crate::ops::arith::{Arith, Ordered};
use crate::ops::dispatch::{no_type, with_number, with_real};

/// Adds slices to a tensor of zeros.
///
/// Shapes: `indices [I.., k]`, `updates [I.., R..]`, `shape [r]` → `shape`, of which `k` dimensions are
/// named and the others are `R`.  Types: `T` a number or bool (or); indices i32 or i64.
/// Errors: `INVALID_ARGUMENT` for shapes that do not fit and indices out of range.
/// Source: OpDef `ScatterNd`.
pub(super) fn scatter_nd(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let zeros = move |cx: &mut KernelContext<'_>| {
        let shape = cx.input(2)?;
        if shape.shape().rank() != 1 {
            return Err(Status::invalid_argument("Shape must be a vector"));
        }
        let shape = args::shape(&ints(shape)?)?;
        let fits = check_shapes_in_words_of_scatter_nd;
        Ok::<_, Status>(Target {
            tensor: Tensor::zeros(dtype, shape)?,
            indices: 0,
            updates: 1,
            fits,
        })
    };
    if dtype == DType::Bool {
        return kernel(move |cx| {
            let target = zeros(cx)?;
            scatter(cx, target, |old: bool, update: bool| old | update)
        });
    }
    with_number!(
        dtype,
        T => kernel(move |cx| {
            let target = zeros(cx)?;
            scatter(cx, target, <T as Arith>::add)
        }),
        else Err(no_type(init, dtype))
    )
}

/// Adds slices to a tensor.
///
/// Shapes: `tensor [A.., R..]`, `indices [I.., k]`, `updates [I.., R..]` → as `tensor`.  Types and errors
/// as [`scatter_nd`], but for bool.
/// Source: OpDefs `TensorScatterAdd`, `ScatterNdNonAliasingAdd`.
pub(super) fn tensor_scatter_add(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    if init.op() == "ScatterNdNonAliasingAdd" {
        let fits: Fits = check_shapes_in_words_of_scatter_nd;
        return with_number!(
            dtype,
            T => kernel(move |cx| {
                let tensor = cx.take_input(0)?;
                scatter(cx, Target { tensor, indices: 1, updates: 2, fits }, <T as Arith>::add)
            }),
            else Err(no_type(init, dtype))
        );
    }
    with_number!(
        dtype,
        T => kernel(|cx| update_tensor(cx, <T as Arith>::add)),
        else Err(no_type(init, dtype))
    )
}

/// As [`tensor_scatter_add`], subtracting.  Source: OpDef `TensorScatterSub`.
pub(super) fn tensor_scatter_sub(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_number!(
        dtype,
        T => kernel(|cx| update_tensor(cx, <T as Arith>::sub)),
        else Err(no_type(init, dtype))
    )
}

/// As [`tensor_scatter_add`], keeping the larger.  Source: OpDef `TensorScatterMax`.
pub(super) fn tensor_scatter_max(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_real!(
        dtype,
        T => kernel(|cx| update_tensor(cx, larger::<T>)),
        else Err(no_type(init, dtype))
    )
}

/// As [`tensor_scatter_add`], keeping the smaller.  Source: OpDef `TensorScatterMin`.
pub(super) fn tensor_scatter_min(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_real!(
        dtype,
        T => kernel(|cx| update_tensor(cx, smaller::<T>)),
        else Err(no_type(init, dtype))
    )
}

fn larger<T: Ordered>(old: T, update: T) -> T {
    if old < update { update } else { old }
}

fn smaller<T: Ordered>(old: T, update: T) -> T {
    if update < old { update } else { old }
}

fn update_tensor<T: Element>(
    cx: &mut KernelContext<'_>,
    combine: impl Fn(T, T) -> T,
) -> Result<(), Status> {
    let tensor = cx.take_input(0)?;
    scatter(cx, Target { tensor, indices: 1, updates: 2, fits: check_shapes }, combine)
}

/// Checks that shapes fit together; gives the number of dimensions that an index names.
type Fits = fn(&Shape, &Tensor, &Tensor) -> Result<usize, Status>;

/// The tensor to change, and which inputs say how.
struct Target {
    tensor: Tensor,
    indices: usize,
    updates: usize,
    fits: Fits,
}

/// Combines slices of a tensor with the updates.
fn scatter<T: Element>(
    cx: &mut KernelContext<'_>,
    target: Target,
    combine: impl Fn(T, T) -> T,
) -> Result<(), Status> {
    let (indices, updates) = (cx.input(target.indices)?, cx.input(target.updates)?);
    let mut tensor = target.tensor;
    let depth = (target.fits)(tensor.shape(), indices, updates)?;
    let places = places(tensor.dims(), depth, indices)?;
    let len = product(&tensor.dims()[depth..]);
    if len > 0 && !places.is_empty() {
        let slices = updates.as_slice::<T>()?.chunks_exact(len);
        let values = tensor.make_mut::<T>()?;
        for (place, slice) in places.into_iter().zip(slices) {
            let old = &mut values[place * len..][..len];
            old.iter_mut().zip(slice).for_each(|(old, update)| *old = combine(*old, *update));
        }
    }
    cx.set_output(0, tensor)
}

fn check_shapes_in_words_of_scatter_nd(
    shape: &Shape,
    indices: &Tensor,
    updates: &Tensor,
) -> Result<usize, Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let (dims, update_dims) = (shape.dims(), updates.dims());
    let Some((&depth, outer)) = indices.dims().split_last() else {
        return error("Indices shape must have rank at least one. Found:[]".into());
    };
    if shape.n_elements() == 0 && (indices.n_elements(), updates.n_elements()) != (0, 0) {
        return error(format!(
            "Indices and updates specified for empty output.  indices shape: {}",
            indices.shape()
        ));
    }
    if !update_dims.starts_with(outer) {
        let n = outer.len();
        return error(format!(
            "Dimensions [0,{n}) of indices[shape={}] must match dimensions [0,{n}) of \
             updates[shape={}]",
            indices.shape(),
            updates.shape()
        ));
    }
    if dims.get(depth..) != Some(&update_dims[outer.len()..]) {
        return error(format!(
            "Dimensions [{depth},{}) of input[shape={shape}] must match dimensions [{},{}) of \
             updates[shape={}]",
            dims.len(),
            outer.len(),
            update_dims.len(),
            updates.shape()
        ));
    }
    check_is_list(shape, indices, updates)?;
    Ok(depth)
}

/// Refuses a single vector, which is no list of indices to TensorFlow; the rest of the shapes fits.
fn check_is_list(shape: &Shape, indices: &Tensor, updates: &Tensor) -> Result<(), Status> {
    let (&[depth], &[n_updates, ..]) = (indices.dims(), updates.dims()) else { return Ok(()) };
    if depth == 0 {
        return Ok(());
    }
    let message = if n_updates == depth {
        format!(
            "Dimensions [1,{}) of input[shape={shape}] must match dimensions [1,{}) of \
             updates[shape={}]",
            shape.rank(),
            updates.shape().rank(),
            updates.shape()
        )
    } else {
        format!(
            "Dimensions [0,1) of indices[shape={}] = {depth} must match dimensions [0,1) of \
             updates[shape={}] = {n_updates}",
            indices.shape(),
            updates.shape()
        )
    };
    Err(Status::invalid_argument(message))
}

/// Checks that shapes fit together; gives the number of dimensions that an index names.
pub(super) fn check_shapes(
    shape: &Shape,
    indices: &Tensor,
    updates: &Tensor,
) -> Result<usize, Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let Some((&depth, outer)) = indices.dims().split_last() else {
        return error("Indices shape must have rank at least one. Found:[]".into());
    };
    if updates.shape().is_scalar() {
        return error("Updates shape must have rank at least one. Found:[]".into());
    }
    let (n_indices, n_updates) = (indices.n_elements(), updates.n_elements());
    let all_filled = shape.n_elements() > 0 && n_indices > 0 && n_updates > 0;
    if (n_indices, n_updates) != (0, 0) && !all_filled {
        return error("Indices and updates specified for empty output shape".into());
    }
    let (dims, update_dims) = (shape.dims(), updates.dims());
    if !update_dims.starts_with(outer) {
        return error(format!(
            "Outer dimensions of indices and update must match. Indices shape: {}, updates shape:{}",
            indices.shape(),
            updates.shape()
        ));
    }
    let inner = &update_dims[outer.len()..];
    if depth > dims.len() || inner.len() != dims.len() - depth {
        return error(format!(
            "Inner dimensions of output shape must match inner dimensions of updates shape. Output: \
             {shape} updates: {}",
            updates.shape()
        ));
    }
    if *inner != dims[depth..] {
        return error(format!(
            "The inner {} dimensions of output.shape={shape} must match the inner {} dimensions of \
             updates.shape={}",
            dims.len() - depth,
            inner.len(),
            updates.shape()
        ));
    }
    check_is_list(shape, indices, updates)?;
    Ok(depth)
}

/// The numbers of the slices that the indices name.
fn places(dims: &[usize], depth: usize, indices: &Tensor) -> Result<Vec<usize>, Status> {
    if indices.n_elements() == 0 {
        return Ok(Vec::new());
    }
    let place = |(at, index): (usize, &[i64])| {
        let place = index.iter().zip(dims).try_fold(0usize, |place, (&index, &dim)| {
            let index = usize::try_from(index).ok().filter(|index| *index < dim)?;
            place.checked_mul(dim)?.checked_add(index)
        });
        place.ok_or_else(|| {
            let index: Vec<String> = index.iter().map(i64::to_string).collect();
            let position = index_text(at, &indices.dims()[..indices.shape().rank() - 1]);
            Status::invalid_argument(format!(
                "indices{position} = [{}] does not index into shape {}",
                index.join(", "),
                Shape::from(dims)
            ))
        })
    };
    ints(indices)?.chunks_exact(depth).enumerate().map(place).collect()
}
