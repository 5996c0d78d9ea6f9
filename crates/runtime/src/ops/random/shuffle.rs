//! Rows in a random order.

use flowkeep_tensor::{DType, Tensor};

use super::philox::Philox;
use super::stateful::Generator;
use super::stateless::Source;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::Built;

/// Brings the rows of a tensor into a random order.
///
/// Shapes: `[A, R..]` → the same; a scalar stays as it is.  Types: any with elements of their own.
/// Errors: `UNIMPLEMENTED` for resources and variants.
/// Source: OpDef `RandomShuffle`: for `i` from 0, row `i` is swapped with one that is not before it.
struct RandomShuffle(Generator);

pub(super) fn random_shuffle(init: &KernelInit<'_>) -> Built {
    Ok(Box::new(RandomShuffle(Generator::new(init)?)))
}

impl OpKernel for RandomShuffle {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let value = cx.take_input(0)?;
        // A run takes a block for every four swaps, no more.
        let shuffled = shuffle(value, |n| self.0.reserve((n as u64 - 1).div_ceil(4)))?;
        cx.set_output(0, shuffled)
    }
}

/// Brings the rows of a tensor into an order that follows from a key and a counter.
///
/// Shapes: `value [A, R..]`, `key [1]`, `counter [2]`, `alg []` → as `value`.  Types, source: as
/// `RandomShuffle`.  Errors: also `INVALID_ARGUMENT` for other shapes and another algorithm.
struct StatelessShuffle;

pub(super) fn stateless_shuffle(_: &KernelInit<'_>) -> Built {
    Ok(Box::new(StatelessShuffle))
}

impl OpKernel for StatelessShuffle {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (stream, _) = Source::KeyAndCounter.stream(cx)?;
        let value = cx.take_input(0)?;
        let shuffled = shuffle(value, |_| stream)?;
        cx.set_output(0, shuffled)
    }
}

/// The rows of `value` in the order of the stream that there is for their number.
fn shuffle(value: Tensor, stream: impl FnOnce(usize) -> Philox) -> Result<Tensor, Status> {
    let n_rows = value.dims().first().copied().unwrap_or(0);
    if n_rows <= 1 || value.n_elements() <= 1 {
        return Ok(value);
    }
    let order = permutation(stream(n_rows), n_rows);
    let row_len = value.n_elements() / n_rows;
    if value.dtype() == DType::String {
        let strings = value.as_strings()?;
        let rows = order.iter().flat_map(|at| &strings[at * row_len..][..row_len]);
        return Ok(Tensor::from_strings(value.shape(), rows.cloned().collect())?);
    }
    let bytes = value.as_bytes()?;
    let len = bytes.len() / n_rows;
    let fill = |out: &mut [u8]| -> Result<(), flowkeep_tensor::Error> {
        for (out, at) in out.chunks_mut(len.max(1)).zip(&order) {
            out.copy_from_slice(&bytes[at * len..][..len]);
        }
        Ok(())
    };
    Ok(Tensor::from_fill(value.dtype(), value.shape(), fill)?)
}

/// A random order of `n` rows, at least 1.
fn permutation(stream: Philox, n: usize) -> Vec<usize> {
    let mut words = stream.words();
    let mut order: Vec<usize> = (0..n).collect();
    for i in 0..n - 1 {
        // The number of rows left as 32 bits, which is what the reference divides by.
        let left = ((n - i) as u32).max(1);
        order.swap(i, i + (words() % left) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of TensorFlow 2.21.
    #[test]
    fn shuffles_are_those_of_the_reference() {
        assert_eq!(permutation(Philox::new(1, 0, 2), 5), [4, 0, 2, 1, 3]);
        assert_eq!(permutation(Philox::new(1, 1, 2), 5), [1, 3, 0, 4, 2]);
        assert_eq!(permutation(Philox::new(1, 2, 2), 5), [3, 4, 1, 2, 0]);
    }

    #[test]
    fn a_shuffle_keeps_every_row() {
        let mut order = permutation(Philox::new(1, 0, 2), 1000);
        assert_ne!(order, permutation(Philox::new(1, 250, 2), 1000));
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..1000));
    }
}
