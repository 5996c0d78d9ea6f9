//! Ops that give the same elements another shape.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::array::expect_dim;
use super::builtin::ShapeFn;
use super::dims::{Dim, axis, n_elements, with_rank};
use super::values::to_i64;

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("ConjugateTranspose", transpose),
    ("ExpandDims", expand_dims),
    ("Reshape", reshape),
    ("Squeeze", squeeze),
    ("Transpose", transpose),
];

/// The product of the sizes that are known, and where the only unknown one is; `None` if there are
/// several. Where a size is 0, nothing else matters.
fn one_unknown(dims: &[Dim]) -> Option<(u64, Option<usize>)> {
    if dims.contains(&Some(0)) {
        return Some((0, None));
    }
    let mut unknown = dims.iter().enumerate().filter(|(_, dim)| dim.is_none()).map(|(idx, _)| idx);
    let first = unknown.next();
    if unknown.next().is_some() {
        return None;
    }
    let known: Vec<Dim> = dims.iter().filter(|dim| dim.is_some()).copied().collect();
    Some((n_elements(&known)?, first))
}

fn reshape(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let wanted = cx.constant_as_shape(1)?;
    let Some(out) = wanted.dims() else { return Ok(()) };
    let mut out = out.to_vec();
    if let Some(given) = cx.input(0).dims()
        && let (Some((n_given, given_idx)), Some((n_out, out_idx))) =
            (one_unknown(given), one_unknown(&out))
    {
        match (given_idx, out_idx) {
            (None, None) if n_given != n_out => {
                return Err(format!(
                    "Cannot reshape a tensor with {n_given} elements to shape {wanted} ({n_out} elements)"
                ));
            }
            (None, None) => {}
            (None, Some(idx)) if n_out > 0 => {
                if let Some(dim) = out.get_mut(idx) {
                    *dim = Some(divide(n_given, n_out)?);
                }
            }
            (Some(_), None) if n_given != 0 => {
                divide(n_out, n_given)?;
            }
            // The unknown dimensions are then the same, of which no more is known.
            _ => {}
        }
    }
    cx.set_output(0, PartialShape::new(out));
    Ok(())
}

/// A quotient without a rest.
pub(super) fn divide(dividend: u64, divisor: u64) -> Result<u64, String> {
    if divisor == 0 || !dividend.is_multiple_of(divisor) {
        return Err(format!(
            "Dimension size must be evenly divisible by {divisor} but is {dividend}"
        ));
    }
    Ok(dividend / divisor)
}

fn expand_dims(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let index = cx.constant(1);
    let Some(dims) = cx.input(0).dims() else { return Ok(()) };
    let Some(index) = index.and_then(|value| to_i64(&value).first().copied()) else {
        return Ok(());
    };
    let rank = dims.len();
    let place = axis(index, rank + 1).ok_or_else(|| {
        format!(
            "dim {index} not in the interval [{}, {rank}].",
            -1 - i64::try_from(rank).unwrap_or(0)
        )
    })?;
    let mut expanded = dims.to_vec();
    expanded.insert(place, Some(1));
    cx.set_output(0, PartialShape::new(expanded));
    Ok(())
}

fn squeeze(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let axes = cx.attrs().ints("squeeze_dims").unwrap_or_default();
    let Some(dims) = cx.input(0).dims() else { return Ok(()) };
    let mut squeezed = vec![false; dims.len()];
    for (idx, index) in axes.iter().enumerate() {
        let place = axis(*index, dims.len()).and_then(|place| squeezed.get_mut(place));
        *place.ok_or_else(|| {
            let rank = i64::try_from(dims.len()).unwrap_or(i64::MAX);
            format!("squeeze_dims[{idx}] not in [{},{rank}).", -rank)
        })? = true;
    }
    if axes.is_empty() && dims.contains(&None) {
        // Whether a dimension goes depends on its size.
        return Ok(());
    }
    let mut left = Vec::with_capacity(dims.len());
    for (idx, (dim, is_squeezed)) in dims.iter().zip(squeezed).enumerate() {
        match (axes.is_empty(), is_squeezed, dim) {
            (true, _, Some(1)) | (false, true, Some(1) | None) => {}
            (false, true, Some(size)) => {
                return Err(format!(
                    "Can not squeeze dim[{idx}], expected a dimension of 1, got {size}"
                ));
            }
            _ => left.push(*dim),
        }
    }
    cx.set_output(0, PartialShape::new(left));
    Ok(())
}

fn transpose(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let perm = cx.constant(1).as_ref().map(to_i64);
    let length = with_rank(cx.input(1), 1)?;
    let n_axes = length.first().copied().flatten().map(usize::try_from);
    let rank = match (cx.input(0).rank(), n_axes) {
        (Some(rank), _) => rank,
        (None, Some(Ok(n_axes))) if (2..=flowkeep_tensor::MAX_RANK).contains(&n_axes) => n_axes,
        _ => return Ok(()),
    };
    expect_dim(length.first().copied().flatten(), u64::try_from(rank).unwrap_or(u64::MAX))?;
    let dims = with_rank(cx.input(0), rank)?;
    let Some(perm) = perm else {
        cx.set_output(0, PartialShape::new(vec![None; rank]));
        return Ok(());
    };
    let mut turned = Vec::with_capacity(rank);
    for index in perm {
        let dim = axis(index, rank).and_then(|place| dims.get(place));
        turned.push(
            *dim.ok_or_else(|| format!("perm dim {index} is out of range of input rank {rank}"))?,
        );
    }
    cx.set_output(0, PartialShape::new(turned));
    Ok(())
}
