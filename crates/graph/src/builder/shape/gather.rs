//! Ops that take parts of tensors, and ones that put tensors together.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::array::expect_dim;
use super::builtin::ShapeFn;
use super::dims::{Dim, axis, merge, with_rank, with_rank_at_least};
use super::reshape::divide;
use super::strided_slice::strided_slice;
use super::values::to_i64;

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("Concat", concat_v1),
    ("ConcatV2", concat),
    ("Gather", gather_rows),
    ("GatherV2", gather),
    ("Pack", pack),
    ("Slice", slice),
    ("Split", split),
    ("SplitV", split_v),
    ("StridedSlice", strided_slice),
    ("Unpack", unpack),
];

fn gather_rows(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let params = with_rank_at_least(cx.input(0), 1)?;
    if let (Some(params), Some(indices)) = (params, cx.input(1).dims()) {
        let rest = params.iter().skip(1);
        cx.set_output(0, PartialShape::new(indices.iter().chain(rest).copied().collect()));
    }
    Ok(())
}

fn gather(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let params = with_rank_at_least(cx.input(0), 1)?;
    with_rank(cx.input(2), 0)?;
    let index = cx.constant(2).and_then(|value| to_i64(&value).first().copied());
    if let Some(index) = index {
        with_rank_at_least(cx.input(0), min_rank(index))?;
    }
    let batch_dims = cx.attrs().int("batch_dims").unwrap_or(0);
    let indices = cx.input(1).dims();
    let (Some(params), Some(indices)) = (params, indices) else { return Ok(()) };
    let batch = if batch_dims < 0 {
        axis(batch_dims, indices.len())
    } else {
        usize::try_from(batch_dims).ok()
    };
    let Some(batch) = batch.filter(|batch| *batch <= indices.len()) else { return Ok(()) };
    let Some(index) = index else {
        let rank = (params.len() + indices.len()).saturating_sub(1 + batch);
        cx.set_output(0, PartialShape::new(vec![None; rank]));
        return Ok(());
    };
    let Some(place) = axis(index, params.len()) else { return Ok(()) };
    let before = params.iter().take(place);
    let within = indices.iter().skip(batch);
    let behind = params.iter().skip(place + 1);
    cx.set_output(0, PartialShape::new(before.chain(within).chain(behind).copied().collect()));
    Ok(())
}

/// The least rank that has an axis of this number.
fn min_rank(axis: i64) -> usize {
    let rank = if axis < 0 { axis.unsigned_abs() } else { axis.unsigned_abs() + 1 };
    usize::try_from(rank).unwrap_or(usize::MAX)
}

fn concat(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let Some(n) = cx.n_inputs().checked_sub(1) else { return Ok(()) };
    joined(cx, n, 0..n)
}

fn concat_v1(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    joined(cx, 0, 1..cx.n_inputs())
}

/// Tensors one behind the other along the axis that an input says.
fn joined(
    cx: &mut InferenceContext<'_>,
    axis_input: usize,
    inputs: std::ops::Range<usize>,
) -> Result<(), String> {
    with_rank(cx.input(axis_input), 0)?;
    let index = cx.constant(axis_input).and_then(|value| to_i64(&value).first().copied());
    let Some(index) = index else {
        let Some(rank) = inputs.clone().find_map(|input| cx.input(input).rank()) else {
            return Ok(());
        };
        if rank == 0 {
            return Err("Can't concatenate scalars (use tf.stack instead)".to_owned());
        }
        for input in inputs {
            with_rank(cx.input(input), rank)?;
        }
        cx.set_output(0, PartialShape::new(vec![None; rank]));
        return Ok(());
    };
    let mut whole: Option<(PartialShape, Dim, PartialShape)> = None;
    for input in inputs.rev() {
        let parts = match with_rank_at_least(cx.input(input), min_rank(index))? {
            None => (PartialShape::unknown(), None, PartialShape::unknown()),
            Some(dims) => {
                let place = axis(index, dims.len()).unwrap_or_default();
                let part =
                    |dims: Option<&[Dim]>| PartialShape::new(dims.unwrap_or_default().to_vec());
                let middle = dims.get(place).copied().flatten();
                (part(dims.get(..place)), middle, part(dims.get(place + 1..)))
            }
        };
        whole = Some(match whole {
            None => parts,
            Some((before, middle, behind)) => {
                let before = merge(&parts.0, &before)?;
                let middle = middle.zip(parts.1).and_then(|(a, b)| a.checked_add(b));
                (before, middle, merge(&parts.2, &behind)?)
            }
        });
    }
    if let Some((before, middle, behind)) = whole
        && let (Some(before), Some(behind)) = (before.dims(), behind.dims())
    {
        let dims = before.iter().copied().chain([middle]).chain(behind.iter().copied());
        cx.set_output(0, PartialShape::new(dims.collect()));
    }
    Ok(())
}

