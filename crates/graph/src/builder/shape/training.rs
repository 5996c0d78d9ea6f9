//! Updates of variables in place, and how rows that are there twice become one.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::builtin::ShapeFn;
use super::dims::Dim;
use super::values::to_i64;

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
    ("UnsortedSegmentSum", unsorted_segment),
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

/// One row for each segment, like those that are added up.
fn unsorted_segment(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let n_segments = cx.constant(2).and_then(|value| to_i64(&value).first().copied());
    let n_segments: Dim = n_segments.and_then(|n| u64::try_from(n).ok());
    let (Some(data), Some(ids)) = (cx.input(0).dims(), cx.input(1).dims()) else { return Ok(()) };
    let Some(row) = data.get(ids.len()..) else {
        return Err(format!(
            "Shape must be at least rank {} but is rank {}",
            ids.len(),
            data.len()
        ));
    };
    let dims: Vec<Dim> = std::iter::once(n_segments).chain(row.iter().copied()).collect();
    cx.set_output(0, PartialShape::new(dims));
    Ok(())
}
