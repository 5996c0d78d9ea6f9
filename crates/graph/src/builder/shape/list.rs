//! Lists of tensors. A handle of one knows the type of its elements, and what they have in common of their shapes.
//!
//! Source: `list_ops.cc`.

use flowkeep_tensor::PartialShape;

use super::array::to_scalar;
use super::builtin::ShapeFn;
use super::dims::{Dim, merge, scalar, with_rank, with_rank_at_least};
use super::{HandleShape, InferenceContext};

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("EmptyTensorList", new_list),
    ("TensorListConcat", concat),
    ("TensorListConcatV2", concat),
    ("TensorListElementShape", element_shape),
    ("TensorListFromTensor", from_tensor),
    ("TensorListGather", gather),
    ("TensorListGetItem", get_item),
    ("TensorListLength", to_scalar),
    ("TensorListPopBack", pop_back),
    ("TensorListPushBack", changed),
    ("TensorListReserve", new_list),
    ("TensorListResize", changed),
    ("TensorListScatter", scatter),
    ("TensorListScatterIntoExistingList", changed),
    ("TensorListScatterV2", scatter),
    ("TensorListSetItem", changed),
    ("TensorListSplit", split),
    ("TensorListStack", stack),
];

/// The shape that an input describes, a scalar for one of unknown rank.
fn described(cx: &mut InferenceContext<'_>, index: usize) -> Result<PartialShape, String> {
    match cx.input(index).rank() {
        Some(0) => Ok(PartialShape::unknown()),
        _ => cx.constant_as_shape(index),
    }
}

/// What is known of the shapes of a list's elements.
fn of_elements(cx: &InferenceContext<'_>) -> PartialShape {
    cx.handle(0).map(|handle| handle.shape.clone()).unwrap_or_default()
}

fn set_list(cx: &mut InferenceContext<'_>, shape: PartialShape) {
    cx.set_output(0, scalar());
    if let Ok(dtype) = cx.attrs().dtype("element_dtype") {
        cx.set_handle(0, HandleShape { dtype, shape });
    }
}

fn new_list(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = described(cx, 0)?;
    set_list(cx, shape);
    Ok(())
}

/// The list is of the same kind as the one before.
fn changed(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    match cx.handle(0).cloned() {
        Some(handle) => {
            cx.set_output(0, scalar());
            cx.set_handle(0, handle);
        }
        None => set_list(cx, PartialShape::unknown()),
    }
    Ok(())
}

fn pop_back(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    changed(cx)?;
    let shape = of_elements(cx);
    cx.set_output(1, shape);
    Ok(())
}

fn element_shape(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    if let Some(rank) = of_elements(cx).rank() {
        cx.set_output(0, PartialShape::new(vec![Some(u64::try_from(rank).unwrap_or(u64::MAX))]));
    }
    Ok(())
}

/// The shape of elements that are asked for, of those that the list has.
fn asked(cx: &mut InferenceContext<'_>, index: usize) -> Result<PartialShape, String> {
    let asked = described(cx, index)?;
    merge(&asked, &of_elements(cx))
}

/// A shape of more dimensions.
fn below(first: &[Dim], shape: &PartialShape) -> PartialShape {
    match shape.dims() {
        Some(dims) => PartialShape::new([first, dims].concat()),
        None => PartialShape::unknown(),
    }
}

fn stack(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = asked(cx, 1)?;
    let n = cx.attrs().int("num_elements").ok().and_then(|n| u64::try_from(n).ok());
    cx.set_output(0, below(&[n], &shape));
    Ok(())
}

fn get_item(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = asked(cx, 2)?;
    cx.set_output(0, shape);
    Ok(())
}

fn gather(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = asked(cx, 2)?;
    if let Some(indices) = cx.input(1).dims() {
        cx.set_output(0, below(indices, &shape));
    }
    Ok(())
}

fn concat(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let asked = match cx.op() {
        "TensorListConcat" => cx.attrs().shape("element_shape").unwrap_or_default(),
        _ => described(cx, 1)?,
    };
    let shape = merge(&asked, &of_elements(cx))?;
    if let Some([_, rest @ ..]) = shape.dims() {
        let rest = PartialShape::new(rest.to_vec());
        cx.set_output(0, below(&[None], &rest));
    }
    cx.set_output(1, PartialShape::new(vec![None]));
    Ok(())
}

fn from_tensor(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = described(cx, 1)?;
    with_rank_at_least(cx.input(0), 1)?;
    if let Some([_, rest @ ..]) = cx.input(0).dims() {
        merge(&PartialShape::new(rest.to_vec()), &shape)?;
    }
    set_list(cx, shape);
    Ok(())
}

fn split(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = described(cx, 1)?;
    let tensor = cx.input(0);
    with_rank_at_least(tensor, 1)?;
    let open = |shape: &PartialShape| match shape.dims() {
        Some([_, rest @ ..]) => PartialShape::new([&[None], rest].concat()),
        _ => shape.clone(),
    };
    merge(&open(tensor), &open(&shape))?;
    with_rank(cx.input(2), 1)?;
    set_list(cx, shape);
    Ok(())
}

fn scatter(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = described(cx, 2)?;
    set_list(cx, shape);
    Ok(())
}
