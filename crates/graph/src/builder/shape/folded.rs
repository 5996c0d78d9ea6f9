//! Ops on sizes that are computed where all their inputs are known.

use crate::Node;

/// Integers in a scalar or a vector.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) is_scalar: bool,
    pub(super) values: Vec<i64>,
}

/// More elements than this are not computed.
const MAX_ELEMENTS: usize = 1 << 10;

/// Whether [`fold`] may know what a node of this op gives.
pub(super) fn is_folded(op: &str) -> bool {
    matches!(
        op,
        "BroadcastGradientArgs"
            | "ConcatOffset"
            | "DynamicStitch"
            | "ExpandDims"
            | "Fill"
            | "FloorDiv"
            | "FloorMod"
            | "GatherV2"
            | "InvertPermutation"
            | "ListDiff"
            | "Maximum"
            | "Minimum"
            | "Prod"
            | "Range"
            | "Reshape"
            | "Slice"
            | "Tile"
    )
}

/// An output of a node, from its inputs.
pub(super) fn fold(node: &Node, index: usize, inputs: &[Known]) -> Option<Known> {
    match (node.op(), inputs) {
        ("FloorDiv", [x, y]) => x.with(y, |x, y| {
            let quotient = x.checked_div(y)?;
            Some(if x % y != 0 && (x < 0) != (y < 0) { quotient - 1 } else { quotient })
        }),
        ("FloorMod", [x, y]) => x.with(y, |x, y| {
            let rest = x.checked_rem(y)?;
            Some(if rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest })
        }),
        ("Maximum", [x, y]) => x.with(y, |x, y| Some(x.max(y))),
        ("Minimum", [x, y]) => x.with(y, |x, y| Some(x.min(y))),
        ("Range", [start, limit, delta]) => {
            range(start.only()?, limit.only()?, delta.only()?, MAX_ELEMENTS).map(Known::vector)
        }
        ("ExpandDims", [x, _]) if x.is_scalar => Some(Known::vector(x.values.clone())),
        ("Fill", [dims, value]) => match dims.values[..] {
            [] => Some(Known::scalar(value.only()?)),
            [n] => {
                let n = usize::try_from(n).ok().filter(|n| *n <= MAX_ELEMENTS)?;
                Some(Known::vector(vec![value.only()?; n]))
            }
            _ => None,
        },
        ("Reshape", [x, shape]) => match shape.values[..] {
            [] => Some(Known::scalar(x.only()?)),
            [n] if n == -1 || usize::try_from(n) == Ok(x.values.len()) => {
                Some(Known::vector(x.values.clone()))
            }
            _ => None,
        },
        ("Slice", [x, begin, size]) if !x.is_scalar => {
            let begin = usize::try_from(begin.only()?).ok()?;
            let rest = x.values.get(begin..)?;
            let size = match size.only()? {
                -1 => rest.len(),
                size => usize::try_from(size).ok()?,
            };
            Some(Known::vector(rest.get(..size)?.to_vec()))
        }
        ("Tile", [x, multiples]) if !x.is_scalar => {
            let n = usize::try_from(multiples.only()?).ok()?;
            let fits = x.values.len().checked_mul(n)? <= MAX_ELEMENTS;
            fits.then(|| Known::vector(x.values.repeat(n)))
        }
        ("Prod", [x, axes]) if node.attrs().bool("keep_dims") == Ok(false) => {
            let is_whole = !x.is_scalar && matches!(axes.values[..], [0 | -1]);
            let product = x.values.iter().try_fold(1i64, |n, value| n.checked_mul(*value))?;
            is_whole.then(|| Known::scalar(product))
        }
        ("GatherV2", [params, indices, axis]) if axis.only()? == 0 && !params.is_scalar => {
            let pick = |index: &i64| params.values.get(usize::try_from(*index).ok()?).copied();
            let values = indices.values.iter().map(pick).collect::<Option<_>>()?;
            Some(Known { is_scalar: indices.is_scalar, values })
        }
        ("InvertPermutation", [x]) => {
            let mut values = vec![-1; x.values.len()];
            for (place, index) in (0..).zip(&x.values) {
                *values.get_mut(usize::try_from(*index).ok()?)? = place;
            }
            Some(Known::vector(values))
        }
        ("ListDiff", [x, y]) => {
            let kept = (0..).zip(&x.values).filter(|(_, value)| !y.values.contains(value));
            let of = |(place, value): (i64, &i64)| if index == 0 { *value } else { place };
            Some(Known::vector(kept.map(of).collect()))
        }
        ("BroadcastGradientArgs", [x, y]) => broadcast_axes(&x.values, &y.values, index),
        ("ConcatOffset", [axis, sizes @ ..]) => {
            let rank = i64::try_from(sizes.first()?.values.len()).ok()?;
            let axis = axis.only()?;
            let place = usize::try_from(if axis < 0 { axis + rank } else { axis }).ok()?;
            let before = sizes.get(..index)?.iter().map(|size| size.values.get(place).copied());
            let offset = before.sum::<Option<i64>>()?;
            let mut values = vec![0; sizes.first()?.values.len()];
            *values.get_mut(place)? = offset;
            Some(Known::vector(values))
        }
        ("DynamicStitch", inputs) => {
            let (indices, data) = inputs.split_at_checked(inputs.len() / 2)?;
            let n = indices.iter().flat_map(|part| &part.values).max()?.checked_add(1)?;
            let n = usize::try_from(n).ok().filter(|n| *n <= MAX_ELEMENTS)?;
            let mut values = vec![0; n];
            for (indices, data) in indices.iter().zip(data) {
                for (index, value) in indices.values.iter().zip(&data.values) {
                    *values.get_mut(usize::try_from(*index).ok()?)? = *value;
                }
            }
            Some(Known::vector(values))
        }
        _ => None,
    }
}

