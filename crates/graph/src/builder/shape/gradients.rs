//! Ops that compute gradients, and those that their sizes are computed by.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::builtin::ShapeFn;
use super::dims::{Dim, broadcast, merge, merge_dim, with_rank, with_rank_at_least};
use super::nn::channels_first;
use super::values::to_i64;

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("AvgPoolGrad", image_of_sizes),
    ("BiasAddGrad", bias_add_grad),
    ("BroadcastGradientArgs", unknown_vectors),
    ("BroadcastTo", broadcast_to),
    ("ConcatOffset", concat_offset),
    ("Conv2DBackpropFilter", filter_of_sizes),
    ("Conv2DBackpropInput", image_of_sizes),
    ("DepthwiseConv2dNativeBackpropFilter", filter_of_sizes),
    ("DepthwiseConv2dNativeBackpropInput", image_of_sizes),
    ("Diag", diag),
    ("DiagPart", diag_part),
    ("DynamicStitch", dynamic_stitch),
    ("EluGrad", merged),
    ("FusedBatchNormGrad", fused_batch_norm_grad),
    ("FusedBatchNormGradV2", fused_batch_norm_grad),
    ("FusedBatchNormGradV3", fused_batch_norm_grad),
    ("GatherNd", gather_nd),
    ("InvGrad", unchanged),
    ("InvertPermutation", vector),
    ("LRNGrad", merged_images),
    ("LeakyReluGrad", merged),
    ("ListDiff", unknown_vectors),
    ("MaxPoolGrad", image),
    ("MaxPoolGradGrad", pooled_image),
    ("MaxPoolGradWithArgmax", image),
    ("ParallelDynamicStitch", dynamic_stitch),
    ("ReciprocalGrad", unchanged),
    ("Relu6Grad", merged),
    ("ReluGrad", merged),
    ("RsqrtGrad", unchanged),
    ("ScatterNd", scatter_nd),
    ("SegmentMax", segment),
    ("SegmentMean", segment),
    ("SegmentMin", segment),
    ("SegmentProd", segment),
    ("SegmentSum", segment),
    ("SeluGrad", merged),
    ("ShapeN", shape_n),
    ("SigmoidGrad", unchanged),
    ("SoftplusGrad", merged),
    ("SoftsignGrad", merged),
    ("SqrtGrad", unchanged),
    ("StridedSliceGrad", of_sizes),
    ("TanhGrad", unchanged),
    ("UnsortedSegmentMax", unsorted_segment),
    ("UnsortedSegmentMin", unsorted_segment),
    ("UnsortedSegmentProd", unsorted_segment),
    ("UnsortedSegmentSum", unsorted_segment),
    ("Where", places),
];

fn unchanged(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, cx.input(0).clone());
    Ok(())
}

/// The gradient and what it is the gradient of have one shape.
fn merged(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, merge(cx.input(0), cx.input(1))?);
    Ok(())
}

fn image(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, PartialShape::new(with_rank(cx.input(0), 4)?));
    Ok(())
}

fn pooled_image(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, PartialShape::new(with_rank(cx.input(1), 4)?));
    Ok(())
}

fn merged_images(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = PartialShape::new(with_rank(cx.input(0), 4)?);
    let shape = merge(&shape, cx.input(1))?;
    cx.set_output(0, merge(&shape, cx.input(2))?);
    Ok(())
}

fn of_sizes(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.constant_as_shape(0)?;
    cx.set_output(0, shape);
    Ok(())
}

fn image_of_sizes(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.constant_as_shape(0)?;
    cx.set_output(0, PartialShape::new(with_rank(&shape, 4)?));
    Ok(())
}

fn filter_of_sizes(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.constant_as_shape(1)?;
    cx.set_output(0, PartialShape::new(with_rank(&shape, 4)?));
    Ok(())
}

fn scatter_nd(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.constant_as_shape(2)?;
    cx.set_output(0, shape);
    Ok(())
}

fn bias_add_grad(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let first = channels_first(cx);
    let dims = with_rank_at_least(cx.input(0), if first { 3 } else { 2 })?;
    let channels = dims.and_then(|dims| match first {
        true => dims.get(dims.len().saturating_sub(3)).copied().flatten(),
        false => dims.last().copied().flatten(),
    });
    cx.set_output(0, PartialShape::new(vec![channels]));
    Ok(())
}

fn unknown_vectors(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    for index in 0..cx.n_outputs() {
        cx.set_output(index, PartialShape::new(vec![None]));
    }
    Ok(())
}

fn vector(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, PartialShape::new(with_rank(cx.input(0), 1)?));
    Ok(())
}

/// Where a tensor is true: an index for each such element.
fn places(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let rank = cx.input(0).rank().and_then(|rank| u64::try_from(rank).ok());
    cx.set_output(0, PartialShape::new(vec![None, rank]));
    Ok(())
}

fn shape_n(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    for index in 0..cx.n_outputs() {
        let rank = cx.input(index).rank().and_then(|rank| u64::try_from(rank).ok());
        cx.set_output(index, PartialShape::new(vec![rank]));
    }
    Ok(())
}

