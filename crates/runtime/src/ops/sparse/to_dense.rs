//! Sparse tensors with all of their elements.

use flowkeep_tensor::Tensor;

use super::parts::{is_inside, joined};
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, ints, kernel};
use crate::ops::cells::{Cell, Move, fill_from, fill_zeroed};

/// A dense tensor with values at some indices and a default elsewhere.
///
/// Shapes: `sparse_indices [n, r]`, or `[n]` or `[]` where there is one dimension, `output_shape [r]`,
/// `sparse_values [n]` or `[]` for the same everywhere, `default_value []` → `output_shape`.
/// Types: `T` any; indices i32 or i64.
/// Errors: `INVALID_ARGUMENT` for other shapes, indices out of bounds and, with `validate_indices`, indices that are
/// out of order or repeated; without that, the last of the same ones stays.  Source: OpDef `SparseToDense`.
pub(super) fn sparse_to_dense(init: &KernelInit<'_>) -> Built {
    let ordered = init.attr_bool("validate_indices")?;
    kernel(move |cx| {
        let error = |message: String| Err(Status::invalid_argument(message));
        let (indices, dims, values, default) =
            (cx.input(0)?, cx.input(1)?, cx.input(2)?, cx.input(3)?);
        let (n, rank) = match *indices.dims() {
            [] => (1, 1),
            [n] => (n, 1),
            [n, rank] => (n, rank),
            _ => {
                return error(format!(
                    "sparse_indices should be a scalar, vector, or matrix, got shape {}",
                    indices.shape()
                ));
            }
        };
        if dims.shape().rank() != 1 {
            return error(format!("output_shape must be rank 1, got shape {}", dims.shape()));
        }
        if dims.n_elements() != rank {
            return error(format!(
                "output_shape has incorrect number of elements: {} should be: {rank}",
                dims.n_elements()
            ));
        }
        if !matches!(*values.dims(), []) && *values.dims() != [n] {
            return error(format!(
                "sparse_values has incorrect shape {}, should be [] or [{n}]",
                values.shape()
            ));
        }
        if !default.shape().is_scalar() {
            return error("default_value should be a scalar.".into());
        }
        // Indices of no dimension take no memory, however many they are.
        let n = if rank == 0 { n.min(2) } else { n };
        let dims = ints(dims)?;
        let shape = args::shape(&dims)?;
        let indices = ints(indices)?;
        let index = |i: usize| &indices[i * rank..][..rank];
        let mut places = Vec::with_capacity(n);
        for i in 0..n {
            let at = index(i);
            if !is_inside(at, &dims) {
                return error(match ordered {
                    true => format!(
                        "indices[{i}] = [{}] is out of bounds: need 0 <= index < {shape}",
                        joined(at, ",")
                    ),
                    false => format!("Indices are not valid (out of bounds).  Shape: {shape}"),
                });
            }
            match i.checked_sub(1).map(|before| index(before).cmp(at)) {
                Some(std::cmp::Ordering::Equal) if ordered => {
                    return error(format!("indices[{i}] = [{}] is repeated", joined(at, ",")));
                }
                Some(std::cmp::Ordering::Greater) if ordered => {
                    return error(format!(
                        "indices[{i}] = [{}] is out of order. Many sparse ops require sorted indices.\n    Use \
                         `tf.sparse.reorder` to create a correctly ordered copy.\n\n",
                        joined(at, ",")
                    ));
                }
                _ => {}
            }
            let place = at.iter().zip(&dims).fold(0, |place, (at, dim)| place * dim + at);
            places.push(usize::try_from(place).unwrap_or_default());
        }
        let job = Scatter { places, is_one: values.shape().is_scalar() };
        let output: Tensor = fill_from(values.dtype(), &[values, default], shape, job)?;
        cx.set_output(0, output)
    })
}

/// Puts values to their places, and the default elsewhere.
struct Scatter {
    places: Vec<usize>,
    /// Whether there is one value for all.
    is_one: bool,
}

impl Move for Scatter {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let [values, [default]] = from else { return Ok(()) };
        fill_zeroed(to, default);
        for (i, place) in self.places.iter().enumerate() {
            to[*place].clone_from(&values[if self.is_one { 0 } else { i }]);
        }
        Ok(())
    }
}