impl Known {
    fn scalar(value: i64) -> Known {
        Known { is_scalar: true, values: vec![value] }
    }

    fn vector(values: Vec<i64>) -> Known {
        Known { is_scalar: false, values }
    }

    fn only(&self) -> Option<i64> {
        match *self.values {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Both, element by element; a scalar goes with all elements of a vector.
    fn with(&self, other: &Known, op: impl Fn(i64, i64) -> Option<i64>) -> Option<Known> {
        let n = self.values.len().max(other.values.len());
        let at = |known: &Known, place: usize| match known.values.len() {
            1 => known.only(),
            _ => known.values.get(place).copied(),
        };
        let values: Option<Vec<i64>> =
            (0..n).map(|place| op(at(self, place)?, at(other, place)?)).collect();
        Some(Known { is_scalar: self.is_scalar && other.is_scalar, values: values? })
    }
}

/// The numbers from `start` to before `limit`; `None` if they are more than `max`, or no end is reached.
pub(crate) fn range(start: i64, limit: i64, delta: i64, max: usize) -> Option<Vec<i64>> {
    let mut values = Vec::new();
    let mut value = start;
    while (delta > 0 && value < limit) || (delta < 0 && value > limit) {
        if values.len() >= max {
            return None;
        }
        values.push(value);
        value = value.checked_add(delta)?;
    }
    (delta != 0).then_some(values)
}

/// The axes along which a shape of two is to be summed after a broadcast: those in which it has size 1
/// or none, and, where both have size 1, these too.
fn broadcast_axes(x: &[i64], y: &[i64], which: usize) -> Option<Known> {
    let rank = x.len().max(y.len());
    let dim = |dims: &[i64], axis: usize| match (axis + dims.len()).checked_sub(rank) {
        None => Some(None),
        Some(place) => dims.get(place).copied().map(Some),
    };
    let mut axes = Vec::new();
    for axis in 0..rank {
        let (own, other) = match which {
            0 => (dim(x, axis)?, dim(y, axis)?),
            _ => (dim(y, axis)?, dim(x, axis)?),
        };
        let both_ones = own.unwrap_or(1) == 1 && other.unwrap_or(1) == 1;
        let is_broadcast = own.unwrap_or(1) == 1 && other.unwrap_or(1) != 1;
        if is_broadcast || both_ones {
            axes.push(i64::try_from(axis).ok()?);
        }
    }
    let whole = x.len() == y.len() && x == y;
    Some(Known::vector(if whole { Vec::new() } else { axes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_round_down_and_rests_have_the_sign_of_the_divisor() {
        let scope = &mut crate::builder::Scope::new();
        let node = |scope: &mut crate::builder::Scope, op: &str| {
            let id = scope.op(op).input(1i32).input(1i32).build().unwrap();
            scope.graph().node(id).clone()
        };
        let (div, rest) = (node(scope, "FloorDiv"), node(scope, "FloorMod"));
        let known = |value| Known::scalar(value);
        for (x, y, quotient, remainder) in [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1)] {
            assert_eq!(fold(&div, 0, &[known(x), known(y)]), Some(known(quotient)));
            assert_eq!(fold(&rest, 0, &[known(x), known(y)]), Some(known(remainder)));
        }
        assert_eq!(fold(&div, 0, &[known(1), known(0)]), None);
    }
}
