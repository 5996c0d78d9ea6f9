//! Tensors that go one way or the other.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::builtin::ShapeFn;
use super::dims::{Dim, scalar};

pub(super) const OPS: &[(&str, ShapeFn)] =
    &[("Merge", merge), ("RefSwitch", switch), ("Switch", switch)];

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
