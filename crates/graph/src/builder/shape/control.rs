//! Tensors that go one way or the other.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::builtin::ShapeFn;
use super::dims::{Dim, scalar};

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("Enter", enter),
    ("Exit", same),
    ("LoopCond", truth),
    ("Merge", merge),
    ("NextIteration", same),
    ("RefSwitch", switch),
    ("StackV2", handle),
    ("Switch", switch),
];

/// The same in all iterations, or something of which the first has one shape.
fn enter(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    match cx.attrs().bool("is_constant") {
        Ok(true) => same(cx),
        _ => Ok(()),
    }
}

fn same(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, cx.input(0).clone());
    if let Some(handle) = cx.handle(0).cloned() {
        cx.set_handle(0, handle);
    }
    Ok(())
}

/// A handle that is a vector of two names.
fn handle(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, PartialShape::new(vec![Some(2)]));
    Ok(())
}

fn truth(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    super::dims::with_rank(cx.input(0), 0)?;
    cx.set_output(0, scalar());
    Ok(())
}

fn switch(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    super::dims::with_rank(cx.input(1), 0)?;
    for output in 0..2 {
        cx.set_output(output, cx.input(0).clone());
        if let Some(handle) = cx.handle(0).cloned() {
            cx.set_handle(output, handle);
        }
    }
    Ok(())
}

/// What all inputs have in common.
fn merge(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(1, scalar());
    let Some(first) = cx.input(0).dims() else { return Ok(()) };
    let mut common: Vec<Dim> = first.to_vec();
    for index in 1..cx.n_inputs() {
        match cx.input(index).dims() {
            Some(dims) if dims.len() == common.len() => {
                for (common, dim) in common.iter_mut().zip(dims) {
                    *common = common.filter(|size| *dim == Some(*size));
                }
            }
            _ => return Ok(()),
        }
    }
    cx.set_output(0, PartialShape::new(common));
    Ok(())
}