/// Parts of the sizes that an input says.
fn split_v(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    with_rank(cx.input(2), 0)?;
    let index = cx.constant(2).and_then(|value| to_i64(&value).first().copied());
    let sizes = cx.constant(1).map(|value| to_i64(&value));
    let Some(dims) = cx.input(0).dims() else { return Ok(()) };
    let place = index.and_then(|index| axis(index, dims.len()));
    for output in 0..cx.n_outputs() {
        let mut dims = dims.to_vec();
        match place.and_then(|place| dims.get_mut(place)) {
            Some(dim) => {
                let size = sizes.as_ref().and_then(|sizes| sizes.get(output));
                *dim = size.and_then(|size| u64::try_from(*size).ok());
            }
            None => dims.fill(None),
        }
        cx.set_output(output, PartialShape::new(dims));
    }
    Ok(())
}

/// The place that `axis` says among `rank` dimensions.
fn stack_axis(cx: &InferenceContext<'_>, rank: usize) -> Result<usize, String> {
    let index = cx.attrs().int("axis").unwrap_or(0);
    axis(index, rank).ok_or_else(|| {
        let rank = i64::try_from(rank).unwrap_or(i64::MAX);
        format!("Invalid axis: {index}; must be in [{},{rank})", -rank)
    })
}

fn pack(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let Some(last) = cx.n_inputs().checked_sub(1) else { return Ok(()) };
    let mut each = cx.input(last).clone();
    for index in (0..last).rev() {
        each = merge(cx.input(index), &each)
            .map_err(|what| format!("{what}\n\tFrom merging shape {index} with other shapes."))?;
    }
    let Some(dims) = each.dims() else { return Ok(()) };
    let place = stack_axis(cx, dims.len() + 1)?;
    let mut dims = dims.to_vec();
    dims.insert(place, u64::try_from(cx.n_inputs()).ok());
    cx.set_output(0, PartialShape::new(dims));
    Ok(())
}

fn unpack(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let Some(dims) = cx.input(0).dims() else { return Ok(()) };
    let place = stack_axis(cx, dims.len())?;
    let mut each = dims.to_vec();
    expect_dim(each.remove(place), u64::try_from(cx.n_outputs()).unwrap_or(u64::MAX))?;
    for index in 0..cx.n_outputs() {
        cx.set_output(index, PartialShape::new(each.clone()));
    }
    Ok(())
}

fn split(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    with_rank(cx.input(0), 0)?;
    let index = cx.constant(0).and_then(|value| to_i64(&value).first().copied());
    let Some(dims) = cx.input(1).dims() else { return Ok(()) };
    let mut each = vec![None; dims.len()];
    if let Some(index) = index {
        each = dims.to_vec();
        let rank = dims.len();
        let place = axis(index, rank).and_then(|place| each.get_mut(place)).ok_or_else(|| {
            format!(
                "Dimension size, given by scalar input {index} must be in range [-{rank}, {rank})"
            )
        })?;
        let n = u64::try_from(cx.n_outputs()).unwrap_or(u64::MAX);
        if let Some(size) = place {
            *place = Some(divide(*size, n).map_err(|what| {
                format!(
                    "{what}\n\tNumber of ways to split should evenly divide the split dimension"
                )
            })?);
        }
    }
    for index in 0..cx.n_outputs() {
        cx.set_output(index, PartialShape::new(each.clone()));
    }
    Ok(())
}

fn slice(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    with_rank(cx.input(1), 1)?;
    with_rank(cx.input(2), 1)?;
    let vector = merge(cx.input(1), cx.input(2))?;
    let n = vector.dims().and_then(|dims| dims.first().copied().flatten());
    let n = n.and_then(|n| usize::try_from(n).ok());
    let Some(rank) = n.or(cx.input(0).rank()) else { return Ok(()) };
    if rank > flowkeep_tensor::MAX_RANK {
        return Ok(());
    }
    let dims = with_rank(cx.input(0), rank)?;
    let begins = cx.constant_as_shape(1)?;
    let sizes = cx.constant(2).as_ref().map(to_i64);
    let size_dims = cx.constant_as_shape(2)?;
    let mut sliced = vec![None; rank];
    for (idx, place) in sliced.iter_mut().enumerate() {
        let of =
            |shape: &PartialShape| shape.dims().and_then(|dims| dims.get(idx).copied().flatten());
        *place = match sizes.as_ref().and_then(|sizes| sizes.get(idx)) {
            // All that are left.
            Some(-1) => match (dims.get(idx).copied().flatten(), of(&begins)) {
                (Some(dim), Some(start)) => Some(dim.checked_sub(start).ok_or_else(|| {
                    format!("Negative dimension size caused by subtracting {start} from {dim}")
                })?),
                _ => None,
            },
            _ => of(&size_dims),
        };
    }
    cx.set_output(0, PartialShape::new(sliced));
    Ok(())
}
