//! From a ragged tensor to a sparse one.

use flowkeep_tensor::Tensor;

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, ints, kernel, product};

/// The entries of a ragged tensor as those of a sparse one.
///
/// Shapes: `RAGGED_RANK` times row splits, values `[n, r..]` → indices, values and dimensions, those of the longest
/// rows.
/// Types: `T` any; row splits i32 or i64.
/// Errors: `INVALID_ARGUMENT` for row splits that are empty, do not start at 0, decrease, or do not end with what they
/// split.  Source: OpDef `RaggedTensorToSparse`.
pub(super) fn ragged_tensor_to_sparse(init: &KernelInit<'_>) -> Built {
    let rank = init.n_inputs() - 1;
    kernel(move |cx| {
        let error = |message: &str| Err(Status::invalid_argument(message));
        let values = cx.input(rank)?;
        let splits: Vec<Vec<i64>> =
            (0..rank).map(|idx| ints(cx.input(idx)?)).collect::<Result<_, Status>>()?;
        for splits in &splits {
            match splits[..] {
                [] => return error("ragged splits may not be empty."),
                [0, ..] => {}
                _ => return error("First value of ragged splits must be 0."),
            }
            if let Some(pair) = splits.windows(2).find(|pair| pair[1] < pair[0]) {
                return Err(Status::invalid_argument(format!(
                    "Ragged splits should be non decreasing, but we got {} followed by {}",
                    pair[0], pair[1]
                )));
            }
        }
        let n_values = values.dims().first().copied().unwrap_or(0);
        let lengths = splits.iter().skip(1).map(|splits| splits.len() - 1).chain([n_values]);
        for (splits, length) in splits.iter().zip(lengths) {
            if splits.last().is_some_and(|last| usize::try_from(*last) != Ok(length))
                || values.shape().rank() == 0
            {
                return error(
                    "Final value of ragged splits must match the length the corresponding ragged values.",
                );
            }
        }
        // The place of each row of one level, then of the next.
        let mut places: Vec<Vec<i64>> =
            (0..splits[0].len() as i64 - 1).map(|row| vec![row]).collect();
        let mut dims = vec![splits[0].len() as i64 - 1];
        for splits in &splits {
            let mut inner = Vec::new();
            for (place, pair) in places.iter().zip(splits.windows(2)) {
                inner.extend((0..pair[1] - pair[0]).map(|at| [&place[..], &[at]].concat()));
            }
            dims.push(splits.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0));
            places = inner;
        }
        let row_dims = &values.dims()[1..];
        dims.extend(row_dims.iter().map(|dim| *dim as i64));
        let n = values.n_elements();
        let mut indices = Vec::with_capacity(n.saturating_mul(dims.len()).min(1 << 24));
        for place in places.iter().filter(|_| n > 0) {
            for at in 0..product(row_dims) {
                indices.extend_from_slice(place);
                let start = indices.len();
                let mut rest = at;
                for dim in row_dims.iter().rev() {
                    indices.insert(start, (rest % dim) as i64);
                    rest /= dim;
                }
            }
        }
        let indices = Tensor::from_vec([n, dims.len()], indices)?;
        let values = values.reshape([n])?;
        cx.set_output(0, indices)?;
        cx.set_output(1, values)?;
        cx.set_output(2, Tensor::from_elements(dims))
    })
}
