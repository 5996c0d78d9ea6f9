//! Variables of both kinds.

use flowkeep_tensor::PartialShape;

use super::array::to_scalar;
use super::builtin::ShapeFn;
use super::dims::{merge, scalar, with_rank_at_least};
use super::gradients::gathered;
use super::{HandleShape, InferenceContext};

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("Assign", assign),
    ("AssignAdd", merged),
    ("AssignAddVariableOp", assign_variable),
    ("AssignSub", merged),
    ("AssignSubVariableOp", assign_variable),
    ("AssignVariableOp", assign_variable),
    ("IsVariableInitialized", to_scalar),
    ("ReadVariableOp", read_variable),
    ("ResourceGather", gather),
    ("ResourceGatherNd", gather_nd),
    ("VarHandleOp", var_handle),
    ("VarIsInitializedOp", to_scalar),
    ("Variable", legacy_variable),
    ("VariableShape", variable_shape),
    ("VariableV2", variable),
];

fn variable(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.attrs().shape("shape").unwrap_or_default();
    cx.set_output(0, shape);
    Ok(())
}

/// Variables of old stood for any shape where they said that they are scalars.
fn legacy_variable(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.attrs().shape("shape").unwrap_or_default();
    let is_scalar = shape.rank() == Some(0);
    cx.set_output(0, if is_scalar { PartialShape::unknown() } else { shape });
    Ok(())
}

fn assign(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    if cx.attrs().bool("validate_shape") == Ok(true) {
        return merged(cx);
    }
    cx.set_output(0, cx.input(1).clone());
    Ok(())
}

fn merged(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, merge(cx.input(0), cx.input(1))?);
    Ok(())
}

fn var_handle(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, scalar());
    if let (Ok(dtype), Ok(shape)) = (cx.attrs().dtype("dtype"), cx.attrs().shape("shape")) {
        cx.set_handle(0, HandleShape { dtype, shape });
    }
    Ok(())
}

/// What the handle refers to, if it is known and of the right type.
fn variable_of(cx: &InferenceContext<'_>) -> Result<PartialShape, String> {
    let Some(handle) = cx.handle(0) else { return Ok(PartialShape::unknown()) };
    match cx.attrs().dtype("dtype") {
        Ok(dtype) if dtype != handle.dtype => Err(format!(
            "Trying to read variable with wrong dtype. Expected {} got {}",
            handle.dtype.name(),
            dtype.name()
        )),
        _ => Ok(handle.shape.clone()),
    }
}

fn read_variable(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = variable_of(cx)?;
    cx.set_output(0, shape);
    Ok(())
}

/// Rows of a variable.
fn gather(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let params = variable_of(cx)?;
    let params = with_rank_at_least(&params, 1)?;
    if let (Some(params), Some(indices)) = (params, cx.input(1).dims()) {
        let batch = cx.attrs().int("batch_dims").ok().and_then(|n| usize::try_from(n).ok());
        let batch = batch.unwrap_or(0);
        let dims = params.iter().take(batch).chain(indices.iter().skip(batch));
        let rest = params.iter().skip(batch + 1);
        cx.set_output(0, PartialShape::new(dims.chain(rest).copied().collect()));
    }
    Ok(())
}

/// Points or parts of a variable.
fn gather_nd(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let params = variable_of(cx)?;
    if let Some(shape) = gathered(&params, cx.input(1))? {
        cx.set_output(0, shape);
    }
    Ok(())
}

fn assign_variable(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    merge(&variable_of(cx)?, cx.input(1)).map(drop)
}

fn variable_shape(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let rank = cx.handle(0).and_then(|handle| handle.shape.rank());
    cx.set_output(0, PartialShape::new(vec![rank.and_then(|rank| u64::try_from(rank).ok())]));
    Ok(())
}
