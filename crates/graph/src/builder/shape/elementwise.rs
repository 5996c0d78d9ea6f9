//! Ops that work element by element.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::array::to_scalar;
use super::builtin::ShapeFn;
use super::dims::{Dim, broadcast, merge, scalar, with_rank_at_least};

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("Abs", unchanged),
    ("AccumulateNV2", add_n),
    ("Acos", unchanged),
    ("Acosh", unchanged),
    ("Add", binary),
    ("AddN", add_n),
    ("AddV2", binary),
    ("Angle", unchanged),
    ("Asin", unchanged),
    ("Asinh", unchanged),
    ("Atan", unchanged),
    ("Atan2", binary),
    ("Atanh", unchanged),
    ("BesselI0", unchanged),
    ("BesselI0e", unchanged),
    ("BesselI1", unchanged),
    ("BesselI1e", unchanged),
    ("BesselJ0", unchanged),
    ("BesselJ1", unchanged),
    ("BesselK0", unchanged),
    ("BesselK0e", unchanged),
    ("BesselK1", unchanged),
    ("BesselK1e", unchanged),
    ("BesselY0", unchanged),
    ("BesselY1", unchanged),
    ("Cast", unchanged),
    ("Ceil", unchanged),
    ("CheckNumerics", unchanged),
    ("CheckNumericsV2", unchanged),
    ("ClipByValue", unchanged),
    ("Complex", binary),
    ("ComplexAbs", unchanged),
    ("Conj", unchanged),
    ("Cos", unchanged),
    ("Cosh", unchanged),
    ("Cross", unchanged),
    ("Cumprod", unchanged),
    ("Cumsum", unchanged),
    ("CumulativeLogsumexp", unchanged),
    ("Dawsn", unchanged),
    ("DebugIdentityV2", unchanged),
    ("Digamma", unchanged),
    ("Div", binary),
    ("DivNoNan", binary),
    ("Elu", unchanged),
    ("EnsureShape", ensure_shape),
    ("Equal", comparison),
    ("Erf", unchanged),
    ("Erfc", unchanged),
    ("Erfinv", unchanged),
    ("Exp", unchanged),
    ("Expint", unchanged),
    ("Expm1", unchanged),
    ("FFT", unchanged),
    ("FFT2D", unchanged),
    ("FFT3D", unchanged),
    ("FakeQuantWithMinMaxArgs", unchanged),
    ("FakeQuantWithMinMaxVars", unchanged),
    ("FakeQuantWithMinMaxVarsPerChannel", unchanged),
    ("Floor", unchanged),
    ("FloorDiv", binary),
    ("FloorMod", binary),
    ("FresnelCos", unchanged),
    ("FresnelSin", unchanged),
    ("Greater", binary),
    ("GreaterEqual", binary),
    ("IFFT", unchanged),
    ("IFFT2D", unchanged),
    ("IFFT3D", unchanged),
    ("Identity", identity),
    ("IdentityN", each_unchanged),
    ("Igamma", binary),
    ("IgammaGradA", binary),
    ("Igammac", binary),
    ("Imag", unchanged),
    ("Inv", unchanged),
    ("IsFinite", unchanged),
    ("IsInf", unchanged),
    ("IsNan", unchanged),
    ("L2Loss", to_scalar),
    ("LeakyRelu", unchanged),
    ("Less", binary),
    ("LessEqual", binary),
    ("Lgamma", unchanged),
    ("Log", unchanged),
    ("Log1p", unchanged),
    ("LogSoftmax", softmax),
    ("LogicalAnd", binary),
    ("LogicalNot", unchanged),
    ("LogicalOr", binary),
    ("MatrixBandPart", unchanged),
    ("Maximum", binary),
    ("Minimum", binary),
    ("Mod", binary),
    ("Mul", binary),
    ("MulNoNan", binary),
    ("Ndtri", unchanged),
    ("Neg", unchanged),
    ("NextAfter", binary),
    ("NotEqual", comparison),
    ("OnesLike", unchanged),
    ("Polygamma", binary),
    ("Pow", binary),
    ("PreventGradient", unchanged),
    ("Print", unchanged),
    ("QuantizeAndDequantizeV2", unchanged),
    ("QuantizeAndDequantizeV3", unchanged),
    ("QuantizeAndDequantizeV4", unchanged),
    ("RandomGammaGrad", binary),
    ("Real", unchanged),
    ("RealDiv", binary),
    ("Reciprocal", unchanged),
    ("Relu", unchanged),
    ("Relu6", unchanged),
    ("Reverse", unchanged),
    ("ReverseSequence", unchanged),
    ("ReverseV2", unchanged),
    ("Rint", unchanged),
    ("Roll", unchanged),
    ("Round", unchanged),
    ("Rsqrt", unchanged),
    ("ScatterNdNonAliasingAdd", unchanged),
    ("Select", select),
    ("SelectV2", select_v2),
    ("Selu", unchanged),
    ("Sigmoid", unchanged),
    ("Sign", unchanged),
    ("Sin", unchanged),
    ("Sinh", unchanged),
    ("Softmax", softmax),
    ("Softplus", unchanged),
    ("Softsign", unchanged),
    ("Spence", unchanged),
    ("Sqrt", unchanged),
    ("Square", unchanged),
    ("SquaredDifference", binary),
    ("StopGradient", unchanged),
    ("Sub", binary),
    ("Tan", unchanged),
    ("Tanh", unchanged),
    ("TensorScatterAdd", unchanged),
    ("TensorScatterMax", unchanged),
    ("TensorScatterMin", unchanged),
    ("TensorScatterSub", unchanged),
    ("TensorScatterUpdate", unchanged),
    ("TensorStridedSliceUpdate", unchanged),
    ("TruncateDiv", binary),
    ("TruncateMod", binary),
    ("Xdivy", binary),
    ("Xlog1py", binary),
    ("Xlogy", binary),
    ("ZerosLike", unchanged),
    ("Zeta", binary),
];

