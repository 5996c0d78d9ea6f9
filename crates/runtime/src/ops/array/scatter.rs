//! Ops that put slices into a tensor by index.

use flowkeep_tensor::{DType, Tensor};

use super::scatter_nd::check_shapes;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel, product};
use crate::ops::arith::Arith;
use crate::ops::cells::{Cell, Move, copy, fill_from};
use crate::ops::dispatch::{no_type, with_number};

/// A copy of `tensor` with the slices at `indices` replaced; of equal indices the last counts.
///
/// Shapes: `tensor [P0.., P_k-1, R..]`, `indices [I.., k]`, `updates [I.., R..]` → as `tensor`.  Types: `T`
/// any; `Tindices` i32 or i64.  With `bad_indices_policy` `IGNORE`, indices outside are passed over.
/// Errors: `INVALID_ARGUMENT` for shapes that do not fit, or an index outside the tensor.
/// Source: OpDef `TensorScatterUpdate`; bounds as on the reference CPU kernel.
pub(super) fn tensor_scatter_update(init: &KernelInit<'_>) -> Built {
    let policy = match init.attr("bad_indices_policy") {
        Some(_) => init.attr_str("bad_indices_policy")?,
        None => "",
    };
    let ignores = match policy {
        "" | "DEFAULT" | "ERROR" => false,
        "IGNORE" => true,
        other => {
            let message = format!("Unknown bad indices handling attribute: {other}");
            return Err(Status::invalid_argument(message));
        }
    };
    kernel(move |cx| {
        let (tensor, indices, updates) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let depth = check_shapes(tensor.shape(), indices, updates)?;
        let places = places(tensor, indices, depth, ignores)?;
        let len = product(&tensor.dims()[depth..]);
        let output = replaced(cx.take_input(0)?, &places, len, cx.input(2)?)?;
        cx.set_output(0, output)
    })
}

/// The slices that the indices name; none where one is outside and passed over.
fn places(
    tensor: &Tensor,
    indices: &Tensor,
    depth: usize,
    ignores: bool,
) -> Result<Vec<Option<usize>>, Status> {
    let (found, outer) = (&tensor.dims()[..depth], &indices.dims()[..indices.shape().rank() - 1]);
    if indices.n_elements() == 0 {
        return Ok(Vec::new());
    }
    let mut places = Vec::with_capacity(indices.n_elements() / depth);
    for (at, index) in args::ints(indices)?.chunks_exact(depth).enumerate() {
        let place = index.iter().zip(found).try_fold(0usize, |place, (&index, &dim)| {
            let index = usize::try_from(index).ok().filter(|index| *index < dim)?;
            place.checked_mul(dim)?.checked_add(index)
        });
        if place.is_none() && !ignores {
            let index: Vec<String> = index.iter().map(i64::to_string).collect();
            return Err(Status::invalid_argument(format!(
                "indices{} = [{}] does not index into shape {}",
                args::index_text(at, outer),
                index.join(", "),
                tensor.shape()
            )));
        }
        places.push(place);
    }
    Ok(places)
}

/// The tensor with slices of `len` elements replaced, in its own memory if nobody else needs it.
fn replaced(
    mut tensor: Tensor,
    places: &[Option<usize>],
    len: usize,
    updates: &Tensor,
) -> Result<Tensor, Status> {
    fn replace<T: Clone>(to: &mut [T], places: &[Option<usize>], len: usize, updates: &[T]) {
        for (place, update) in places.iter().zip(updates.chunks_exact(len.max(1))) {
            if let Some(place) = place {
                to[place * len..][..len].clone_from_slice(update);
            }
        }
    }
    let dtype = tensor.dtype();
    if len == 0 {
        return Ok(tensor);
    }
    match dtype {
        DType::String => {
            let updates = updates.as_strings()?;
            replace(tensor.make_mut_strings()?, places, len, updates);
        }
        DType::Bool => replace(tensor.make_mut::<bool>()?, places, len, updates.as_slice()?),
        _ => with_number!(
            dtype,
            T => replace(tensor.make_mut::<T>()?, places, len, updates.as_slice()?),
            else {
                let message = format!("no CPU kernel replaces slices of type {dtype}");
                return Err(Status::unimplemented(message));
            }
        ),
    }
    Ok(tensor)
}

/// Interleaves tensors: `merged[indices[m][i..], ..] = data[m][i.., ..]`; of equal indices the last counts.
///
/// Shapes: `indices` `N` times `[I..]`, `data` `N` times `[I.., R..]` → `[largest index + 1, R..]`; what no
/// index names is zero.  Types: `T` any; indices i32.
/// Errors: `INVALID_ARGUMENT` for a negative index, or shapes that do not fit; `RESOURCE_EXHAUSTED` if the
/// result is too large.  Source: OpDefs `DynamicStitch`, `ParallelDynamicStitch`.
pub(super) fn dynamic_stitch(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    kernel(move |cx| {
        let n = cx.n_inputs() / 2;
        let mut places: Vec<Vec<i64>> = Vec::with_capacity(n);
        let mut data = Vec::with_capacity(n);
        let mut rest: Option<&[usize]> = None;
        for idx in 0..n {
            let (indices, values) = (cx.input(idx)?, cx.input(n + idx)?);
            let (index_rank, dims) = (indices.shape().rank(), values.dims());
            if dims.len() < index_rank || dims[..index_rank] != *indices.dims() {
                return Err(Status::invalid_argument(format!(
                    "data[{idx}].shape = {} does not start with indices[{idx}].shape = {}",
                    values.shape(),
                    indices.shape()
                )));
            }
            if idx > 0 && rest != Some(&dims[index_rank..]) {
                let (first, first_indices) = (cx.input(n)?, cx.input(0)?);
                return Err(Status::invalid_argument(format!(
                    "Need data[0].shape[{}:] = data[{idx}].shape[{index_rank}:], got data[0].shape = \
                     {}, data[{idx}].shape = {}, indices[0].shape = {}, indices[{idx}].shape = {}",
                    first_indices.shape().rank(),
                    first.shape(),
                    values.shape(),
                    first_indices.shape(),
                    indices.shape()
                )));
            }
            rest = Some(&dims[index_rank..]);
            let indices = args::ints(indices)?;
            if let Some(at) = indices.iter().position(|index| *index < 0) {
                let message = format!("indices[{at}] is out of range");
                return Err(Status::invalid_argument(message));
            }
            places.push(indices);
            data.push(values);
        }
        let largest = places.iter().flatten().max().copied();
        let first = largest.and_then(|index| usize::try_from(index).ok()).map_or(0, |n| n + 1);
        let rest = rest.unwrap_or_default();
        let shape = [&[first], rest].concat();
        let output =
            fill_from(dtype, &data, shape, Stitch { places: &places, len: product(rest) })?;
        cx.set_output(0, output)
    })
}

