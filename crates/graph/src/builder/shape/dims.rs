//! What is known of shapes, put together.
//!
//! Sentences are those of TensorFlow's `InferenceContext`.

use flowkeep_tensor::PartialShape;

/// A dimension: its size, if that is known.
pub type Dim = Option<u64>;

/// What two dimensions that are equal are known to be.
pub(super) fn merge_dim(a: Dim, b: Dim) -> Result<Dim, String> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => {
            Err(format!("Dimensions must be equal, but are {a} and {b}"))
        }
        (a, b) => Ok(a.or(b)),
    }
}

/// What two shapes that are equal are known to be.
pub(super) fn merge(a: &PartialShape, b: &PartialShape) -> Result<PartialShape, String> {
    let (Some(a_dims), Some(b_dims)) = (a.dims(), b.dims()) else {
        return Ok(if a.rank().is_some() { a.clone() } else { b.clone() });
    };
    if a_dims.len() != b_dims.len() {
        return Err(format!(
            "Shapes must be equal rank, but are {} and {}",
            a_dims.len(),
            b_dims.len()
        ));
    }
    let mut merged = Vec::with_capacity(a_dims.len());
    for (idx, (a_dim, b_dim)) in a_dims.iter().zip(b_dims).enumerate() {
        match (a_dim, b_dim) {
            (Some(x), Some(y)) if x != y => {
                return Err(format!(
                    "Dimension {idx} in both shapes must be equal, but are {x} and {y}. Shapes are {} and {}.",
                    debug(a),
                    debug(b)
                ));
            }
            (x, y) => merged.push(x.or(*y)),
        }
    }
    Ok(PartialShape::new(merged))
}

/// The dimensions of a shape that has this rank.
pub(super) fn with_rank(shape: &PartialShape, rank: usize) -> Result<Vec<Dim>, String> {
    match shape.dims() {
        None => Ok(vec![None; rank]),
        Some(dims) if dims.len() == rank => Ok(dims.to_vec()),
        Some(dims) => Err(format!("Shape must be rank {rank} but is rank {}", dims.len())),
    }
}

/// The dimensions of a shape, if known, that has at least this rank.
pub(super) fn with_rank_at_least(
    shape: &PartialShape,
    rank: usize,
) -> Result<Option<&[Dim]>, String> {
    match shape.dims() {
        Some(dims) if dims.len() < rank => {
            Err(format!("Shape must be at least rank {rank} but is rank {}", dims.len()))
        }
        dims => Ok(dims),
    }
}

/// The shape, if its rank is known, that has at most this rank.
pub(super) fn with_rank_at_most(shape: &PartialShape, rank: usize) -> Result<(), String> {
    match shape.dims() {
        Some(dims) if dims.len() > rank => {
            Err(format!("Shape must be at most rank {rank} but is rank {}", dims.len()))
        }
        _ => Ok(()),
    }
}

/// The shape of an elementwise result, with NumPy's rule for dimensions of size 1.
pub(super) fn broadcast(a: &PartialShape, b: &PartialShape) -> Result<PartialShape, String> {
    let (Some(a), Some(b)) = (a.dims(), b.dims()) else { return Ok(PartialShape::unknown()) };
    let rank = a.len().max(b.len());
    let padded = |dims: &[Dim]| {
        let mut padded = vec![Some(1); rank - dims.len()];
        padded.extend_from_slice(dims);
        padded
    };
    let mut result = Vec::with_capacity(rank);
    for (x, y) in padded(a).into_iter().zip(padded(b)) {
        result.push(match (x, y) {
            (Some(1), other) | (other, Some(1)) => other,
            // Sizes above 1 win over what is unknown, which can only be that or 1.
            (Some(size), None) | (None, Some(size)) => (size > 1).then_some(size),
            (None, None) => None,
            (x, y) => merge_dim(x, y)?,
        });
    }
    Ok(PartialShape::new(result))
}

/// The shape as sentences write it, `?` when the rank is unknown.
pub(super) fn debug(shape: &PartialShape) -> String {
    if shape.rank().is_none() { "?".to_owned() } else { shape.to_string() }
}

/// The product of two sizes, as far as it is known.
pub(super) fn multiply(a: Dim, b: Dim) -> Dim {
    match (a, b) {
        (Some(0), _) | (_, Some(0)) => Some(0),
        (Some(1), other) | (other, Some(1)) => other,
        (a, b) => a?.checked_mul(b?),
    }
}

/// The product of all sizes, if all are known.
pub(super) fn n_elements(dims: &[Dim]) -> Option<u64> {
    dims.iter().try_fold(1u64, |n, dim| n.checked_mul((*dim)?))
}

/// A shape of these sizes.
pub(super) fn known(dims: impl IntoIterator<Item = u64>) -> PartialShape {
    PartialShape::new(dims.into_iter().map(Some).collect())
}

/// The shape of a scalar.
pub(super) fn scalar() -> PartialShape {
    PartialShape::new(Vec::new())
}

/// The place of axis `axis` among `rank`, counted from the end when it is negative.
pub(super) fn axis(axis: i64, rank: usize) -> Option<usize> {
    let n = i64::try_from(rank).ok()?;
    let place = if axis < 0 { axis.checked_add(n)? } else { axis };
    usize::try_from(place).ok().filter(|place| *place < rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dims: &[i64]) -> PartialShape {
        PartialShape::new(dims.iter().map(|dim| u64::try_from(*dim).ok()).collect())
    }

    #[test]
    fn broadcasting_stretches_dimensions_of_size_one() {
        for (a, b, want) in [
            (&[2, 3][..], &[3][..], &[2, 3][..]),
            (&[2, 1], &[1, 3], &[2, 3]),
            (&[-1, 3], &[1], &[-1, 3]),
            (&[-1], &[5], &[5]),
            (&[-1], &[1], &[-1]),
            (&[0], &[1], &[0]),
            (&[0], &[-1], &[-1]),
            (&[], &[4], &[4]),
        ] {
            assert_eq!(broadcast(&shape(a), &shape(b)).unwrap(), shape(want), "{a:?} {b:?}");
        }
        assert_eq!(
            broadcast(&shape(&[2]), &shape(&[3])).unwrap_err(),
            "Dimensions must be equal, but are 2 and 3"
        );
    }

    #[test]
    fn merging_keeps_what_either_knows() {
        assert_eq!(merge(&shape(&[-1, 3]), &shape(&[2, -1])).unwrap(), shape(&[2, 3]));
        assert_eq!(merge(&PartialShape::unknown(), &shape(&[2])).unwrap(), shape(&[2]));
        assert_eq!(
            merge(&shape(&[2, 3]), &shape(&[2, 4])).unwrap_err(),
            "Dimension 1 in both shapes must be equal, but are 3 and 4. Shapes are [2,3] and [2,4]."
        );
        assert_eq!(
            merge(&shape(&[2]), &shape(&[])).unwrap_err(),
            "Shapes must be equal rank, but are 1 and 0"
        );
    }

    #[test]
    fn negative_axes_count_from_the_end() {
        assert_eq!(
            (axis(-1, 3), axis(2, 3), axis(3, 3), axis(-4, 3)),
            (Some(2), Some(2), None, None)
        );
    }
}