fn unchanged(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, cx.input(0).clone());
    Ok(())
}

fn identity(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    if let Some(handle) = cx.handle(0).cloned() {
        cx.set_handle(0, handle);
    }
    unchanged(cx)
}

fn ensure_shape(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let wanted = cx.attrs().shape("shape").unwrap_or_default();
    cx.set_output(0, merge(&wanted, cx.input(0))?);
    Ok(())
}

fn each_unchanged(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    for index in 0..cx.n_outputs() {
        cx.set_output(index, cx.input(index).clone());
    }
    Ok(())
}

fn softmax(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    with_rank_at_least(cx.input(0), 1)?;
    unchanged(cx)
}

fn binary(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, broadcast(cx.input(0), cx.input(1))?);
    Ok(())
}

/// Equal and NotEqual, for which tensors that cannot be broadcast may simply differ: that is a scalar.
fn comparison(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    if cx.attrs().bool("incompatible_shape_error") != Ok(false) {
        return binary(cx);
    }
    let (Some(x), Some(y)) = (cx.input(0).dims(), cx.input(1).dims()) else { return Ok(()) };
    let rank = x.len().max(y.len());
    let padded = |dims: &[Dim]| {
        let ones = std::iter::repeat_n(Some(1), rank - dims.len());
        ones.chain(dims.iter().copied()).collect::<Vec<_>>()
    };
    for pair in padded(x).into_iter().zip(padded(y)) {
        match pair {
            (Some(1), _) | (_, Some(1)) | (None, None) => {}
            (Some(x), Some(y)) if x == y => {}
            (Some(_), Some(_)) => {
                cx.set_output(0, scalar());
                return Ok(());
            }
            _ => return Ok(()),
        }
    }
    binary(cx)
}

/// Either the condition has the shape of what is chosen from, or it is a vector that chooses rows, or a
/// scalar.
fn select(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let mut shape = merge(cx.input(1), cx.input(2))?;
    if let (Some(condition), Some(dims)) = (cx.input(0).dims(), shape.dims()) {
        match (condition, dims) {
            ([], _) => {}
            ([_], [first, ..]) => {
                merge(cx.input(0), &PartialShape::new(vec![*first]))?;
            }
            _ => shape = merge(&shape, cx.input(0))?,
        }
    }
    cx.set_output(0, shape);
    Ok(())
}

fn select_v2(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = broadcast(cx.input(1), cx.input(2))?;
    cx.set_output(0, broadcast(cx.input(0), &shape)?);
    Ok(())
}

fn add_n(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let Some(last) = cx.n_inputs().checked_sub(1) else { return Ok(()) };
    let mut shape = cx.input(last).clone();
    for index in (0..last).rev() {
        shape = merge(cx.input(index), &shape)
            .map_err(|what| format!("{what}\n\tFrom merging shape {index} with other shapes."))?;
    }
    cx.set_output(0, shape);
    Ok(())
}
