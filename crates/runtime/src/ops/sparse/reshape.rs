//! Sparse tensors in another shape, and with their entries in order.

use flowkeep_tensor::Tensor;

use super::parts::{Parts, index_matrix, joined, picked, sizes, sorted};
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};

/// Gives a sparse tensor other dimensions, of as many elements.
///
/// Shapes: `input_indices [n, r]`, `input_shape [r]`, `new_shape [s]`, of which one may be -1 → indices `[n, s]`,
/// dimensions `[s]`.
/// Errors: `INVALID_ARGUMENT` for other ranks, negative dimensions, and another number of elements. Indices out of
/// bounds are not looked for, as in the reference.
/// Source: OpDef `SparseReshape`.
pub(super) fn sparse_reshape(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let error = |message: String| Err(Status::invalid_argument(message));
        let (indices, from, to) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        if indices.shape().rank() != 2 {
            return error("Input must be a matrix.".into());
        }
        if from.shape().rank() != 1 {
            return error("Input shape must be a vector.".into());
        }
        if to.shape().rank() != 1 {
            return error(format!(
                "Target shape should be a vector but received shape {}",
                to.shape()
            ));
        }
        if from.n_elements() != indices.dims()[1] {
            return error("Input tensor rank must match input shape length.".into());
        }
        let from = sizes(from.as_slice()?)?;
        let to = target(&from, to.as_slice()?)?;
        let (n, rank) = (indices.dims()[0], to.len());
        let output = match from == to {
            true => indices.clone(),
            false => {
                let too_many = || Status::resource_exhausted(format!("{n} indices are too many"));
                let mut output = Vec::new();
                let len = n.checked_mul(rank).ok_or_else(too_many)?;
                output.try_reserve_exact(len).map_err(|_| too_many())?;
                let from_strides = strides(&from);
                let to_strides = strides(&to);
                let all = indices.as_slice::<i64>()?;
                for i in 0..n {
                    let index = &all[i * from.len()..][..from.len()];
                    let place =
                        index.iter().zip(&from_strides).fold(0i64, |place, (at, stride)| {
                            place.wrapping_add(at.wrapping_mul(*stride))
                        });
                    let mut rest = place;
                    for stride in &to_strides {
                        // A dimension of 0 leaves strides of 0, and no entry can be inside.
                        output.push(rest.checked_div(*stride).unwrap_or(0));
                        rest = rest.checked_rem(*stride).unwrap_or(0);
                    }
                }
                index_matrix(rank, output, n)?
            }
        };
        cx.set_output(0, output)?;
        cx.set_output(1, Tensor::from_elements(to.iter().map(|size| *size as i64).collect()))
    })
}

/// The number of elements that one step along each dimension passes.
fn strides(sizes: &[u64]) -> Vec<i64> {
    let mut strides = vec![1i64; sizes.len()];
    for dim in (1..sizes.len()).rev() {
        strides[dim - 1] = strides[dim].wrapping_mul(sizes[dim].cast_signed());
    }
    strides
}

/// The dimensions asked for, with a -1 found out.
fn target(from: &[u64], to: &[i64]) -> Result<Vec<u64>, Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let n: u64 = from.iter().product();
    let (mut product, mut unknown, mut sizes) = (1u64, None, Vec::new());
    for (dim, size) in to.iter().enumerate() {
        match (size, unknown) {
            (-1, Some(other)) => {
                return error(format!(
                    "only one output dimension may be -1, not both {other} and {dim}"
                ));
            }
            (-1, None) => {
                unknown = Some(dim);
                sizes.push(1);
            }
            _ => {
                let Ok(size) = u64::try_from(*size) else {
                    return error(format!("size {dim} must be non-negative, not {size}"));
                };
                product = match product.checked_mul(size).filter(|n| i64::try_from(*n).is_ok()) {
                    Some(product) => product,
                    None => {
                        return error(format!(
                            "Encountered overflow when multiplying {product} with {size}, result: -1"
                        ));
                    }
                };
                sizes.push(size);
            }
        }
    }
    let shapes = |sizes: &[u64]| {
        format!("input_shape=[{}] output_shape=[{}]", joined(from, ","), joined(sizes, ","))
    };
    if let Some(dim) = unknown {
        if product == 0 {
            return error(
                "reshape cannot infer the missing input size for an empty tensor unless all specified input \
                 sizes are non-zero"
                    .into(),
            );
        }
        if !n.is_multiple_of(product) {
            return error(format!(
                "Input to reshape is a SparseTensor with {n} dense values, but the requested shape requires a \
                 multiple of {product}. {}",
                shapes(&sizes)
            ));
        }
        sizes[dim] = n / product;
        product = n;
    }
    if product != n {
        return error(format!(
            "Input to reshape is a tensor with {n} dense values, but the requested shape has {product}. {}",
            shapes(&sizes)
        ));
    }
    Ok(sizes)
}

/// Sorts the entries of a sparse tensor by index.
///
/// Shapes: `input_indices [n, r]`, `input_values [n]`, `input_shape [r]` → the same indices and values.  Types: `T`
/// any.
/// Errors: `INVALID_ARGUMENT` for parts that do not fit each other.  Source: OpDef `SparseReorder`.
pub(super) fn sparse_reorder(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let parts = Parts::read(cx, 0)?;
        let order = sorted(parts.n(), |i| parts.index(i).to_vec());
        let picks: Vec<_> = order.iter().map(|i| (0, *i)).collect();
        let values = picked(parts.values.dtype(), &[parts.values], &picks)?;
        let indices = order.iter().flat_map(|i| parts.index(*i)).copied().collect();
        let indices = index_matrix(parts.rank(), indices, order.len())?;
        cx.set_output(0, indices)?;
        cx.set_output(1, values)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dimension_may_be_left_open() {
        assert_eq!(target(&[2, 3], &[-1]).unwrap(), [6]);
        assert_eq!(target(&[2, 3], &[3, -1]).unwrap(), [3, 2]);
        assert_eq!(target(&[0, 3], &[5, -1]).unwrap(), [5, 0]);
        assert_eq!(target(&[], &[]).unwrap(), []);
        for bad in [&[-1, -1][..], &[4], &[4, -1], &[0, -1], &[-2, 3]] {
            assert!(target(&[2, 3], bad).is_err(), "{bad:?}");
        }
    }
}