/// Copies slices of all inputs to their places.
struct Stitch<'a> {
    places: &'a [Vec<i64>],
    len: usize,
}

impl Move for Stitch<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        if to.is_empty() {
            return Ok(());
        }
        for (places, from) in self.places.iter().zip(from) {
            for (place, from) in places.iter().zip(from.chunks_exact(self.len)) {
                copy(from, &mut to[*place as usize * self.len..][..self.len]);
            }
        }
        Ok(())
    }
}

/// What becomes of a row that an in-place op names.
#[derive(Clone, Copy, PartialEq)]
enum Change {
    Add,
    Sub,
    Replace,
}

/// A tensor with rows added to some of its own, one after the other.
///
/// Shapes: `x [A, R..]`, `i [n]`, `v [n, R..]` → `[A, R..]`; indices count modulo `A`.  Types: `T` numbers,
/// for `InplaceUpdate` also bool.
/// Errors: `INVALID_ARGUMENT` for shapes that do not fit.  The input stays as it is if another node needs it.
/// Source: OpDef `InplaceAdd`.
pub(super) fn inplace_add(init: &KernelInit<'_>) -> Built {
    inplace(init, Change::Add)
}

/// As [`inplace_add`], with rows subtracted.  Source: OpDef `InplaceSub`.
pub(super) fn inplace_sub(init: &KernelInit<'_>) -> Built {
    inplace(init, Change::Sub)
}

/// As [`inplace_add`], with rows replaced.  Source: OpDef `InplaceUpdate`.
pub(super) fn inplace_update(init: &KernelInit<'_>) -> Built {
    inplace(init, Change::Replace)
}

fn inplace(init: &KernelInit<'_>, change: Change) -> Built {
    let dtype = init.attr_type("T")?;
    if change == Change::Replace {
        return kernel(move |cx| {
            let places = rows(cx)?.into_iter().map(Some).collect::<Vec<_>>();
            let len = product(&cx.input(0)?.dims()[1..]);
            let output = replaced(cx.take_input(0)?, &places, len, cx.input(2)?)?;
            cx.set_output(0, output)
        });
    }
    with_number!(
        dtype,
        T => kernel(move |cx| {
            let places = rows(cx)?;
            let (mut x, v) = (cx.take_input(0)?, cx.take_input(2)?);
            let len = product(&x.dims()[1..]);
            let combine = if change == Change::Add { <T as Arith>::add } else { <T as Arith>::sub };
            let (to, from) = (x.make_mut::<T>()?, v.as_slice::<T>()?);
            for (n, place) in places.into_iter().enumerate() {
                let from = &from[n * len..][..len];
                let to = &mut to[place * len..][..len];
                to.iter_mut().zip(from).for_each(|(to, from)| *to = combine(*to, *from));
            }
            cx.set_output(0, x)
        }),
        else Err(no_type(init, dtype))
    )
}

/// The rows that an in-place op changes, after a look at all shapes.
fn rows(cx: &KernelContext<'_>) -> Result<Vec<usize>, Status> {
    let (x, i, v) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let error = |message: String| Err(Status::invalid_argument(message));
    if i.shape().rank() != 1 {
        return error(format!("i must be a vector. {}", i.shape()));
    }
    if x.shape().rank() != v.shape().rank() {
        return error(format!(
            "x and v shape doesn't match (ranks differ): {} vs. {}",
            x.shape(),
            v.shape()
        ));
    }
    if let Some(dim) = (1..x.dims().len()).find(|&dim| x.dims()[dim] != v.dims()[dim]) {
        return error(format!(
            "x and v shape doesn't match at index {dim} : {} vs. {}",
            x.shape(),
            v.shape()
        ));
    }
    let Some(&n_rows) = x.dims().first() else {
        return error(format!("x must be at least a vector. {}", x.shape()));
    };
    if i.dims()[0] != v.dims()[0] {
        return error(format!(
            "i and x shape doesn't match at index 0: {} vs. {}",
            i.shape(),
            v.shape()
        ));
    }
    let places = args::ints(i)?;
    if n_rows == 0 && !places.is_empty() {
        return error(format!("there is no row to change in {}", x.shape()));
    }
    let n = i64::try_from(n_rows).unwrap_or(i64::MAX);
    Ok(places.into_iter().map(|place| place.rem_euclid(n) as usize).collect())
}
