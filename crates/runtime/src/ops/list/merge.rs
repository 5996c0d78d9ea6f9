use flowkeep_tensor::{PartialShape, Shape, Tensor};

use crate::kernel::Status;
use crate::ops::args;

/// The shape that a tensor describes: a vector of dimensions, -1 for an unknown one, or the scalar
/// -1 for a shape of which nothing is known.
///
/// Errors: `INVALID_ARGUMENT` for other ranks and values.
pub(in crate::ops) fn as_shape(tensor: &Tensor) -> Result<PartialShape, Status> {
    let dims = args::ints(tensor)?;
    match (tensor.shape().rank(), &dims[..]) {
        (0, [-1]) => Ok(PartialShape::unknown()),
        (0, _) => Err(Status::invalid_argument(
            "The only valid scalar shape tensor is the fully unknown shape specified as -1.",
        )),
        (1, _) => {
            if let Some(dim) = dims.iter().find(|dim| **dim < -1) {
                let message = format!("Dimension {dim} must be >= -1");
                return Err(Status::invalid_argument(message));
            }
            if dims.len() > flowkeep_tensor::MAX_RANK {
                let message = format!("{} dimensions are too many", dims.len());
                return Err(Status::invalid_argument(message));
            }
            Ok(PartialShape::new(dims.iter().map(|dim| u64::try_from(*dim).ok()).collect()))
        }
        _ => Err(Status::invalid_argument(format!(
            "Input must be scalar or vector, but got shape {}",
            tensor.shape()
        ))),
    }
}

/// What is known from either of two shapes.
///
/// Errors: `INVALID_ARGUMENT` if they contradict each other.
pub(in crate::ops) fn merge(a: &PartialShape, b: &PartialShape) -> Result<PartialShape, Status> {
    let (Some(a_dims), Some(b_dims)) = (a.dims(), b.dims()) else {
        return Ok(if a.dims().is_some() { a.clone() } else { b.clone() });
    };
    if a_dims.len() != b_dims.len() {
        return Err(Status::invalid_argument(format!(
            "PartialTensorShape: Incompatible ranks during merge: {} vs. {}",
            a_dims.len(),
            b_dims.len()
        )));
    }
    let dim = |(a_dim, b_dim): (&Option<u64>, &Option<u64>)| match (a_dim, b_dim) {
        (Some(a_dim), Some(b_dim)) if a_dim != b_dim => Err(Status::invalid_argument(format!(
            "PartialTensorShape: Incompatible shapes during merge: {a} vs. {b}"
        ))),
        (None, known) | (known, _) => Ok(*known),
    };
    a_dims.iter().zip(b_dims).map(dim).collect::<Result<_, _>>().map(PartialShape::new)
}

/// As [`merge`], with a shape of which all is known.
pub(super) fn merge_with(a: &PartialShape, b: &Shape) -> Result<PartialShape, Status> {
    merge(a, &PartialShape::from(b))
}

/// The shape without its first dimension.
pub(super) fn without_first(shape: &PartialShape) -> PartialShape {
    match shape.dims() {
        Some([_, rest @ ..]) => PartialShape::new(rest.to_vec()),
        _ => PartialShape::unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dims: &[i64]) -> PartialShape {
        as_shape(&Tensor::from_elements(dims.to_vec())).unwrap()
    }

    #[test]
    fn merged_shapes_know_what_either_knows() {
        assert_eq!(merge(&shape(&[-1, 2]), &shape(&[3, -1])).unwrap(), shape(&[3, 2]));
        assert_eq!(merge(&PartialShape::unknown(), &shape(&[3])).unwrap(), shape(&[3]));
        assert!(merge(&shape(&[1]), &shape(&[1, 1])).is_err());
    }

    #[test]
    fn odd_shape_tensors_are_refused() {
        assert!(as_shape(&Tensor::scalar(3i32)).is_err());
        assert!(as_shape(&Tensor::from_elements(vec![-2i32])).is_err());
        assert_eq!(as_shape(&Tensor::scalar(-1i64)).unwrap(), PartialShape::unknown());
    }
}
