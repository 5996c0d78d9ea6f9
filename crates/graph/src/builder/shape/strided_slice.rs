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
    let [begin, end, strides] = [1, 2, 3].map(|index| cx.constant(index).as_ref().map(to_i64));
    let Some(dims) = cx.input(0).dims() else { return Ok(()) };
    let Some(strides) = strides else { return Ok(()) };
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
            let entry = |values: &Option<Vec<i64>>| values.as_ref()?.get(bit).copied();
            let bound =
                |mask, values| if has(mask, bit) { Bound::Open } else { Bound::of(entry(values)) };
            if *stride == 0 {
                return Err(format!("strides[{bit}] must be non-zero"));
            }
            if has(masks.shrink_axis, bit) {
                check_index(idx, dim, entry(&begin))?;
                if *stride < 0 {
                    return Err("only stride 1 allowed on non-range indexing.".to_owned());
                }
            } else {
                sliced.push(length(
                    dim,
                    bound(masks.begin, &begin),
                    bound(masks.end, &end),
                    *stride,
                ));
            }
        }
    }
    sliced.extend(left.map(|(_, dim)| dim));
    cx.set_output(0, PartialShape::new(sliced));
    Ok(())
}

/// Where a range of a dimension begins or ends.
#[derive(Clone, Copy)]
enum Bound {
    Open,
    At(i64),
    Unknown,
}

impl Bound {
    fn of(value: Option<i64>) -> Bound {
        value.map_or(Bound::Unknown, Bound::At)
    }
}

fn check_index(idx: usize, dim: Dim, index: Option<i64>) -> Result<(), String> {
    if let (Some(size), Some(index)) = (dim.and_then(|dim| i64::try_from(dim).ok()), index)
        && !(-size..size).contains(&index)
    {
        return Err(format!("slice index {index} of dimension {idx} out of bounds."));
    }
    Ok(())
}

/// The number of elements of `begin:end:stride`, if it is known.
fn length(dim: Dim, begin: Bound, end: Bound, stride: i64) -> Dim {
    let Some(size) = dim.and_then(|dim| i64::try_from(dim).ok()) else {
        return length_of_unknown(begin, end, stride);
    };
    let (lowest, highest) = if stride > 0 { (0, size) } else { (-1, size - 1) };
    let place = |at: i64| {
        let at = if at < 0 { at.saturating_add(size) } else { at };
        at.clamp(lowest, highest)
    };
    let start = match begin {
        Bound::Open => {
            if stride > 0 {
                0
            } else {
                size - 1
            }
        }
        Bound::At(at) => place(at),
        Bound::Unknown => return None,
    };
    let stop = match end {
        Bound::Open => {
            if stride > 0 {
                size
            } else {
                -1
            }
        }
        Bound::At(at) => place(at),
        Bound::Unknown => return None,
    };
    let span = if stride > 0 { stop - start } else { start - stop };
    u64::try_from(span.max(0)).ok().map(|span| span.div_ceil(stride.unsigned_abs()))
}

/// Nothing can be said of a dimension of unknown size, but for one that is taken whole.
fn length_of_unknown(begin: Bound, end: Bound, stride: i64) -> Dim {
    match (begin, end) {
        // Both count from the same side, and reach no further than the dimension if it is long enough,
        // which is not known.
        (Bound::At(begin), Bound::At(end)) if (begin < 0) == (end < 0) => {
            let span = if stride > 0 { end - begin } else { begin - end };
            (span <= 0).then_some(0)
        }
        _ => None,
    }
}
