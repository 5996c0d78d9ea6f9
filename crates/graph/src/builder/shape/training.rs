//! Updates of variables in place, and which rows are there twice.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::builtin::ShapeFn;

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("ApplyAdadelta", variable),
    ("ApplyAdagrad", variable),
    ("ApplyAdagradDA", variable),
    ("ApplyAdam", variable),
    ("ApplyCenteredRMSProp", variable),
    ("ApplyFtrl", variable),
    ("ApplyFtrlV2", variable),
    ("ApplyGradientDescent", variable),
    ("ApplyMomentum", variable),
    ("ApplyProximalAdagrad", variable),
    ("ApplyProximalGradientDescent", variable),
    ("ApplyRMSProp", variable),
    ("ScatterAdd", variable),
    ("ScatterSub", variable),
    ("SparseApplyAdadelta", variable),
    ("SparseApplyAdagrad", variable),
    ("SparseApplyAdagradDA", variable),
    ("SparseApplyCenteredRMSProp", variable),
    ("SparseApplyFtrl", variable),
    ("SparseApplyFtrlV2", variable),
    ("SparseApplyMomentum", variable),
    ("SparseApplyProximalAdagrad", variable),
    ("SparseApplyProximalGradientDescent", variable),
    ("SparseApplyRMSProp", variable),
    ("Unique", unique),
];

/// The variable itself, which is the first input.
fn variable(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, cx.input(0).clone());
    Ok(())
}

fn unique(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, PartialShape::new(vec![None]));
    cx.set_output(1, cx.input(0).clone());
    Ok(())
}