fn concat_offset(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    for index in 0..cx.n_outputs() {
        cx.set_output(index, cx.input(index + 1).clone());
    }
    Ok(())
}

fn broadcast_to(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.constant_as_shape(1)?;
    let known = match cx.input(0).rank() {
        Some(_) => broadcast(cx.input(0), &shape)?,
        None => shape,
    };
    cx.set_output(0, known);
    Ok(())
}

fn fused_batch_norm_grad(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let mut dims = with_rank(cx.input(0), 4)?;
    let x = with_rank(cx.input(1), 4)?;
    let place = if channels_first(cx) { 1 } else { 3 };
    let of = |dims: &[Dim]| dims.get(place).copied().flatten();
    let mut channels = merge_dim(of(&dims), of(&x))?;
    for index in 2..5 {
        let vector = with_rank(cx.input(index), 1)?;
        channels = merge_dim(channels, vector.first().copied().flatten())?;
    }
    if let Some(dim) = dims.get_mut(place) {
        *dim = channels;
    }
    cx.set_output(0, PartialShape::new(dims));
    for (index, dim) in [(1, channels), (2, channels), (3, Some(0)), (4, Some(0))] {
        cx.set_output(index, PartialShape::new(vec![dim]));
    }
    Ok(())
}

fn gather_nd(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    if let Some(shape) = gathered(cx.input(0), cx.input(1))? {
        cx.set_output(0, shape);
    }
    Ok(())
}

/// The shape of what is gathered from a tensor at indices, if it is known.
pub(super) fn gathered(
    params: &PartialShape,
    indices: &PartialShape,
) -> Result<Option<PartialShape>, String> {
    let Some((depth, before)) = with_rank_at_least(indices, 1)?.and_then(|dims| dims.split_last())
    else {
        return Ok(None);
    };
    let (Some(depth), Some(params)) = (*depth, params.dims()) else { return Ok(None) };
    let depth = usize::try_from(depth).unwrap_or(usize::MAX);
    let rest = params.get(depth..).ok_or_else(|| {
        format!("indices.shape[-1] must be <= params.rank, but saw indices.shape[-1] {depth}")
    })?;
    Ok(Some(PartialShape::new(before.iter().chain(rest).copied().collect())))
}

fn segment(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    with_rank(cx.input(1), 1)?;
    let Some(data) = with_rank_at_least(cx.input(0), 1)? else { return Ok(()) };
    let rest = data.iter().skip(1).copied();
    cx.set_output(0, PartialShape::new(std::iter::once(None).chain(rest).collect()));
    Ok(())
}

fn unsorted_segment(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    with_rank(cx.input(2), 0)?;
    let n = cx.constant(2).and_then(|value| to_i64(&value).first().copied());
    let n = n.and_then(|n| u64::try_from(n).ok());
    let (Some(data), Some(ids)) = (cx.input(0).dims(), cx.input(1).dims()) else { return Ok(()) };
    for (data, ids) in data.iter().zip(ids) {
        merge_dim(*data, *ids)?;
    }
    let rest = data.iter().skip(ids.len()).copied();
    cx.set_output(0, PartialShape::new(std::iter::once(n).chain(rest).collect()));
    Ok(())
}

/// Rows at places that several tensors of indices name.
fn dynamic_stitch(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let n = cx.n_inputs() / 2;
    let mut n_rows: Option<u64> = Some(0);
    let mut extra = PartialShape::unknown();
    for index in 0..n {
        let places = cx.constant(index).map(|value| to_i64(&value));
        let places = places.map(|places| places.into_iter().max().unwrap_or(-1));
        let end = places.and_then(|place| u64::try_from(place.checked_add(1)?).ok());
        n_rows = n_rows.zip(end).map(|(a, b)| a.max(b));
        let (Some(indices), Some(data)) = (cx.input(index).dims(), cx.input(n + index).dims())
        else {
            continue;
        };
        let rest = data.iter().skip(indices.len()).copied().collect();
        extra = merge(&extra, &PartialShape::new(rest))?;
    }
    if let Some(extra) = extra.dims() {
        let dims = std::iter::once(n_rows).chain(extra.iter().copied());
        cx.set_output(0, PartialShape::new(dims.collect()));
    }
    Ok(())
}

/// A tensor of twice the rank.
fn diag(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    if let Some(dims) = with_rank_at_least(cx.input(0), 1)? {
        cx.set_output(0, PartialShape::new(dims.iter().chain(dims).copied().collect()));
    }
    Ok(())
}

/// A tensor of half the rank.
fn diag_part(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let Some(dims) = cx.input(0).dims() else { return Ok(()) };
    if dims.len() % 2 != 0 || dims.is_empty() {
        let rank = dims.len();
        return Err(format!("Input must have even and non-zero rank, input rank is {rank}"));
    }
    let (first, second) = dims.split_at_checked(dims.len() / 2).unwrap_or_default();
    let merged = merge(&PartialShape::new(first.to_vec()), &PartialShape::new(second.to_vec()))?;
    cx.set_output(0, merged);
    Ok(())
}
