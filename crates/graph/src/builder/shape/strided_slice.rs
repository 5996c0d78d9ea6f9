//! `x[begin:end:stride, ..., newaxis]`, the way of NumPy.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::dims::{Dim, with_rank};
use super::values::to_i64;

/// The bit masks of a slice: bit `i` belongs to its `i`th entry.
struct Masks {
    begin: i64,
    end: i64,
    ellipsis: i64,
    new_axis: i64,
    shrink_axis: i64,
}

fn has(mask: i64, bit: usize) -> bool {
    bit < 63 && (mask >> bit) & 1 == 1
}

pub(super) fn strided_slice(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    for index in 1..4 {
        with_rank(cx.input(index), 1)?;
    }
    let Some(strides) = cx.constant(3).as_ref().map(to_i64) else { return Ok(()) };
    let Some(dims) = cx.input(0).dims() else { return Ok(()) };
    let [begin, end] = [1, 2].map(|index| cx.constant(index).as_ref().map(to_i64));
    let mask = |name| cx.attrs().int(name).unwrap_or(0);
    let masks = Masks {
        begin: mask("begin_mask"),
        end: mask("end_mask"),
        ellipsis: mask("ellipsis_mask"),
        new_axis: mask("new_axis_mask"),
        shrink_axis: mask("shrink_axis_mask"),
    };
    if masks.ellipsis.count_ones() > 1 {
        return Err("Multiple ellipses in slice spec not allowed".to_owned());
    }
    let n = strides.len();
    let n_new =
        (0..n).filter(|bit| has(masks.new_axis, *bit) && !has(masks.ellipsis, *bit)).count();
    let has_ellipsis = (0..n).any(|bit| has(masks.ellipsis, bit));
    let n_taken = n - n_new - usize::from(has_ellipsis);
    let mut left = dims.iter().copied().enumerate();
    let mut sliced: Vec<Dim> = Vec::with_capacity(dims.len() + n_new);
    if n_taken > 0 && dims.is_empty() {
        return Err("Attempting to slice scalar input.".to_owned());
    }
    if n_taken > dims.len() {
        return Err(format!(
            "Index out of range using input dim {}; input has only {} dims",
            dims.len(),
            dims.len()
        ));
    }
    for (bit, stride) in strides.iter().enumerate() {
        if has(masks.ellipsis, bit) {
            let n_skipped = dims.len() - n_taken;
            sliced.extend(left.by_ref().take(n_skipped).map(|(_, dim)| dim));
        } else if has(masks.new_axis, bit) {
            sliced.push(Some(1));
        } else if let Some((idx, dim)) = left.next() {
            if *stride == 0 {
                return Err(format!("strides[{idx}] must be non-zero"));
            }
            let entry = |values: &Option<Vec<i64>>| values.as_ref()?.get(bit).copied();
            let ends = entry(&begin).zip(entry(&end));
            if !has(masks.shrink_axis, bit) {
                let open = [has(masks.begin, bit), has(masks.end, bit)];
                sliced.push(length(dim, ends, open, *stride));
            } else if dim.is_some() {
                if *stride < 0 {
                    return Err("only stride 1 allowed on non-range indexing.".to_owned());
                }
                check_index(idx, dim, ends.map(|(begin, _)| begin))?;
            }
        }
    }
    sliced.extend(left.map(|(_, dim)| dim));
    cx.set_output(0, PartialShape::new(sliced));
    Ok(())
}

fn check_index(idx: usize, dim: Dim, index: Option<i64>) -> Result<(), String> {
    if let (Some(size), Some(index)) = (dim.and_then(|dim| i64::try_from(dim).ok()), index)
        && !(-size..size).contains(&index)
    {
        let place = if index < 0 { index + size } else { index };
        return Err(format!("slice index {place} of dimension {idx} out of bounds."));
    }
    Ok(())
}

/// The number of elements of `begin:end:stride`, if it is known; either end may be left open.
fn length(dim: Dim, ends: Option<(i64, i64)>, open: [bool; 2], stride: i64) -> Dim {
    let size = i64::try_from(dim?).ok()?;
    // Going backward, a range ends before the first element.
    let (lowest, highest) = if stride > 0 { (0, size) } else { (-1, size - 1) };
    let (first, last) = if stride > 0 { (lowest, highest) } else { (highest, lowest) };
    let place = |at: i64| {
        let at = if at < 0 { at.saturating_add(size) } else { at };
        at.clamp(lowest, highest)
    };
    let (start, stop) = match (ends, open) {
        (_, [true, true]) => (first, last),
        (Some((begin, end)), [open_begin, open_end]) => (
            if open_begin { first } else { place(begin) },
            if open_end { last } else { place(end) },
        ),
        (None, _) => return None,
    };
    let span = if stride > 0 { stop - start } else { start - stop };
    u64::try_from(span.max(0)).ok().map(|span| span.div_ceil(stride.unsigned_abs()))
}
